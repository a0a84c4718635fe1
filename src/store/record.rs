//! One record as bytes. The layout stands on the [store's page](super).

use crate::error::Result;
use crate::{bail, err};

/// First four bytes of every record.
pub const MAGIC: [u8; 4] = *b"PRNL";
/// Format version that this build writes, and the newest it reads.
pub const VERSION: u16 = 1;
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
}

impl Header {
    /// Header of `payload`.
    pub fn new(counter: u64, backbone: [u8; 32], payload: &[u8]) -> Self {
        Self { counter, backbone, payload_len: payload.len() as u64 }
    }
}

/// The record as bytes.
///
/// # Errors
/// `InvalidArgument` if `header` is not that of `payload`.
pub fn encode(header: &Header, payload: &[u8]) -> Result<Vec<u8>> {
    if header.payload_len != payload.len() as u64 {
        bail!(
            InvalidArgument,
            "header for {} bytes, payload of {}; use Header::new",
            header.payload_len,
            payload.len()
        );
    }
    let head = postcard::to_allocvec(header)
        .map_err(|e| err!(Bug, "a header that postcard refuses").caused_by(e))?;
    let head_len =
        u16::try_from(head.len()).map_err(|e| err!(Bug, "a header of {} bytes", head.len()).caused_by(e))?;
    let mut out = Vec::with_capacity(PREFIX + head.len() + payload.len() + CHECKSUM);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&head_len.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    Ok(out)
}

/// Splits the bytes of one record into header and payload, once length and checksum hold.
///
/// # Errors
/// `Corrupt` with the offset for anything but an intact record, `Mismatch` for a newer format or, where `backbone` is
/// given, for state of another one.
pub fn decode(bytes: &[u8], backbone: Option<[u8; 32]>) -> Result<(Header, &[u8])> {
    let prefix: &[u8; PREFIX] = bytes.first_chunk().ok_or_else(|| {
        err!(Corrupt, "ends at byte {} inside the {PREFIX} bytes prefix; {RESTORE}", bytes.len())
    })?;
    let (version, head_len) = read_prefix(prefix)?;
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
    if version > VERSION {
        bail!(Mismatch, "record format {version}, this build reads up to {VERSION}; update the program");
    }
    let rest = body.get(PREFIX..).unwrap_or_default();
    let header = read_header(rest.get(..head_len).unwrap_or(rest), bytes.len())?;
    let payload = rest.get(head_len..).unwrap_or_default();
    if payload.len() as u64 != header.payload_len {
        bail!(
            Corrupt,
            "the header at byte {PREFIX} promises a payload of {} bytes, {} are there; {RESTORE}",
            header.payload_len,
            payload.len()
        );
    }
    check_backbone(&header, backbone)?;
    Ok((header, payload))
}

/// Version and header length of a record's first bytes.
pub(super) fn read_prefix(prefix: &[u8; PREFIX]) -> Result<(u16, usize)> {
    let [m0, m1, m2, m3, v0, v1, h0, h1] = *prefix;
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
    Ok((u16::from_le_bytes([v0, v1]), head_len))
}

/// The header, whose announced payload must fit into a record of `total` bytes.
pub(super) fn read_header(bytes: &[u8], total: usize) -> Result<Header> {
    let (header, rest) = postcard::take_from_bytes::<Header>(bytes)
        .map_err(|e| err!(Corrupt, "the header at byte {PREFIX} cannot be read; {RESTORE}").caused_by(e))?;
    if !rest.is_empty() {
        bail!(Corrupt, "the header at byte {PREFIX} is {} bytes too long; {RESTORE}", rest.len());
    }
    let needed = (PREFIX + bytes.len() + CHECKSUM) as u64;
    if needed.checked_add(header.payload_len).is_none_or(|n| n > total as u64) {
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
