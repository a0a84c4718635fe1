//! A learner driven through a scenario, measured after every task.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bank::Bank;
use super::memory::{peak_rss_bytes, rss_bytes};
use super::{EvalResult, Evaluation, Outcome, Scenario, TaskInfo, TaskSplit, Unknown};
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
    },
}

/// How a scenario is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Passes over the pictures of a task.
    pub epochs: usize,
    /// Whether all tasks are learned as one, as an upper reference.
    pub jointly: bool,
}

/// Loss of every step, for the report.
#[derive(Clone, Debug, Default)]
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

/// Runs a fresh `learner` through a course. `result` holds what the caller knows (data, backbone, settings); the
/// figures are filled in.
///
/// # Errors
/// Whatever the learner refuses.
pub fn run(
    learner: &mut Learner,
    course: &Course<'_>,
    plan: Plan,
    mut result: EvalResult,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<(EvalResult, Trace)> {
    let tasks = &course.scenario.tasks;
    let mut evaluation = Evaluation::new(tasks.iter().map(|t| t.classes.as_slice()));
    let mut run = Run { learner, course, plan, trace: Trace::default(), on };
    let (mut train, mut predict, mut predicted) = (0.0, 0.0, 0);
    for t in 0..tasks.len() {
        let start = Instant::now();
        match (plan.jointly, t) {
            (false, _) => run.learn(t, std::slice::from_ref(&tasks[t]))?,
            (true, 0) => run.learn(t, tasks)?,
            (true, _) => {}
        }
        train += start.elapsed().as_secs_f64();
        let start = Instant::now();
        for (i, task) in tasks[..=t].iter().enumerate() {
            let outcomes = run.outcomes(task)?;
            predicted += outcomes.len();
            evaluation.record(t, i, &outcomes)?;
        }
        predict += start.elapsed().as_secs_f64();
        result.state_bytes_after_task.push(run.learner.state().bytes() as u64);
        result.rss_bytes_after_task.push(rss_bytes());
        if let Some(accuracy) = evaluation.accuracy_after(t) {
            (run.on)(Event::Measured { task: t, accuracy });
        }
        let halfway = tasks.len().div_ceil(2);
        if !plan.jointly && t + 1 == halfway {
            result = result.with_unknown(run.unknown(halfway)?);
        }
    }
    result.metrics = evaluation.metrics()?;
    result.strategy = run.learner.strategy().into();
    result.tasks = course.infos();
    result.train_seconds = train;
    result.predict_ms_per_image = 1e3 * predict / predicted.max(1) as f64;
    result.peak_rss_bytes = peak_rss_bytes();
    Ok((result, run.trace))
}

impl Course<'_> {
    fn infos(&self) -> Vec<TaskInfo> {
        let names = |t: &TaskSplit| t.classes.iter().map(|&c| self.data.classes[c].clone()).collect();
        let info = |t: &TaskSplit| TaskInfo {
            name: t.name.clone(),
            classes: names(t),
            train: t.train.len(),
            test: t.test.len(),
        };
        self.scenario.tasks.iter().map(info).collect()
    }

    fn class(&self, split: Split, id: usize) -> usize {
        self.data.samples(split)[id].class
    }
}

struct Run<'a, 'b> {
    learner: &'a mut Learner,
    course: &'a Course<'a>,
    plan: Plan,
    trace: Trace,
    on: &'b mut dyn FnMut(Event<'_>),
}

impl Run<'_, '_> {
    fn learn(&mut self, t: usize, lessons: &[TaskSplit]) -> Result<()> {
        self.trace.task_starts.push(self.trace.loss.len());
        self.learner.begin_task(if lessons.len() > 1 { "all" } else { &lessons[0].name })?;
        let seed = self.learner.settings().seed;
        let mut ids: Vec<usize> = lessons.iter().flat_map(|l| &l.train).copied().collect();
        ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ t as u64));
        let (ids, images) = self.course.train.get(&ids)?;
        let batch = self.learner.settings().batch.max(1);
        for chunk in (0..ids.len()).collect::<Vec<_>>().chunks(batch) {
            let class =
                |&i: &usize| self.course.data.classes[self.course.class(Split::Train, ids[i])].as_str();
            let labels: Vec<&str> = chunk.iter().map(class).collect();
            let steps = self.learner.observe_encoded(&images.select(chunk), &labels)?;
            self.note(t, steps.iter().map(|s| s.loss));
        }
        for _ in 1..self.plan.epochs {
            let steps = self.learner.epoch()?;
            self.note(t, steps.iter().map(|s| s.loss));
        }
        let report = self.learner.end_task()?;
        self.learner.commit()?;
        (self.on)(Event::Learned { task: t, report: &report });
        Ok(())
    }

    fn note(&mut self, task: usize, losses: impl Iterator<Item = f32>) {
        let before = self.trace.loss.len();
        self.trace.loss.extend(losses);
        for i in before..self.trace.loss.len() {
            (self.on)(Event::Step { task, loss: Some(self.trace.loss[i]) });
        }
        if self.trace.loss.len() == before {
            (self.on)(Event::Step { task, loss: None });
        }
    }

    fn predictions(&self, ids: &[usize]) -> Result<(Vec<usize>, Vec<Prediction>)> {
        let (ids, images) = self.course.test.get(ids)?;
        Ok((ids, self.learner.predict_encoded(&images)?))
    }

    fn outcomes(&self, task: &TaskSplit) -> Result<Vec<Outcome>> {
        let (ids, predictions) = self.predictions(&task.test)?;
        let names = self.course.data.classes.iter().enumerate();
        let index: BTreeMap<&str, usize> = names.map(|(i, name)| (name.as_str(), i)).collect();
        let outcome = |(id, p): (&usize, &Prediction)| {
            let predicted =
                *index.get(p.name.as_str()).ok_or_else(|| crate::err!(Bug, "a class of another data set"))?;
            let retrieved = (!self.plan.jointly).then_some(p.task);
            Ok(Outcome {
                class: self.course.class(Split::Test, *id),
                predicted,
                retrieved,
                within_task: None,
            })
        };
        ids.iter().zip(&predictions).map(outcome).collect()
    }

    /// How well classes that are not learned after `tasks` tasks are told apart from the ones that are.
    fn unknown(&self, tasks: usize) -> Result<Option<Unknown>> {
        let Course { scenario, data, .. } = self.course;
        let strangers = scenario.unknown_after(tasks, data);
        if strangers.is_empty() {
            return Ok(None);
        }
        let known: Vec<usize> = scenario.tasks[..tasks].iter().flat_map(|t| &t.test).copied().collect();
        let strangeness = |ids: &[usize]| -> Result<Vec<f64>> {
            Ok(self.predictions(ids)?.1.iter().map(|p| -f64::from(p.familiarity)).collect())
        };
        Unknown::measure(&strangeness(&known)?, &strangeness(&strangers)?).map(Some)
    }
}
