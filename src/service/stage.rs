//! What the learner is doing.
//!
//! ```text
//! ready ── learn ──> learning ──> ready                  kept or taken back, as Keep::Sound decides; or failed
//!                        └──────> undecided ──> ready    with Keep::Ask: keep, or take back
//! ready ── forget, keep, take back ──> busy ──> ready
//! ```

use serde::Serialize;

use crate::error::Result;
use crate::learner::Verdict;

/// What the learner is doing.
#[derive(Clone, Serialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing.
    Ready,
    /// A lesson.
    Learning {
        /// Its task.
        task: String,
        /// Pictures learned from so far, once more counted in every pass.
        shown: usize,
        /// Pictures to learn from, counted likewise.
        of: usize,
        /// Of the last step: mean cross-entropy; `None` where the strategy takes no steps.
        loss: Option<f32>,
    },
    /// Nothing; somebody has to say whether a task is kept.
    Undecided {
        /// The task.
        task: String,
        /// What speaks against it.
        against: Option<String>,
        /// What was found of it.
        verdict: Box<Verdict>,
    },
    /// Something short.
    Busy,
}

impl Stage {
    /// Refuses what can only be done when nothing else is going on.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) with what to do first.
    pub fn is_ready(&self) -> Result<()> {
        match self {
            Self::Ready => Ok(()),
            Self::Learning { task, .. } => {
                Err(crate::err!(State, "task {task:?} is being learned; wait, or interrupt it"))
            }
            Self::Undecided { task, .. } => {
                Err(crate::err!(State, "task {task:?} is not decided; keep it or take it back first"))
            }
            Self::Busy => Err(crate::err!(State, "another request is being worked on; try again")),
        }
    }

    /// The task that somebody has to decide on.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where there is none.
    pub fn undecided(&self) -> Result<String> {
        match self {
            Self::Undecided { task, .. } => Ok(task.clone()),
            _ => Err(crate::err!(State, "there is nothing to decide; learn something first")),
        }
    }
}
