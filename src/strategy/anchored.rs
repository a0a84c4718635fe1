//! Adapters pulled towards where a task found them, and their mean over the ends of tasks: what both forms of NTK-CL share.

use alloc::vec::Vec;

use super::unprotected::start_adapters;
use super::{Memory, TaskContext, Trained};

/// Starts the adapters before the first task.
pub(super) fn start(task: &TaskContext, memory: &mut Memory) {
    if task.index == 0 {
        start_adapters(task, memory);
    }
}

/// Remembers where the task finds the adapters.
pub(super) fn find(memory: &mut Memory) {
    memory.found = memory.current.clone();
}

/// Adds the gradient of `weight |now - found|^2`.
pub(super) fn pull(weight: f32, memory: &Memory, slot: usize, gradient: &mut Trained) {
    let (now, found) = (&memory.current[slot], &memory.found[slot]);
    gradient.pair.a.scaled_add(2.0 * weight, &(&now.a - &found.a));
    gradient.pair.b.scaled_add(2.0 * weight, &(&now.b - &found.b));
}

/// Ends a task: `mean <- mean t/(t+1) + now/(t+1)`.
pub(super) fn settle(memory: &mut Memory) {
    memory.round();
    memory.found = Vec::new();
    memory.average.add(&memory.current);
}
