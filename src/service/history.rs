//! What the last ten minutes were like, second by second.

use std::collections::VecDeque;

use serde::Serialize;

use super::answer::Answer;
use super::events::now;

/// Seconds that are held.
pub const HELD: usize = 600;

/// A second.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Second {
    /// Its end, in seconds since 1970.
    pub at: f64,
    /// Frames that were answered.
    pub frames: u32,
    /// Of these, the ones that looked like nothing known.
    pub unknown: u32,
    /// Mean familiarity of its frames; `None` where nothing was answered.
    pub familiarity: Option<f32>,
    /// Longest answer, in milliseconds.
    pub slowest_ms: f64,
    /// Resident memory of the process, in bytes, where the system tells.
    pub resident: Option<u64>,
    /// Whether a lesson was going on.
    pub learning: bool,
}

/// Seconds, the newest last.
#[derive(Default)]
pub struct History {
    held: VecDeque<Second>,
    open: Second,
    familiarity: f32,
}

impl History {
    /// Counts an answer.
    pub fn answered(&mut self, answer: &Answer) {
        self.open.frames += 1;
        self.open.unknown += u32::from(answer.unknown);
        self.open.slowest_ms = self.open.slowest_ms.max(answer.milliseconds);
        self.familiarity += answer.familiarity;
    }

    /// Ends the second.
    pub fn tick(&mut self, resident: Option<u64>, learning: bool) {
        let mean = |n: u32| (n > 0).then(|| self.familiarity / n as f32);
        let familiarity = mean(self.open.frames);
        if self.held.len() == HELD {
            self.held.pop_front();
        }
        self.held.push_back(Second { at: now(), familiarity, resident, learning, ..self.open });
        (self.open, self.familiarity) = (Second::default(), 0.0);
    }

    /// The oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Second> {
        self.held.iter()
    }
}
