//! What a camera sees of a predictor: how long answers take, and which frames nobody looked at.
//!
//! A camera keeps the newest frame only. A frame that is replaced by the next one before the predictor comes back is dropped.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ndarray::ArrayView4;

use super::spread::quantile;
use crate::error::Result;
use crate::learner::Predictor;

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Seconds of every answer, from the call to its return.
    pub answers: Vec<f64>,
    /// Frames that nobody looked at.
    pub dropped: usize,
}

impl Seen {
    /// Asks `predictor` about every frame of a camera of `fps` frames a second, for as long as `time`. Frames are the rows of
    /// `images`, `[n, channels, height, width]`, over and over.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn watch(
        predictor: &Predictor,
        images: ArrayView4<'_, f32>,
        fps: f64,
        time: Duration,
    ) -> Result<Self> {
        let (start, mut seen) = (Instant::now(), Self::default());
        let frames = (time.as_secs_f64() * fps).ceil() as u32;
        let due = |frame: u32| start + Duration::from_secs_f64(f64::from(frame) / fps);
        let (mut frame, rows) = (0, images.shape()[0] as u32);
        while frame < frames {
            sleep(due(frame).saturating_duration_since(Instant::now()));
            let row = (frame % rows) as usize;
            let began = Instant::now();
            predictor.predict(images.slice(ndarray::s![row..=row, .., .., ..]))?;
            seen.answers.push(began.elapsed().as_secs_f64());
            // The newest frame that is there by now, or the next.
            let newest = (start.elapsed().as_secs_f64() * fps) as u32;
            let next = newest.clamp(frame + 1, frames);
            seen.dropped += (next - frame - 1) as usize;
            frame = next;
        }
        Ok(seen)
    }

    /// Adds what another look saw.
    pub fn extend(&mut self, other: &Self) {
        self.answers.extend(&other.answers);
        self.dropped += other.dropped;
    }

    /// Frames that the camera gave.
    pub fn frames(&self) -> usize {
        self.answers.len() + self.dropped
    }

    /// Seconds that a share `q` of all answers take at most.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.answers.clone();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, q)
    }
}
