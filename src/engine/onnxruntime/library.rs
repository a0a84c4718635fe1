//! Finding the shared library before `ort` does: an error inside `ort`'s own loading asks for the library to make its
//! message, and waits for itself forever (2.0.0-rc.12).

use std::error::Error as _;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use libloading::Library;
use ort::sys::OrtApiBase;

#[cfg(target_os = "windows")]
const NAME: &str = "onnxruntime.dll";
#[cfg(target_vendor = "apple")]
const NAME: &str = "libonnxruntime.dylib";
#[cfg(not(any(target_os = "windows", target_vendor = "apple")))]
const NAME: &str = "libonnxruntime.so";

/// `ORT_DYLIB_PATH`, or the name that the system's loader knows.
pub fn path() -> PathBuf {
    let named = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty());
    named.map_or_else(|| NAME.into(), PathBuf::from)
}

/// Whether `ort` will load the library at `path`; otherwise why not.
pub fn probe(path: &Path) -> Result<(), String> {
    let version = version(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let minor = version.split('.').nth(1).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    match minor >= ort::MINOR_VERSION {
        true => Ok(()),
        false => Err(format!("{} is version {version}", path.display())),
    }
}

/// What the library at `path` calls itself.
#[allow(unsafe_code)]
pub fn version(path: &Path) -> Result<String, String> {
    // SAFETY: loading runs the library's initializers. It is the library that the user named or the system holds under
    // ONNX Runtime's name, and `ort` would load the same.
    let library = unsafe { Library::new(path) }.map_err(|e| match e.source() {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    })?;
    type GetApiBase = unsafe extern "C" fn() -> *const OrtApiBase;
    // SAFETY: every version of ONNX Runtime exports the function with this type (onnxruntime_c_api.h).
    let base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase\0") };
    let base = base.map_err(|_| "not ONNX Runtime: it has no OrtGetApiBase".to_string())?;
    // SAFETY: the function takes nothing and returns a table that lives as long as the library, or null.
    let base = unsafe { base().as_ref() }.ok_or("its OrtGetApiBase gives nothing")?;
    // SAFETY: the entry is set in every version and returns a static string that ends in zero.
    let text = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Ok(text.to_string_lossy().into_owned())
}
