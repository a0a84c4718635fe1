//! A learner driven through a scenario, measured after every task.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bank::Bank;
use super::memory::{peak_rss_bytes, restart_peak, rss_bytes};
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
        /// Accuracy of each task so far, in percent.
        by_task: &'a [f64],
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
/// figures are filled in. Detection of the unknown is measured halfway, on the classes still to come.
///
/// # Errors
/// Whatever the learner refuses.
pub fn run(
    learner: &mut Learner,
    course: &Course<'_>,
    plan: Plan,
    result: EvalResult,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<(EvalResult, Trace)> {
    restart_peak();
    let mut run = Run::new(course, plan, result);
    let tasks = course.scenario.tasks.len();
    let halfway = tasks.div_ceil(2);
    for t in 0..tasks {
        run.learn(learner, t, on)?;
        run.measure(learner, t, on)?;
        if !plan.jointly && t + 1 == halfway {
            run.meet_unknown(learner, halfway)?;
        }
    }
    run.finish(learner)
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

    /// What `learner` says of the test samples `ids`: the ids that could be read, and an answer for each.
    ///
    /// # Errors
    /// As [`Bank::get`] and [`Learner::predict_encoded`].
    pub fn predictions(&self, learner: &Learner, ids: &[usize]) -> Result<(Vec<usize>, Vec<Prediction>)> {
        let (ids, images) = self.test.get(ids)?;
        Ok((ids, learner.predict_encoded(&images)?))
    }
}

/// A run taken step by step, for a caller who does something between the tasks, such as a restart. The learner is
/// lent to every step; it may be another object each time.
pub struct Run<'a> {
    course: &'a Course<'a>,
    plan: Plan,
    evaluation: Evaluation,
    trace: Trace,
    result: EvalResult,
    learning: Duration,
    predicting: Duration,
    predicted: u32,
}

impl<'a> Run<'a> {
    /// Before the first task. `result` holds what the caller knows.
    pub fn new(course: &'a Course<'a>, plan: Plan, result: EvalResult) -> Self {
        let evaluation = Evaluation::new(course.scenario.tasks.iter().map(|t| t.classes.as_slice()));
        let (learning, predicting) = (Duration::ZERO, Duration::ZERO);
        Self { course, plan, evaluation, trace: Trace::default(), result, learning, predicting, predicted: 0 }
    }

    /// Learns and commits task `t`; a joint run learns everything as its first task.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn learn(&mut self, learner: &mut Learner, t: usize, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let tasks = &self.course.scenario.tasks;
        let start = Instant::now();
        match (self.plan.jointly, t) {
            (false, _) => self.lessons(learner, t, std::slice::from_ref(&tasks[t]), on)?,
            (true, 0) => self.lessons(learner, t, tasks, on)?,
            (true, _) => {}
        }
        self.learning += start.elapsed();
        Ok(())
    }

    fn lessons(
        &mut self,
        learner: &mut Learner,
        t: usize,
        lessons: &[TaskSplit],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        self.trace.task_starts.push(self.trace.loss.len());
        learner.begin_task(if lessons.len() > 1 { "all" } else { &lessons[0].name })?;
        let seed = learner.settings().seed;
        let mut ids: Vec<usize> = lessons.iter().flat_map(|l| &l.train).copied().collect();
        ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ t as u64));
        let (ids, images) = self.course.train.get(&ids)?;
        let batch = learner.settings().batch.max(1);
        for chunk in (0..ids.len()).collect::<Vec<_>>().chunks(batch) {
            let class =
                |&i: &usize| self.course.data.classes[self.course.class(Split::Train, ids[i])].as_str();
            let labels: Vec<&str> = chunk.iter().map(class).collect();
            let steps = learner.observe_encoded(&images.select(chunk), &labels)?;
            self.note(t, steps.iter().map(|s| s.loss), on);
        }
        for _ in 1..self.plan.epochs {
            let steps = learner.epoch()?;
            self.note(t, steps.iter().map(|s| s.loss), on);
        }
        let report = learner.end_task()?;
        learner.commit()?;
        on(Event::Learned { task: t, report: &report });
        Ok(())
    }

    fn note(&mut self, task: usize, losses: impl Iterator<Item = f32>, on: &mut dyn FnMut(Event<'_>)) {
        let before = self.trace.loss.len();
        self.trace.loss.extend(losses);
        for &loss in &self.trace.loss[before..] {
            on(Event::Step { task, loss: Some(loss) });
        }
        if self.trace.loss.len() == before {
            on(Event::Step { task, loss: None });
        }
    }

    /// Measures every task up to `t`.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn measure(&mut self, learner: &Learner, t: usize, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let start = Instant::now();
        for (i, task) in self.course.scenario.tasks[..=t].iter().enumerate() {
            let outcomes = self.outcomes(learner, task)?;
            self.predicted += outcomes.len() as u32;
            self.evaluation.record(t, i, &outcomes)?;
        }
        self.predicting += start.elapsed();
        self.result.state_bytes_after_task.push(learner.state().bytes() as u64);
        self.result.rss_bytes_after_task.push(rss_bytes());
        let by_task: Vec<f64> = (0..=t).filter_map(|i| self.evaluation.accuracy(t, i)).collect();
        if let Some(accuracy) = self.evaluation.accuracy_after(t) {
            on(Event::Measured { task: t, accuracy, by_task: &by_task });
        }
        Ok(())
    }

    fn outcomes(&self, learner: &Learner, task: &TaskSplit) -> Result<Vec<Outcome>> {
        let (ids, predictions) = self.course.predictions(learner, &task.test)?;
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

    /// Measures how well classes that are not learned after `tasks` tasks are told apart from the ones that are.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn meet_unknown(&mut self, learner: &Learner, tasks: usize) -> Result<()> {
        let Course { scenario, data, .. } = self.course;
        let strangers = scenario.unknown_after(tasks, data);
        if strangers.is_empty() {
            return Ok(());
        }
        let known: Vec<usize> = scenario.tasks[..tasks].iter().flat_map(|t| &t.test).copied().collect();
        let strangeness = |ids: &[usize]| -> Result<Vec<f64>> {
            Ok(self.course.predictions(learner, ids)?.1.iter().map(|p| -f64::from(p.familiarity)).collect())
        };
        let unknown = Unknown::measure(&strangeness(&known)?, &strangeness(&strangers)?)?;
        self.result = std::mem::take(&mut self.result).with_unknown(Some(unknown));
        Ok(())
    }

    /// The figures, once every task was learned and measured.
    ///
    /// # Errors
    /// `State` where a task was not.
    pub fn finish(self, learner: &Learner) -> Result<(EvalResult, Trace)> {
        let mut result = self.result;
        result.metrics = self.evaluation.metrics()?;
        result.strategy = learner.strategy().into();
        result.tasks = self.course.infos();
        result.train_seconds = self.learning.as_secs_f64();
        result.predict_ms_per_image = 1e3 * self.predicting.as_secs_f64() / f64::from(self.predicted.max(1));
        result.peak_rss_bytes = peak_rss_bytes();
        Ok((result, self.trace))
    }
}
