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

mod builder;
mod classifier;
mod closing;
mod concession;
mod course;
mod crops;
mod draft;
mod encoded;
mod features;
mod fits;
mod fitting;
mod footprint;
mod forgetting;
mod goal;
mod ledger;
mod lesson;
mod mixing;
mod model;
mod network;
mod pace;
mod passes;
mod phases;
mod prediction;
mod predictor;
mod recall;
mod receipt;
mod recognition;
mod routing;
mod runner;
mod settings;
mod shrinking;
mod signatures;
mod spill;
mod state;
mod stream;
mod task;
mod teaching;
mod tokens;
mod trainer;
mod twin;
mod twins;
mod verdict;
mod wanted;
mod whole;

use std::sync::Arc;

use ndarray::ArrayView4;

pub use builder::{Builder, slots};
pub use classifier::Statistics;
pub use closing::TaskReport;
pub use concession::{Concession, Concessions, Lever};
pub use encoded::Encoded;
pub use fitting::Fitted;
pub use footprint::{Footprint, Item, Phase as MemoryPhase};
pub use forgetting::{Forgotten, Others, Residue};
pub use ledger::{Age, Digest, Ledger};
pub use lesson::{Lesson, Space};
pub use model::Model;
pub use pace::Pace;
pub use prediction::{Prediction, Scored};
pub use predictor::Predictor;
pub use recall::{Asked, Recall, Taken, share};
pub use receipt::Receipt;
pub use recognition::Recognition;
pub use runner::Runner;
pub use settings::{Budget, Descent, Settings, Spill};
pub use signatures::Signatures;
pub use state::{State, TaskRecord};
pub use stream::{Closed, Stream};
pub use teaching::Labelled;

pub use crops::{Crops, MOST_CROPS, crop};
pub use trainer::{Batch, Extent, Step, Trainer};
pub use twins::Nearest;
pub use verdict::{Limits, Objection, Verdict};

use crate::adapter::Site;
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::Graph;
use crate::strategy::Strategy;
use task::OpenTask;

/// Learns classes task after task on a frozen backbone.
pub struct Learner {
    engine: Arc<dyn Engine>,
    strategy: Arc<dyn Strategy>,
    sha256: [u8; 32],
    footprint: Footprint,
    suffix: Graph,
    sites: Vec<Site>,
    budget: Budget,
    limits: Limits,
    pace: Arc<dyn Pace>,
    /// As it is now.
    model: Model,
    /// As it was committed.
    committed: Predictor,
    phase: Phase,
    sharing: bool,
}

/// Where in a task the learner is. Boxes keep the learner small where nothing is open.
enum Phase {
    /// The state is committed.
    Idle,
    /// A task is open.
    Open { task: Box<OpenTask>, before: Arc<Model> },
    /// A task has ended and is neither committed nor rolled back.
    Ended { before: Arc<Model>, lesson: Option<Box<Lesson>>, against: Option<String> },
}

impl Learner {
    /// Starts building a learner on `backbone`.
    pub fn builder(backbone: crate::backbone::Backbone) -> Builder {
        Builder::new(backbone)
    }

    /// Planned memory, before anything is spent.
    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// SHA-256 of the backbone that the state belongs to.
    pub fn backbone_sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Shape of one image, `[channels, height, width]`.
    pub fn image_shape(&self) -> [usize; 3] {
        self.model.image
    }

    /// The strategy's name.
    pub fn strategy(&self) -> &str {
        &self.model.state.strategy
    }

    /// The settings it was built with.
    pub fn settings(&self) -> &Settings {
        &self.model.state.settings
    }

    /// Crops in which a picture is learned.
    pub fn crops(&self) -> usize {
        self.model.state.settings.crops.unwrap_or(1)
    }

    /// Names of all classes met so far, the open task's included; empty for one that was forgotten.
    pub fn classes(&self) -> &[String] {
        &self.model.state.classes
    }

    /// Finished tasks, one that is not yet committed included.
    pub fn tasks(&self) -> &[TaskRecord] {
        &self.model.state.tasks
    }

    /// The committed state, to be stored. While a task is open or uncommitted, the state before it.
    pub fn state(&self) -> &State {
        match &self.phase {
            Phase::Idle => &self.model.state,
            Phase::Open { before, .. } | Phase::Ended { before, .. } => &before.state,
        }
    }

    /// Opens a task.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) while another task is open or uncommitted;
    /// [`Budget`](crate::ErrorKind::Budget) where the strategy has no direction left to learn in.
    pub fn begin_task(&mut self, name: &str) -> Result<()> {
        match self.phase {
            Phase::Idle => {}
            Phase::Open { .. } => crate::bail!(State, "a task is open; call end_task or rollback first"),
            Phase::Ended { .. } => {
                crate::bail!(State, "the last task is not decided; call commit or rollback first")
            }
        }
        let before = self.committed.model();
        match self.open(name) {
            Ok(task) => self.phase = Phase::Open { task: Box::new(task), before },
            Err(e) => {
                self.model.state.clone_from(&before.state);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Learns from labelled images, `[n, channels, height, width]`, preprocessed: one optimizer step for every
    /// [`Settings::batch`] of them where the strategy adapts. Their boundary tokens are kept, within the
    /// budget, for [`Learner::epoch`] and [`Learner::end_task`], in every crop.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) outside a task, [`Shape`](crate::ErrorKind::Shape) for images of
    /// another size, [`Numeric`](crate::ErrorKind::Numeric) for NaN or an exploding loss. A call that failed
    /// changed nothing, not even by the steps before the one that failed.
    pub fn observe(&mut self, images: ArrayView4<'_, f32>, labels: &[&str]) -> Result<Vec<Step>> {
        self.observe_encoded(&self.encode_crops(images)?, labels)
    }

    /// The images after the frozen network, in [`Learner::crops`] crops; what [`Learner::observe`] starts from.
    ///
    /// # Errors
    /// As [`Learner::encode`].
    pub fn encode_crops(&self, images: ArrayView4<'_, f32>) -> Result<Crops> {
        let each = |index| match index {
            0 => self.encode(images),
            _ => self.encode(crop(images, index)?.view()),
        };
        Crops::new((0..self.crops()).map(each).collect::<Result<_>>()?)
    }

    /// The images after the frozen network; what [`Learner::predict`] starts from.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn encode(&self, images: ArrayView4<'_, f32>) -> Result<Encoded> {
        self.model.encode_at(images, self.pace.as_ref())
    }

    /// Keeps the state after the task that has ended.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) where the task's [`Verdict`] holds objections: the task stays undecided.
    /// Otherwise as [`Learner::commit_anyway`].
    pub fn commit(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Ended { against: Some(why), .. } => {
                Err(crate::err!(Refused, "{why}. Call rollback, or commit_anyway"))
            }
            _ => self.commit_anyway(),
        }
    }

    /// The same, whatever the verdict holds.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where no task has ended; [`Budget`](crate::ErrorKind::Budget) where the state has become larger
    /// than what was promised, in spite of what [`Budget::give_up`] allows: the task stays undecided.
    pub fn commit_anyway(&mut self) -> Result<()> {
        if !matches!(self.phase, Phase::Ended { .. }) {
            crate::bail!(State, "nothing to commit; call end_task first");
        }
        if let Some(why) = self.model.state.exceeds(&self.budget)? {
            crate::bail!(Budget, "{why}");
        }
        self.model.state.commits += 1;
        if let Err(e) = self.model.state.seal_receipt() {
            self.model.state.commits -= 1;
            return Err(e);
        }
        self.phase = Phase::Idle;
        self.publish();
        Ok(())
    }

    /// Returns to the state before `begin_task`, bit for bit.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where no task is open or uncommitted.
    pub fn rollback(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => Err(crate::err!(State, "nothing to roll back")),
            Phase::Open { before, .. } | Phase::Ended { before, .. } => {
                self.model.clone_from(&before);
                Ok(())
            }
        }
    }

    /// Classifies preprocessed images, `[n, channels, height, width]`, without being told their task, as the model is now: with
    /// the task that has ended, before it is committed. Other threads ask a [`Predictor`].
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict(&self, images: ArrayView4<'_, f32>) -> Result<Vec<Prediction>> {
        self.model.predict(images)
    }

    /// As [`Learner::predict`], from encoded images.
    ///
    /// # Errors
    /// As [`Model::predict_encoded`].
    pub fn predict_encoded(&self, images: &Encoded) -> Result<Vec<Prediction>> {
        self.model.predict_encoded(images)
    }

    /// As [`Learner::predict_encoded`], with the scores behind every answer.
    ///
    /// # Errors
    /// As [`Model::predict_encoded`].
    pub fn score_encoded(&self, images: &Encoded) -> Result<Vec<Scored>> {
        self.model.score_encoded(images)
    }

    /// Who says when learning may go on; nobody at first.
    pub fn set_pace(&mut self, pace: Arc<dyn Pace>) {
        self.pace = pace;
    }

    /// Compiles the networks that the state now asks for.
    fn connect(&mut self) -> Result<()> {
        let Self { engine, suffix, sites, strategy, model, .. } = self;
        model.networks =
            network::all(engine.as_ref(), suffix, sites, strategy.as_ref(), &model.state)?.into();
        Ok(())
    }
}
