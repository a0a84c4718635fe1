//! Encoded pictures on disk, for every run that needs them.
//!
//! ```text
//! DIR/<key>/<hash>.rows      one or more files of rows; a picture is found by its identity in any of them
//! ```
//!
//! The key names network, cut, engine and preprocessing; the identity names the picture by its bytes. So a larger part of
//! a data set, another split of it, or another order encodes what is new only. Files that cannot be read are left alone
//! and count as empty.
//!
//! What it does not do: delete. The folder may be deleted whenever nothing runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::encoder::{Encoder, Encodings};
use super::rows::{Rows, Writer};
use crate::data::{Dataset, Identity, Preprocess, Skipped, Split};
use crate::error::{Context, Result};

/// Identity of a crop of a picture; the whole picture has the picture's own.
pub fn seen(picture: &Identity, crop: usize) -> Identity {
    match crop {
        0 => *picture,
        _ => Sha256::new()
            .chain_update(picture)
            .chain_update(format!("window {crop}, side 0.9"))
            .finalize()
            .into(),
    }
}

/// Encoded pictures under one key.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    files: Vec<Arc<Rows>>,
    place: BTreeMap<Identity, (usize, usize)>,
}

impl Cache {
    /// Opens what `folder` holds under `key`; makes the folder.
    ///
    /// # Errors
    /// `Io` where it cannot be made or listed.
    pub fn open(folder: &Path, key: [u8; 32]) -> Result<Self> {
        let folder = folder.join(hex::encode(&key[..8]));
        let list = || -> std::io::Result<Vec<PathBuf>> {
            std::fs::create_dir_all(&folder)?;
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect()
        };
        let mut paths = list().at(|| format!("{}; choose another --cache-dir", folder.display()))?;
        paths.sort();
        let mut cache = Self { folder, key, files: Vec::new(), place: BTreeMap::new() };
        for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "rows")) {
            cache.add(path);
        }
        Ok(cache)
    }

    fn add(&mut self, path: &Path) {
        match Rows::open(path, self.key) {
            Ok(rows) => {
                let file = self.files.len();
                self.place.extend(rows.identities().enumerate().map(|(row, id)| (*id, (file, row))));
                self.files.push(Arc::new(rows));
            }
            Err(e) => tracing::warn!("a file of encoded pictures is not used: {e}"),
        }
    }

    /// Where the files of this key lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The row of a picture.
    pub fn find(&self, identity: &Identity) -> Option<(Arc<Rows>, usize)> {
        let &(file, row) = self.place.get(identity)?;
        Some((self.files[file].clone(), row))
    }

    /// Bytes of the rows of so many pictures, once one is known.
    pub fn bytes(&self, pictures: usize) -> Option<u64> {
        self.files.first().map(|rows| (rows.row_bytes() * pictures) as u64)
    }

    /// Those of the samples `ids` of which a crop is not there, each picture once; `identities` are those of all samples.
    pub fn missing(&self, ids: &[usize], identities: &[Identity], crop: usize) -> Vec<usize> {
        let mut met = BTreeSet::new();
        let new = |id: &usize| {
            !self.place.contains_key(&seen(&identities[*id], crop)) && met.insert(identities[*id])
        };
        ids.iter().copied().filter(new).collect()
    }

    /// Encodes a crop of the samples `missing`, see [`Cache::missing`]. `progress` is told how many pictures each step finished. Returns what could
    /// not be read.
    ///
    /// # Errors
    /// As [`Dataset::load`] and [`Encoder::encode`]; `Io` where the medium is full.
    pub fn fill(
        &mut self,
        encoder: &Encoder,
        (data, split): (&Dataset, Split),
        (missing, identities, crop): (&[usize], &[Identity], usize),
        preprocess: &Preprocess,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Skipped>> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let mut hash = Sha256::new();
        missing.iter().for_each(|&at| hash.update(seen(&identities[at], crop)));
        let path = self.folder.join(format!("{}.rows", hex::encode(&hash.finalize()[..8])));
        let mut writer = Writer::create(&path, self.key)?;
        let of = (data, split);
        let skipped = encoder.over(of, (missing, crop), preprocess, progress, |ids, encodings| {
            let of: Vec<Identity> = ids.iter().map(|&id| seen(&identities[id], crop)).collect();
            let Encodings { tokens, features, summary } = encodings;
            writer.push(&of, &tokens, features.view(), summary)
        })?;
        writer.finish()?;
        self.add(&path);
        Ok(skipped)
    }
}
