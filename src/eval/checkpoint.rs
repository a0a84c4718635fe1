//! A run between two tasks, on disk: what was measured, and the learner's state.
//!
//! Stored as [`crate::store`] stores states: checksummed, replaced atomically, bound to the backbone. A checkpoint of
//! another run, program or format is not an error but no checkpoint: the run starts anew.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::error::Result;
use crate::learner::{Learner, State};
use crate::store;

/// See the module page.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Names run and program; another identity is another run.
    pub identity: String,
    /// What was measured.
    pub progress: Progress,
    /// What was learned.
    pub state: State,
}

impl Checkpoint {
    /// Replaces the checkpoint at `path` by the state of a run after a committed task.
    ///
    /// # Errors
    /// As [`store::save`].
    pub fn save(path: &Path, identity: &str, progress: &Progress, learner: &Learner) -> Result<()> {
        let (identity, progress, state) = (identity.to_string(), progress.clone(), learner.state().clone());
        let counter = progress.tasks() as u64;
        store::save(path, learner.backbone_sha256(), counter, &Self { identity, progress, state }).map(|_| ())
    }

    /// The checkpoint at `path`, if it is one of this run.
    pub fn load(path: &Path, identity: &str, backbone: [u8; 32]) -> Option<Self> {
        let (_, checkpoint): (_, Self) = store::load(path, backbone).ok()?;
        (checkpoint.identity == identity).then_some(checkpoint)
    }
}
