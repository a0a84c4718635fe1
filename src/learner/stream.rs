//! Learning without being told where one task ends and the next begins.
//!
//! ```text
//! sample ── segmenter (frozen features, CUSUM) ── calm: it belongs to the open task
//!                                              └─ suspected: held back ── same:          it did belong to it
//!                                                                      └─ new or back:  task ends before the segment,
//!                                                                                       another one opens with it
//! ```
//!
//! Samples that may belong to the next task are held back until the segmenter has decided, so no task learns from another's
//! images, at most [`SegmenterParams::buffer`] of them. A segment that an earlier task explains opens a task of that
//! task's name; everything else opens a new one. A task whose verdict holds objections is rolled back: nobody is there to ask.

use std::borrow::BorrowMut;

use crate::error::Result;
use crate::signature::stream::{Boundary, Segmenter, SegmenterParams, Verdict};

use super::{Crops, Learner, TaskReport};

/// A learner, owned or borrowed, on a stream without announced tasks.
pub struct Stream<L> {
    learner: L,
    segmenter: Option<Segmenter>,
    params: SegmenterParams,
    /// Passes over the images of a task: the one that observes, and those after it.
    epochs: usize,
    held: Samples,
    ready: Samples,
    seen: u64,
    /// Name of every task of the segmenter.
    names: Vec<String>,
}

/// Encoded images, in their crops, with their labels.
#[derive(Default)]
struct Samples {
    images: Option<Crops>,
    labels: Vec<String>,
}

impl Samples {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn push(&mut self, image: &Crops, label: &str) -> Result<()> {
        self.append(&Self { images: Some(image.clone()), labels: vec![label.into()] })
    }

    /// Takes the first `n` out.
    fn take(&mut self, n: usize) -> Self {
        let n = n.min(self.len());
        let Some(images) = &self.images else { return Self::default() };
        let (first, rest): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (n..self.len()).collect());
        let taken = Self { images: Some(images.select(&first)), labels: self.labels.drain(..n).collect() };
        self.images = Some(images.select(&rest));
        taken
    }

    fn append(&mut self, other: &Self) -> Result<()> {
        if let Some(images) = other.images.as_ref().filter(|i| !i.is_empty()) {
            match &mut self.images {
                Some(own) => own.extend(images)?,
                None => self.images = Some(images.clone()),
            }
        }
        self.labels.extend_from_slice(&other.labels);
        Ok(())
    }
}

/// What happened while samples were observed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Closed {
    /// The task that ended; committed, unless its verdict holds objections.
    pub report: TaskReport,
    /// Why it ended; `None` where the caller ended the stream.
    pub boundary: Option<Boundary>,
}

impl<L: BorrowMut<Learner>> Stream<L> {
    /// Puts `learner`, with no task open, behind a segmenter. Every task is passed over `epochs` times.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where a task is open.
    pub fn new(mut learner: L, params: SegmenterParams, epochs: usize) -> Result<Self> {
        let name = format!("task {}", learner.borrow().tasks().len());
        learner.borrow_mut().begin_task(&name)?;
        let (held, ready) = (Samples::default(), Samples::default());
        Ok(Self { learner, segmenter: None, params, epochs, held, ready, seen: 0, names: vec![name] })
    }

    /// The learner, for predictions.
    pub fn learner(&self) -> &Learner {
        self.learner.borrow()
    }

    /// What finds the tasks; `None` before the first sample.
    pub fn segmenter(&self) -> Option<&Segmenter> {
        self.segmenter.as_ref()
    }

    /// Learns from labelled images in the order in which they came; returns the tasks that ended on the way.
    ///
    /// # Errors
    /// As [`Learner::observe_encoded`] and [`Learner::end_task`].
    pub fn observe(&mut self, images: &Crops, labels: &[&str]) -> Result<Vec<Closed>> {
        if images.len() != labels.len() {
            crate::bail!(InvalidArgument, "{} images, {} labels", images.len(), labels.len());
        }
        let mut closed = Vec::new();
        for (i, label) in labels.iter().enumerate() {
            closed.extend(self.sample(&images.select(&[i]), label)?);
        }
        Ok(closed)
    }

    fn sample(&mut self, image: &Crops, label: &str) -> Result<Option<Closed>> {
        let features = image.whole().recognisable();
        let width = features.ncols();
        let segmenter = match &mut self.segmenter {
            Some(segmenter) => segmenter,
            None => self.segmenter.insert(Segmenter::new(width, None, self.params)?),
        };
        let class = self.learner.borrow().state().class(label).map(|class| class as u32);
        // A class that no finished task knows is told apart by its name alone.
        let class = class.unwrap_or_else(|| crc32fast::hash(label.as_bytes()) | 1 << 31);
        let boundary = segmenter.observe(features.row(0), Some(class))?;
        let calm = !segmenter.is_watching() || segmenter.statistic().0 == 0.0;
        self.seen += 1;
        self.held.push(image, label)?;
        match boundary {
            Some(boundary) if boundary.verdict != Verdict::Same => self.turn(boundary).map(Some),
            Some(_) => self.release(self.held.len()).map(|()| None),
            None if calm => self.release(self.held.len()).map(|()| None),
            // What is held is bounded; the oldest were least likely the next task's.
            None => self.release(self.held.len().saturating_sub(self.params.buffer)).map(|()| None),
        }
    }

    /// The first `n` samples held belong to the open task.
    fn release(&mut self, n: usize) -> Result<()> {
        let samples = self.held.take(n);
        self.ready.append(&samples)?;
        let batch = self.learner().settings().batch.max(1);
        match self.ready.len() >= batch {
            true => self.learn(self.ready.len() / batch * batch),
            false => Ok(()),
        }
    }

    fn learn(&mut self, n: usize) -> Result<()> {
        let samples = self.ready.take(n);
        let labels: Vec<&str> = samples.labels.iter().map(String::as_str).collect();
        match samples.images.filter(|images| !images.is_empty()) {
            Some(images) => self.learner.borrow_mut().observe_encoded(&images, &labels).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Ends the open task before `boundary` and opens the one that begins there.
    fn turn(&mut self, boundary: Boundary) -> Result<Closed> {
        let behind = (self.seen - boundary.start) as usize;
        self.release(self.held.len().saturating_sub(behind))?;
        let report = self.end()?;
        let name = match boundary.verdict {
            Verdict::Recurs(task) => self.names.get(task).cloned().unwrap_or_default(),
            _ => {
                self.names.push(format!("task {}", self.learner().tasks().len()));
                self.names[self.names.len() - 1].clone()
            }
        };
        self.learner.borrow_mut().begin_task(&name)?;
        self.release(self.held.len())?;
        Ok(Closed { report, boundary: Some(boundary) })
    }

    fn end(&mut self) -> Result<TaskReport> {
        self.learn(self.ready.len())?;
        for _ in 1..self.epochs {
            self.learner.borrow_mut().epoch()?;
        }
        let learner = self.learner.borrow_mut();
        let report = learner.end_task()?;
        match report.verdict.objections.is_empty() {
            true => learner.commit()?,
            false => learner.rollback()?,
        }
        Ok(report)
    }

    /// Ends the stream: what is held belongs to the open task.
    ///
    /// # Errors
    /// As [`Learner::end_task`].
    pub fn finish(mut self) -> Result<(L, Closed)> {
        self.release(self.held.len())?;
        let report = self.end()?;
        Ok((self.learner, Closed { report, boundary: None }))
    }
}
