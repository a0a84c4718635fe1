//! State on a medium: small, exact, and either the old record or the new one whatever happens in between.
//!
//! ```text
//! offset
//! 0    "PRNL"            magic
//! 4    u16 le            format version
//! 6    u16 le  h         length of the header
//! 8    h bytes           Header, postcard
//! 8+h  p bytes           payload (p stands in the header)
//! ..   u32 le            CRC-32 (IEEE) of everything before it
//! ```
//!
//! Magic, version and the checksum at the end of the file stay in every later format; the rest may change.
//!
//! | file | holds |
//! |---|---|
//! | `record` | [`Header`], encoding and decoding of one record |
//! | `medium` | [`Medium`]: anything that implements embedded-io's Read, Write and Seek; reading a record off it |
//! | `file` | [`file::save`], [`file::load`]: atomic replacement in a file system |
//! | `region` | [`Region`]: a stretch that is erased in sectors, on NOR flash or on a [`Medium`] |
//! | `slots` | [`Slots`]: two places on a region, written in turn |
//! | `limited` | [`read_limited`]: a file of unknown origin |
//! | `place` | [`Place`]: a file or a partition, by name |
//! | `partition` | [`Partition`]: a raw partition, or a file that stands for one |
//!
//! [`save`] and [`load`] do the same for any serde value, in postcard.
//!
//! Invariants: the same state gives the same bytes; every single-byte change and every truncation is found
//! and reported as `Corrupt`; no length is believed before it was checked against what the medium holds.
//!
//! It does not know what the payload means, encrypt it, or sign it: CRC-32 finds accidents, not attackers. A record
//! from an untrusted source needs a signature.

pub mod file;
mod limited;
mod medium;
mod partition;
mod place;
pub mod record;
mod region;
mod slots;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use limited::read_limited;
pub use medium::Medium;
pub use partition::Partition;
pub use place::Place;
pub use record::Header;
pub use region::{BLANK, Blocks, Nor, Region};
pub use slots::{Slot, Slots};

use crate::err;
use crate::error::{Context, Result};

/// Saves `value` at `path` as the state of `backbone`, replacing what stood there. Returns the header written.
///
/// `counter` orders records and belongs to the state (the number of commits, say), so that the same state gives the
/// same bytes however often it was saved on the way. When this fails, the record that was there is still there.
///
/// # Errors
/// `Io` if the folder cannot be written, `InvalidArgument` if `value` cannot be serialised.
pub fn save<T: Serialize>(path: &Path, backbone: [u8; 32], counter: u64, value: &T) -> Result<Header> {
    let payload = encoded(value)?;
    let header = Header::new(counter, backbone, &payload);
    file::save(path, &header, &payload)?;
    Ok(header)
}

/// Loads header and value that [`save`] wrote at `path` for this `backbone`.
///
/// # Errors
/// `NotFound` without a file, `Corrupt` for a damaged one, `Mismatch` for one of another backbone, a newer format, or
/// another type of state.
pub fn load<T: DeserializeOwned>(path: &Path, backbone: [u8; 32]) -> Result<(Header, T)> {
    decoded(file::load(path, Some(backbone))?).at(|| path.display().to_string())
}

/// As [`load`], for whichever backbone the record was written: to show what a file holds.
///
/// # Errors
/// As [`load`], but never for the backbone.
pub fn inspect<T: DeserializeOwned>(path: &Path) -> Result<(Header, T)> {
    decoded(file::load(path, None)?).at(|| path.display().to_string())
}

/// `value` as the payload of a record.
///
/// # Errors
/// `InvalidArgument` if `value` cannot be serialised.
pub fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value)
        .map_err(|e| err!(InvalidArgument, "state that postcard cannot express").caused_by(e))
}

/// The value of a record that was read, as [`Slots::load`] gives it.
///
/// # Errors
/// `Mismatch` for another type of state.
pub fn decoded<T: DeserializeOwned>((header, payload): (Header, Vec<u8>)) -> Result<(Header, T)> {
    match postcard::take_from_bytes(&payload) {
        Ok((value, [])) => Ok((header, value)),
        Ok((_, rest)) => Err(err!(Mismatch, "intact, but {} bytes are of {OTHER}", rest.len())),
        Err(e) => Err(err!(Mismatch, "intact, but of {OTHER}").caused_by(e)),
    }
}

const OTHER: &str = "another kind of state; load it with the program version that wrote it";
