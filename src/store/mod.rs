//! State on a medium: small, exact, and either the old record or the new one whatever happens in between.
//!
//! ```text
//! offset
//! 0    "PRNL"            magic
//! 4    u16 le            format version; its highest bit says that the payload is sealed
//! 6    u16 le  h         length of the header
//! 8    h bytes           Header, postcard
//! 8+h  p bytes           payload (p stands in the header), or its ciphertext
//! ..   48 bytes          only where it is sealed: the seal's trailer
//! ..   u32 le            CRC-32 (IEEE) of everything before it
//! ```
//!
//! Magic, version and the checksum at the end of the file stay in every later format; the rest may change.
//!
//! | file | holds |
//! |---|---|
//! | `record` | [`Header`], encoding and decoding of one record |
//! | `migrate` | states of older formats |
//! | `seal`, `key` | [`Seal`]: what makes a payload unreadable and unforgeable; `StateKey` does it with a key (feature `sealed`) |
//! | `medium` | [`Medium`]: anything that implements embedded-io's Read, Write and Seek; reading a record off it |
//! | `path` | [`save`], [`load`]: a value as a file |
//! | `file` | [`file::save`], [`file::load`]: atomic replacement in a file system |
//! | `region` | [`Region`]: a stretch that is erased in sectors, on NOR flash or on a [`Medium`] |
//! | `slots` | [`Slots`]: two places on a region, written in turn |
//! | `limited` | [`read_limited`]: a file of unknown origin |
//! | `secret` | files of secret keys |
//! | `place` | [`Place`]: a file or a partition, by name, and its seal |
//! | `partition` | [`Partition`]: a raw partition, or a file that stands for one |
//!
//! [`save`] and [`load`] do the same for any serde value, in postcard; [`Place`] does it sealed, too.
//!
//! Invariants: the same state gives the same bytes; every single-byte change and every truncation is found
//! and reported as `Corrupt`; no length is believed before it was checked against what the medium holds.
//!
//! Without a seal it does not find attackers: CRC-32 finds accidents. With one, what was altered, put together or made by somebody
//! without the key is an error; that an older record was put back is not.

#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "sealed")]
mod key;
#[cfg(feature = "std")]
mod limited;
mod medium;
mod migrate;
#[cfg(feature = "std")]
mod partition;
#[cfg(feature = "std")]
mod path;
#[cfg(feature = "std")]
mod place;
pub mod record;
mod region;
mod seal;
#[cfg(any(feature = "bundle", feature = "sealed"))]
mod secret;
mod slots;

use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "sealed")]
pub use key::{Handover, StateKey};
#[cfg(feature = "std")]
pub use limited::read_limited;
pub use medium::Medium;
#[cfg(feature = "std")]
pub use partition::Partition;
#[cfg(feature = "std")]
pub use path::{inspect, load, save};
#[cfg(feature = "std")]
pub use place::Place;
pub use record::Header;
pub use region::{BLANK, Blocks, Nor, Region};
pub use seal::{Seal, TRAILER};
#[cfg(feature = "bundle")]
pub(crate) use secret::{random_secret, read_secret, write_secret};
pub use slots::{Slot, Slots};

use crate::err;
use crate::error::Result;

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
/// `Mismatch` for another type of state, or an older one that this build cannot bring up to date.
pub fn decoded<T: DeserializeOwned>((header, payload): (Header, Vec<u8>)) -> Result<(Header, T)> {
    let payload = migrate::current(header.version, payload)?;
    match postcard::take_from_bytes(&payload) {
        Ok((value, [])) => Ok((header, value)),
        Ok((_, rest)) => Err(err!(Mismatch, "intact, but {} bytes are of {OTHER}", rest.len())),
        Err(e) => Err(err!(Mismatch, "intact, but of {OTHER}").caused_by(e)),
    }
}

const OTHER: &str = "another kind of state; load it with the program version that wrote it";
