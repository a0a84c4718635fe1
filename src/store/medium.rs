//! Reading a record off anything that reads and seeks: a file, half a partition, a flash region.
//!
//! No length is believed before it was checked against what the medium holds.

use alloc::vec;
use alloc::vec::Vec;

use embedded_io::{Read, ReadExactError, Seek, SeekFrom, Write};

use super::record::{self, CHECKSUM, Header, PREFIX, VERSION};
use super::seal::Seal;
use crate::error::{Error, Result};
use crate::{bail, err};

/// What can hold a record: embedded-io's three traits.
pub trait Medium: Read + Write + Seek {}

impl<M: Read + Write + Seek> Medium for M {}

/// Reads the record at the start of `medium`, which may be longer than the record, and opens it with `seal`.
///
/// # Errors
/// As [`record::decode`] and [`Seal::open`], and `Io` with what the medium said.
pub(super) fn read<M: Read + Seek>(
    medium: &mut M,
    backbone: Option<[u8; 32]>,
    seal: Option<&dyn Seal>,
) -> Result<(Header, Vec<u8>)> {
    let size = medium.seek(SeekFrom::End(0)).map_err(|e| failed(&e))?;
    medium.rewind().map_err(|e| failed(&e))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size < PREFIX + CHECKSUM {
        bail!(Corrupt, "ends at byte {size} before a whole record; {}", record::RESTORE);
    }
    let mut bytes = vec![0; PREFIX];
    fill(medium, &mut bytes, 0)?;
    let prefix =
        record::read_prefix(bytes.first_chunk().ok_or_else(|| err!(Bug, "a prefix of {PREFIX} bytes"))?)?;
    let rest = if prefix.version <= VERSION {
        extend(medium, &mut bytes, prefix.head_len, size)?;
        let header = record::read_header(prefix, bytes.get(PREFIX..).unwrap_or_default(), size)?;
        usize::try_from(prefix.after_header(&header)).unwrap_or(usize::MAX)
    } else {
        // Another layout, or damage: the checksum at the end tells.
        size - PREFIX
    };
    extend(medium, &mut bytes, rest, size)?;
    record::open(bytes, backbone, seal)
}

/// Appends `n` bytes of the medium, of whose `size` bytes they must be part.
fn extend<M: Read>(medium: &mut M, bytes: &mut Vec<u8>, n: usize, size: usize) -> Result<()> {
    let start = bytes.len();
    let end = start.saturating_add(n);
    if end > size {
        bail!(Corrupt, "ends at byte {size} where {end} are announced; {}", record::RESTORE);
    }
    bytes.resize(end, 0);
    fill(medium, bytes.get_mut(start..).unwrap_or_default(), start)
}

fn fill<M: Read>(medium: &mut M, into: &mut [u8], offset: usize) -> Result<()> {
    medium.read_exact(into).map_err(|e| match e {
        ReadExactError::UnexpectedEof => {
            err!(Corrupt, "ends between bytes {offset} and {}; {}", offset + into.len(), record::RESTORE)
        }
        ReadExactError::Other(e) => failed(&e),
    })
}

/// What the medium said.
pub(super) fn failed(e: &impl embedded_io::Error) -> Error {
    err!(Io, "the medium failed ({:?}); check that it is present, writable and not full", e.kind())
}
