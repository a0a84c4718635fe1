//! One record as bytes. The layout stands on the [store's page](super).

use alloc::vec::Vec;

use super::seal::{Seal, TRAILER, admit};
use crate::error::Result;
use crate::{bail, err};

/// First four bytes of every record.
pub const MAGIC: [u8; 4] = *b"PRNL";
/// Format version that this build writes, and the newest it reads. It rises when the layout of a record changes, or that of the
/// learner's state inside; `store/migrate.rs` says what else is to be done then.
pub const VERSION: u16 = 1;
/// Set beside the version of a record whose payload is sealed.
const SEALED: u16 = 1 << 15;
/// Bytes before the header: magic, version, length of the header.
pub(super) const PREFIX: usize = 8;
/// Bytes after the payload.
pub(super) const CHECKSUM: usize = 4;
/// The longest header that a reader accepts; version 1 needs at most 52 bytes.
pub(super) const MAX_HEADER: usize = 256;

/// What a record says about its payload.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Header {
    /// Grows with the state; of two records the higher is the newer.
    pub counter: u64,
    /// SHA-256 of the backbone's ONNX bytes. State is meaningless on any other.
    pub backbone: [u8; 32],
    /// Length of the payload in bytes.
    pub payload_len: u64,
    /// Format version of record and payload, which stands before the header.
    #[serde(skip)]
    pub version: u16,
}

impl Header {
    /// Header of `payload`, which is of this build's [`VERSION`].
    pub fn new(counter: u64, backbone: [u8; 32], payload: &[u8]) -> Self {
        Self { counter, backbone, payload_len: payload.len() as u64, version: VERSION }
    }
}

/// A record's first bytes.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    pub(super) version: u16,
    pub(super) head_len: usize,
    sealed: bool,
}

impl Prefix {
    /// Bytes from the header to the end of the record.
    pub(super) fn after_header(self, header: &Header) -> u64 {
        let trailer = if self.sealed { TRAILER } else { 0 };
        header.payload_len.saturating_add((trailer + CHECKSUM) as u64)
    }
}

/// The record as bytes.
///
/// # Errors
/// `InvalidArgument` if `header` is not that of `payload`.
pub fn encode(header: &Header, payload: &[u8]) -> Result<Vec<u8>> {
    close(header, payload, None)
}

/// The record as bytes, its payload sealed where there is a seal.
pub(super) fn close(header: &Header, payload: &[u8], seal: Option<&dyn Seal>) -> Result<Vec<u8>> {
    if header.payload_len != payload.len() as u64 || !(1..=VERSION).contains(&header.version) {
        bail!(
            InvalidArgument,
            "header of format {} for {} bytes, payload of {}; use Header::new",
            header.version,
            header.payload_len,
            payload.len()
        );
    }
    let head = postcard::to_allocvec(header)
        .map_err(|e| err!(Bug, "a header that postcard refuses").caused_by(e))?;
    let head_len =
        u16::try_from(head.len()).map_err(|e| err!(Bug, "a header of {} bytes", head.len()).caused_by(e))?;
    let version = header.version | if seal.is_some() { SEALED } else { 0 };
    let mut out = Vec::with_capacity(PREFIX + head.len() + payload.len() + TRAILER + CHECKSUM);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&head_len.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    if let Some(seal) = seal {
        let (head, payload) = out.split_at_mut(PREFIX + head.len());
        let trailer = seal.close(head, payload)?;
        out.extend_from_slice(&trailer);
    }
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    Ok(out)
}

/// Splits the bytes of one record that is not sealed into header and payload, once length and checksum hold.
///
/// # Errors
/// `Corrupt` with the offset for anything but an intact record, `Mismatch` for a newer format, a sealed record or, where
/// `backbone` is given, for state of another one.
pub fn decode(bytes: &[u8], backbone: Option<[u8; 32]>) -> Result<(Header, &[u8])> {
    let (prefix, header) = check(bytes, backbone)?;
    admit(prefix.sealed, None)?;
    let payload = bytes.get(PREFIX + prefix.head_len..bytes.len() - CHECKSUM).unwrap_or_default();
    Ok((header, payload))
}

/// Header and payload of one record, opened where it is sealed.
pub(super) fn open(
    mut bytes: Vec<u8>,
    backbone: Option<[u8; 32]>,
    seal: Option<&dyn Seal>,
) -> Result<(Header, Vec<u8>)> {
    let (prefix, header) = check(&bytes, backbone)?;
    admit(prefix.sealed, seal)?;
    bytes.truncate(bytes.len() - CHECKSUM);
    let mut payload = bytes.split_off(PREFIX + prefix.head_len);
    if let (true, Some(seal)) = (prefix.sealed, seal) {
        let trailer = payload.split_off(payload.len() - TRAILER);
        let trailer = trailer.first_chunk().ok_or_else(|| err!(Bug, "a trailer of {TRAILER} bytes"))?;
        seal.open(&bytes, &mut payload, trailer)?;
    }
    Ok((header, payload))
}

/// Prefix and header of an intact record, which `bytes` hold and nothing else.
fn check(bytes: &[u8], backbone: Option<[u8; 32]>) -> Result<(Prefix, Header)> {
    let first: &[u8; PREFIX] = bytes.first_chunk().ok_or_else(|| {
        err!(Corrupt, "ends at byte {} inside the {PREFIX} bytes prefix; {RESTORE}", bytes.len())
    })?;
    let prefix = read_prefix(first)?;
    // The checksum comes first: a damaged version or backbone must not pass for a foreign one.
    let Some((body, crc)) = bytes.split_last_chunk::<CHECKSUM>() else {
        bail!(Corrupt, "ends at byte {} before its checksum; {RESTORE}", bytes.len());
    };
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        bail!(
            Corrupt,
            "the checksum at byte {} does not match the {} before it; {RESTORE}",
            body.len(),
            body.len()
        );
    }
    match prefix.version {
        1..=VERSION => {}
        0 => bail!(Mismatch, "record format 0, which no program writes; {RESTORE}"),
        newer => {
            bail!(Mismatch, "record format {newer}, this build reads up to {VERSION}; update the program")
        }
    }
    let rest = bytes.get(PREFIX..).unwrap_or_default();
    let header = read_header(prefix, rest.get(..prefix.head_len).unwrap_or(rest), bytes.len())?;
    let (there, promised) = (rest.len().saturating_sub(prefix.head_len) as u64, prefix.after_header(&header));
    if there != promised {
        bail!(
            Corrupt,
            "the header at byte {PREFIX} promises {promised} bytes behind it, {there} are there; {RESTORE}"
        );
    }
    check_backbone(&header, backbone)?;
    Ok((prefix, header))
}

/// Version and header length of a record's first bytes.
pub(super) fn read_prefix(bytes: &[u8; PREFIX]) -> Result<Prefix> {
    let [m0, m1, m2, m3, v0, v1, h0, h1] = *bytes;
    if let Some(at) = [m0, m1, m2, m3].iter().zip(&MAGIC).position(|(a, b)| a != b) {
        bail!(Corrupt, "byte {at} is not that of a Perennial record; give the file that `save` wrote");
    }
    let head_len = usize::from(u16::from_le_bytes([h0, h1]));
    if head_len > MAX_HEADER {
        bail!(
            Corrupt,
            "the length at byte 6 asks for a header of {head_len} bytes, at most {MAX_HEADER} exist; {RESTORE}"
        );
    }
    let version = u16::from_le_bytes([v0, v1]);
    Ok(Prefix { version: version & !SEALED, head_len, sealed: version & SEALED != 0 })
}

/// The header, whose announced payload must fit into a record of `total` bytes.
pub(super) fn read_header(prefix: Prefix, bytes: &[u8], total: usize) -> Result<Header> {
    let (mut header, rest) = postcard::take_from_bytes::<Header>(bytes)
        .map_err(|e| err!(Corrupt, "the header at byte {PREFIX} cannot be read; {RESTORE}").caused_by(e))?;
    if !rest.is_empty() {
        bail!(Corrupt, "the header at byte {PREFIX} is {} bytes too long; {RESTORE}", rest.len());
    }
    header.version = prefix.version;
    let needed = prefix.after_header(&header).saturating_add((PREFIX + bytes.len()) as u64);
    if needed > total as u64 {
        bail!(
            Corrupt,
            "the header at byte {PREFIX} promises a payload of {} bytes in {total}; {RESTORE}",
            header.payload_len
        );
    }
    Ok(header)
}

fn check_backbone(header: &Header, expected: Option<[u8; 32]>) -> Result<()> {
    match expected {
        Some(expected) if expected != header.backbone => bail!(
            Mismatch,
            "state of the backbone with SHA-256 {}..., loaded beside {}...; give that backbone or start anew",
            hex::encode(&header.backbone[..4]),
            hex::encode(&expected[..4])
        ),
        _ => Ok(()),
    }
}

/// The next move when stored bytes are damaged.
pub(super) const RESTORE: &str = "restore the file from another copy or start anew";
