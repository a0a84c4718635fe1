//! Strategies that leave the network alone.
//!
//! A statistics head on frozen features is the baseline that every adapting strategy must beat per joule.

use super::{Classifier, Memory, Moments, Reading, Strategy, TaskContext, View};
use crate::error::Result;

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

    fn reading(&self) -> Reading {
        Reading { classifier: self.classifier, view: self.view }
    }

    fn adapts(&self, _: usize) -> bool {
        false
    }

    fn begin(&self, _: &TaskContext, _: &mut Memory) -> Result<()> {
        Ok(())
    }

    fn end(&self, _: &TaskContext, _: &mut Memory, _: &Moments) -> Result<()> {
        Ok(())
    }
}
