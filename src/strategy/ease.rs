//! EASE-like: a network a task, all of them read at once (arXiv 2403.12030).
//!
//! Every task trains an adapter of its own on the frozen network; nothing is shared and nothing is overwritten. Every image
//! passes every network, and class means in all their spaces answer. Means that old classes would have in newer spaces
//! are completed by similarity ([`Subspaces`](crate::head::Subspaces)), as no image of them is left.
//!
//! Prediction and state grow with the number of tasks; it is a baseline, not a plan for a device. EASE puts bottlenecks
//! beside the feed-forward layers; here it uses the adapters that were asked for, like every other strategy.

use alloc::vec::Vec;

use super::unprotected::start_adapters;
use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, View};
use crate::error::Result;

/// The strategy.
#[derive(Clone, Copy, Debug)]
pub struct Ease;

impl Strategy for Ease {
    fn name(&self) -> &'static str {
        "ease"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: Classifier::Subspaces, view: View::Adapted }
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        start_adapters(task, memory);
        Ok(())
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.keep_apart()
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        (0..memory.pool.tasks()).map(|task| memory.pool.network(task)).collect()
    }
}
