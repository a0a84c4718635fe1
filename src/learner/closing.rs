//! The end of a task: bases, statistics of the classifier, signature, report.

use std::sync::Arc;

use ndarray::{Array2, Axis, s};

use super::classifier::Statistics;
use super::concession::Concession;
use super::extraction;
use super::features::{Features, Scale};
use super::runner::Runner;
use super::verdict::Verdict;
use super::{Crops, Encoded, Learner, Lesson, Phase, TaskRecord, network};
use crate::adapter::tap;
use crate::error::Result;
use crate::graph::{Emit, ValueId, rewrite};
use crate::signature::Certificate;
use crate::strategy::probe::{self, Probe};
use crate::strategy::{Classifier, Moments, Reading, TaskContext, View, Wants};
use crate::subspace::SecondMoment;

/// Images whose site inputs are recorded at the end of a task (methods.md 1.11).
const BASIS_IMAGES: usize = 256;

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
    /// What can be promised of it: the error certificate of Proteus, measured on the task's own images; `None` for the first
    /// task.
    pub certificate: Option<Certificate>,
    /// Bytes of state at rest, without the backbone.
    pub state_bytes: usize,
    /// How often training diverged, went back, and on at a tenth of the rate.
    pub restarts: u32,
    /// What was given up to stay inside the promise.
    pub given_up: Vec<Concession>,
    /// Whether it should be kept.
    pub verdict: Verdict,
}

impl Learner {
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
        let saved = self.model.clone();
        let ended = self.close(&context, &images, &labels);
        match (ended, std::mem::replace(&mut self.phase, Phase::Idle)) {
            (Ok((report, lesson)), Phase::Open { before, .. }) => {
                let against = report.verdict.against();
                self.phase = Phase::Ended { before, lesson, against };
                Ok(report)
            }
            (Ok(_), _) => Err(crate::err!(Bug, "the open task vanished")),
            (Err(e), phase) => {
                (self.model, self.phase) = (saved, phase);
                self.wake().and(Err(e))
            }
        }
    }

    fn close(
        &mut self,
        context: &TaskContext,
        crops: &Crops,
        labels: &[usize],
    ) -> Result<(TaskReport, Option<Box<Lesson>>)> {
        let (mut drift, mut found, images) = (Vec::new(), None, crops.whole());
        if self.strategy.adapts(context.index) {
            self.merge_twin(context, images, labels)?;
            if let Some(trainer) = &mut self.task()?.trainer {
                trainer.rest();
            }
            let moments = self.moments(images, self.strategy.wants())?;
            found = self.rows_found(images)?;
            self.strategy.end(context, &mut self.model.state.memory, &moments)?;
            self.model.state.adapted = true;
            drift = self.drift(&moments)?;
            self.connect()?;
        }
        let seed = self.model.state.settings.seed ^ context.index as u64;
        let routed = matches!(self.model.reading.view, View::Routed(_));
        // Images of a task that has a network of its own pass that one only.
        let read = if routed { self.model.networks.len().saturating_sub(1) } else { 0 };
        let whole = &extraction::extract(
            &self.model.networks[read..],
            self.model.reading.view,
            images,
            self.pace.as_ref(),
        )?;
        self.fit_scales(whole);
        let rows = self.stacked_rows(crops, whole, read)?;
        self.learn_statistics(&rows, labels, found)?;
        if let (true, [own]) = (routed, &whole.adapted[..]) {
            self.model.state.own.learn(own.view(), labels, seed)?;
        }
        let space = self.model.state.space_rows(self.model.reading.view, whole)?;
        let head = self.model.state.statistics.as_ref().map(|s| s.head());
        self.model.state.recognition.learn(space.view(), labels, seed, head)?;
        let certificate = self.model.state.recognition.certificate(space.view())?;
        if !self.strategy.adapts(context.index + 1) && self.model.state.statistics.is_some() {
            // Nothing is trained any more, and something else predicts.
            self.model.state.training = None;
        }
        let lesson = self.draw_lesson(&rows, whole, labels)?;
        let Phase::Open { before, .. } = &self.phase else {
            return Err(crate::err!(Bug, "the open task vanished"));
        };
        let verdict = Verdict::of(&before.state, &self.model.state, images, labels, &self.limits)?;
        let mut report = self.record(labels, drift, certificate, verdict)?;
        report.given_up = self.give_up()?;
        if let (false, Phase::Open { before, .. }) = (report.given_up.is_empty(), &self.phase) {
            report.verdict.ask_again(&before.state, &self.model.state, &self.limits)?;
            report.state_bytes = self.model.state.bytes();
        }
        Ok((report, lesson))
    }

    /// How far the open task has moved what adapters add to anchor rows of earlier tasks, by slot; then keeps its own rows.
    fn drift(&mut self, moments: &Moments) -> Result<Vec<f64>> {
        let Phase::Open { before, .. } = &self.phase else { return Ok(Vec::new()) };
        if moments.anchors.is_empty() {
            return Ok(Vec::new());
        }
        let memory = &mut self.model.state.memory;
        let drift = probe::drift(&memory.probes, &before.state.memory, memory)?;
        memory.probes.push(Probe::new(&moments.anchors));
        Ok(drift)
    }

    /// Second moments of what passes the sites under the network as it is, the open task's adapter included.
    pub(super) fn moments(&self, images: &Encoded, wants: Wants) -> Result<Moments> {
        if !(wants.inputs || wants.hidden) {
            return Ok(Moments::default());
        }
        let memory = &self.model.state.memory;
        let pairs: Vec<_> =
            (0..self.sites.len()).map(|slot| memory.sum(slot).map(Some)).collect::<Result<_>>()?;
        let scaling = self.model.state.settings.lora.scaling();
        let mut graph = network::merged(&self.suffix, &self.sites, &pairs, scaling)?;
        let (mut read, mut values): (Vec<ValueId>, Vec<ValueId>) = (Vec::new(), Vec::new());
        for site in &self.sites {
            if !read.contains(&site.reads()) {
                read.push(site.reads());
                values.push(tap(&mut Emit::new(&mut graph, &site.name), site)?);
            }
        }
        graph = rewrite::extract(&graph, &graph.inputs, &values)?;
        let runner = Runner::new(self.engine.as_ref(), &graph, self.model.state.settings.micro)?;
        let some: Vec<usize> = spread(images.len(), BASIS_IMAGES);
        let mut inputs: Vec<_> = memory.inputs.iter().map(|b| SecondMoment::new(b.width())).collect();
        let mut hidden: Vec<_> = memory.current.iter().map(|p| SecondMoment::new(p.rank())).collect();
        let mut anchors: Vec<_> = memory.inputs.iter().map(|b| Array2::zeros((0, b.width()))).collect();
        extraction::taps(&runner, &images.select(&some), self.pace.as_ref(), |tap, rows| {
            if anchors[tap].nrows() == 0 {
                anchors[tap] = rows.select(Axis(0), &spread(rows.nrows(), probe::ROWS));
            }
            let reads = memory.slots.iter().enumerate().filter(|(_, s)| wants.hidden && s.tap == tap);
            for (slot, shape) in reads {
                hidden[slot].push_rows(shape.hidden(&memory.current[slot], rows).view())?;
            }
            inputs[tap].push_rows(rows)
        })?;
        Ok(Moments { inputs, hidden, anchors })
    }

    /// What the classifier would have read of the open task's images before the task, where it weighs by the difference.
    fn rows_found(&self, images: &Encoded) -> Result<Option<Array2<f32>>> {
        let Phase::Open { before, .. } = &self.phase else { return Ok(None) };
        let asks = matches!(before.state.statistics.as_deref(), Some(Statistics::Sections(sections)) if sections.drifts());
        if !(asks && before.state.adapted) {
            return Ok(None);
        }
        // The networks are still those that the task found.
        let features =
            extraction::extract(&self.model.networks, self.model.reading.view, images, self.pace.as_ref())?;
        before.state.rows(self.model.reading.view, &features).map(Some)
    }

    /// Fixes centre and scale of every block of features by those of the first task.
    fn fit_scales(&mut self, whole: &Features) {
        let view = self.model.reading.view;
        if self.model.state.scales.is_empty() && view.is_scaled() {
            let blocks = whole.blocks(view, [&self.model.state.summary, &self.model.state.late]);
            self.model.state.scales = blocks.into_iter().map(Scale::fit).collect();
        }
    }

    /// What the classifier reads of every crop by the networks from `read` on, one crop after the other, `whole` being the features of the
    /// first. One crop's features at a time are held.
    fn stacked_rows(&self, crops: &Crops, whole: &Features, read: usize) -> Result<Array2<f32>> {
        let view = self.model.reading.view;
        let first = self.model.state.rows(view, whole)?;
        let (n, width) = first.dim();
        let mut rows = Array2::zeros((n * crops.count(), width));
        rows.slice_mut(s![..n, ..]).assign(&first);
        drop(first);
        for (i, crop) in crops.each().iter().enumerate().skip(1) {
            let features = extraction::extract(&self.model.networks[read..], view, crop, self.pace.as_ref())?;
            rows.slice_mut(s![i * n..(i + 1) * n, ..]).assign(&self.model.state.rows(view, &features)?);
        }
        Ok(rows)
    }

    /// Teaches the classifier from the rows of every crop, the whole pictures first; `found` are these before the task.
    fn learn_statistics(
        &mut self,
        rows: &Array2<f32>,
        labels: &[usize],
        found: Option<Array2<f32>>,
    ) -> Result<()> {
        if self.model.state.statistics.is_none() {
            self.model.state.statistics = self.empty_statistics(rows.ncols())?.map(Arc::new);
        }
        if let Some(statistics) = &mut self.model.state.statistics {
            let statistics = Arc::make_mut(statistics);
            if let (Statistics::Sections(sections), Some(found)) = (&mut *statistics, found) {
                sections.drift(found.view(), rows.slice(s![..labels.len(), ..]), labels)?;
            }
            let crops = rows.nrows() / labels.len().max(1);
            statistics.head_mut().observe_crops(rows.view(), labels, crops)?;
            statistics.head_mut().solve()?;
        }
        Ok(())
    }

    /// Statistics of no image, for rows of `columns`; `None` where the training head is the classifier.
    pub(super) fn empty_statistics(&self, columns: usize) -> Result<Option<Statistics>> {
        let Reading { classifier, view } = self.model.reading;
        // The width of one network, of which there will be more.
        let width = if classifier == Classifier::Subspaces { self.model.width } else { columns };
        let nearest = self.model.state.summary.first().copied().unwrap_or(0);
        let narrow = if view.is_deep() { self.model.width + nearest } else { width };
        let mut empty = Statistics::new(classifier, width, narrow, self.model.state.settings.seed);
        if let (Some(empty), Some(own)) = (&mut empty, &self.model.state.statistics) {
            // Some of those that are drawn may have been given up.
            empty.head_mut().keep_features(own.head().random_features())?;
        }
        Ok(empty)
    }

    fn record(
        &mut self,
        labels: &[usize],
        drift: Vec<f64>,
        certificate: Option<Certificate>,
        verdict: Verdict,
    ) -> Result<TaskReport> {
        let kept = labels.len();
        let task = self.task()?;
        let (name, images, restarts) = (task.name.clone(), task.cache.seen(), task.course.restarts());
        let classes: Vec<usize> = task.classes.iter().copied().collect();
        let shown = self.shown()?;
        let receipt = self.receipt(&shown)?;
        let names = classes.iter().map(|&c| self.model.state.classes[c].clone()).collect();
        self.model.state.tasks.push(TaskRecord {
            name: name.clone(),
            classes,
            images,
            with: 0,
            from: None,
            receipt: Some(receipt),
        });
        let protected = match self.strategy.wants().inputs {
            true => self.model.state.memory.inputs.iter().map(|b| b.protected()).collect(),
            false => Vec::new(),
        };
        let components = self.model.state.recognition.last_components();
        let state_bytes = self.model.state.bytes();
        Ok(TaskReport {
            name,
            classes: names,
            images,
            kept,
            protected,
            drift,
            components,
            certificate,
            state_bytes,
            restarts,
            given_up: Vec::new(),
            verdict,
        })
    }
}

/// At most `most` of `0..n`, evenly spread.
fn spread(n: usize, most: usize) -> Vec<usize> {
    let count = n.min(most);
    (0..count).map(|i| i * n / count.max(1)).collect()
}
