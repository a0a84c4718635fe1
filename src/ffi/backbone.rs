//! Backbones.

use std::ffi::c_char;
use std::path::Path;

use super::border;
use super::status::{call, perennial_error, perennial_status};
use crate::backbone::Backbone;

/// A frozen network, as it was read.
pub struct perennial_backbone(pub(super) Backbone);

/// Reads an ONNX file. `height` and `width` are those of an image where the file leaves them open, otherwise 0.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_backbone_read(
    path: *const c_char,
    height: usize,
    width: usize,
    out: *mut *mut perennial_backbone,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let path = border::text(path, "path")?;
            let backbone = Backbone::read_sized(Path::new(path), size(height, width)?)?;
            border::give(out, "out", perennial_backbone(backbone))
        })
    }
}

/// The same from the bytes of a file, which are not needed any more afterwards.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_backbone_from_bytes(
    bytes: *const u8,
    length: usize,
    height: usize,
    width: usize,
    out: *mut *mut perennial_backbone,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let bytes = border::slice(bytes, length, "bytes")?;
            let backbone = Backbone::from_bytes_sized(bytes, size(height, width)?)?;
            border::give(out, "out", perennial_backbone(backbone))
        })
    }
}

/// SHA-256 of the file's bytes, 32 bytes: what a state is bound to.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_backbone_sha256(
    backbone: *const perennial_backbone,
    out: *mut u8,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || border::write(out.cast(), "out", border::read(backbone, "backbone")?.0.sha256()))
    }
}

/// Lets go of a backbone; a learner does not need it any more once it is built.
///
/// `backbone` is null or the address of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_backbone_destroy(backbone: *mut *mut perennial_backbone) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(backbone) });
}

fn size(height: usize, width: usize) -> crate::Result<Option<[usize; 2]>> {
    match [height, width] {
        [0, 0] => Ok(None),
        [0, _] | [_, 0] => {
            Err(crate::err!(InvalidArgument, "an image of {height}x{width} pixels; give both, or 0 and 0"))
        }
        both => Ok(Some(both)),
    }
}
