//! What is measured, by name. A case travels to its process as one line of JSON.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::adapter::{Blocks, Lora};
use crate::error::{Error, Result};

/// A piece of the learner's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Images to features through the frozen network.
    Forward,
    /// Images to loss, every gradient, and AdamW on adapters of all blocks and the head.
    StepAll,
    /// The same with all blocks' activations but the last's computed again instead of kept.
    StepAllRecomputed,
    /// The same as `StepAll` with adapters in the last blocks only.
    StepLast,
    /// The same from boundary tokens that were computed before.
    StepCached,
    /// Images to features, adapters of all blocks folded into the weights.
    Merged,
    /// Images to features, adapters of all blocks as inputs.
    Inputs,
    /// Images to features, adapters of all blocks as inputs, one an image.
    PerImage,
}

impl Work {
    /// Every piece, in the order in which tables show it.
    pub const ALL: [Self; 8] = [
        Self::Forward,
        Self::StepAll,
        Self::StepAllRecomputed,
        Self::StepLast,
        Self::StepCached,
        Self::Merged,
        Self::Inputs,
        Self::PerImage,
    ];

    /// As the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::StepAll => "step-all",
            Self::StepAllRecomputed => "step-all-recomputed",
            Self::StepLast => "step-last",
            Self::StepCached => "step-cached",
            Self::Merged => "merged",
            Self::Inputs => "inputs",
            Self::PerImage => "per-image",
        }
    }

    /// Whether an optimizer steps.
    pub fn trains(self) -> bool {
        matches!(self, Self::StepAll | Self::StepAllRecomputed | Self::StepLast | Self::StepCached)
    }
}

impl FromStr for Work {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|w| w.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            crate::err!(NotFound, "no work {name:?}; use some of: {names}")
        })
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Who computes.
    pub engine: String,
    /// What.
    pub work: Work,
    /// Images an optimizer step or a prediction.
    pub batch: usize,
    /// Images a pass through the engine, at most.
    pub micro: usize,
    /// Threads in all.
    pub threads: usize,
    /// Where to adapt and with how much; the blocks are those of [`Work::StepLast`] and [`Work::StepCached`].
    pub lora: Lora,
    /// Classes of the linear head.
    pub classes: usize,
    /// The backbone's file.
    pub backbone: PathBuf,
    /// Height and width of an image where the file leaves them open.
    pub image_size: Option<[usize; 2]>,
}

impl Case {
    /// The adapters of this work: the last blocks where it says so, otherwise all.
    pub fn lora(&self) -> Lora {
        match self.work {
            Work::StepLast | Work::StepCached => self.lora,
            _ => Lora { blocks: Blocks::All, ..self.lora },
        }
    }

    /// Whether the step computes activations again.
    pub fn recomputes(&self) -> bool {
        self.work == Work::StepAllRecomputed
    }
}
