//! The one error type: what went wrong ([`ErrorKind`]), where, and the next move.
//!
//! Floor 0. The kinds carry fixed numbers because the C ABI will return them.

#[cfg(feature = "std")]
mod io;

use alloc::boxed::Box;
#[doc(hidden)]
pub use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What went wrong, in classes a caller can act on. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum ErrorKind {
    /// Bytes that are not what they claim to be (truncated, malformed, hostile).
    Parse = 1,
    /// Valid input that this build cannot handle: an operator, a dtype, an opset.
    Unsupported = 2,
    /// Shapes or dtypes that do not fit together.
    Shape = 3,
    /// An argument out of range or contradicting another.
    InvalidArgument = 4,
    /// A file, class, task, site or value that does not exist.
    NotFound = 5,
    /// The plan does not fit the promised memory; the text names the size that would.
    Budget = 6,
    /// NaN, infinity, or a factorization that failed.
    Numeric = 7,
    /// A call in the wrong phase, such as `observe` before `begin_task`.
    State = 8,
    /// A checksum or length that does not match: stored bytes were damaged.
    Corrupt = 9,
    /// State that belongs to another backbone, configuration or format version.
    Mismatch = 10,
    /// The medium failed.
    Io = 11,
    /// The inference engine refused or failed.
    Engine = 12,
    /// A broken invariant of this library. Please report it.
    Bug = 13,
    /// A check that protects what is known said no; the text says which, and how to go on all the same.
    Refused = 14,
    /// The caller ended it before it was done; everything is as it was before the call.
    Interrupted = 15,
}

/// Result of every fallible call.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// An error that names the parts of something stored that do not fit each other, unless they do.
pub(crate) fn fitting(fits: bool, what: &str) -> Result<()> {
    match fits {
        true => Ok(()),
        false => Err(crate::err!(Corrupt, "{what} do not fit each other; restore another copy of the state")),
    }
}

/// An error with its [`ErrorKind`], a message that says the next move, and the places it passed through.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    at: Vec<String>,
    source: Option<Box<dyn core::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. The message states the fact and, where there is one, the next move.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: Vec::new(), source: None }
    }

    /// Adds where it happened (a node, a file, a byte offset), innermost first.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.at.push(place.into());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in self.at.iter().rev() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// `Result` methods that add a place to an error on its way out.
pub trait Context<T> {
    /// Adds `place()` to an error; costs nothing on success.
    fn at(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| e.into().at(place()))
    }
}

/// Builds an [`Error`]: `err!(Shape, "rank {} where 2 is needed", rank)`.
#[macro_export]
#[doc(hidden)]
macro_rules! err {
    ($kind:ident, $($arg:tt)*) => {
        $crate::error::Error::new($crate::error::ErrorKind::$kind, $crate::error::format!($($arg)*))
    };
}

/// Returns an [`Error`] early: `bail!(Shape, "...")`.
#[macro_export]
#[doc(hidden)]
macro_rules! bail {
    ($($arg:tt)*) => { return Err($crate::err!($($arg)*)) };
}
