//! What an open task was shown, hashed for its [`Receipt`]; and the hash of a state.

use std::io::{self, BufWriter};

use sha2::{Digest as _, Sha256};

use super::ledger::Digest;
use super::{Crops, Learner, Receipt, State};
use crate::error::Result;

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
            budget: self.budget.promise(),
            file: self.budget.spill.as_ref().map(|spill| spill.bytes as u64),
            engine: format!("{} on {}", self.engine.name(), std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").into(),
            before: self.state().digest()?,
            after: Digest([0; 32]),
        })
    }
}
