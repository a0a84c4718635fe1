//! A bundle as bytes. The layout stands on the [bundle's page](super).

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::content::{Content, encoded};
use super::key::{PublicKey, SecretKey};
use crate::error::{Context, Result};
use crate::learner::Digest;
use crate::store::read_limited;

const MAGIC: [u8; 4] = *b"PRNB";
const VERSION: u16 = 1;
const DOMAIN: &[u8] = b"perennial bundle";
const HEAD: usize = 4 + 2 + 32 + 64 + 4;

/// Largest file that is looked at, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

/// What one task taught, and who says so. One that exists has a signature that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    content: Content,
    id: Digest,
    maker: PublicKey,
    bytes: Vec<u8>,
}

impl Bundle {
    /// Signs `content`.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for content beyond the limits.
    pub fn sign(content: &Content, key: &SecretKey) -> Result<Self> {
        content.check()?;
        let body = encoded(content)?;
        let length = u32::try_from(body.len()).ok().filter(|_| (body.len() + HEAD) as u64 <= MAX_FILE);
        let Some(length) = length else {
            crate::bail!(
                Budget,
                "{} bytes of statistics, and at most {MAX_FILE} are taken; use fewer random features or perennial-compact",
                body.len()
            );
        };
        let maker = key.public();
        let signature = key.sign(&message(VERSION, &maker, &body));
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&maker.bytes());
        bytes.extend_from_slice(&signature);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(Self { content: content.clone(), id: Digest(Sha256::digest(&body).into()), maker, bytes })
    }

    /// Reads bytes, once their signature holds. Whether its maker is trusted is another question.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for anything but an intact bundle, [`Mismatch`](crate::ErrorKind::Mismatch) for a newer
    /// format, [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for content beyond the limits.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else {
            crate::bail!(Corrupt, "{} bytes are no bundle; {AGAIN}", bytes.len());
        };
        let (magic, rest) = split::<4>(head);
        let (version, rest) = split::<2>(rest);
        let (key, rest) = split::<32>(rest);
        let (signature, length) = split::<64>(rest);
        if magic != MAGIC {
            crate::bail!(Corrupt, "no bundle; give a file that `perennial bundle export` wrote");
        }
        let version = u16::from_le_bytes(version);
        if version != VERSION {
            crate::bail!(Mismatch, "bundle format {version}, this build reads {VERSION}; update the program");
        }
        if u64::from(u32::from_le_bytes(split::<4>(length).0)) != body.len() as u64 {
            crate::bail!(Corrupt, "{} bytes of content, the head says otherwise; {AGAIN}", body.len());
        }
        let maker =
            PublicKey::from_bytes(&key).map_err(|e| crate::err!(Corrupt, "no key; {AGAIN}").caused_by(e))?;
        if !maker.has_signed(&message(version, &maker, body), &signature) {
            crate::bail!(Corrupt, "the signature does not hold: damaged or changed on the way; {AGAIN}");
        }
        let content = match postcard::take_from_bytes::<Content>(body) {
            Ok((content, [])) => content,
            _ => crate::bail!(
                Mismatch,
                "signed, but by a program of another version; make it anew with this one"
            ),
        };
        content.check()?;
        Ok(Self { content, id: Digest(Sha256::digest(body).into()), maker, bytes })
    }

    /// Reads a file of at most [`MAX_FILE`] bytes; see [`Bundle::from_bytes`].
    ///
    /// # Errors
    /// As [`Bundle::from_bytes`], and [`NotFound`](crate::ErrorKind::NotFound).
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(read_limited(path, MAX_FILE)?).at(|| path.display().to_string())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, &self.bytes).at(|| path.display().to_string())
    }

    /// What is signed.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// SHA-256 of what is signed.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Who signed.
    pub fn maker(&self) -> &PublicKey {
        &self.maker
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the signature is over.
fn message(version: u16, maker: &PublicKey, body: &[u8]) -> Vec<u8> {
    [DOMAIN, &version.to_le_bytes(), &maker.bytes(), body].concat()
}

/// The first `N` bytes of a head, which is long enough, and the rest.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes.split_first_chunk::<N>().map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

const AGAIN: &str = "fetch it again";
