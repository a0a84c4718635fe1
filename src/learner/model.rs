//! What answers: the frozen network, the adapted ones and what was learned, as they are at one moment.
//!
//! A copy shares the compiled networks and the statistics of the classifier, so that the last committed model can go on
//! answering ([`Predictor`](super::Predictor)) while the next one is made.

use std::sync::Arc;

use ndarray::ArrayView4;

use super::network::Network;
use super::pace::Pace;
use super::prediction::{self, Prediction, Scored};
use super::runner::Runner;
use super::{Encoded, Features, State, extraction, routing};
use crate::adapter::cut;
use crate::error::Result;
use crate::strategy::{Reading, View};

/// A model that answers.
#[derive(Clone)]
pub struct Model {
    pub(super) image: [usize; 3],
    pub(super) width: usize,
    pub(super) reading: Reading,
    pub(super) trunk: Arc<Runner>,
    pub(super) networks: Arc<[Network]>,
    pub(super) state: State,
}

impl Model {
    /// What it knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Shape of one image, `[channels, height, width]`.
    pub fn image_shape(&self) -> [usize; 3] {
        self.image
    }

    /// The images, `[n, channels, height, width]`, after the frozen network; what [`Model::predict`] starts from.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) for images of another size,
    /// [`Numeric`](crate::ErrorKind::Numeric) for pixels that are NaN or infinite.
    pub fn encode(&self, images: ArrayView4<'_, f32>) -> Result<Encoded> {
        self.encode_at(images, &())
    }

    /// The same at the pace of whoever learns.
    pub(super) fn encode_at(&self, images: ArrayView4<'_, f32>, pace: &dyn Pace) -> Result<Encoded> {
        if images.shape()[1..] != self.image {
            let (have, want) = (images.shape(), self.image);
            crate::bail!(
                Shape,
                "images are {have:?}; the backbone takes [n, {}, {}, {}]",
                want[0],
                want[1],
                want[2]
            );
        }
        if images.iter().any(|x| !x.is_finite()) {
            crate::bail!(Numeric, "an image holds NaN or infinity; check the camera or the preprocessing");
        }
        extraction::encode(&self.trunk, images, pace)
    }

    /// Refuses images that were encoded without what this model reads.
    pub(super) fn check_encoded(&self, images: &Encoded) -> Result<()> {
        let [frozen, summary] = images.widths();
        let lacks = |name: &str| match name {
            cut::FEATURES => frozen != self.width,
            cut::SUMMARY => summary != self.state.summary.iter().sum::<usize>(),
            _ => false,
        };
        match self.trunk.outputs().find(|name| lacks(name)) {
            Some(name) if !images.is_empty() => Err(crate::err!(
                Mismatch,
                "the images were encoded without the {name} that {} reads; encode them with this learner",
                self.state.strategy
            )),
            _ => Ok(()),
        }
    }

    /// Classifies preprocessed images, `[n, channels, height, width]`, without being told their task.
    ///
    /// # Errors
    /// As [`Model::encode`], and [`State`](crate::ErrorKind::State) before any task was learned.
    pub fn predict(&self, images: ArrayView4<'_, f32>) -> Result<Vec<Prediction>> {
        self.predict_encoded(&self.encode(images)?)
    }

    /// As [`Model::predict`], from encoded images.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) before any task was learned; [`Mismatch`](crate::ErrorKind::Mismatch) for images that
    /// a learner of another strategy encoded without what this one reads.
    pub fn predict_encoded(&self, images: &Encoded) -> Result<Vec<Prediction>> {
        Ok(self.score_encoded(images)?.into_iter().map(|scored| scored.prediction).collect())
    }

    /// As [`Model::predict_encoded`], with the scores behind every answer.
    ///
    /// # Errors
    /// As [`Model::predict_encoded`].
    pub fn score_encoded(&self, images: &Encoded) -> Result<Vec<Scored>> {
        if self.state.tasks.is_empty() {
            crate::bail!(State, "nothing was learned yet; begin_task, observe and end_task first");
        }
        match self.reading.view {
            View::Routed(most) => {
                self.check_encoded(images)?;
                routing::predict(&self.state, &self.networks, most, images)
            }
            _ => prediction::predict(&self.state, self.reading, &self.features(images)?),
        }
    }

    /// What the networks say of encoded images: all that [`State::score`] answers from, here or on another chip.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) as [`Model::predict_encoded`].
    pub fn features(&self, images: &Encoded) -> Result<Features> {
        self.check_encoded(images)?;
        extraction::extract(&self.networks, self.reading.view, images, &())
    }
}
