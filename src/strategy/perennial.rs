//! The default: adapt once, read at several depths, keep second-order statistics.
//!
//! The first task adapts the last blocks; later ones leave the network alone, so no statistic ever goes stale. Its features
//! stand beside what tokens say before the adapted blocks, which costs no pass, and discriminants with a centre for every
//! class and task read both. What each part buys is in ARCHITECTURE.md; `perennial eval --strategy` compares.

use super::unprotected::start_adapters;
use super::{Classifier, Memory, Moments, Reading, Strategy, TaskContext, View};
use crate::error::Result;

/// The strategy.
#[derive(Clone, Copy, Debug)]
pub struct Perennial {
    name: &'static str,
    reading: Reading,
}

impl Perennial {
    /// The default, under `classifier`.
    pub fn new(classifier: Classifier) -> Self {
        Self { name: "perennial", reading: Reading { classifier, view: View::Deep } }
    }

    /// The one whose state is below a megabyte.
    pub fn compact() -> Self {
        let reading = Reading { classifier: Classifier::Centres, view: View::Near };
        Self { name: "perennial-compact", reading }
    }
}

impl Strategy for Perennial {
    fn name(&self) -> &'static str {
        self.name
    }

    fn reading(&self) -> Reading {
        self.reading
    }

    fn adapts(&self, index: usize) -> bool {
        index == 0
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        if task.index == 0 {
            start_adapters(task, memory);
        }
        Ok(())
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.round();
        Ok(())
    }
}
