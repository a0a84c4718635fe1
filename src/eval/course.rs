//! What is run: a stream on encoded images, how its tasks are passed over, and what is told on the way.

use serde::{Deserialize, Serialize};

use super::bank::Bank;
use super::{Scenario, TaskInfo, TaskSplit};
use crate::data::{Dataset, Split};
use crate::error::Result;
use crate::learner::{Learner, Prediction, TaskReport};

/// What happens while a scenario runs, for bars and reports.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A batch was observed.
    Step {
        /// Index of the task.
        task: usize,
        /// Mean loss over the batch, where the strategy trains.
        loss: Option<f32>,
    },
    /// A task was learned and committed.
    Learned {
        /// Its index.
        task: usize,
        /// What it did.
        report: &'a TaskReport,
    },
    /// All tasks learned so far were measured.
    Measured {
        /// Index of the last task learned.
        task: usize,
        /// Accuracy over all classes seen, in percent.
        accuracy: f64,
        /// Accuracy of each task so far, in percent.
        by_task: &'a [f64],
    },
}

/// How a scenario is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Passes over the pictures of a task.
    pub epochs: usize,
    /// What the learner is told of the tasks.
    pub told: Told,
}

/// What a learner is told of the tasks of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Where each begins and ends.
    #[default]
    Boundaries,
    /// That all are one, as an upper reference.
    Jointly,
    /// Nothing: they are found.
    Nothing,
}

impl Told {
    /// Whether everything is learned before anything is measured.
    pub(super) fn at_once(self) -> bool {
        self != Self::Boundaries
    }
}

/// Loss of every step, for the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Mean loss of every optimizer step.
    pub loss: Vec<f32>,
    /// Steps at which a new task began.
    pub task_starts: Vec<usize>,
}

/// A data set, its split into tasks, and its images after the frozen network.
pub struct Course<'a> {
    /// Classes and samples.
    pub data: &'a Dataset,
    /// Which tasks in which order.
    pub scenario: &'a Scenario,
    /// Encoded training images.
    pub train: &'a Bank,
    /// Encoded test images.
    pub test: &'a Bank,
}

impl Course<'_> {
    /// What results say of the tasks.
    pub(super) fn infos(&self) -> Vec<TaskInfo> {
        let names = |t: &TaskSplit| t.classes.iter().map(|&c| self.data.classes[c].clone()).collect();
        let info = |t: &TaskSplit| TaskInfo {
            name: t.name.clone(),
            classes: names(t),
            train: t.train.len(),
            test: t.test.len(),
        };
        self.scenario.tasks.iter().map(info).collect()
    }

    /// Class of a sample.
    pub(super) fn class(&self, split: Split, id: usize) -> usize {
        self.data.samples(split)[id].class
    }

    /// What `learner` says of the test samples `ids`: the ids that could be read, and an answer for each.
    ///
    /// # Errors
    /// As [`Bank::get`] and [`Learner::predict_encoded`].
    pub fn predictions(&self, learner: &Learner, ids: &[usize]) -> Result<(Vec<usize>, Vec<Prediction>)> {
        let (ids, images) = self.test.get(ids)?;
        Ok((ids, learner.predict_encoded(&images)?))
    }
}
