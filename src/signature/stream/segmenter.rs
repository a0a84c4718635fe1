//! The stream in, boundaries out.
//!
//! ```text
//! learning ──warm_up samples──> watching ──alarm──> suspecting ──evidence samples──> decided
//!    ^                             ^                                                    │
//!    └── new ──────────────────────┼──── same, recurs ──────────────────────────────────┘
//! ```

use ndarray::{ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::rows::Rows;
use super::watch::Watch;
use super::{Cusum, SegmenterParams};
use crate::bail;
use crate::error::Result;
use crate::signature::{Reduced, Reduction, Signature};

/// What a suspect segment turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The current task after all.
    Same,
    /// A task that was there before.
    Recurs(usize),
    /// A task with this new index.
    New(usize),
}

/// A decision about a suspect segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// Index of the first sample of the segment: the first after the sum was last zero.
    pub start: u64,
    /// Index of the sample that raised the alarm.
    pub noticed: u64,
    /// Index of the sample at which the decision fell.
    pub decided: u64,
    /// What it is.
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// Collecting samples of a task without a signature.
    Learning,
    /// The current task has a signature.
    Watching,
    /// An alarm was raised at this sample.
    Suspecting(u64),
}

/// Finds tasks in a stream of features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segmenter {
    params: SegmenterParams,
    reduction: Option<Reduction>,
    tasks: Vec<Watch>,
    current: usize,
    phase: Phase,
    cusum: Cusum,
    own: Rows,
    suspect: Rows,
    /// Own samples at which the signature is fitted next; `None` for a task that came back.
    refit: Option<usize>,
    quiet: u32,
    seen: u64,
}

impl Segmenter {
    /// For features of `width`. With a `reduction` its space is used, and there is no opening.
    ///
    /// # Errors
    /// `InvalidArgument` for parameters out of range, `Shape` for a reduction of another width.
    pub fn new(width: usize, reduction: Option<Reduction>, params: SegmenterParams) -> Result<Self> {
        params.check()?;
        if let Some(other) = reduction.as_ref().map(Reduction::width).filter(|w| *w != width) {
            bail!(Shape, "a reduction of width {other} for features of width {width}; use the same backbone");
        }
        Ok(Self {
            refit: Some(if reduction.is_some() { params.warm_up } else { params.opening }),
            params,
            reduction,
            tasks: Vec::new(),
            current: 0,
            phase: Phase::Learning,
            cusum: Cusum::default(),
            own: Rows::new(width),
            suspect: Rows::new(width),
            quiet: 0,
            seen: 0,
        })
    }

    /// Takes one sample. A returned boundary is a decision that fell with this sample.
    ///
    /// # Errors
    /// `Shape` for another width, `Numeric` for features that are not finite or, at the opening, all equal.
    pub fn observe(&mut self, feature: ArrayView1<f32>, label: Option<u32>) -> Result<Option<Boundary>> {
        self.check(feature)?;
        let at = self.seen;
        self.seen += 1;
        let Phase::Learning = self.phase else { return self.watch(feature, label, at) };
        self.own.push(feature, label, self.params.buffer);
        self.fit_if_due()?;
        Ok(None)
    }

    /// Index of the current task.
    pub fn current(&self) -> usize {
        self.current
    }

    /// Whether the current task has a signature, so that boundaries are seen.
    pub fn is_watching(&self) -> bool {
        self.phase != Phase::Learning
    }

    /// The signature of a task, if it has one yet.
    pub fn signature(&self, task: usize) -> Option<&Signature> {
        self.tasks.get(task).map(|w| &w.signature)
    }

    /// The space, once the opening is over.
    pub fn reduction(&self) -> Option<&Reduction> {
        self.reduction.as_ref()
    }

    /// What the sum is, and what it must exceed.
    pub fn statistic(&self) -> (f64, f64) {
        (self.cusum.statistic(), self.tasks.get(self.current).map_or(f64::INFINITY, |w| w.rule.threshold))
    }

    /// Bytes of the stored numbers.
    pub fn bytes(&self) -> usize {
        self.tasks.iter().map(Watch::bytes).sum::<usize>()
            + self.reduction.as_ref().map_or(0, Reduction::bytes)
            + self.own.bytes()
            + self.suspect.bytes()
    }

    fn check(&self, feature: ArrayView1<f32>) -> Result<()> {
        let width = self.own.width();
        if feature.len() != width {
            bail!(
                Shape,
                "a feature of width {} in a stream of {width}; use the same backbone",
                feature.len()
            );
        }
        if self.suspect.width() != width {
            bail!(Corrupt, "buffers of width {width} and {}; restore a copy", self.suspect.width());
        }
        if feature.iter().any(|v| !v.is_finite()) {
            bail!(Numeric, "sample {} has a feature that is not finite; drop it", self.seen);
        }
        Ok(())
    }

    /// One sample while the current task has a signature.
    fn watch(&mut self, feature: ArrayView1<f32>, label: Option<u32>, at: u64) -> Result<Option<Boundary>> {
        self.suspect.push(feature, label, self.params.buffer);
        let z = self.reduced(self.suspect.last().view())?;
        let Some(watch) = self.tasks.get(self.current) else {
            bail!(Bug, "task {} is watched without a signature", self.current)
        };
        let surprise = watch.surprise(&z, &[label], &self.params)?[0];
        let alarm = self.cusum.step(&watch.rule, surprise) && self.quiet == 0;
        self.quiet = self.quiet.saturating_sub(1);
        match self.phase {
            Phase::Suspecting(noticed) if at - noticed >= self.params.evidence as u64 => {
                return self.decide(noticed, at).map(Some);
            }
            Phase::Watching if alarm => self.phase = Phase::Suspecting(at),
            Phase::Watching if self.cusum.is_calm() => {
                self.own.take(&mut self.suspect, self.params.buffer);
                self.fit_if_due()?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Which task explains what came since the alarm: the current one if it does, else the best that does, else none.
    fn decide(&mut self, noticed: u64, at: u64) -> Result<Boundary> {
        let start = self.seen - self.suspect.len() as u64;
        // Samples before the alarm were chosen for being surprising, and some are older than the change.
        let fresh = self.suspect.len() - self.params.evidence.min(self.suspect.len());
        let z = self.reduced(self.suspect.features().slice(s![fresh.., ..]))?;
        let mut surprises = Vec::with_capacity(self.tasks.len());
        for watch in &self.tasks {
            let all = watch.surprise(&z, &self.suspect.labels()[fresh..], &self.params)?;
            surprises.push(all.sum() / all.len() as f64);
        }
        let explains = |&task: &usize| surprises[task] < self.params.drift;
        let best =
            (0..surprises.len()).filter(explains).min_by(|&a, &b| surprises[a].total_cmp(&surprises[b]));
        let verdict = match best {
            _ if explains(&self.current) => Verdict::Same,
            Some(task) => Verdict::Recurs(task),
            None => Verdict::New(self.tasks.len()),
        };
        self.enter(verdict)?;
        Ok(Boundary { start, noticed, decided: at, verdict })
    }

    fn enter(&mut self, verdict: Verdict) -> Result<()> {
        let Self { own, suspect, params, .. } = self;
        if verdict != Verdict::Same {
            *own = Rows::new(own.width());
        }
        own.take(suspect, params.buffer);
        (self.cusum, self.quiet, self.phase) = (Cusum::default(), params.cooldown, Phase::Watching);
        match verdict {
            Verdict::Same => {}
            Verdict::Recurs(task) => (self.current, self.refit) = (task, None),
            Verdict::New(task) => {
                (self.current, self.refit, self.phase) = (task, Some(params.warm_up), Phase::Learning);
            }
        }
        self.fit_if_due()
    }

    /// Fits the current task's signature when enough of its samples have come, and says when to do so next.
    fn fit_if_due(&mut self) -> Result<()> {
        let Some(due) = self.refit.filter(|&due| self.own.len() >= due) else { return Ok(()) };
        let features = self.own.features();
        if self.reduction.is_none() {
            let known = |l: &Option<u32>| l.map_or(usize::MAX, |l| l as usize);
            let mut labels: Vec<usize> = self.own.labels().iter().map(known).collect();
            if !self.params.classes_in_signature {
                labels.fill(0);
            }
            self.reduction = Some(Reduction::fit(features.view(), &labels, &self.params.reduction)?);
            // In a space that was fitted to them these rows look more familiar than any that come.
            (self.own, self.refit) = (Rows::new(self.own.width()), Some(self.params.warm_up));
            return Ok(());
        }
        let watch = Watch::fit(&self.reduced(features.view())?, self.own.labels(), &self.params)?;
        match self.tasks.get_mut(self.current) {
            Some(known) => *known = watch,
            None => self.tasks.push(watch),
        }
        if self.phase == Phase::Learning {
            self.phase = Phase::Watching;
        }
        // The last time with a full buffer; after that nothing new would be seen.
        self.refit = (due < self.params.buffer).then(|| (2 * due).min(self.params.buffer));
        Ok(())
    }

    fn reduced(&self, features: ArrayView2<f32>) -> Result<Reduced> {
        let Some(reduction) = &self.reduction else { bail!(Bug, "a signature without a space") };
        Ok(Reduced::plain(reduction.apply(features)?.z))
    }
}
