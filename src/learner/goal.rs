//! What the open task trains towards: its head, its objective, its training step.

use ndarray::{Array1, Array2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::classifier::{SECTIONS, Statistics};
use super::trainer::{Extent, Trainer};
use super::{Encoded, Learner, extraction, network};
use crate::engine::Data;
use crate::error::Result;
use crate::graph::Graph;
use crate::head::{Cosine, Fusion, Linear, Sections, TrainingHead};
use crate::joint::{Branches, Objective, Terms, Views};
use crate::strategy::{Goal, View};

/// Rows of the training head before it first doubles.
const FIRST_CLASSES: usize = 16;

/// Share of the old prototypes' energy that new features keep out of, and the most directions it may take (NTK-CL's 40).
const OLD_ENERGY: f64 = 0.95;
pub const OLD_DIRECTIONS: usize = 40;

impl Learner {
    /// The training head: a linear one goes on, a cosine one begins anew but for its gate.
    pub(super) fn prepare_head(&mut self, seed: u64) -> Result<()> {
        let width = self.model.width;
        match (self.strategy.goal(), &mut self.model.state.training) {
            (Goal::Linear, None) => {
                self.model.state.training = Some(TrainingHead::Linear(Linear::new(width, FIRST_CLASSES)));
            }
            (_, Some(TrainingHead::Cosine(head))) => head.refresh(FIRST_CLASSES, seed),
            (Goal::Views { .. }, None) => self.start_head(Fusion::gate(SECTIONS * width), seed),
            (Goal::Branches(_), None) => self.start_head(Fusion::values(SECTIONS * width, seed), seed),
            _ => {}
        }
        Ok(())
    }

    fn start_head(&mut self, fusion: Fusion, seed: u64) {
        self.model.state.training = Some(TrainingHead::Cosine(Cosine::new(fusion, FIRST_CLASSES, seed)));
    }

    /// What the open task minimises, and what it must know for that.
    fn objective(&self) -> Result<(Objective, Vec<Data>)> {
        if let Some(TrainingHead::Given(vectors)) = &self.model.state.training {
            return Ok((Objective::Given { scale: vectors.scale() }, Vec::new()));
        }
        match self.strategy.goal() {
            Goal::Linear => Ok((Objective::Linear, Vec::new())),
            Goal::Views { dissimilarity, orthogonality, temperature } => {
                let mut data = Vec::new();
                let (mut prototypes, mut directions) = (0, 0);
                if let Some(sections) = self.sections() {
                    let (means, subspace) =
                        (sections.prototypes(), sections.subspace(OLD_ENERGY, OLD_DIRECTIONS)?);
                    (prototypes, directions) = (means.nrows(), subspace.ncols());
                    data.extend([means.into(), subspace.into()]);
                }
                let beside = (SECTIONS - 1) * self.model.width;
                let views =
                    Views { beside, prototypes, directions, dissimilarity, orthogonality, temperature };
                Ok((Objective::Views(views), data))
            }
            Goal::Branches(terms) => self.branches(terms),
        }
    }

    /// Of the old classes at most one prototype for every row of a batch, drawn once a task; the 40 first directions of all.
    fn branches(&self, terms: Terms) -> Result<(Objective, Vec<Data>)> {
        let (s, index) = (&self.model.state.settings, self.model.state.learned() as u64);
        let mut data = Vec::new();
        if terms.contrast {
            data.push(Array1::from_iter(0..s.micro as i64).into());
        }
        let (mut prototypes, mut directions) = (0, 0);
        if let Some(sections) = self.sections() {
            let subspace = sections.subspace(1.0, OLD_DIRECTIONS)?;
            let (means, known) = (sections.prototypes(), sections.known());
            let mut some: Vec<usize> = (0..known.len()).collect();
            some.shuffle(&mut ChaCha8Rng::seed_from_u64(s.seed ^ index << 32));
            some.truncate(s.batch);
            let labels: Array1<i64> = some.iter().map(|&i| known[i] as i64).collect();
            (prototypes, directions) = (some.len(), subspace.ncols());
            data.extend([means.select(Axis(0), &some).into(), labels.into(), subspace.into()]);
        }
        if let Some(TrainingHead::Cosine(head)) = &self.model.state.training {
            data.extend(head.found().into_iter().map(Data::F32));
        }
        // The release sums its residual over the batch; weights of rows make a mean.
        let rows = if terms.residual { s.batch as f32 } else { 1.0 };
        let terms = Terms { orthogonality: terms.orthogonality * rows, ..terms };
        Ok((Objective::Branches(Branches { terms, prototypes, directions }), data))
    }

    fn sections(&self) -> Option<&Sections> {
        match self.model.state.statistics.as_deref() {
            Some(Statistics::Sections(sections)) => Some(sections),
            _ => None,
        }
    }

    /// Sections of the feature that the open task does not train: the frozen one, and those of the slow networks, which are
    /// the first half of all. Frozen ones stand in for slow ones before there are any.
    pub(super) fn beside(&self, images: &Encoded) -> Result<Option<Array2<f32>>> {
        let slow = match self.strategy.goal() {
            _ if !matches!(self.model.state.training, Some(TrainingHead::Cosine(_))) => return Ok(None),
            Goal::Branches(_) => 2,
            _ => 1,
        };
        let networks = &self.model.networks[..self.model.networks.len().min(slow)];
        let features = extraction::extract(networks, View::Fused, images, self.pace.as_ref())?;
        let frozen = features.frozen.view();
        let rows = (0..slow).map(|i| features.adapted.get(i).map_or(frozen, Array2::view));
        let all: Vec<_> = [frozen].into_iter().chain(rows).collect();
        concatenate(Axis(1), &all)
            .map(Some)
            .map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))
    }

    /// The settled network, on which the open task trains.
    pub(super) fn base(&self) -> Result<Graph> {
        let memory = &self.model.state.memory;
        let pairs: Vec<_> =
            (0..self.sites.len()).map(|slot| self.strategy.base(memory, slot)).collect::<Result<_>>()?;
        network::merged(&self.suffix, &self.sites, &pairs, self.model.state.settings.lora.scaling())
    }

    /// A training step on it.
    pub(super) fn trainer(&self, index: usize) -> Result<Trainer> {
        let (s, memory) = (&self.model.state.settings, &self.model.state.memory);
        let Some(head) = &self.model.state.training else {
            crate::bail!(Bug, "training without a training head")
        };
        let base = self.base()?;
        let mixed = self.strategy.mixes().map_or(0, |_| memory.pool.rank());
        let rate = self.strategy.rate(index);
        let (objective, data) = self.objective()?;
        let extent = Extent { rate, mixed, objective, data };
        Trainer::new(self.engine.as_ref(), &base, &self.sites, s, head, extent)
    }

    /// Lets the open task train again after its end has failed.
    pub(super) fn wake(&mut self) -> Result<()> {
        let index = self.model.state.learned();
        if self.task()?.trainer.is_none() {
            return Ok(());
        }
        let fresh = self.trainer(index)?;
        if let Some(trainer) = &mut self.task()?.trainer {
            trainer.wake(fresh);
        }
        Ok(())
    }
}
