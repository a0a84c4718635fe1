//! A flash that the caller drives.

use std::ffi::c_void;

use super::border;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::store::{Region, Slots};

/// A stretch of a medium that is erased in sectors, and the caller's functions for it, each of which gives 0 where it worked.
///
/// They are called during calls that are given the medium, on their thread, and never afterwards. A write may be lost, torn or
/// reordered with others until `sync` has come back. Erased bytes read as 0xff.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_medium {
    /// `sizeof(perennial_medium)`.
    pub struct_size: usize,
    /// First argument of all functions.
    pub context: *mut c_void,
    /// Bytes in all, whole sectors. A state takes half of them at most.
    pub size: u64,
    /// Bytes that are erased together.
    pub sector: u64,
    /// Bytes that are written together; 1 where any number can be.
    pub word: u64,
    /// Reads `length` bytes at `at`.
    pub read:
        Option<unsafe extern "C" fn(context: *mut c_void, at: u64, bytes: *mut u8, length: usize) -> i32>,
    /// Writes `length` bytes, whole words, at `at`, into erased sectors.
    pub write:
        Option<unsafe extern "C" fn(context: *mut c_void, at: u64, bytes: *const u8, length: usize) -> i32>,
    /// Erases the sectors from `from` up to `to`.
    pub erase: Option<unsafe extern "C" fn(context: *mut c_void, from: u64, to: u64) -> i32>,
    /// Comes back when all that was written would survive a power cut; null where writes do.
    pub sync: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
}

impl perennial_medium {
    /// The caller's.
    ///
    /// SAFETY: as [`border::sized`]; its functions may be called with its context until the call ends.
    pub unsafe fn open(medium: *const Self) -> Result<Flash> {
        let none = Self {
            struct_size: 0,
            context: std::ptr::null_mut(),
            size: 0,
            sector: 0,
            word: 1,
            read: None,
            write: None,
            erase: None,
            sync: None,
        };
        // SAFETY: as this function's; every bit pattern is one, a function that is not there being null.
        let medium = unsafe { border::sized(medium, none, size_of::<Self>(), "medium")? };
        let fits = |size: u64, part: u64| part > 0 && size.is_multiple_of(part);
        if !(fits(medium.size, medium.sector) && fits(medium.sector, medium.word)) {
            crate::bail!(
                InvalidArgument,
                "a medium of {} bytes in sectors of {} and words of {}; each must be a multiple of the next",
                medium.size,
                medium.sector,
                medium.word
            );
        }
        if medium.read.is_none() || medium.write.is_none() || medium.erase.is_none() {
            crate::bail!(InvalidArgument, "a medium needs read, write and erase");
        }
        Ok(Flash(medium))
    }
}

/// A medium whose functions are there.
pub struct Flash(perennial_medium);

fn done(what: &str, at: u64, code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(crate::err!(Io, "the medium failed to {what} at {at}: its function gave {code}")),
    }
}

impl Region for Flash {
    fn size(&self) -> u64 {
        self.0.size
    }

    fn sector(&self) -> u64 {
        self.0.sector
    }

    fn word(&self) -> u64 {
        self.0.word
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let Some(read) = self.0.read else { return Ok(()) };
        // SAFETY: the caller's function, its context, and room for so many bytes.
        done("read", at, unsafe { read(self.0.context, at, into.as_mut_ptr(), into.len()) })
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        let Some(erase) = self.0.erase else { return Ok(()) };
        // SAFETY: the caller's function and its context.
        done("erase", from, unsafe { erase(self.0.context, from, to) })
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let Some(write) = self.0.write else { return Ok(()) };
        // SAFETY: the caller's function, its context, and so many bytes.
        done("write", at, unsafe { write(self.0.context, at, bytes.as_ptr(), bytes.len()) })
    }

    fn sync(&mut self) -> Result<()> {
        let Some(sync) = self.0.sync else { return Ok(()) };
        // SAFETY: the caller's function and its context.
        done("sync", 0, unsafe { sync(self.0.context) })
    }
}

/// Erases a medium for its first state, whatever it holds.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_medium_format(
    medium: *const perennial_medium,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe { call(error, || Slots::format(perennial_medium::open(medium)?, None).map(drop)) }
}
