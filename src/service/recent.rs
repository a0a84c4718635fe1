//! The last few frames and what was answered.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::Serialize;

use super::answer::Answer;
use crate::learner::Forgotten;

/// A frame that is still held.
#[derive(Clone, Serialize)]
pub struct RecentFrame {
    /// Rises by one a frame.
    pub id: u64,
    /// Seconds since 1970.
    pub at: f64,
    /// `None` where nothing was known yet.
    pub answer: Option<Answer>,
    /// What somebody said it shows.
    pub label: Option<String>,
    /// `[height, width, 3]`, as the network saw it.
    #[serde(skip)]
    pub rgb: Arc<[u8]>,
}

/// At most so many frames, the newest last.
pub struct RecentFrames {
    frames: VecDeque<RecentFrame>,
    limit: usize,
}

impl RecentFrames {
    pub fn new(limit: usize) -> Self {
        Self { frames: VecDeque::with_capacity(limit), limit }
    }

    /// Holds `frame`, in the place of the oldest where there is no other.
    pub fn push(&mut self, frame: RecentFrame) {
        if self.frames.len() == self.limit {
            self.frames.pop_front();
        }
        if self.limit > 0 {
            self.frames.push_back(frame);
        }
    }

    pub fn get(&self, id: u64) -> Option<&RecentFrame> {
        self.frames.iter().find(|frame| frame.id == id)
    }

    /// Notes what frame `id` shows, if it is still held.
    pub fn label(&mut self, id: u64, label: Option<&str>) {
        if let Some(frame) = self.frames.iter_mut().find(|frame| frame.id == id) {
            frame.label = label.map(String::from);
        }
    }

    /// Takes away the labels of frames that are no examples any more.
    pub fn unlabel_all(&mut self, ids: &BTreeSet<u64>) {
        self.frames.iter_mut().filter(|frame| ids.contains(&frame.id)).for_each(|frame| frame.label = None);
    }

    /// Lets go of every frame that was labelled with a class of `forgotten` or taken for one, and of its name among the others of an
    /// answer.
    pub fn forget(&mut self, forgotten: &Forgotten) {
        let gone = |name: &String| forgotten.classes.contains(name);
        let answered = |answer: &Answer| gone(&answer.name) || forgotten.tasks.contains(&answer.task);
        self.frames.retain(|frame| {
            !(frame.answer.as_ref().is_some_and(answered) || frame.label.as_ref().is_some_and(gone))
        });
        for answer in self.frames.iter_mut().filter_map(|frame| frame.answer.as_mut()) {
            answer.best.retain(|ranked| !gone(&ranked.name));
        }
    }

    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &RecentFrame> {
        self.frames.iter().rev()
    }
}
