//! The learner itself: its phases, and what moves it from one to the next.

use std::sync::Arc;

use ndarray::ArrayView4;

use super::crops::{Crops, crop};
use super::lesson::Lesson;
use super::task::OpenTask;
use super::verdict::Limits;
use super::{
    Budget, Builder, Encoded, Footprint, Model, Pace, Prediction, Predictor, Scored, Settings, State, Step,
    TaskRecord, network,
};
use crate::adapter::Site;
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::Graph;
use crate::strategy::Strategy;

/// Learns classes task after task on a frozen backbone.
pub struct Learner {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) sha256: [u8; 32],
    pub(super) footprint: Footprint,
    pub(super) suffix: Graph,
    pub(super) sites: Vec<Site>,
    pub(super) budget: Budget,
    pub(super) limits: Limits,
    pub(super) pace: Arc<dyn Pace>,
    /// As it is now.
    pub(super) model: Model,
    /// As it was committed.
    pub(super) committed: Predictor,
    pub(super) phase: Phase,
    pub(super) sharing: bool,
}

/// Where in a task the learner is. Boxes keep the learner small where nothing is open.
pub(super) enum Phase {
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
    /// [`Refused`](crate::ErrorKind::Refused) where the task's [`Verdict`](super::Verdict) holds objections: the task stays undecided.
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
    pub(super) fn connect(&mut self) -> Result<()> {
        let Self { engine, suffix, sites, strategy, model, .. } = self;
        model.networks =
            network::all(engine.as_ref(), suffix, sites, strategy.as_ref(), &model.state)?.into();
        Ok(())
    }
}
