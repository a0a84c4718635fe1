//! The C ABI.
//!
//! Floor 10. The header, `targets/c/perennial.h`, is made from this folder (`tests/header.rs`); what its comments promise:
//!
//! * A call returns a [`perennial_status`], whose numbers are those of [`ErrorKind`](crate::ErrorKind) and never change. What went
//!   wrong is copied into the caller's [`perennial_error`], where one is given. Nothing is kept between calls, and there are no globals.
//! * On an error nothing has changed, and no result was written.
//! * A handle belongs to the caller until its `_destroy`, which takes the address of the handle and sets it to null; destroying null
//!   does nothing. A learner is used by one thread at a time, and says so ([`perennial_status`] `STATE`) instead of being undefined;
//!   a predictor by any number.
//! * Structs that may grow begin with their size, as the caller was compiled; newer fields then have their defaults.
//! * Strings are UTF-8. Results that are strings are copied into the caller's buffer; null asks for the size.
//! * No panic passes: it becomes `BUG`.
//!
//! | file | holds |
//! |---|---|
//! | `status` | numbers and texts of errors |
//! | `border` | what is read through pointers, and written: all that has to be trusted of a caller |
//! | `options` | how a learner is built |
//! | `backbone`, `state`, `learner`, `predictor`, `background` | the handles |
//! | `task`, `known` | what a learner does, and what it knows |
//! | `bundle` | tasks for other devices, and from them |
//! | `frame` | camera frames, and what turns them into images |
//! | `medium` | a flash that the caller drives |
//! | `log` | the caller's log |
#![allow(unsafe_code, non_camel_case_types, clippy::missing_safety_doc)]

mod backbone;
mod background;
mod border;
mod bundle;
mod frame;
mod known;
mod learner;
mod log;
mod medium;
mod options;
mod predictor;
mod state;
mod status;
mod task;

use std::ffi::c_char;

pub use status::{perennial_error, perennial_status};

/// Version of the library, such as "0.1.0"; a string that lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn perennial_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
