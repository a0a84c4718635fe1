//! Strategies: what protects old knowledge while new knowledge is learned.
//!
//! Floor 4. A [`Strategy`] is a few decisions over shared primitives: whether a task adapts the network,
//! how its adapter starts, how gradients and the *applied* delta of every step are edited, what is remembered at the
//! end, which networks give features, and which classifier reads them. It holds no state; all state is in [`Memory`].
//!
//! | file | strategies |
//! |---|---|
//! | `registry` | the table of all of them, by name |
//! | `frozen` | heads on the frozen network |
//! | `unprotected` | one adapter: on the first task only (`perennial`, `ranpac-first`), on every task, on all classes at once |
//! | `pegp` | gradient projection, three modes |
//! | `inflora` | a new branch a task whose A is designed and fixed |
//! | `olora` | a new branch a task, pushed orthogonal to the ones before |
//! | `sdlora` | old directions kept, their magnitudes trained |
//! | `lae` | a fast and a slow adapter |
//! | `ease` | a network a task, features side by side |
//! | `ntk` | a mean copy beside the newest adapters, read as sections |
//! | `ntk_faithful` | the same in two branches, as released |
//! | `proteus` | a unit pool, a network a task, routed |
//!
//! | primitive | holds |
//! |---|---|
//! | `pair` | one LoRA pair: join, compress, f16 at rest |
//! | `pool` | frozen units of all tasks and what each task makes of them |
//! | `average` | a slower copy of the adapters |
//! | `probe` | anchor rows: how far old inputs are moved |
//! | `smaller` | a memory in fewer bytes, and what that gives up |
//! | `memory` | all of these, with protected subspaces, by slot; `fits`: whether one that was read is whole |
//! | `reading` | classifiers, and the features that they read |
//!
//! A new strategy is one file of hooks and one row in `registry`; docs/STRATEGY.md walks through one.

mod anchored;
mod average;
mod ease;
mod fits;
mod frozen;
mod inflora;
mod lae;
mod memory;
mod ntk;
mod ntk_faithful;
mod olora;
mod pair;
mod pegp;
mod pool;
pub mod probe;
mod proteus;
mod reading;
mod registry;
mod sdlora;
mod smaller;
mod unprotected;

pub use average::Average;
pub use ease::Ease;
pub use frozen::Frozen;
pub use inflora::InfLora;
pub use lae::Lae;
pub use memory::{Memory, SlotShape};
pub use ntk::Ntk;
pub use ntk_faithful::NtkFaithful;
pub use olora::OLora;
pub use pair::Pair;
pub use pegp::{Mode, Pegp};
pub use pool::{Pool, Weight};
pub use proteus::Proteus;
pub use reading::{Classifier, HEADS, Reading, View};
pub use registry::{Choice, NAMES, by_name};
pub use sdlora::SdLora;
pub use unprotected::Unprotected;

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::joint::Terms;
use crate::subspace::SecondMoment;

/// The task that begins or ends.
#[derive(Clone, Copy, Debug)]
pub struct TaskContext {
    /// Number of tasks learned before.
    pub index: usize,
    /// Seed of the learner; everything random derives from it and `index`.
    pub seed: u64,
    /// Rank of an adapter.
    pub rank: usize,
}

impl TaskContext {
    /// What is random in this task.
    fn rng(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed ^ (self.index as u64) << 32)
    }
}

/// What one slot trains, or its gradient, or the delta about to be added to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The adapter's factors.
    pub pair: Pair,
    /// Weights of the pool's units; empty where the strategy does not mix.
    pub mixing: Array1<f32>,
}

/// What a task minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Goal {
    /// Cross-entropy of a linear head over the task's classes.
    #[default]
    Linear,
    /// Cross-entropy of a cosine head over views of the feature, and distance from what old classes occupy
    /// ([`joint::Views`](crate::joint::Views)).
    Views {
        /// Weight of the likeness to old prototypes.
        dissimilarity: f32,
        /// Weight of what lies in their subspace.
        orthogonality: f32,
        /// Temperature of the likeness.
        temperature: f32,
    },
    /// The same over two branches, each a pass of its own, as released ([`joint::Branches`](crate::joint::Branches)): tokens that join an
    /// attention are one, all other adapters the other. `networks` gives the slow ones of both first.
    Branches(Terms),
}

/// A second, unprotected training of every task but the first, merged with the first one (methods.md 1.6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Twin {
    /// Share of the twin in what is kept.
    pub share: f32,
    /// Weight of the distance between both features.
    pub weight: f32,
}

/// Decisions over shared primitives.
pub trait Strategy: Debug + Send + Sync {
    /// The name by which it is selected and stored.
    fn name(&self) -> &'static str;

    /// The classifier, and the features that it reads, unless the caller asks for another.
    fn reading(&self) -> Reading;

    /// Crops of a picture that is learned, unless the caller says otherwise: 1 is the picture itself.
    fn crops(&self) -> usize {
        1
    }

    /// What a task minimises.
    fn goal(&self) -> Goal {
        Goal::Linear
    }

    /// Whether task `index` changes the network.
    fn adapts(&self, index: usize) -> bool;

    /// Factor on the deltas of the adapters in task `index`. The training head learns at the full rate.
    fn rate(&self, _index: usize) -> f32 {
        1.0
    }

    /// Factor on the pool's units where the open task weighs them anew (`Some`), and trains the weights.
    fn mixes(&self) -> Option<f32> {
        None
    }

    /// Whether adapters of several tasks act as their sum, which tokens cannot
    /// ([`Mechanism::adds_up`](crate::adapter::Mechanism::adds_up)).
    fn adds_up(&self) -> bool {
        false
    }

    /// Whether a task is learned a second time without protection, and merged. Only for strategies that train one adapter on
    /// and on, so that both start where the task began.
    fn twin(&self) -> Option<Twin> {
        None
    }

    /// Which second moments it wants to see.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Prepares the adapters of a new task.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) where no direction is left to learn in.
    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()>;

    /// Meets the first images of a task before the first step, under the network that the task finds.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where a factorization fails.
    fn meet(&self, _task: &TaskContext, _memory: &mut Memory, _moments: &Moments) -> Result<()> {
        Ok(())
    }

    /// Edits the gradient of one slot before the optimizer sees it.
    fn gradient(&self, _memory: &Memory, _slot: usize, _gradient: &mut Trained) {}

    /// Edits the delta that is about to be added to one slot. `rate` is the learning rate.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where a basis and a slot do not fit.
    fn delta(&self, _memory: &Memory, _slot: usize, _delta: &mut Trained, _rate: f32) -> Result<()> {
        Ok(())
    }

    /// Looks at the adapters after a step.
    fn stepped(&self, _memory: &mut Memory) {}

    /// Remembers what the finished task needs. `moments` are those under the network that it leaves.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where a factorization fails.
    fn end(&self, task: &TaskContext, memory: &mut Memory, moments: &Moments) -> Result<()>;

    /// What stands in `slot` while a task trains beside it, frozen.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    fn base(&self, memory: &Memory, slot: usize) -> Result<Option<Pair>> {
        Ok(memory.settled[slot].clone())
    }

    /// The adapted networks whose features are read, each as its adapters by slot. One, unless told otherwise.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        let one: Result<_> = (0..memory.slots.len()).map(|slot| memory.sum(slot)).collect();
        Ok(vec![one?])
    }
}

/// Second moments that a strategy wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Of the site inputs before the first step, of the images of the first call.
    pub first: bool,
    /// Of the site inputs when the task ends.
    pub inputs: bool,
    /// Of the hidden rows when the task ends.
    pub hidden: bool,
}

/// Second moments of what passes the sites; empty where they were not wanted.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Of the site inputs, by tap.
    pub inputs: Vec<SecondMoment>,
    /// Of the hidden rows between A and B, by slot.
    pub hidden: Vec<SecondMoment>,
    /// Some of the input rows, by tap.
    pub anchors: Vec<Array2<f32>>,
}
