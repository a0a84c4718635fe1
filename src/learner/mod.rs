//! The learner: the one object that users hold.
//!
//! Floor 5. It does no I/O; stores sit above it.
//!
//! ```text
//! build ── begin_task ── observe .. epoch .. ── end_task ── commit ──┐
//!            ^  │                                  │                 │
//!            │  └──────────── rollback ────────────┘                 │
//!            └────────────────────────────────────────────────────---┘
//! ```
//!
//! `predict` works in every phase. An error leaves the state as it was. `rollback` returns to the state before
//! `begin_task`, bit for bit.
//!
//! In the small core, without the feature `std`, there is no learner: only the [`State`] with its parts, the [`Features`] that it answers from, and the
//! answers ([`State::score`]).

#[cfg(feature = "std")]
mod budget;
#[cfg(feature = "std")]
mod builder;
mod classifier;
#[cfg(feature = "std")]
mod closing;
#[cfg(feature = "std")]
mod conceding;
mod concession;
#[cfg(feature = "std")]
mod course;
#[cfg(feature = "std")]
mod crops;
#[cfg(feature = "std")]
mod draft;
#[cfg(feature = "std")]
mod encoded;
#[cfg(feature = "std")]
mod extraction;
mod features;
mod fits;
#[cfg(feature = "std")]
mod fitting;
#[cfg(feature = "std")]
mod footprint;
#[cfg(feature = "std")]
mod forgetting;
#[cfg(feature = "std")]
mod goal;
#[cfg(feature = "std")]
mod learning;
mod ledger;
#[cfg(feature = "std")]
mod lesson;
#[cfg(feature = "std")]
mod mixing;
#[cfg(feature = "std")]
mod model;
#[cfg(feature = "std")]
mod network;
#[cfg(feature = "std")]
mod pace;
#[cfg(feature = "std")]
mod passes;
#[cfg(feature = "std")]
mod phases;
mod prediction;
#[cfg(feature = "std")]
mod predictor;
#[cfg(feature = "std")]
mod recall;
mod receipt;
mod recognition;
#[cfg(feature = "std")]
mod routing;
#[cfg(feature = "std")]
mod runner;
mod settings;
#[cfg(feature = "std")]
mod shown;
#[cfg(feature = "std")]
mod shrinking;
mod signatures;
#[cfg(feature = "std")]
mod signing;
#[cfg(feature = "std")]
mod spill;
mod state;
#[cfg(feature = "std")]
mod stream;
#[cfg(feature = "std")]
mod task;
#[cfg(feature = "std")]
mod teaching;
#[cfg(feature = "std")]
mod tokens;
#[cfg(feature = "std")]
mod trainer;
#[cfg(feature = "std")]
mod twin;
#[cfg(feature = "std")]
mod twins;
#[cfg(feature = "std")]
mod verdict;
#[cfg(feature = "std")]
mod wanted;
#[cfg(feature = "std")]
mod whole;

#[cfg(feature = "std")]
pub use budget::{Budget, Spill};
#[cfg(feature = "std")]
pub use builder::{Builder, slots};
pub use classifier::Statistics;
#[cfg(feature = "std")]
pub use closing::TaskReport;
pub use concession::{Concession, Concessions, Lever};
#[cfg(feature = "std")]
pub use crops::{Crops, MOST_CROPS, crop};
#[cfg(feature = "std")]
pub use encoded::Encoded;
pub use features::{Features, Scale};
#[cfg(feature = "std")]
pub use fitting::Fitted;
#[cfg(feature = "std")]
pub use footprint::{Footprint, Item, Phase as MemoryPhase};
#[cfg(feature = "std")]
pub use forgetting::{Forgotten, Others, Residue};
#[cfg(feature = "std")]
pub use learning::Learner;
#[cfg(feature = "std")]
use learning::Phase;
pub use ledger::{Age, Digest, Ledger};
#[cfg(feature = "std")]
pub use lesson::{Lesson, Space};
#[cfg(feature = "std")]
pub use model::Model;
#[cfg(feature = "std")]
pub use pace::Pace;
pub use prediction::{Prediction, Scored};
#[cfg(feature = "std")]
pub use predictor::Predictor;
#[cfg(feature = "std")]
pub use recall::{Asked, Recall, Taken, share};
pub use receipt::Receipt;
pub use recognition::Recognition;
#[cfg(feature = "std")]
pub use runner::Runner;
pub use settings::{Descent, Promise, Settings};
pub use signatures::Signatures;
pub use state::{State, TaskRecord};
#[cfg(feature = "std")]
pub use stream::{Closed, Stream};
#[cfg(feature = "std")]
pub use teaching::Labelled;
#[cfg(feature = "std")]
pub use trainer::{Batch, Extent, Step, Trainer};
#[cfg(feature = "std")]
pub use twins::Nearest;
#[cfg(feature = "std")]
pub use verdict::{Limits, Objection, Verdict};
