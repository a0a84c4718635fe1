//! What there is to know, in one document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::desk::{Limits, Shared};
use super::events::Event;
use super::stage::Stage;
use crate::eval::memory;
use crate::learner::Model;

/// What there is to know.
#[derive(Clone, Serialize)]
pub struct Status {
    /// Of this program.
    pub version: &'static str,
    /// Name and version of what runs the graphs.
    pub engine: String,
    /// How it learns.
    pub strategy: String,
    /// SHA-256 of the backbone, in hexadecimal.
    pub backbone: String,
    /// `[channels, height, width]` of what the network sees.
    pub image: [usize; 3],
    /// Since the start.
    pub uptime_seconds: f64,
    /// Changes that were kept so far.
    pub commits: u64,
    /// Names of the classes that are known.
    pub classes: Vec<String>,
    /// Tasks in the order in which they were learned.
    pub tasks: Vec<Task>,
    /// What the learner is doing.
    pub stage: Stage,
    /// What waits to be learned.
    pub waiting: Waiting,
    /// RAM, in bytes.
    pub memory: Memory,
    /// Of the state, at rest.
    pub state_bytes: usize,
    /// Where it is kept.
    pub state: String,
    /// Why what was kept last could not be written there.
    pub unsaved: Option<String>,
    /// What happened, the newest first.
    pub events: Vec<Event>,
}

/// A task.
#[derive(Clone, Serialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its classes that are still known.
    pub classes: Vec<String>,
    /// Pictures it was learned from.
    pub pictures: usize,
}

/// Examples.
#[derive(Clone, Serialize)]
pub struct Waiting {
    /// How many by label.
    pub labels: BTreeMap<String, usize>,
    /// Their frames, in the order in which they were labelled.
    pub frames: Vec<u64>,
    /// How many there may be.
    pub limit: usize,
}

/// RAM, in bytes.
#[derive(Clone, Copy, Serialize)]
pub struct Memory {
    /// Of the learner, planned before the start.
    pub planned: usize,
    /// Of frames and examples, at most.
    pub pictures: usize,
    /// Of the process, where the system tells.
    pub resident: Option<u64>,
}

impl Status {
    pub(super) fn of(shared: &Shared, model: &Model, limits: Limits) -> Self {
        let (state, facts) = (model.state(), &shared.facts);
        let task = |task: &crate::learner::TaskRecord| {
            let classes = task.classes.iter().filter_map(|&class| state.classes.get(class));
            Task {
                name: task.name.clone(),
                classes: classes.filter(|name| !name.is_empty()).cloned().collect(),
                pictures: task.images,
            }
        };
        let picture: usize = facts.image.iter().product();
        let resident = memory::rss_bytes();
        let held = shared.held();
        let counts = held.examples.counts();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            engine: facts.engine.clone(),
            strategy: facts.strategy.clone(),
            backbone: hex::encode(facts.sha256),
            image: facts.image,
            uptime_seconds: facts.began.elapsed().as_secs_f64(),
            commits: state.commits,
            classes: state.known().map(String::from).collect(),
            tasks: state.tasks.iter().map(task).collect(),
            stage: held.stage.clone(),
            waiting: Waiting {
                labels: counts.into_iter().map(|(label, n)| (label.to_string(), n)).collect(),
                frames: held.examples.all().iter().map(|example| example.id).collect(),
                limit: limits.examples,
            },
            memory: Memory {
                planned: facts.planned,
                pictures: picture * (limits.recent + limits.examples),
                resident,
            },
            state_bytes: state.bytes(),
            state: shared.place.to_string(),
            unsaved: held.unsaved.clone(),
            events: held.events.iter().cloned().collect(),
        }
    }
}
