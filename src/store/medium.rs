//! A record on anything that reads, writes and seeks: a partition, a flash region, a buffer in memory.
//!
//! A medium holds one record at its start. Writing it is *not* atomic here: a caller with two regions alternates
//! between them and takes the higher counter ([`newest`]), a caller with a file system uses [`super::file`].

use embedded_io::{Read, ReadExactError, Seek, SeekFrom, Write};

use super::record::{self, CHECKSUM, Header, PREFIX, VERSION};
use crate::error::{Error, ErrorKind, Result};
use crate::{bail, err};

/// What can hold a record: embedded-io's three traits.
pub trait Medium: Read + Write + Seek {}

impl<M: Read + Write + Seek> Medium for M {}

/// Writes a record at the start of `medium` and flushes it.
///
/// # Errors
/// `Io` with what the medium said.
pub fn write<M: Write + Seek>(medium: &mut M, header: &Header, payload: &[u8]) -> Result<()> {
    let bytes = record::encode(header, payload)?;
    medium.rewind().map_err(|e| failed(&e))?;
    medium.write_all(&bytes).map_err(|e| failed(&e))?;
    medium.flush().map_err(|e| failed(&e))
}

/// Reads the record at the start of `medium`, which may be longer than the record.
///
/// # Errors
/// As [`record::decode`], and `Io` with what the medium said.
pub fn read<M: Read + Seek>(medium: &mut M, backbone: Option<[u8; 32]>) -> Result<(Header, Vec<u8>)> {
    let size = medium.seek(SeekFrom::End(0)).map_err(|e| failed(&e))?;
    medium.rewind().map_err(|e| failed(&e))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size < PREFIX + CHECKSUM {
        bail!(Corrupt, "ends at byte {size} before a whole record; {}", record::RESTORE);
    }
    let mut bytes = vec![0; PREFIX];
    fill(medium, &mut bytes, 0)?;
    let (version, head_len) =
        record::read_prefix(bytes.first_chunk().ok_or_else(|| err!(Bug, "a prefix of {PREFIX} bytes"))?)?;
    let rest = if version <= VERSION {
        extend(medium, &mut bytes, head_len, size)?;
        let header = record::read_header(bytes.get(PREFIX..).unwrap_or_default(), size)?;
        usize::try_from(header.payload_len).unwrap_or(usize::MAX).saturating_add(CHECKSUM)
    } else {
        // Another layout, or damage: the checksum at the end tells.
        size - PREFIX
    };
    extend(medium, &mut bytes, rest, size)?;
    let (header, payload) = record::decode(&bytes, backbone)?;
    let payload = payload.len();
    bytes.truncate(bytes.len() - CHECKSUM);
    Ok((header, bytes.split_off(bytes.len() - payload)))
}

/// The intact record with the higher counter of two, as an A/B pair of regions holds them.
///
/// # Errors
/// If neither is intact, the error of the first; `Mismatch` of either wins, since such state is not damaged.
pub fn newest(a: Result<(Header, Vec<u8>)>, b: Result<(Header, Vec<u8>)>) -> Result<(Header, Vec<u8>)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok(if b.0.counter > a.0.counter { b } else { a }),
        (Err(e), _) | (_, Err(e)) if e.kind() == ErrorKind::Mismatch => Err(e),
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
        (Err(e), Err(_)) => Err(e),
    }
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

fn failed(e: &impl embedded_io::Error) -> Error {
    err!(Io, "the medium failed ({:?}); check that it is present, writable and not full", e.kind())
}
