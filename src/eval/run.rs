//! A learner driven through a scenario, measured after every task.

use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bank::Bank;
use super::metrics::{Matrix, auroc, false_accept_at};
use super::scenario::{Scenario, TaskSplit};
use super::{EvalResult, peak_rss};
use crate::error::Result;
use crate::learner::{Learner, Prediction, TaskReport};

/// What happens while a scenario runs, for bars and reports.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An optimizer step, or a pass over a batch where nothing adapts.
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

/// Curves and confusions of a run, beside its figures.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Loss of every step.
    pub loss: Vec<f32>,
    /// Steps at which a new task began.
    pub task_starts: Vec<usize>,
    /// Retrieved task by true task, after the last one; counts.
    pub retrieval_confusion: Vec<Vec<usize>>,
    /// Familiarity of images of learned classes, half way.
    pub known: Vec<f32>,
    /// Familiarity of images of classes not yet learned, half way.
    pub unknown: Vec<f32>,
}

/// Runs `learner`, fresh, through `scenario`.
///
/// # Errors
/// Whatever the learner refuses.
pub fn run(
    learner: &mut Learner,
    scenario: &Scenario,
    classes: &[String],
    data: &Samples<'_>,
    plan: Plan,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<(EvalResult, Trace)> {
    let mut run = Run { learner, classes, data, plan, trace: Trace::default(), on };
    let tasks = &scenario.tasks;
    let mut matrix = Matrix::new(tasks.len());
    let (mut bytes, mut train_seconds, mut predict) = (Vec::new(), 0.0, (0.0, 0usize));
    let mut last = Vec::new();
    let mut halfway = None;
    for t in 0..tasks.len() {
        let lessons = match (plan.jointly, t) {
            (false, _) => vec![&tasks[t]],
            (true, 0) => tasks.iter().collect(),
            (true, _) => Vec::new(),
        };
        let start = Instant::now();
        if !lessons.is_empty() {
            run.learn(t, &lessons)?;
        }
        train_seconds += start.elapsed().as_secs_f64();
        bytes.push(run.learner.state().bytes());
        let start = Instant::now();
        last = run.measure(&tasks[..=t])?;
        predict.0 += start.elapsed().as_secs_f64();
        predict.1 += last.iter().map(Vec::len).sum::<usize>();
        for (i, outcomes) in last.iter().enumerate() {
            matrix.set(t, i, outcomes.iter().filter(|o| o.right).count(), outcomes.len());
        }
        (run.on)(Event::Measured { task: t, accuracy: matrix.seen(t) });
        if !plan.jointly && t + 1 == tasks.len().div_ceil(2) && tasks.len() > 1 {
            halfway = Some(run.unknowns(&last, &tasks[t + 1..])?);
        }
    }
    let mut result = EvalResult::from_matrix(&matrix);
    run.figures(&mut result, &last, plan.jointly);
    if let Some((known, unknown, refused)) = halfway {
        result.unknown_auroc = Some(auroc(&known, &unknown));
        result.unknown_false_accept_at_95 = Some(false_accept_at(&known, &unknown, 0.95));
        result.unknown_refused = Some(refused);
        (run.trace.known, run.trace.unknown) = (known, unknown);
    }
    result.strategy = run.learner.strategy().into();
    result.state_bytes_after_task = bytes;
    result.train_seconds = train_seconds;
    result.predict_ms_per_image = 1e3 * predict.0 / predict.1.max(1) as f64;
    result.peak_rss_bytes = peak_rss();
    Ok((result, run.trace))
}

/// Encoded images and their classes.
pub struct Samples<'a> {
    /// Training images.
    pub train: &'a Bank,
    /// Test images.
    pub test: &'a Bank,
    /// Class of every training sample.
    pub train_class: &'a dyn Fn(usize) -> usize,
    /// Class of every test sample.
    pub test_class: &'a dyn Fn(usize) -> usize,
}

/// What came of one test image.
struct Outcome {
    right: bool,
    retrieved: usize,
    class: String,
    familiarity: f32,
    unknown: bool,
}

struct Run<'a, 'b> {
    learner: &'a mut Learner,
    classes: &'a [String],
    data: &'a Samples<'a>,
    plan: Plan,
    trace: Trace,
    on: &'b mut dyn FnMut(Event<'_>),
}

impl Run<'_, '_> {
    fn learn(&mut self, t: usize, lessons: &[&TaskSplit]) -> Result<()> {
        self.trace.task_starts.push(self.trace.loss.len());
        let name = if lessons.len() > 1 { "all" } else { &lessons[0].name };
        self.learner.begin_task(name)?;
        let seed = self.learner.settings().seed;
        let mut ids: Vec<usize> = lessons.iter().flat_map(|l| &l.train).copied().collect();
        ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ t as u64));
        let (ids, images) = self.data.train.get(&ids)?;
        let batch = self.learner.settings().batch.max(1);
        for chunk in (0..ids.len()).collect::<Vec<_>>().chunks(batch) {
            let labels: Vec<&str> =
                chunk.iter().map(|&i| self.classes[(self.data.train_class)(ids[i])].as_str()).collect();
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

    fn measure(&self, tasks: &[TaskSplit]) -> Result<Vec<Vec<Outcome>>> {
        tasks.iter().map(|task| self.outcomes(task)).collect()
    }

    fn outcomes(&self, task: &TaskSplit) -> Result<Vec<Outcome>> {
        let (ids, images) = self.data.test.get(&task.test)?;
        let predictions = self.learner.predict_encoded(&images)?;
        let outcome = |(p, id): (Prediction, &usize)| Outcome {
            right: p.name == self.classes[(self.data.test_class)(*id)],
            retrieved: p.task,
            class: p.name,
            familiarity: p.familiarity,
            unknown: p.unknown,
        };
        Ok(predictions.into_iter().zip(&ids).map(outcome).collect())
    }

    /// Familiarity of learned and of not yet learned classes, and the share of both called unknown.
    fn unknowns(&self, learned: &[Vec<Outcome>], later: &[TaskSplit]) -> Result<(Vec<f32>, Vec<f32>, [f64; 2])> {
        let later = self.measure(later)?;
        let familiarity = |o: &[Vec<Outcome>]| o.iter().flatten().map(|o| o.familiarity).collect::<Vec<_>>();
        let share = |o: &[Vec<Outcome>]| {
            let n = o.iter().map(Vec::len).sum::<usize>().max(1);
            100.0 * o.iter().flatten().filter(|o| o.unknown).count() as f64 / n as f64
        };
        Ok((familiarity(learned), familiarity(&later), [share(learned), share(&later)]))
    }

    /// Retrieval figures, per sample, after the last task.
    fn figures(&mut self, result: &mut EvalResult, last: &[Vec<Outcome>], jointly: bool) {
        let tasks = self.learner.tasks();
        let n = last.len();
        let total = last.iter().map(Vec::len).sum::<usize>().max(1) as f64;
        let mut confusion = vec![vec![0; n]; n];
        let (mut retrieved, mut from_class) = (0, 0);
        for (i, outcomes) in last.iter().enumerate() {
            for o in outcomes {
                confusion[i][o.retrieved.min(n - 1)] += 1;
                retrieved += usize::from(o.retrieved == i);
                let holds = |c: &usize| self.learner.classes()[*c] == o.class;
                from_class += usize::from(tasks.get(i).is_some_and(|t| t.classes.iter().any(holds)));
            }
        }
        if !jointly {
            result.retrieval = Some(100.0 * f64::from(retrieved as u32) / total);
            result.task_from_class = Some(100.0 * f64::from(from_class as u32) / total);
            result.retrieval_chance = Some(100.0 / n.max(1) as f64);
            self.trace.retrieval_confusion = confusion;
        }
    }
}
