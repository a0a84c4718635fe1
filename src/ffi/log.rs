//! What the library has to say beside errors, given to the caller's callback during the calls of a handle.
//!
//! A subscriber is set for the calling thread and the length of a call, so two handles have two logs, and none is global.

use std::ffi::{CString, c_char, c_void};
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Subscriber, with_default};
use tracing::{Event, Level, Metadata};

/// A line of the log: 1 an error, 2 a warning, 3 a note. `message` is gone when the callback comes back.
pub type perennial_log_fn =
    Option<unsafe extern "C" fn(context: *mut c_void, level: u32, message: *const c_char)>;

/// The caller's log.
#[derive(Clone, Copy)]
pub struct Log {
    callback: perennial_log_fn,
    context: *mut c_void,
}

// SAFETY: the header asks for a callback and a context that any thread may use.
unsafe impl Send for Log {}
// SAFETY: the same.
unsafe impl Sync for Log {}

impl Log {
    pub fn new(callback: perennial_log_fn, context: *mut c_void) -> Self {
        Self { callback, context }
    }

    /// Runs `call`; what it has to say goes to the callback.
    pub fn during<T>(self, call: impl FnOnce() -> T) -> T {
        match self.callback {
            Some(_) => with_default(self, call),
            None => call(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            _ => 3,
        };
        let mut text = Message(String::new());
        event.record(&mut text);
        text.0.retain(|c| c != '\0');
        if let (Some(callback), Ok(message)) = (self.callback, CString::new(text.0)) {
            // SAFETY: the caller's function, with the context that it asked for; the text lives until it is back.
            unsafe { callback(self.context, level, message.as_ptr()) };
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event as one line.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // A string takes everything.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}
