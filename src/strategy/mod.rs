//! Strategies: what protects old knowledge while new knowledge is learned.
//!
//! Floor 4. A [`Strategy`] is a few decisions over shared primitives: whether a task adapts the network,
//! how its adapter starts, how the *applied* delta of every step is edited, what is remembered at the end,
//! and which classifier reads the features. It holds no state; all state is in [`Memory`].
//!
//! | name | adapts | protects | head |
//! |---|---|---|---|
//! | `ncm-frozen` | never | | cosine class means |
//! | `ridge-frozen` | never | | ridge |
//! | `lda-frozen` | never | | linear discriminants, a tenth of the memory of the next |
//! | `ranpac-frozen` | never | | random-feature ridge (RanPAC, arXiv 2307.02251, without its first phase) |
//! | `lda-beside`, `ranpac-beside` | never | | one of the two heads of the next |
//! | `best-frozen` | never | | the better of the last two, on frozen features beside mean boundary tokens: what `pegp`'s head alone is worth |
//! | `ranpac-first` | first task only | | random-feature ridge (RanPAC) |
//! | `sequential` | every task | nothing | linear, masked loss |
//! | `joint` | every task | nothing | linear (give it all classes as one task: the upper reference) |
//! | `pegp` | every task, a new branch each | input subspaces (arXiv 2405.13383) | the better of ridge and discriminants, on features side by side |
//! | `pegp-shared` | every task | inputs and hidden rows of one adapter, as published | the same |
//! | `pegp-shared-down` | every task | inputs; an anchor holds B | the same |
//!
//! A new strategy is one file here and one row in [`by_name`].

mod frozen;
mod memory;
mod pair;
mod pegp;
mod unprotected;

pub use frozen::Frozen;
pub use memory::{Memory, SlotShape};
pub use pair::Pair;
pub use pegp::{Mode, Pegp};
pub use unprotected::Unprotected;

use std::fmt::Debug;

use crate::error::Result;
use crate::subspace::SecondMoment;

/// Which features a classifier reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum View {
    /// Of the frozen backbone.
    Frozen,
    /// Of the adapted network.
    Adapted,
    /// Frozen features, adapted features and the mean of the boundary tokens side by side, each centred and scaled
    /// by the statistics of the first task.
    Beside,
}

/// Which classifier predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Classifier {
    /// Cosine similarity to class means.
    ClassMeans,
    /// Ridge regression to one-hot targets.
    Ridge,
    /// Ridge regression on `relu(x W)` with `features` random columns.
    RandomRidge {
        /// Number of random features.
        features: usize,
    },
    /// Linear discriminants under one shared covariance.
    Discriminants,
    /// The better of random-feature ridge and linear discriminants, by held-out rows.
    Better {
        /// Number of random features.
        features: usize,
    },
    /// The linear head that is trained with the adapters.
    Linear,
}

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

/// Decisions over shared primitives.
pub trait Strategy: Debug + Send + Sync {
    /// The name by which it is selected and stored.
    fn name(&self) -> &'static str;

    /// The classifier, and the features that it reads.
    fn classifier(&self) -> (Classifier, View);

    /// Whether task `index` changes the network.
    fn adapts(&self, index: usize) -> bool;

    /// Factor on the deltas of the adapters in task `index`. The training head learns at the full rate.
    fn rate(&self, _index: usize) -> f32 {
        1.0
    }

    /// Whether [`Strategy::end`] wants the second moments of the site inputs.
    fn wants_moments(&self) -> bool {
        false
    }

    /// Prepares the adapters of a new task.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) where no direction is left to learn in.
    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()>;

    /// Edits the gradient of one slot before the optimizer sees it.
    fn gradient(&self, _memory: &Memory, _slot: usize, _gradient: &mut Pair) {}

    /// Edits the delta that is about to be added to one slot.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where a basis and a slot do not fit.
    fn delta(&self, _memory: &Memory, _slot: usize, _delta: &mut Pair) -> Result<()> {
        Ok(())
    }

    /// Remembers what the finished task needs. `moments` are the second moments of the site inputs by tap,
    /// empty unless wanted.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where a factorization fails.
    fn end(&self, _task: &TaskContext, _memory: &mut Memory, _moments: &[SecondMoment]) -> Result<()> {
        Ok(())
    }
}

/// Names of all strategies.
pub const NAMES: [&str; 13] = [
    "ncm-frozen",
    "ridge-frozen",
    "lda-frozen",
    "ranpac-frozen",
    "lda-beside",
    "ranpac-beside",
    "best-frozen",
    "ranpac-first",
    "sequential",
    "pegp",
    "pegp-shared",
    "pegp-shared-down",
    "joint",
];

/// The strategy called `name`; random-feature heads get `random_features` columns.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) lists the names.
pub fn by_name(name: &str, random_features: usize) -> Result<Box<dyn Strategy>> {
    let ranpac = Classifier::RandomRidge { features: random_features };
    let better = Classifier::Better { features: random_features };
    Ok(match name {
        "ncm-frozen" => Box::new(Frozen::new("ncm-frozen", Classifier::ClassMeans)),
        "ridge-frozen" => Box::new(Frozen::new("ridge-frozen", Classifier::Ridge)),
        "lda-frozen" => Box::new(Frozen::new("lda-frozen", Classifier::Discriminants)),
        "ranpac-frozen" => Box::new(Frozen::new("ranpac-frozen", ranpac)),
        "lda-beside" => Box::new(Frozen::new("lda-beside", Classifier::Discriminants).beside()),
        "ranpac-beside" => Box::new(Frozen::new("ranpac-beside", ranpac).beside()),
        "best-frozen" => Box::new(Frozen::new("best-frozen", better).beside()),
        "ranpac-first" => Box::new(Unprotected::first("ranpac-first", ranpac)),
        "sequential" => Box::new(Unprotected::always("sequential")),
        "joint" => Box::new(Unprotected::always("joint")),
        "pegp" => Box::new(Pegp::new(Mode::Expand, better)),
        "pegp-shared" => Box::new(Pegp::new(Mode::Shared, better)),
        "pegp-shared-down" => Box::new(Pegp::new(Mode::SharedDownOnly, better)),
        _ => crate::bail!(NotFound, "no strategy {name:?}; use one of: {}", NAMES.join(", ")),
    })
}
