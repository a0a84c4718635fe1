//! All that a learner knows beyond its backbone.

use serde::{Deserialize, Serialize};

use super::Settings;
use super::classifier::Statistics;
use super::features::Scale;
use super::recognition::Recognition;
use super::signatures::Signatures;
use crate::error::Result;
use crate::head::{Head, Linear};
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
    pub statistics: Option<Statistics>,
    /// Centre and scale of every block of features that the classifier reads side by side.
    pub scales: Vec<Scale>,
    /// What recognises tasks.
    pub recognition: Recognition,
    /// Signatures of tasks in the space of their own networks, where images are routed to one of several.
    pub own: Signatures,
}

impl State {
    /// Index of the class `name`, if it is known.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|c| c == name)
    }

    /// Bytes at rest by part.
    pub fn parts(&self) -> Vec<(&'static str, usize)> {
        let names: usize = self.classes.iter().map(String::len).sum();
        let tasks: usize = self.tasks.iter().map(|t| t.name.len() + 8 * t.classes.len()).sum();
        let scales = self.scales.iter().map(|s| 4 * (s.mean.len() + 1)).sum::<usize>();
        vec![
            ("names", names + tasks),
            ("adapters and bases", self.memory.bytes()),
            ("training head", self.linear.as_ref().map_or(0, Head::bytes)),
            ("classifier", self.statistics.as_ref().map_or(0, |s| s.head().bytes()) + scales),
            ("signatures", self.recognition.bytes() + self.own.bytes()),
        ]
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// The classifier that predicts.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) before anything was learned.
    pub(super) fn head(&self) -> Result<&dyn Head> {
        let linear = self.linear.as_ref().map(|l| l as &dyn Head);
        let head = self.statistics.as_ref().map(Statistics::head).or(linear);
        head.ok_or_else(|| crate::err!(State, "nothing was learned yet"))
    }

    /// Index of the class `name`, made known if it is new.
    pub(super) fn intern(&mut self, name: &str) -> usize {
        self.class(name).unwrap_or_else(|| {
            self.classes.push(name.into());
            self.classes.len() - 1
        })
    }
}
