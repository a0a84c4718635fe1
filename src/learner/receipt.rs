//! What a task was made from, and what came of it: enough to make it again, byte for byte.
//!
//! A learner is a function: state before, pictures in their order, promise -> state after. A receipt holds the hashes of both ends, and all
//! else that went in but the pictures; seed and settings are in the state, the backbone's hash in its record.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Promise;
use super::ledger::Digest;

/// How a task was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// SHA-256 of what was shown: CRC-32 of every picture's pixels in every crop, names of their classes, where calls and passes begin.
    pub data: Digest,
    /// Passes over the pictures, the first included.
    pub passes: u32,
    /// What was promised, without the file for pictures and what only a clock can tell.
    pub budget: Promise,
    /// Most bytes of that file, wherever it was.
    pub file: Option<u64>,
    /// Who ran the graphs, and on what kind of processor.
    pub engine: String,
    /// Version of this library.
    pub version: String,
    /// [`State::digest`](super::State::digest) before the task was begun.
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
