//! The memory that a caller promises, and what must stay inside it.

use std::path::PathBuf;
use std::time::Duration;

use super::concession::Lever;
use super::settings::{Descent, Promise, Settings};
use crate::optim::{AdamW, Optimizer, Sgd};

impl Settings {
    /// A new optimizer.
    pub(super) fn optimizer(&self) -> Box<dyn Optimizer + Send + Sync> {
        match self.descent {
            Descent::AdamW => Box::new(AdamW::new(self.learning_rate).with_weight_decay(self.weight_decay)),
            Descent::Sgd => Box::new(
                Sgd::new(self.learning_rate).with_momentum(0.9, true).with_weight_decay(self.weight_decay),
            ),
        }
    }
}

/// A file for what is kept of the open task's pictures: their boundary tokens, in f16. It has no name and is gone with the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Spill {
    /// Folder on the medium.
    pub folder: PathBuf,
    /// Most bytes of the file.
    pub bytes: usize,
}

/// The promised memory. Unset limits are not enforced.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Bytes of RAM for everything that this library holds.
    pub ram: Option<usize>,
    /// Bytes of RAM, within `ram`, for what is kept of the pictures of the open task.
    pub cache: usize,
    /// A file for the larger part of what is kept of those pictures; `None` keeps it in RAM.
    pub spill: Option<Spill>,
    /// Longest time of one pass of a training step on this device, during which the thread that learns does nothing else.
    /// [`Builder::fitted`](super::Builder::fitted) measures it and takes micro-batches that keep it. The end of a task is not bounded by it.
    pub step_time: Option<Duration>,
    /// Bytes of a stored state ([`State::stored_bytes`](super::State::stored_bytes)): a task that would make it larger is not committed.
    pub flash: Option<usize>,
    /// What may be given up before a task is refused for that, in this order; nothing where it is empty. [`TaskReport`](super::TaskReport) and
    /// [`State::concessions`](super::State) say what was.
    pub give_up: Vec<Lever>,
    /// Classes that are planned for, and centres where every task in which a class comes makes one. Where `ram` is set, more classes are
    /// refused, and tasks with more centres are made one or refused.
    pub classes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            ram: None,
            cache: 256 << 20,
            spill: None,
            step_time: None,
            flash: None,
            give_up: Lever::ALL.to_vec(),
            classes: 128,
        }
    }
}

impl Budget {
    /// What a state keeps of it.
    pub(super) fn promise(&self) -> Promise {
        let Self { ram, cache, flash, classes, .. } = *self;
        Promise { ram, cache, flash, give_up: self.give_up.clone(), classes }
    }
}

impl From<Promise> for Budget {
    fn from(Promise { ram, cache, flash, give_up, classes }: Promise) -> Self {
        Self { ram, cache, spill: None, step_time: None, flash, give_up, classes }
    }
}
