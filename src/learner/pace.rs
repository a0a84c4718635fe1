//! When learning may go on, asked before every pass through an engine.
//!
//! Learning is many short passes, and between two of them nothing is half done. Whoever has something more urgent to do than to
//! learn waits there, or ends the call: its error then leaves everything as it was, as every error does.

use crate::error::Result;

/// Lets learning go on, wait, or end.
pub trait Pace: Send + Sync {
    /// Called before every pass: micro-batches that run beside each other on threads are one. Comes back when learning may go on.
    ///
    /// # Errors
    /// Ends the call that learns, with this error; [`Interrupted`](crate::ErrorKind::Interrupted) is meant for it.
    fn turn(&self) -> Result<()>;
}

/// Never waits.
impl Pace for () {
    fn turn(&self) -> Result<()> {
        Ok(())
    }
}
