//! Strategies that leave the network alone, always or after the first task.
//!
//! A statistics head on frozen features is the baseline that every adapting strategy must beat per joule.

use super::sequential::start_adapters;
use super::{Classifier, Memory, Strategy, TaskContext, View};
use crate::error::Result;
use crate::subspace::SecondMoment;

/// Never adapts.
#[derive(Clone, Copy, Debug)]
pub struct Frozen {
    name: &'static str,
    classifier: Classifier,
    view: View,
}

impl Frozen {
    /// A frozen network under `classifier`.
    pub fn new(name: &'static str, classifier: Classifier) -> Self {
        Self { name, classifier, view: View::Frozen }
    }

    /// The same, reading mean boundary tokens beside the features.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { view: View::Beside, ..self }
    }
}

impl Strategy for Frozen {
    fn name(&self) -> &'static str {
        self.name
    }

    fn classifier(&self) -> (Classifier, View) {
        (self.classifier, self.view)
    }

    fn adapts(&self, _: usize) -> bool {
        false
    }

    fn begin(&self, _: &TaskContext, _: &mut Memory) -> Result<()> {
        Ok(())
    }
}

/// Adapts on the first task, then never again, under random-feature ridge: RanPAC.
#[derive(Clone, Copy, Debug)]
pub struct RanpacFirst {
    /// Random-feature ridge.
    pub classifier: Classifier,
}

impl Strategy for RanpacFirst {
    fn name(&self) -> &'static str {
        "ranpac-first"
    }

    fn classifier(&self) -> (Classifier, View) {
        (self.classifier, View::Adapted)
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

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &[SecondMoment]) -> Result<()> {
        memory.round();
        Ok(())
    }
}
