//! What a picture is, whatever its file is called and wherever it lies.
//!
//! ```text
//! identity of a picture    SHA-256(SHA-256(stored bytes of its file) | place in the file, u64 le)
//! of a data set            SHA-256 over its samples: half, class, task, identity
//! ```
//!
//! What it does not do: see that two files of different bytes hold the same pixels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::dataset::Origin;
use super::{Dataset, Sample, Split};
use crate::error::{Context, Result};

/// See the module page.
pub type Identity = [u8; 32];

impl Dataset {
    /// Identities of the samples of `split`, in their order. Reads every file once.
    ///
    /// # Errors
    /// `NotFound` or `Io`, with the path.
    pub fn identities(&self, split: Split) -> Result<Vec<Identity>> {
        let files: BTreeSet<PathBuf> = self.samples(split).iter().filter_map(|s| self.file(s)).collect();
        let digest = |path: PathBuf| {
            let bytes = std::fs::read(&path).at(|| path.display().to_string())?;
            let digest: Identity = Sha256::digest(bytes).into();
            Ok((path, digest))
        };
        let digests: BTreeMap<PathBuf, Identity> =
            files.into_par_iter().map(digest).collect::<Result<Vec<_>>>()?.into_iter().collect();
        Ok(self.samples(split).iter().map(|sample| self.identity(sample, &digests)).collect())
    }

    /// What the samples of both halves are, in one hash: classes, tasks, pictures, order. `train` and `test` are their
    /// [`Dataset::identities`].
    pub fn fingerprint(&self, train: &[Identity], test: &[Identity]) -> Identity {
        let mut hash = Sha256::new();
        for (mark, split, identities) in [(b"train", Split::Train, train), (b"test ", Split::Test, test)] {
            for (sample, identity) in self.samples(split).iter().zip(identities) {
                let task = sample.task.map_or("", |task| self.tasks[task].as_str());
                let class = self.classes[sample.class].as_str();
                for part in [&mark[..], class.as_bytes(), task.as_bytes(), identity] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
            }
        }
        hash.finalize().into()
    }

    fn file(&self, sample: &Sample) -> Option<PathBuf> {
        match &sample.origin {
            Origin::File(path) => Some(path.clone()),
            Origin::Tile { file, .. } => Some(self.tiles.path(*file).into()),
            Origin::Memory(_) => None,
        }
    }

    fn identity(&self, sample: &Sample, digests: &BTreeMap<PathBuf, Identity>) -> Identity {
        let (content, place) = match &sample.origin {
            Origin::Memory(picture) => (Sha256::digest(&picture.rgb).into(), u64::from(picture.width)),
            Origin::Tile { index, .. } => (self.digest(sample, digests), *index as u64),
            Origin::File(_) => (self.digest(sample, digests), 0),
        };
        Sha256::new().chain_update(content).chain_update(place.to_le_bytes()).finalize().into()
    }

    fn digest(&self, sample: &Sample, digests: &BTreeMap<PathBuf, Identity>) -> Identity {
        self.file(sample).and_then(|path| digests.get(&path).copied()).unwrap_or_default()
    }
}
