//! The open task: observing, repeating, ending.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::classifier::Statistics;
use super::encoded::Cache;
use super::features::{self, CHUNK, Features, Scale};
use super::network;
use super::runner::Runner;
use super::trainer::{Batch, Before, Extent, Step, Trainer};
use super::{Encoded, Learner, Phase, TaskRecord};
use crate::adapter::tap;
use crate::engine::Data;
use crate::error::Result;
use crate::graph::{Emit, ValueId, rewrite};
use crate::head::{Cosine, Linear, TrainingHead};
use crate::joint::{Objective, Views};
use crate::strategy::probe::{self, Probe};
use crate::strategy::{Classifier, Goal, Moments, Reading, TaskContext, View, Wants};
use crate::subspace::SecondMoment;

/// Images whose site inputs are recorded at the end of a task (methods.md 1.11).
const BASIS_IMAGES: usize = 256;

/// Rows of the training head before it first doubles.
const FIRST_CLASSES: usize = 16;

/// Sections beside the one that is trained, where views are: the frozen one and that of the slow network.
const BESIDE: usize = 2;

/// Share of the old prototypes' energy that new features keep out of, and the most directions it may take (NTK-CL's 40).
const OLD_ENERGY: f64 = 0.95;
const OLD_DIRECTIONS: usize = 40;

/// What is held while a task is open.
pub struct OpenTask {
    name: String,
    context: TaskContext,
    trainer: Option<Trainer>,
    cache: Cache,
    classes: BTreeSet<usize>,
    epochs: u64,
}

/// What a finished task did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TaskReport {
    /// Name of the task.
    pub name: String,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Images seen, and how many of them the statistics were made from.
    pub images: usize,
    /// Images that the cache held at the end.
    pub kept: usize,
    /// Protected directions of the site inputs, by tap; empty where nothing is protected.
    pub protected: Vec<usize>,
    /// Largest relative change of what adapters add to anchor rows of earlier tasks, by slot; empty where nothing is
    /// protected.
    pub drift: Vec<f64>,
    /// Components of the task's signature.
    pub components: usize,
    /// Bytes of state at rest, without the backbone.
    pub state_bytes: usize,
}

impl Learner {
    /// The open task, or an error that says what to call.
    fn task(&mut self) -> Result<&mut OpenTask> {
        match &mut self.phase {
            Phase::Open { task, .. } => Ok(task),
            _ => Err(crate::err!(State, "no task is open; call begin_task first")),
        }
    }

    pub(super) fn open(&mut self, name: &str) -> Result<OpenTask> {
        let (index, settings) = (self.state.tasks.len(), self.state.settings.clone());
        let context = TaskContext { index, seed: settings.seed, rank: settings.lora.rank };
        self.strategy.begin(&context, &mut self.state.memory)?;
        let trainer = if self.strategy.adapts(index) {
            self.prepare_head(settings.seed ^ index as u64)?;
            Some(self.trainer(index)?)
        } else {
            None
        };
        let cache = Cache::new(self.budget.cache, settings.seed ^ index as u64);
        Ok(OpenTask { name: name.into(), context, trainer, cache, classes: BTreeSet::new(), epochs: 0 })
    }

    /// The training head: a linear one goes on, a cosine one begins anew but for its gate.
    fn prepare_head(&mut self, seed: u64) -> Result<()> {
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
    fn beside(&self, images: &Encoded) -> Result<Option<Array2<f32>>> {
        if self.strategy.goal() == Goal::Linear {
            return Ok(None);
        }
        let slow = &self.networks[..self.networks.len().min(1)];
        let features = features::extract(slow, images)?;
        let slow = features.adapted.first().unwrap_or(&features.frozen);
        let both = concatenate(Axis(1), &[features.frozen.view(), slow.view()]);
        both.map(Some).map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))
    }

    /// A training step on the settled network.
    fn trainer(&self, index: usize) -> Result<Trainer> {
        let s = &self.state.settings;
        let Some(head) = &self.state.training else { crate::bail!(Bug, "training without a training head") };
        let memory = &self.state.memory;
        let pairs: Vec<_> =
            (0..self.sites.len()).map(|slot| self.strategy.base(memory, slot)).collect::<Result<_>>()?;
        let base = network::merged(&self.suffix, &self.sites, &pairs, s.lora.scaling())?;
        let mixed = self.strategy.mixes().map_or(0, |_| memory.pool.rank());
        let rate = self.strategy.rate(index);
        let (objective, data) = self.objective()?;
        let extent = Extent { rate, mixed, objective, data };
        Trainer::new(self.engine.as_ref(), &base, &self.sites, s, head, extent)
    }

    /// As [`Learner::observe`], from encoded images.
    ///
    /// # Errors
    /// As [`Learner::observe`].
    pub fn observe_encoded(&mut self, images: &Encoded, labels: &[&str]) -> Result<Vec<Step>> {
        if images.len() != labels.len() {
            crate::bail!(InvalidArgument, "{} images, {} labels", images.len(), labels.len());
        }
        self.task()?;
        let before = self.state.classes.len();
        let labels: Vec<usize> = labels.iter().map(|name| self.state.intern(name)).collect();
        match self.learn_rows(images, &labels) {
            Ok(steps) => {
                self.task()?.cache.add(images, &labels);
                Ok(steps)
            }
            Err(e) => {
                self.unlearn_names(before);
                Err(e)
            }
        }
    }

    fn learn_rows(&mut self, images: &Encoded, labels: &[usize]) -> Result<Vec<Step>> {
        self.make_room(labels)?;
        self.meet(images)?;
        self.task()?.classes.extend(labels);
        let indices: Vec<usize> = (0..labels.len()).collect();
        self.train(images, labels, &indices)
    }

    /// Lets the strategy look at the first images of the open task before it trains on them.
    fn meet(&mut self, images: &Encoded) -> Result<()> {
        let task = self.task()?;
        let (first, context) = (task.cache.seen() == 0, task.context);
        if !first || !self.strategy.wants().first {
            return Ok(());
        }
        let moments = self.moments(images, Wants { inputs: true, ..Wants::default() })?;
        self.strategy.meet(&context, &mut self.state.memory, &moments)
    }

    /// Takes the classes that came with a failed call out again.
    fn unlearn_names(&mut self, before: usize) {
        for class in before..self.state.classes.len() {
            if let Some(head) = &mut self.state.training {
                head.forget(class);
            }
        }
        self.state.classes.truncate(before);
        if let Phase::Open { task, .. } = &mut self.phase {
            task.classes.retain(|&class| class < before);
        }
    }

    /// One more pass over the images kept of the open task, shuffled by the seed.
    ///
    /// # Errors
    /// As [`Learner::observe`].
    pub fn epoch(&mut self) -> Result<Vec<Step>> {
        let seed = self.state.settings.seed;
        let task = self.task()?;
        let (index, epoch) = (task.context.index as u64, task.epochs + 1);
        let Some(images) = task.cache.images().cloned() else { return Ok(Vec::new()) };
        let labels = task.cache.labels().to_vec();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ (index << 32) ^ epoch));
        let steps = self.train(&images, &labels, &order)?;
        self.task()?.epochs = epoch;
        Ok(steps)
    }

    /// Steps over `images` in `order`, where the open task adapts.
    fn train(&mut self, images: &Encoded, labels: &[usize], order: &[usize]) -> Result<Vec<Step>> {
        if self.task()?.trainer.is_none() {
            return Ok(Vec::new());
        }
        let beside = self.beside(images)?;
        let Self { phase, state, strategy, .. } = self;
        let Phase::Open { task, .. } = phase else { return Ok(Vec::new()) };
        let (Some(trainer), Some(head)) = (&mut task.trainer, &mut state.training) else {
            return Ok(Vec::new());
        };
        let mut mask = Array1::zeros(trainer.capacity());
        task.classes.iter().for_each(|&c| mask[c] = 1.0);
        let batches = order.chunks(state.settings.batch.max(1));
        // One step is all or nothing by itself; of several, those before the failing one are taken back.
        let before = (batches.len() > 1).then(|| Before::of(trainer, &state.memory, head));
        let mut step = |indices: &[usize]| {
            let tokens = images.tokens(indices);
            let labels: Vec<usize> = indices.iter().map(|&i| labels[i]).collect();
            let beside = beside.as_ref().map(|rows| rows.select(Axis(0), indices));
            let beside = beside.as_ref().map(|rows| rows.view());
            let batch = Batch { tokens: tokens.view(), beside, labels: &labels, mask: &mask };
            trainer.step(strategy.as_ref(), &mut state.memory, head, &batch)
        };
        let steps: Result<Vec<Step>> = batches.map(&mut step).collect();
        if let (Err(_), Some(before)) = (&steps, before) {
            before.restore(trainer, &mut state.memory, head);
        }
        steps
    }

    /// Makes the labels known to the training head, doubling it where they do not fit. The graph is compiled again
    /// then, and only then.
    fn make_room(&mut self, labels: &[usize]) -> Result<()> {
        let Some(head) = &mut self.state.training else { return Ok(()) };
        let mut grown = false;
        for &label in labels {
            grown |= head.add_class(label)?;
        }
        if !grown {
            return Ok(());
        }
        let trainer = self.trainer(self.state.tasks.len())?;
        let task = self.task()?;
        if task.trainer.is_some() {
            task.trainer = Some(trainer);
        }
        Ok(())
    }

    /// Ends the open task: bases, statistics of the classifier, signature. Then [`Learner::commit`] or
    /// [`Learner::rollback`].
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where no task is open or no image was observed; where a
    /// factorization fails, the task stays open.
    pub fn end_task(&mut self) -> Result<TaskReport> {
        let task = self.task()?;
        let Some(images) = task.cache.images().cloned() else {
            crate::bail!(State, "the task saw no image; call observe, or rollback")
        };
        let (labels, context) = (task.cache.labels().to_vec(), task.context);
        let saved = self.state.clone();
        let ended = self.close(&context, &images, &labels);
        match (ended, std::mem::replace(&mut self.phase, Phase::Idle)) {
            (Ok(report), Phase::Open { before, .. }) => {
                self.phase = Phase::Ended { before };
                Ok(report)
            }
            (Ok(_), _) => Err(crate::err!(Bug, "the open task vanished")),
            (Err(e), phase) => {
                (self.state, self.phase) = (saved, phase);
                Err(e)
            }
        }
    }

    fn close(&mut self, context: &TaskContext, images: &Encoded, labels: &[usize]) -> Result<TaskReport> {
        let mut drift = Vec::new();
        if self.strategy.adapts(context.index) {
            let moments = self.moments(images, self.strategy.wants())?;
            self.strategy.end(context, &mut self.state.memory, &moments)?;
            self.state.adapted = true;
            drift = self.drift(&moments)?;
            self.connect()?;
        }
        let seed = self.state.settings.seed ^ context.index as u64;
        let routed = matches!(self.reading.view, View::Routed(_));
        // Images of a task that has a network of its own pass that one only.
        let read = if routed { self.networks.len().saturating_sub(1) } else { 0 };
        let features = features::extract(&self.networks[read..], images)?;
        self.learn_statistics(&features, labels)?;
        if let (true, [own]) = (routed, &features.adapted[..]) {
            self.state.own.learn(own.view(), labels, seed)?;
        }
        let space = self.state.space(self.reading.view, &features)?;
        let head = self.state.statistics.as_ref().map(Statistics::head);
        self.state.recognition.learn(space.view(), labels, seed, head)?;
        self.record(labels, drift)
    }

    /// How far the open task has moved what adapters add to anchor rows of earlier tasks, by slot; then keeps its own rows.
    fn drift(&mut self, moments: &Moments) -> Result<Vec<f64>> {
        let Phase::Open { before, .. } = &self.phase else { return Ok(Vec::new()) };
        if moments.anchors.is_empty() {
            return Ok(Vec::new());
        }
        let memory = &mut self.state.memory;
        let drift = probe::drift(&memory.probes, &before.memory, memory)?;
        memory.probes.push(Probe::new(&moments.anchors));
        Ok(drift)
    }

    /// Second moments of what passes the sites under the network as it is, the open task's adapter included.
    fn moments(&self, images: &Encoded, wants: Wants) -> Result<Moments> {
        if !(wants.inputs || wants.hidden) {
            return Ok(Moments::default());
        }
        let memory = &self.state.memory;
        let pairs: Vec<_> =
            (0..self.sites.len()).map(|slot| memory.sum(slot).map(Some)).collect::<Result<_>>()?;
        let scaling = self.state.settings.lora.scaling();
        let mut graph = network::merged(&self.suffix, &self.sites, &pairs, scaling)?;
        let (mut read, mut values): (Vec<ValueId>, Vec<ValueId>) = (Vec::new(), Vec::new());
        for site in &self.sites {
            if !read.contains(&site.linear.x) {
                read.push(site.linear.x);
                values.push(tap(&mut Emit::new(&mut graph, &site.name), &site.linear)?);
            }
        }
        graph = rewrite::extract(&graph, &graph.inputs, &values)?;
        let runner = Runner::new(self.engine.as_ref(), &graph, self.state.settings.micro)?;
        let some: Vec<usize> = spread(images.len(), BASIS_IMAGES);
        let mut inputs: Vec<_> = memory.inputs.iter().map(|b| SecondMoment::new(b.width())).collect();
        let mut hidden: Vec<_> = memory.current.iter().map(|p| SecondMoment::new(p.rank())).collect();
        let mut anchors: Vec<_> = memory.inputs.iter().map(|b| Array2::zeros((0, b.width()))).collect();
        let few = images.len().min(probe::ROWS).max(1);
        features::taps(&runner, &images.select(&some), |tap, rows| {
            // One row of each of the first images, from places spread over it.
            let places = rows.nrows() / CHUNK.min(some.len()).max(1);
            let picked: Vec<usize> =
                (0..few).map(|i| (i * places + i * 7 % places.max(1)).min(rows.nrows() - 1)).collect();
            if anchors[tap].nrows() == 0 {
                anchors[tap] = rows.select(Axis(0), &picked);
            }
            let reads = memory.slots.iter().enumerate().filter(|(_, s)| wants.hidden && s.tap == tap);
            for (slot, shape) in reads {
                hidden[slot].push_rows(shape.hidden(&memory.current[slot], rows).view())?;
            }
            inputs[tap].push_rows(rows)
        })?;
        Ok(Moments { inputs, hidden, anchors })
    }

    fn learn_statistics(&mut self, features: &Features, labels: &[usize]) -> Result<()> {
        let Reading { classifier, view } = self.reading;
        if self.state.scales.is_empty() && matches!(view, View::Beside | View::Deep | View::Near) {
            let blocks = features.blocks(view, [&self.state.summary, &self.state.late]);
            self.state.scales = blocks.into_iter().map(Scale::fit).collect();
        }
        let rows = self.state.rows(view, features)?;
        if self.state.statistics.is_none() {
            // The width of one network, of which there will be more.
            let width = if classifier == Classifier::Subspaces { self.backbone.width } else { rows.ncols() };
            let nearest = self.state.summary.first().copied().unwrap_or(0);
            let narrow =
                if matches!(view, View::Deep | View::Near) { self.backbone.width + nearest } else { width };
            self.state.statistics = Statistics::new(classifier, width, narrow, self.state.settings.seed);
        }
        if let Some(statistics) = &mut self.state.statistics {
            statistics.head_mut().observe(rows.view(), labels)?;
            statistics.head_mut().solve()?;
        }
        Ok(())
    }

    fn record(&mut self, labels: &[usize], drift: Vec<f64>) -> Result<TaskReport> {
        let kept = labels.len();
        let task = self.task()?;
        let (name, images) = (task.name.clone(), task.cache.seen());
        let classes: Vec<usize> = task.classes.iter().copied().collect();
        let names = classes.iter().map(|&c| self.state.classes[c].clone()).collect();
        self.state.tasks.push(TaskRecord { name: name.clone(), classes, images });
        let protected = match self.strategy.wants().inputs {
            true => self.state.memory.inputs.iter().map(|b| b.protected()).collect(),
            false => Vec::new(),
        };
        let components = self.state.recognition.last_components();
        let state_bytes = self.state.bytes();
        Ok(TaskReport { name, classes: names, images, kept, protected, drift, components, state_bytes })
    }
}

/// At most `most` of `0..n`, evenly spread.
fn spread(n: usize, most: usize) -> Vec<usize> {
    let count = n.min(most);
    (0..count).map(|i| i * n / count.max(1)).collect()
}
