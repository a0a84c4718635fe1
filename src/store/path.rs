//! Any serde value as a file.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Header, Place};
use crate::error::Result;

/// Saves `value` at `path` as the state of `backbone`, replacing what stood there. Returns the header written.
///
/// `counter` orders records and belongs to the state (the number of commits, say), so that the same state gives the
/// same bytes however often it was saved on the way. When this fails, the record that was there is still there.
///
/// # Errors
/// `Io` if the folder cannot be written, `InvalidArgument` if `value` cannot be serialised.
pub fn save<T: Serialize>(path: &Path, backbone: [u8; 32], counter: u64, value: &T) -> Result<Header> {
    Place::file(path).save(backbone, counter, value)
}

/// Loads header and value that [`save`] wrote at `path` for this `backbone`.
///
/// # Errors
/// `NotFound` without a file, `Corrupt` for a damaged one, `Mismatch` for one of another backbone, a newer format, or
/// another type of state.
pub fn load<T: DeserializeOwned>(path: &Path, backbone: [u8; 32]) -> Result<(Header, T)> {
    Place::file(path).load(Some(backbone))
}

/// As [`load`], for whichever backbone the record was written: to show what a file holds.
///
/// # Errors
/// As [`load`], but never for the backbone.
pub fn inspect<T: DeserializeOwned>(path: &Path) -> Result<(Header, T)> {
    Place::file(path).load(None)
}
