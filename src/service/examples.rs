//! Labelled frames that wait to be learned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Result;

/// A frame and what it shows.
#[derive(Clone)]
pub struct Example {
    /// Of the frame.
    pub id: u64,
    /// What it shows.
    pub label: String,
    /// `[height, width, 3]`, as the network saw it.
    pub rgb: Arc<[u8]>,
}

/// At most so many examples, in the order in which they were labelled.
pub struct Examples {
    all: Vec<Example>,
    limit: usize,
}

impl Examples {
    pub fn new(limit: usize) -> Self {
        Self { all: Vec::new(), limit }
    }

    /// Adds `example`; one of the same frame is replaced.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) where there is no room; nothing is changed then.
    pub fn put(&mut self, example: Example) -> Result<()> {
        if let Some(old) = self.all.iter_mut().find(|old| old.id == example.id) {
            *old = example;
            return Ok(());
        }
        if self.all.len() >= self.limit {
            crate::bail!(
                Budget,
                "{} examples wait already, as many as may; learn them, remove some, or start with a larger --examples",
                self.limit
            );
        }
        self.all.push(example);
        Ok(())
    }

    /// Whether there was one of frame `id`.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.all.len();
        self.all.retain(|example| example.id != id);
        self.all.len() < before
    }

    pub fn remove_all(&mut self, ids: &BTreeSet<u64>) {
        self.all.retain(|example| !ids.contains(&example.id));
    }

    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Lets go of every example of `classes`.
    pub fn forget(&mut self, classes: &[String]) {
        self.all.retain(|example| !classes.contains(&example.label));
    }

    pub fn get(&self, id: u64) -> Option<&Example> {
        self.all.iter().find(|example| example.id == id)
    }

    pub fn all(&self) -> &[Example] {
        &self.all
    }

    /// How many by label.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for example in &self.all {
            *counts.entry(example.label.as_str()).or_default() += 1;
        }
        counts
    }
}
