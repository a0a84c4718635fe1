//! Numbers and texts of errors.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::border;
use crate::error::{Error, ErrorKind, Result};

/// What came of a call.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum perennial_status {
    /// It worked.
    OK = 0,
    /// Bytes that are not what they claim to be.
    PARSE = 1,
    /// Valid input that this build cannot handle.
    UNSUPPORTED = 2,
    /// Shapes or types that do not fit together.
    SHAPE = 3,
    /// An argument out of range, null where something is needed, or contradicting another.
    INVALID_ARGUMENT = 4,
    /// A file, class or task that does not exist.
    NOT_FOUND = 5,
    /// More than was promised, or than the caller's buffer holds.
    BUDGET = 6,
    /// NaN, infinity, or a factorization that failed.
    NUMERIC = 7,
    /// A call in the wrong phase, or while another thread uses the handle.
    STATE = 8,
    /// Stored bytes were damaged.
    CORRUPT = 9,
    /// State that belongs to another backbone, configuration or format.
    MISMATCH = 10,
    /// The medium failed.
    IO = 11,
    /// The inference engine refused or failed.
    ENGINE = 12,
    /// A broken invariant of the library. Please report it.
    BUG = 13,
    /// A check that protects what is known said no.
    REFUSED = 14,
    /// The caller ended it.
    INTERRUPTED = 15,
}

impl From<ErrorKind> for perennial_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Parse => Self::PARSE,
            ErrorKind::Unsupported => Self::UNSUPPORTED,
            ErrorKind::Shape => Self::SHAPE,
            ErrorKind::InvalidArgument => Self::INVALID_ARGUMENT,
            ErrorKind::NotFound => Self::NOT_FOUND,
            ErrorKind::Budget => Self::BUDGET,
            ErrorKind::Numeric => Self::NUMERIC,
            ErrorKind::State => Self::STATE,
            ErrorKind::Corrupt => Self::CORRUPT,
            ErrorKind::Mismatch => Self::MISMATCH,
            ErrorKind::Io => Self::IO,
            ErrorKind::Engine => Self::ENGINE,
            ErrorKind::Bug => Self::BUG,
            ErrorKind::Refused => Self::REFUSED,
            ErrorKind::Interrupted => Self::INTERRUPTED,
        }
    }
}

/// Bytes of a text of an error, its closing zero included.
pub const PERENNIAL_MESSAGE: usize = 1024;

/// Where an error is written to. Set `struct_size` before a call.
#[repr(C)]
pub struct perennial_error {
    /// `sizeof(perennial_error)`.
    pub struct_size: usize,
    /// As the call returned it.
    pub status: u32,
    /// What went wrong, where, and the next move; cut off where it is longer.
    pub message: [c_char; PERENNIAL_MESSAGE],
}

/// Makes one call of the ABI: an error or a panic becomes its status, and its text is written to `error`, where that is not null.
///
/// SAFETY: `error` is null, or points to a `perennial_error` whose size is set.
pub unsafe fn call(error: *mut perennial_error, run: impl FnOnce() -> Result<()>) -> perennial_status {
    let panicked = |payload: Box<dyn std::any::Any + Send>| {
        let said = payload.downcast_ref::<&str>().copied();
        let said = said
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no reason given");
        Err(crate::err!(Bug, "a panic: {said}; please report it"))
    };
    match catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked) {
        Ok(()) => perennial_status::OK,
        Err(e) => {
            // SAFETY: passed on from the caller.
            unsafe { write(error, &e) };
            e.kind().into()
        }
    }
}

/// Writes the status and text of `e`, where somebody wants them.
///
/// SAFETY: as [`call`].
pub unsafe fn write(error: *mut perennial_error, e: &Error) {
    if error.is_null() || !error.is_aligned() {
        return;
    }
    // SAFETY: not null and aligned; the caller made it, so its first field may be read.
    let size = unsafe { (*error).struct_size };
    if size < size_of::<perennial_error>() {
        return;
    }
    // SAFETY: it is as large as the struct, says the caller.
    let error = unsafe { &mut *error };
    error.status = perennial_status::from(e.kind()) as u32;
    border::copy_text(&e.to_string(), &mut error.message);
}
