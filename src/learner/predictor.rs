//! Answers beside learning.
//!
//! A learner is one thread's; a predictor is everybody's. It answers from the last committed model, never waits for the learner, and
//! takes over the next one between two calls, all of it at once:
//!
//! ```text
//! learner     begin_task  observe ..  end_task  commit            (seconds)
//! predictor   old  old  old  old  old  old  old  │ new  new  new   (every frame)
//! ```

use std::sync::Arc;

use arc_swap::ArcSwap;
use ndarray::ArrayView4;

use super::prediction::Prediction;
use super::{Learner, Model};
use crate::error::Result;

/// Answers from what a learner last committed, on any thread. Copies follow the same learner.
#[derive(Clone)]
pub struct Predictor {
    current: Arc<ArcSwap<Model>>,
}

impl Predictor {
    /// On `model`, until [`Predictor::publish`].
    pub(super) fn new(model: Model) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(model)) }
    }

    /// From the next call on, answers come from `model`.
    pub(super) fn publish(&self, model: Model) {
        self.current.store(Arc::new(model));
    }

    /// The model that answers now; it goes on being the same, whatever is committed.
    pub fn model(&self) -> Arc<Model> {
        self.current.load_full()
    }

    /// Classifies preprocessed images, `[n, channels, height, width]`, all by the same model.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict(&self, images: ArrayView4<'_, f32>) -> Result<Vec<Prediction>> {
        self.model().predict(images)
    }

    /// Changes that were kept so far; another number is another model.
    pub fn commits(&self) -> u64 {
        self.current.load().state().commits
    }
}

impl Learner {
    /// Answers from the last committed state, for other threads.
    pub fn predictor(&self) -> Predictor {
        self.committed.clone()
    }

    /// Gives the state as it is to all predictors.
    pub(super) fn publish(&self) {
        self.committed.publish(self.model.clone());
    }
}
