//! A task from its beginning to its end in one call.

use ndarray::{ArrayView4, Axis, CowArray, Ix4, Slice};

use super::{Learner, Phase, Step, TaskReport};
use crate::error::Result;

/// Preprocessed images, `[n, channels, height, width]`, and a label for each.
pub struct Labelled<'a> {
    /// The images.
    pub images: CowArray<'a, f32, Ix4>,
    /// What they show.
    pub labels: Vec<&'a str>,
}

impl<'a> Labelled<'a> {
    /// `images` in batches of at most `size`.
    pub fn batches(
        images: &'a ArrayView4<'a, f32>,
        labels: &'a [impl AsRef<str>],
        size: usize,
    ) -> impl Iterator<Item = Result<Self>> {
        let size = size.max(1);
        labels.chunks(size).enumerate().map(move |(i, labels)| {
            let part = Slice::from(i * size..i * size + labels.len());
            let labels = labels.iter().map(AsRef::as_ref).collect();
            Ok(Self { images: images.slice_axis(Axis(0), part).into(), labels })
        })
    }
}

impl Learner {
    /// Opens the task, observes every batch, repeats them until there were `epochs` passes, and ends it: it is to be committed or rolled
    /// back next. `seen` is told of the steps of a batch or a pass, and how many images these were.
    ///
    /// # Errors
    /// As [`Learner::begin_task`], [`Learner::observe`], [`Learner::epoch`] and [`Learner::end_task`], and what a batch is. The task is
    /// rolled back then.
    pub fn learn<'a>(
        &mut self,
        task: &str,
        epochs: usize,
        batches: impl IntoIterator<Item = Result<Labelled<'a>>>,
        seen: impl FnMut(&[Step], usize),
    ) -> Result<TaskReport> {
        self.begin_task(task)?;
        let learned = self.taught(epochs, batches, seen);
        if learned.is_err() && !matches!(self.phase, Phase::Idle) {
            self.rollback()?;
        }
        learned
    }

    /// Commits the task that has ended where nothing speaks against it, and rolls it back otherwise; gives what did.
    ///
    /// # Errors
    /// As [`Learner::commit`]. The task is rolled back then, if one has ended.
    pub fn settle(&mut self) -> Result<Option<String>> {
        let against = match &self.phase {
            Phase::Ended { against, .. } => against.clone(),
            _ => None,
        };
        let settled = match against {
            Some(_) => Ok(against),
            None => self.commit().map(|()| None),
        };
        if matches!(self.phase, Phase::Ended { .. }) {
            self.rollback()?;
        }
        settled
    }

    fn taught<'a>(
        &mut self,
        epochs: usize,
        batches: impl IntoIterator<Item = Result<Labelled<'a>>>,
        mut seen: impl FnMut(&[Step], usize),
    ) -> Result<TaskReport> {
        let mut images = 0;
        for batch in batches {
            let Labelled { images: shown, labels } = batch?;
            seen(&self.observe(shown.view(), &labels)?, labels.len());
            images += labels.len();
        }
        for _ in 1..epochs {
            seen(&self.epoch()?, images);
        }
        self.end_task()
    }
}
