//! What the open task trains towards: its head, its objective, its training step.

use ndarray::{Array2, Axis, concatenate};

use super::classifier::Statistics;
use super::trainer::{Extent, Trainer};
use super::{Encoded, Learner, features, network};
use crate::engine::Data;
use crate::error::Result;
use crate::graph::Graph;
use crate::head::{Cosine, Linear, TrainingHead};
use crate::joint::{Objective, Views};
use crate::strategy::{Goal, View};

/// Rows of the training head before it first doubles.
const FIRST_CLASSES: usize = 16;

/// Sections beside the one that is trained, where views are: the frozen one and that of the slow network.
const BESIDE: usize = 2;

/// Share of the old prototypes' energy that new features keep out of, and the most directions it may take (NTK-CL's 40).
const OLD_ENERGY: f64 = 0.95;
const OLD_DIRECTIONS: usize = 40;

impl Learner {
    /// The training head: a linear one goes on, a cosine one begins anew but for its gate.
    pub(super) fn prepare_head(&mut self, seed: u64) -> Result<()> {
        let width = self.backbone.width;
        match (self.strategy.goal(), &mut self.state.training) {
            (Goal::Linear, None) => {
                self.state.training = Some(TrainingHead::Linear(Linear::new(width, FIRST_CLASSES)));
            }
            (Goal::Views { .. }, None) => {
                let whole = (BESIDE + 1) * width;
                self.state.training = Some(TrainingHead::Cosine(Cosine::new(whole, FIRST_CLASSES, seed)));
            }
            (Goal::Views { .. }, Some(TrainingHead::Cosine(head))) => head.refresh(FIRST_CLASSES, seed),
            _ => {}
        }
        Ok(())
    }

    /// What the open task minimises, and what it must know for that.
    fn objective(&self) -> Result<(Objective, Vec<Data>)> {
        if let Some(TrainingHead::Given(vectors)) = &self.state.training {
            return Ok((Objective::Given { scale: vectors.scale() }, Vec::new()));
        }
        let Goal::Views { dissimilarity, orthogonality, temperature } = self.strategy.goal() else {
            return Ok((Objective::Linear, Vec::new()));
        };
        let mut data = Vec::new();
        let (mut prototypes, mut directions) = (0, 0);
        if let Some(Statistics::Sections(sections)) = &self.state.statistics {
            let (means, subspace) = (sections.prototypes(), sections.subspace(OLD_ENERGY, OLD_DIRECTIONS)?);
            (prototypes, directions) = (means.nrows(), subspace.ncols());
            data.extend([means.into(), subspace.into()]);
        }
        let beside = BESIDE * self.backbone.width;
        let views = Views { beside, prototypes, directions, dissimilarity, orthogonality, temperature };
        Ok((Objective::Views(views), data))
    }

    /// Sections of the feature that the open task does not train, `[n, BESIDE * width]`: frozen, and the first network.
    pub(super) fn beside(&self, images: &Encoded) -> Result<Option<Array2<f32>>> {
        let Some(TrainingHead::Cosine(_)) = &self.state.training else { return Ok(None) };
        let slow = &self.networks[..self.networks.len().min(1)];
        let features = features::extract(slow, View::Fused, images)?;
        let slow = features.adapted.first().unwrap_or(&features.frozen);
        let both = concatenate(Axis(1), &[features.frozen.view(), slow.view()]);
        both.map(Some).map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))
    }

    /// The settled network, on which the open task trains.
    pub(super) fn base(&self) -> Result<Graph> {
        let memory = &self.state.memory;
        let pairs: Vec<_> =
            (0..self.sites.len()).map(|slot| self.strategy.base(memory, slot)).collect::<Result<_>>()?;
        network::merged(&self.suffix, &self.sites, &pairs, self.state.settings.lora.scaling())
    }

    /// A training step on it.
    pub(super) fn trainer(&self, index: usize) -> Result<Trainer> {
        let (s, memory) = (&self.state.settings, &self.state.memory);
        let Some(head) = &self.state.training else { crate::bail!(Bug, "training without a training head") };
        let base = self.base()?;
        let mixed = self.strategy.mixes().map_or(0, |_| memory.pool.rank());
        let rate = self.strategy.rate(index);
        let (objective, data) = self.objective()?;
        let extent = Extent { rate, mixed, objective, data };
        Trainer::new(self.engine.as_ref(), &base, &self.sites, s, head, extent)
    }
}
