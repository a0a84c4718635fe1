//! What a bundle is, told before it is fetched.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::signed::{Signed, Statement};
use crate::bundle::{Bundle, Label, MAX_FILE, PublicKey, SecretKey, Trust};
use crate::error::Result;
use crate::learner::Digest;

/// Bytes of a chunk; the last one of a file may be shorter. At 1 Mbit/s a chunk takes half a second.
pub const CHUNK: u64 = 64 << 10;
/// Most chunks.
const MAX_CHUNKS: u64 = MAX_FILE.div_ceil(CHUNK);

/// Describes a bundle, and its file chunk by chunk, so that what a stranger passes on is known to be right before the next chunk is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The bundle's id.
    pub bundle: Digest,
    /// What the versions of this maker's task have in common.
    pub source: Digest,
    /// Number of the version.
    pub counter: u64,
    /// SHA-256 of the backbone.
    pub backbone: Digest,
    /// SHA-256 of the space of features.
    pub space: Digest,
    /// Name of the task.
    pub task: String,
    /// Its classes.
    pub labels: Vec<Label>,
    /// Images that its statistics were made from.
    pub images: u64,
    /// Seconds since 1970 after which it is refused.
    pub expires: Option<u64>,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of every chunk.
    pub chunks: Vec<Digest>,
}

impl Notice {
    /// The notice of `bundle`, signed by its maker.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for the key of somebody else; as [`Signed::sign`].
    pub fn of(bundle: &Bundle, key: &SecretKey) -> Result<Signed<Self>> {
        if key.public() != *bundle.maker() {
            crate::bail!(
                Mismatch,
                "the bundle was signed by {}, the key is {}'s; publish with the key that signed the bundle",
                bundle.maker(),
                key.public()
            );
        }
        let content = bundle.content();
        let notice = Self {
            bundle: bundle.id(),
            source: content.source(bundle.maker()),
            counter: content.counter,
            backbone: content.backbone,
            space: content.space,
            task: content.task.clone(),
            labels: content.labels.clone(),
            images: content.images,
            expires: content.expires,
            bytes: bundle.bytes().len() as u64,
            chunks: bundle.bytes().chunks(CHUNK as usize).map(|c| Digest(Sha256::digest(c).into())).collect(),
        };
        Signed::sign(notice, key)
    }

    /// Whether `bytes` are chunk `index`.
    pub fn is_chunk(&self, index: u32, bytes: &[u8]) -> bool {
        self.chunks
            .get(index as usize)
            .is_some_and(|digest| digest.0 == <[u8; 32]>::from(Sha256::digest(bytes)))
    }

    /// Bytes of chunk `index`, 0 beyond the last.
    pub fn length(&self, index: u32) -> u64 {
        self.bytes.saturating_sub(u64::from(index) * CHUNK).min(CHUNK)
    }

    /// Whether `bundle`, of `maker`, is what was told.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where it is not.
    pub(super) fn tells_of(&self, bundle: &Bundle, maker: &PublicKey) -> Result<()> {
        let content = bundle.content();
        let same = bundle.id() == self.bundle
            && bundle.maker() == maker
            && content.source(maker) == self.source
            && (content.counter, content.backbone, content.space)
                == (self.counter, self.backbone, self.space)
            && (&content.task, &content.labels, content.expires) == (&self.task, &self.labels, self.expires);
        match same {
            true => Ok(()),
            false => Err(crate::err!(Corrupt, "the bundle is not the one that its notice told of")),
        }
    }
}

impl Statement for Notice {
    const DOMAIN: &'static [u8] = b"perennial notice 1";
    const MOST: usize = 256 << 10;

    fn check(&self) -> Result<()> {
        let chunks = self.bytes.div_ceil(CHUNK);
        if self.bytes == 0 || chunks > MAX_CHUNKS || chunks != self.chunks.len() as u64 {
            crate::bail!(
                InvalidArgument,
                "a file of {} bytes in {} chunks; 1 to {MAX_FILE} bytes are taken, in chunks of {CHUNK}",
                self.bytes,
                self.chunks.len()
            );
        }
        Ok(())
    }

    fn may(trust: &Trust, signer: &PublicKey) -> Result<()> {
        trust.name(signer).map(drop)
    }
}
