//! All that a learner knows beyond its backbone.

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::head::{Head, Linear};
use crate::signature::{Reduction, Router};
use crate::strategy::Memory;

/// A finished task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// As the caller named it.
    pub name: String,
    /// Its classes, as indices into [`State::classes`].
    pub classes: Vec<usize>,
    /// Images seen.
    pub images: usize,
}

/// What is stored. Two learners with equal state predict the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Name of the strategy.
    pub strategy: String,
    /// Settings it was made with.
    pub settings: Settings,
    /// Names of all classes, in the order they were met.
    pub classes: Vec<String>,
    /// Finished tasks.
    pub tasks: Vec<TaskRecord>,
    /// Adapters and protected subspaces.
    pub memory: Memory,
    /// Whether a task has changed the network.
    pub adapted: bool,
    /// The training head, kept where it is also the classifier.
    pub linear: Option<Linear>,
    /// The classifier's statistics; `None` where the training head is the classifier.
    pub head: Option<Head>,
    /// The space in which signatures live, fitted on the first task.
    pub reduction: Option<Reduction>,
    /// Signatures of finished tasks.
    pub router: Router,
}

impl State {
    /// Index of the class `name`, if it is known.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|c| c == name)
    }

    /// Index of the class `name`, made known if it is new.
    pub(super) fn intern(&mut self, name: &str) -> usize {
        self.class(name).unwrap_or_else(|| {
            self.classes.push(name.into());
            self.classes.len() - 1
        })
    }
}
