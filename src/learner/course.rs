//! Training that diverges goes back to where it was sound, and on from there more slowly.
//!
//! ```text
//! call or pass ── sound ──> remembered as the place to go back to
//!        │
//!        └─ loss not finite, or a multiple of what it began with ──> back, a tenth of the rate, again; at most three times a task
//! ```
//!
//! The loss of a step is that of the parameters before it, so what made it explode may be the last step of the call before: a call that fails
//! at its first step goes back behind that one, too.

use super::trainer::{Before, Step, Trainer};
use crate::error::{Error, ErrorKind, Result};
use crate::head::TrainingHead;
use crate::strategy::Memory;

/// How often a task may go back.
const MOST: u32 = 3;

/// What the rate is multiplied by.
const SLOWER: f32 = 0.1;

/// How many times what it began with the loss may become. A guess among a million classes loses 14.
const EXPLODED: f32 = 5.0;

/// The way of one task's training.
#[derive(Default)]
pub struct Course {
    /// Before the last call that was sound.
    sound: Option<Before>,
    /// Loss of the first step.
    began: Option<f32>,
    /// How often it went back.
    restarts: u32,
}

impl Course {
    /// How often it went back.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Trains by `steps`, which counts those that were done, and again more slowly where that diverges.
    ///
    /// # Errors
    /// As `steps`, and [`Numeric`](ErrorKind::Numeric) where it diverges once more. Everything is as it was then.
    pub fn keep(
        &mut self,
        trainer: &mut Trainer,
        memory: &mut Memory,
        head: &mut TrainingHead,
        mut steps: impl FnMut(&mut Trainer, &mut Memory, &mut TrainingHead, &mut usize) -> Result<Vec<Step>>,
    ) -> Result<Vec<Step>> {
        let (entered, restarts) = (Before::of(trainer, memory, head), self.restarts);
        let mut behind = false;
        loop {
            let mut done = 0;
            let failed = match steps(trainer, memory, head, &mut done) {
                Ok(steps) if !self.exploded(&steps) => {
                    self.began = self.began.or(steps.first().map(|step| step.loss));
                    self.sound = Some(entered).filter(|_| !behind).or(self.sound.take());
                    return Ok(steps);
                }
                Ok(_) => None,
                Err(e) if e.kind() == ErrorKind::Numeric => Some(e),
                Err(e) => {
                    self.restarts = restarts;
                    trainer.slow(self.rate());
                    entered.restore(trainer, memory, head);
                    return Err(e);
                }
            };
            // What fails at once was not sound when the call began.
            let lost = done == 0 && behind;
            behind |= done == 0;
            let back = if behind { self.sound.as_ref() } else { Some(&entered) };
            let Some(back) = back.filter(|_| !lost && self.restarts < MOST) else {
                entered.restore(trainer, memory, head);
                return Err(self.given_up(failed));
            };
            back.restore(trainer, memory, head);
            self.restarts += 1;
            trainer.slow(self.rate());
        }
    }

    /// What is left of the rate.
    pub fn rate(&self) -> f32 {
        SLOWER.powi(self.restarts as i32)
    }

    /// What was sound belongs to a trainer that is gone.
    pub fn changed(&mut self) {
        self.sound = None;
    }

    /// Whether the last steps lose many times what the first one did.
    fn exploded(&self, steps: &[Step]) -> bool {
        let last = &steps[steps.len() - steps.len().div_ceil(4)..];
        let mean = last.iter().map(|step| step.loss).sum::<f32>() / last.len().max(1) as f32;
        let began = self.began.or(steps.first().map(|step| step.loss)).unwrap_or(mean);
        mean > EXPLODED * began.max(1.0)
    }

    fn given_up(&self, failed: Option<Error>) -> Error {
        match failed {
            Some(e) if self.restarts == 0 => e,
            _ => crate::err!(
                Numeric,
                "training diverged {} times, the last time at {:.0e} of the learning rate; nothing of this call was kept. Check the \
                 images, or lower the learning rate",
                self.restarts + 1,
                self.rate()
            ),
        }
    }
}
