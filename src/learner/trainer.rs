//! One optimizer step: micro-batches through the joint graph, gradients summed, delta edited and applied.
//!
//! Where the joint graph computes in f16 its loss is scaled ([`LossScale`]); in f32 the factor is 1 and changes no bit.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayViewD, Axis, Slice};
use rayon::prelude::*;

use super::pace::Pace;
use super::runner::pad;
use super::{Settings, mixing, passes};
use crate::adapter::{Lora, Site};
use crate::engine::{Data, Engine, Session};
use crate::error::Result;
use crate::graph::Graph;
use crate::head::TrainingHead;
use crate::joint::{Joint, Objective, minimising};
use crate::optim::{LossScale, Optimizer, clip};
use crate::precision;
use crate::strategy::{Average, Memory, Pair, Strategy, Trained};

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Step {
    /// Mean cross-entropy over the batch, before the step.
    pub loss: f32,
    /// Share of the batch that the training head had right, before the step.
    pub accuracy: f32,
    /// Global norm of the gradients, before clipping.
    pub gradient_norm: f32,
}

/// A compiled training step and its optimizer.
pub struct Trainer {
    /// None while the trainer rests.
    session: Option<Arc<dyn Session>>,
    capacity: usize,
    optimizer: Box<dyn Optimizer + Send + Sync>,
    extent: Extent,
    /// As it was set, and as it is now.
    full_rate: f32,
    learning_rate: f32,
    clip: f32,
    scale: LossScale,
}

/// What a task trains towards, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// Factor on the adapters' deltas.
    pub rate: f32,
    /// Units of the pool that stand beside the new ones, a slot, and whose weights are trained.
    pub mixed: usize,
    /// What is minimised.
    pub objective: Objective,
    /// What the objective reads beside the rows of a batch, in the order of the joint graph.
    pub data: Vec<Data>,
}

impl Default for Extent {
    /// The adapters alone, at the full rate, under a linear head.
    fn default() -> Self {
        Self { rate: 1.0, mixed: 0, objective: Objective::Linear, data: Vec::new() }
    }
}

/// What a failed call goes back to.
pub struct Before {
    adapters: Vec<Pair>,
    mixing: Vec<Array1<f32>>,
    average: Average,
    head: TrainingHead,
    optimizer: Box<dyn Optimizer + Send + Sync>,
    scale: LossScale,
}

impl Before {
    /// As everything is now.
    pub fn of(trainer: &Trainer, memory: &Memory, head: &TrainingHead) -> Self {
        let (mixing, average) = (memory.mixing.clone(), memory.average.clone());
        let (adapters, optimizer) = (memory.current.clone(), trainer.optimizer.duplicate());
        Self { adapters, mixing, average, head: head.clone(), optimizer, scale: trainer.scale }
    }

    /// Everything as it was.
    pub fn restore(&self, trainer: &mut Trainer, memory: &mut Memory, head: &mut TrainingHead) {
        memory.current.clone_from(&self.adapters);
        memory.mixing.clone_from(&self.mixing);
        memory.average.clone_from(&self.average);
        head.clone_from(&self.head);
        trainer.optimizer = self.optimizer.duplicate();
        trainer.scale = self.scale;
        *trainer.optimizer.lr_mut() = trainer.learning_rate;
    }
}

/// The rows of one step.
pub struct Batch<'a> {
    /// What the graph starts from: boundary tokens, or images where it was not cut. Rows first.
    pub tokens: ArrayViewD<'a, f32>,
    /// What stands beside the features in the loss, rows first, where the objective reads it.
    pub beside: Option<ArrayView2<'a, f32>>,
    /// Rows of the training head.
    pub labels: &'a [usize],
    /// Which rows of the training head take part, `[capacity]`.
    pub mask: &'a Array1<f32>,
}

impl Trainer {
    /// Compiles the joint graph of `suffix` with adapters at `sites`.
    pub fn new(
        engine: &dyn Engine,
        suffix: &Graph,
        sites: &[Site],
        settings: &Settings,
        head: &TrainingHead,
        extent: Extent,
    ) -> Result<Self> {
        let rank = settings.lora.rank + extent.mixed;
        let lora = Lora { rank, alpha: settings.lora.scaling() * rank as f32, ..settings.lora };
        let (graph, slots) = passes::injected(suffix, sites, &lora, &extent.objective)?;
        let Joint { graph, capacity, .. } =
            minimising(&extent.objective, graph, &slots, head.capacity(), settings.recompute)?;
        let scale = if precision::computes_in_f16(&graph) { LossScale::dynamic() } else { LossScale::one() };
        let session = engine.compile(&graph, settings.micro)?;
        let (optimizer, clip) = (settings.optimizer(), settings.clip);
        let [full_rate, learning_rate] = [settings.learning_rate; 2];
        Ok(Self {
            session: Some(session),
            capacity,
            optimizer,
            extent,
            full_rate,
            learning_rate,
            clip,
            scale,
        })
    }

    /// Rows of the training head that the graph was compiled for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Goes on at so much of the rate that was set.
    pub(super) fn slow(&mut self, share: f32) {
        self.learning_rate = self.full_rate * share;
        *self.optimizer.lr_mut() = self.learning_rate;
    }

    /// Lets go of the compiled step, which takes several times the suffix's weights, where no step comes for now.
    pub(super) fn rest(&mut self) {
        self.session = None;
    }

    /// Goes on with the compiled step of `fresh`, where it rested.
    pub(super) fn wake(&mut self, fresh: Self) {
        self.session = fresh.session;
    }

    /// One step on `batch`, at `pace`. On an error nothing has changed.
    pub fn step(
        &mut self,
        strategy: &dyn Strategy,
        memory: &mut Memory,
        head: &mut TrainingHead,
        batch: &Batch<'_>,
        pace: &dyn Pace,
    ) -> Result<Step> {
        let mixes = strategy.mixes().filter(|_| self.extent.mixed > 0);
        let (loss, right, sums) = self.scaled(&parameters(memory, head, mixes)?, batch, pace)?;
        let mut gradients = matrices(sums)?;
        let mut fed = gradients.split_off(head.count()).into_iter();
        for (slot, shape) in memory.slots.iter().enumerate() {
            let mut next = || fed.next().ok_or_else(|| crate::err!(Bug, "the step lacks a gradient"));
            let a = next()?;
            let b = if shape.outputs > 0 { next()? } else { Array2::zeros((0, a.nrows())) };
            let mut gradient = mixing::pull(memory, slot, &a, &b, mixes);
            strategy.gradient(memory, slot, &mut gradient);
            let Trained { pair, mixing } = gradient;
            gradients.extend([pair.a, pair.b, mixing.insert_axis(Axis(0))]);
        }
        let norm = clip(&mut gradients, self.clip);
        if !(loss.is_finite() && norm.is_finite()) {
            crate::bail!(
                Numeric,
                "the loss is {loss} and the gradient norm {norm}; the step was not applied. Check the images for \
                 NaN, or lower the learning rate"
            );
        }
        self.apply(strategy, memory, head, batch.mask, &gradients)?;
        self.scale.succeeded();
        let rows = batch.labels.len() as f32;
        Ok(Step { loss, accuracy: right as f32 / rows, gradient_norm: norm })
    }

    /// As [`Trainer::gradients`], run again with a smaller factor on the loss as long as f16 overflows.
    fn scaled(
        &mut self,
        parameters: &[Data],
        batch: &Batch<'_>,
        pace: &dyn Pace,
    ) -> Result<(f32, usize, Vec<ArrayD<f32>>)> {
        loop {
            let (loss, right, sums) = self.gradients(parameters, batch, pace)?;
            let finite = || loss.is_finite() && sums.iter().flatten().all(|g| g.is_finite());
            if !self.scale.is_dynamic() || finite() || !self.scale.overflowed() {
                return Ok((loss, right, sums));
            }
        }
    }

    /// Loss, number of right answers, and gradients in the order of the parameters.
    fn gradients(
        &self,
        parameters: &[Data],
        batch: &Batch<'_>,
        pace: &dyn Pace,
    ) -> Result<(f32, usize, Vec<ArrayD<f32>>)> {
        let session = self.session.as_ref().ok_or_else(|| crate::err!(Bug, "a trainer that rests"))?;
        let micro = session.batch();
        let starts: Vec<usize> = (0..batch.labels.len()).step_by(micro).collect();
        let (mut loss, mut right, mut sums) = (0.0, 0, Vec::new());
        // As many at a time as there are threads: gradients of a whole batch would only wait. Sums are in order all the same.
        for starts in starts.chunks(rayon::current_num_threads()) {
            pace.turn()?;
            let run = |&start: &usize| session.run(&self.inputs(micro, parameters, batch, start));
            let parts: Vec<Vec<Data>> = starts.par_iter().map(run).collect::<Result<_>>()?;
            for (part, &start) in parts.into_iter().zip(starts) {
                let mut outputs = part.into_iter().map(Data::into_f32);
                let mut next =
                    || outputs.next().unwrap_or_else(|| Err(crate::err!(Bug, "the step lacks an output")));
                loss += next()?.sum();
                right += count_right(&next()?, batch, start);
                let gradients: Vec<ArrayD<f32>> = outputs.collect::<Result<_>>()?;
                match sums.is_empty() {
                    true => sums = gradients,
                    false => sums.iter_mut().zip(&gradients).for_each(|(s, g)| *s += g),
                }
            }
        }
        let factor = self.scale.factor();
        sums.iter_mut().for_each(|s| *s /= factor);
        Ok((loss / factor, right, sums))
    }

    fn inputs(&self, micro: usize, parameters: &[Data], batch: &Batch<'_>, start: usize) -> Vec<Data> {
        let rows = batch.labels.len();
        let end = rows.min(start + micro);
        let tokens = batch.tokens.slice_axis(Axis(0), Slice::from(start..end));
        let mut labels = Array1::<i64>::zeros(micro);
        let mut weights = Array1::<f32>::zeros(micro);
        for (i, &label) in batch.labels[start..end].iter().enumerate() {
            labels[i] = label as i64;
            weights[i] = self.scale.factor() / rows as f32;
        }
        let tokens = pad(tokens, micro);
        let beside =
            batch.beside.map(|b| pad(b.slice_axis(Axis(0), Slice::from(start..end)).into_dyn(), micro));
        let own = [Data::F32(tokens), labels.into(), batch.mask.clone().into(), weights.into()];
        let more = beside.map(Data::F32).into_iter().chain(self.extent.data.iter().cloned());
        own.into_iter().chain(more).chain(parameters.iter().cloned()).collect()
    }

    /// Adds the edited deltas.
    fn apply(
        &mut self,
        strategy: &dyn Strategy,
        memory: &mut Memory,
        head: &mut TrainingHead,
        mask: &Array1<f32>,
        gradients: &[Array2<f32>],
    ) -> Result<()> {
        let optimizer = &mut self.optimizer;
        optimizer.begin_step();
        let own = head.parameters();
        let mut step = |(i, now): (usize, &Array2<f32>)| optimizer.step(i, now.view(), gradients[i].view());
        let moved = own.iter().enumerate().map(&mut step).collect::<Result<Vec<_>>>()?;
        let mut deltas = Vec::with_capacity(memory.slots.len());
        let rate = self.extent.rate;
        for (slot, now) in memory.current.iter().enumerate() {
            let first = own.len() + 3 * slot;
            let mut step = |i: usize, now: ArrayView2<'_, f32>| {
                optimizer.step(first + i, now, gradients[first + i].view()).map(|delta| delta * rate)
            };
            let pair = Pair { a: step(0, now.a.view())?, b: step(1, now.b.view())? };
            let mixing = &memory.mixing[slot];
            let mixing = match mixing.is_empty() {
                true => Array1::zeros(0),
                false => step(2, mixing.view().insert_axis(Axis(0)))?.remove_axis(Axis(0)),
            };
            let mut delta = Trained { pair, mixing };
            strategy.delta(memory, slot, &mut delta, rate * self.learning_rate)?;
            deltas.push(delta);
        }
        head.add(&moved, mask)?;
        for ((now, mixing), delta) in memory.current.iter_mut().zip(&mut memory.mixing).zip(&deltas) {
            now.a += &delta.pair.a;
            now.b += &delta.pair.b;
            *mixing += &delta.mixing;
        }
        strategy.stepped(memory);
        Ok(())
    }
}

/// Parameters in the order of the joint graph: head, then A and B of every slot.
fn parameters(memory: &Memory, head: &TrainingHead, mixes: Option<f32>) -> Result<Vec<Data>> {
    let mut all: Vec<Data> = head.inputs().into_iter().map(Data::F32).collect();
    for slot in 0..memory.slots.len() {
        let pair = mixing::fed(memory, slot, mixes)?;
        all.extend([pair.a, pair.b].into_iter().filter(|m| m.nrows() > 0).map(Data::from));
    }
    Ok(all)
}

/// Every gradient as a matrix; a vector becomes one row.
fn matrices(sums: Vec<ArrayD<f32>>) -> Result<Vec<Array2<f32>>> {
    let matrix = |g: ArrayD<f32>| {
        let g = if g.ndim() == 1 { g.insert_axis(Axis(0)) } else { g };
        g.into_dimensionality::<ndarray::Ix2>().map_err(|e| crate::err!(Bug, "a gradient of odd rank: {e}"))
    };
    sums.into_iter().map(matrix).collect()
}

/// Rows whose best unmasked class is the label.
fn count_right(logits: &ArrayD<f32>, batch: &Batch<'_>, start: usize) -> usize {
    let rows = logits.outer_iter().zip(&batch.labels[start..]);
    rows.filter(|(row, label)| {
        let scored = row.iter().zip(batch.mask).enumerate().filter(|(_, (_, m))| **m > 0.0);
        let best = scored.max_by(|(_, (x, _)), (_, (y, _))| x.total_cmp(y)).map(|(i, _)| i);
        best == Some(**label)
    })
    .count()
}
