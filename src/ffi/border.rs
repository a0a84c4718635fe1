//! What is read through a caller's pointers, and written through them.
//!
//! Everything else in this folder deals with references. A pointer that is null or not aligned is an error; that one which is neither points to
//! what it should is what a caller of C promises.

use std::ffi::{CStr, c_char};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::error::Result;

/// Refuses a pointer that is null or not aligned.
pub fn check<T>(pointer: *const T, what: &str) -> Result<()> {
    if pointer.is_null() {
        crate::bail!(InvalidArgument, "{what} is null");
    }
    if !pointer.is_aligned() {
        crate::bail!(InvalidArgument, "{what} is not aligned");
    }
    Ok(())
}

/// SAFETY: `pointer` is null, or points to a `T` that nobody writes to during the call.
pub unsafe fn read<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    check(pointer, what)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// SAFETY: `pointer` is null, or points to room for a `T` that nobody else uses during the call.
pub unsafe fn write<T>(pointer: *mut T, what: &str, value: T) -> Result<()> {
    check(pointer, what)?;
    // SAFETY: not null and aligned; what was there is plain data or a handle of the caller's, so nothing is dropped.
    unsafe { pointer.write(value) };
    Ok(())
}

/// The same where null means that nobody wants it.
///
/// SAFETY: as [`write`].
pub unsafe fn write_if<T>(pointer: *mut T, what: &str, value: T) -> Result<()> {
    match pointer.is_null() {
        true => Ok(()),
        // SAFETY: as this function's.
        false => unsafe { write(pointer, what, value) },
    }
}

/// SAFETY: `pointer` is null, or ends with a zero and does not change during the call.
pub unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    check(pointer, what)?;
    // SAFETY: not null; the caller promises the zero.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|e| crate::err!(InvalidArgument, "{what} is no UTF-8: {e}"))
}

/// Whether `count` values may be there.
fn check_many<T>(pointer: *const T, count: usize, what: &str) -> Result<()> {
    check(pointer, what)?;
    match count > isize::MAX as usize / size_of::<T>().max(1) {
        true => Err(crate::err!(InvalidArgument, "{count} values of {what} are more than there can be")),
        false => Ok(()),
    }
}

/// `count` values; null is fine for none.
///
/// SAFETY: `pointer` is null, or points to `count` values that nobody writes to during the call.
pub unsafe fn slice<'a, T>(pointer: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    check_many(pointer, count, what)?;
    // SAFETY: not null, aligned, and no larger than an allocation can be; that they are there is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Room for `count` values; null is fine for none.
///
/// SAFETY: `pointer` is null, or points to `count` values that nobody else uses during the call.
pub unsafe fn slice_mut<'a, T>(pointer: *mut T, count: usize, what: &str) -> Result<&'a mut [T]> {
    if count == 0 {
        return Ok(&mut []);
    }
    check_many(pointer, count, what)?;
    // SAFETY: as in `slice`.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

/// `count` strings.
///
/// SAFETY: as [`slice`] and, for each, [`text`].
pub unsafe fn texts<'a>(pointer: *const *const c_char, count: usize, what: &str) -> Result<Vec<&'a str>> {
    // SAFETY: as this function's.
    let pointers = unsafe { slice(pointer, count, what)? };
    // SAFETY: as this function's.
    pointers.iter().map(|&one| unsafe { text(one, what) }).collect()
}

/// A struct that begins with its size as the caller knows it: its fields over those of `known`, which is what newer fields are.
///
/// SAFETY: `pointer` is null, or points to as many bytes as its first field, a `usize`, says. Every bit pattern is a `T`.
pub unsafe fn sized<T>(pointer: *const T, mut known: T, smallest: usize, what: &str) -> Result<T> {
    check(pointer, what)?;
    // SAFETY: not null and aligned, and its first field is there, says the caller.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < smallest {
        crate::bail!(
            InvalidArgument,
            "{what} says that it has {size} bytes and needs {smallest}; set struct_size to its sizeof"
        );
    }
    let bytes = pointer.cast::<u8>();
    // SAFETY: they are there, says the caller.
    let beyond = (size_of::<T>()..size).any(|i| unsafe { bytes.add(i).read() } != 0);
    if beyond {
        crate::bail!(Unsupported, "{what} sets fields that this version of the library does not know");
    }
    // SAFETY: both are at least so long, do not overlap, and every bit pattern is a `T`.
    unsafe { bytes.copy_to_nonoverlapping((&raw mut known).cast(), size.min(size_of::<T>())) };
    Ok(known)
}

/// Writes `value` into a struct of which the caller knows the first `size` bytes.
///
/// SAFETY: `pointer` is null, or points to `size` bytes of a `T` that nobody else uses during the call.
pub unsafe fn write_sized<T>(
    pointer: *mut T,
    size: usize,
    smallest: usize,
    what: &str,
    value: &T,
) -> Result<()> {
    check(pointer, what)?;
    if size < smallest {
        crate::bail!(
            InvalidArgument,
            "room for {size} bytes of {what}, which has {smallest}; give its sizeof"
        );
    }
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: both are at least so long, and do not overlap.
    unsafe { from.copy_to_nonoverlapping(pointer.cast(), size.min(size_of::<T>())) };
    Ok(())
}

/// The handle of the caller to be destroyed; the caller's is null afterwards.
///
/// SAFETY: `handle` is null, or points to null or to a handle that this library made and that was not destroyed.
pub unsafe fn take<T>(handle: *mut *mut T) -> Option<Box<T>> {
    if handle.is_null() || !handle.is_aligned() {
        return None;
    }
    // SAFETY: not null and aligned; the caller's.
    let own = unsafe { handle.replace(std::ptr::null_mut()) };
    // SAFETY: made by `give`, and not destroyed, or the caller's would be null.
    (!own.is_null()).then(|| unsafe { Box::from_raw(own) })
}

/// Gives a handle to the caller.
///
/// SAFETY: as [`write`].
pub unsafe fn give<T>(out: *mut *mut T, what: &str, value: T) -> Result<()> {
    check(out, what)?;
    // SAFETY: as this function's.
    unsafe { write(out, what, Box::into_raw(Box::new(value))) }
}

/// What only one thread may use at a time.
pub fn alone<'a, T>(handle: &'a Mutex<T>, what: &str) -> Result<MutexGuard<'a, T>> {
    match handle.try_lock() {
        Ok(own) => Ok(own),
        Err(TryLockError::WouldBlock) => {
            Err(crate::err!(State, "another thread is using this {what}; one at a time"))
        }
        Err(TryLockError::Poisoned(_)) => Err(crate::err!(
            Bug,
            "this {what} panicked before; destroy it and build another from its stored state"
        )),
    }
}

/// Copies `text` as far as it fits, not cutting a character in two, with a zero at its end.
pub fn copy_text(text: &str, into: &mut [c_char]) {
    let Some(most) = into.len().checked_sub(1) else { return };
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    for (to, from) in into.iter_mut().zip(text.as_bytes()[..end].iter().chain(&[0])) {
        *to = from.cast_signed() as c_char;
    }
}

/// Copies `text` with its closing zero into a buffer of `capacity` bytes, and says how many it takes; a buffer of null only asks.
///
/// SAFETY: `buffer` is null or has room for `capacity` bytes; `needed` is null or as for [`write`].
pub unsafe fn give_text(text: &str, buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Result<()> {
    let size = text.len() + 1;
    // SAFETY: as this function's.
    unsafe { write_if(needed, "needed", size)? };
    if buffer.is_null() {
        return Ok(());
    }
    if capacity < size {
        crate::bail!(Budget, "the text takes {size} bytes, and the buffer has {capacity}");
    }
    // SAFETY: the caller's room, large enough; bytes need no alignment.
    copy_text(text, unsafe { std::slice::from_raw_parts_mut(buffer, size) });
    Ok(())
}
