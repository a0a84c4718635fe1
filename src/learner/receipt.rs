//! What a task was made from, and what came of it: enough to make it again, byte for byte.
//!
//! A learner is a function: state before, pictures in their order, promise -> state after. A receipt holds the hashes of both ends, and all
//! else that went in but the pictures; seed and settings are in the state, the backbone's hash in its record.

use std::fmt;
use std::io::{self, BufWriter};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ledger::Digest;
use super::{Budget, Crops, Learner, State};
use crate::error::Result;

/// How a task was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// SHA-256 of what was shown: CRC-32 of every picture's pixels in every crop, names of their classes, where calls and passes begin.
    pub data: Digest,
    /// Passes over the pictures, the first included.
    pub passes: u32,
    /// What was promised, without the file for pictures and what only a clock can tell.
    pub budget: Budget,
    /// Most bytes of that file, wherever it was.
    pub file: Option<u64>,
    /// Who ran the graphs, and on what kind of processor.
    pub engine: String,
    /// Version of this library.
    pub version: String,
    /// [`State::digest`] before the task was begun.
    pub before: Digest,
    /// The same after it was committed, this being zeros.
    pub after: Digest,
}

impl Receipt {
    /// Bytes at rest, about.
    pub(super) fn bytes(&self) -> usize {
        3 * size_of::<Digest>() + self.engine.len() + self.version.len() + 48
    }

    /// What of `other`, made by learning the same task again, is different, in words; nothing where it is the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let said = |what: &str, own: &dyn fmt::Display, other: &dyn fmt::Display| {
            format!("{what}: {own} then, {other} now")
        };
        let mut all = Vec::new();
        let texts = [("engine", &self.engine, &other.engine), ("version", &self.version, &other.version)];
        all.extend(
            texts
                .iter()
                .filter(|(_, own, other)| own != other)
                .map(|(what, own, other)| said(what, own, other)),
        );
        all.extend((self.passes != other.passes).then(|| said("passes", &self.passes, &other.passes)));
        let promised = (&self.budget, self.file) != (&other.budget, other.file);
        all.extend(promised.then(|| "what was promised".to_string()));
        let digests = [
            ("the state before", self.before, other.before),
            ("the pictures or their order", self.data, other.data),
            ("the state after", self.after, other.after),
        ];
        all.extend(
            digests.iter().filter(|(_, own, other)| own != other).map(|(what, ..)| (*what).to_string()),
        );
        all
    }
}

/// What an open task was shown so far.
#[derive(Clone, Default)]
pub struct Shown {
    hash: Sha256,
    passes: u32,
}

impl Shown {
    /// Pictures of one call.
    pub(super) fn pictures(&mut self, images: &Crops, labels: &[&str]) {
        self.passes = self.passes.max(1);
        self.hash.update([b'o']);
        self.hash.update((labels.len() as u64).to_le_bytes());
        for crop in images.each() {
            crop.fingerprints().for_each(|print| self.hash.update(print.to_le_bytes()));
        }
        for label in labels {
            self.hash.update((label.len() as u64).to_le_bytes());
            self.hash.update(label.as_bytes());
        }
    }

    /// One more pass.
    pub(super) fn pass(&mut self) {
        self.passes += 1;
        self.hash.update([b'e']);
    }
}

/// Hashes what is written.
struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    /// SHA-256 of the state as it is stored.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where it cannot be encoded.
    pub fn digest(&self) -> Result<Digest> {
        // postcard writes byte by byte.
        let hashed = postcard::to_io(self, BufWriter::new(Hashing(Sha256::new())));
        let hashed = hashed.map_err(|e| crate::err!(Bug, "a state that cannot be encoded: {e}"))?;
        let hashed = hashed.into_inner().map_err(|e| crate::err!(Bug, "a hash that takes no bytes: {e}"))?;
        Ok(Digest(hashed.0.finalize().into()))
    }

    /// Signs the newest task's receipt with what became of it.
    pub(super) fn seal_receipt(&mut self) -> Result<()> {
        let digest = self.digest()?;
        if let Some(receipt) = self.tasks.last_mut().and_then(|task| task.receipt.as_mut()) {
            receipt.after = digest;
        }
        Ok(())
    }
}

impl Learner {
    /// The receipt of the open task, but for what comes of it.
    pub(super) fn receipt(&self, shown: &Shown) -> Result<Receipt> {
        Ok(Receipt {
            data: Digest(shown.hash.clone().finalize().into()),
            passes: shown.passes,
            budget: Budget { spill: None, step_time: None, ..self.budget.clone() },
            file: self.budget.spill.as_ref().map(|spill| spill.bytes as u64),
            engine: format!("{} on {}", self.engine.name(), std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").into(),
            before: self.state().digest()?,
            after: Digest([0; 32]),
        })
    }
}
