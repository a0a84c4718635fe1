//! A learner driven through a scenario, measured after every task.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::answer::{self, Answer};
use super::context::{self, Ballot};
use super::course::{Course, Event, Plan, Told, Trace};
use super::memory::{peak_rss_bytes, restart_peak, rss_bytes};
use super::progress::Progress;
use super::{Boundaries, EvalResult, Outcome, TaskSplit, Unknown};
use crate::data::Split;
use crate::error::Result;
use crate::learner::{Encoded, Learner, Stream};
use crate::signature::stream::{Segmentation, SegmenterParams};

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
    while run.step(learner, on)? {}
    run.finish(learner)
}

/// A run taken step by step, for a caller who does something between the tasks, such as a restart. The learner is
/// lent to every step; it may be another object each time.
pub struct Run<'a> {
    course: &'a Course<'a>,
    plan: Plan,
    result: EvalResult,
    progress: Progress,
}

impl<'a> Run<'a> {
    /// Before the first task. `result` holds what the caller knows.
    pub fn new(course: &'a Course<'a>, plan: Plan, result: EvalResult) -> Self {
        Self { course, plan, result, progress: Progress::new(course.scenario) }
    }

    /// Goes on where a run with the same course, plan and facts was.
    #[must_use]
    pub fn resumed(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// What was measured so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Learns and measures the next task, and halfway what is unknown; `false` where none is left.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn step(&mut self, learner: &mut Learner, on: &mut dyn FnMut(Event<'_>)) -> Result<bool> {
        let (t, tasks) = (self.progress.tasks(), self.course.scenario.tasks.len());
        if t == tasks {
            return Ok(false);
        }
        self.learn(learner, t, on)?;
        self.measure(learner, t, on)?;
        if !self.plan.told.at_once() && t + 1 == tasks.div_ceil(2) {
            self.meet_unknown(learner, t + 1)?;
        }
        Ok(true)
    }

    /// Learns and commits task `t`; a joint run, or one that is not told of tasks, learns everything as its first task.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn learn(&mut self, learner: &mut Learner, t: usize, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let tasks = &self.course.scenario.tasks;
        let seconds = match (self.plan.told, t) {
            (Told::Boundaries, _) => self.lessons(learner, t, std::slice::from_ref(&tasks[t]), on)?,
            (Told::Jointly, 0) => self.lessons(learner, t, tasks, on)?,
            (Told::Nothing, 0) => self.stream(learner, on)?,
            (Told::Jointly | Told::Nothing, _) => 0.0,
        };
        self.progress.seconds.push(seconds);
        Ok(())
    }

    /// Seconds that it took, reading the images left out.
    fn lessons(
        &mut self,
        learner: &mut Learner,
        t: usize,
        lessons: &[TaskSplit],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<f64> {
        let seed = learner.settings().seed;
        let mut ids: Vec<usize> = lessons.iter().flat_map(|l| &l.train).copied().collect();
        ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ t as u64));
        let (ids, images) = self.course.train.crops(&ids)?;
        let images = images.first(learner.crops());
        let start = Instant::now();
        self.progress.trace.task_starts.push(self.progress.trace.loss.len());
        learner.begin_task(if lessons.len() > 1 { "all" } else { &lessons[0].name })?;
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
        // What a strategy does is measured, not judged.
        learner.commit_anyway()?;
        self.progress.verdicts.push(report.verdict.clone());
        on(Event::Learned { task: t, report: &report });
        Ok(start.elapsed().as_secs_f64())
    }

    /// Learns all tasks one after the other without saying where one ends; seconds that it took.
    fn stream(&mut self, learner: &mut Learner, on: &mut dyn FnMut(Event<'_>)) -> Result<f64> {
        let (seed, tasks) = (learner.settings().seed, &self.course.scenario.tasks);
        let params = SegmenterParams { labels: true, ..SegmenterParams::default() };
        let (mut truth, mut starts, mut decisions, mut spent) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
        let mut stream = Stream::new(learner, params, self.plan.epochs)?;
        for (t, task) in tasks.iter().enumerate() {
            let mut ids = task.train.clone();
            ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ t as u64));
            let (ids, images) = self.course.train.crops(&ids)?;
            let images = images.first(stream.learner().crops());
            starts.push(truth.len() as u64);
            truth.extend(std::iter::repeat_n(t, ids.len()));
            let class = |&id: &usize| self.course.data.classes[self.course.class(Split::Train, id)].as_str();
            let labels: Vec<&str> = ids.iter().map(class).collect();
            let start = Instant::now();
            for closed in stream.observe(&images, &labels)? {
                on(Event::Learned { task: t, report: &closed.report });
                self.progress.verdicts.push(closed.report.verdict.clone());
                decisions.extend(closed.boundary);
            }
            spent += start.elapsed().as_secs_f64();
            on(Event::Step { task: t, loss: None });
        }
        let start = Instant::now();
        stream.finish()?;
        let found = Segmentation::new(&truth, &starts[1..], &decisions);
        self.progress.boundaries = Some(Boundaries::of(&found, decisions.len() + 1));
        Ok(spent + start.elapsed().as_secs_f64())
    }

    fn note(&mut self, task: usize, losses: impl Iterator<Item = f32>, on: &mut dyn FnMut(Event<'_>)) {
        let all = &mut self.progress.trace.loss;
        let before = all.len();
        all.extend(losses);
        for &loss in &all[before..] {
            on(Event::Step { task, loss: Some(loss) });
        }
        if all.len() == before {
            on(Event::Step { task, loss: None });
        }
    }

    /// Measures every task up to `t`; a run that learns everything at once, at its end only.
    ///
    /// # Errors
    /// Whatever the learner refuses.
    pub fn measure(&mut self, learner: &Learner, t: usize, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let tasks = &self.course.scenario.tasks;
        let measured = if self.plan.told.at_once() && t + 1 < tasks.len() { &[][..] } else { &tasks[..=t] };
        for (i, task) in measured.iter().enumerate() {
            let (ids, images) = self.course.test.get(&task.test)?;
            let answers = self.timed(learner, &images)?;
            let outcomes = self.outcomes(learner, task, &ids, &answers)?;
            self.progress.evaluation.record(t, i, &outcomes)?;
            if self.tells_tasks_apart(learner) {
                self.contexts(t, i, &answers)?;
            }
        }
        let progress = &mut self.progress;
        progress.state_bytes.push(learner.state().bytes() as u64);
        progress.rss_bytes.push(rss_bytes());
        progress.peak_bytes = progress.peak_bytes.max(peak_rss_bytes());
        let by_task: Vec<f64> = (0..=t).filter_map(|i| progress.evaluation.accuracy(t, i)).collect();
        if let Some(accuracy) = progress.evaluation.accuracy_after(t) {
            on(Event::Measured { task: t, accuracy, by_task: &by_task });
        }
        Ok(())
    }

    fn timed(&mut self, learner: &Learner, images: &Encoded) -> Result<Vec<Answer>> {
        let start = Instant::now();
        let answers = answer::ask(learner, images)?;
        self.progress.predicting += start.elapsed().as_secs_f64();
        self.progress.predicted += answers.len() as u32;
        Ok(answers)
    }

    /// Whether a task of the learner is a task of the scenario: not where all came at once, or some were made one to save memory.
    fn tells_tasks_apart(&self, learner: &Learner) -> bool {
        !self.plan.told.at_once() && learner.tasks().iter().all(|task| task.with == 0)
    }

    fn outcomes(
        &self,
        learner: &Learner,
        task: &TaskSplit,
        ids: &[usize],
        answers: &[Answer],
    ) -> Result<Vec<Outcome>> {
        let names = &self.course.data.classes;
        let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let known = |name: &str| {
            index
                .get(name)
                .copied()
                .ok_or_else(|| crate::err!(Bug, "{name:?} is a class of another data set"))
        };
        let own = |&class: &usize| learner.classes().iter().position(|name| *name == names[class]);
        let own: Vec<usize> = task.classes.iter().filter_map(own).collect();
        let apart = self.tells_tasks_apart(learner);
        let outcome = |(id, answer): (&usize, &Answer)| {
            let within = answer.within(&own).and_then(|class| learner.classes().get(class));
            Ok(Outcome {
                class: self.course.class(Split::Test, *id),
                predicted: known(&answer.prediction.name)?,
                retrieved: apart.then_some(answer.prediction.task),
                by_signature: answer.by_signature.filter(|_| apart),
                within_task: within.map(|name| known(name)).transpose()?,
            })
        };
        ids.iter().zip(answers).map(outcome).collect()
    }

    fn contexts(&mut self, after: usize, task: usize, answers: &[Answer]) -> Result<()> {
        let ballots: Vec<Ballot> = answers.iter().map(Answer::ballot).collect();
        self.progress.summed_contexts = ballots.iter().all(|b| b.scores.is_some());
        context::LENGTHS.iter().try_for_each(|&length| {
            let retrieved = context::retrieve(&ballots, length);
            self.progress.evaluation.record_contexts(after, task, length, &retrieved)
        })
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
        let [known, strangers] = [&known, &strangers].map(|ids| self.course.predictions(learner, ids));
        self.progress.unknown = Some(Unknown::of(&known?.1, &strangers?.1)?);
        Ok(())
    }

    /// The figures, once every task was learned and measured.
    ///
    /// # Errors
    /// `State` where a task was not.
    pub fn finish(self, learner: &Learner) -> Result<(EvalResult, Trace)> {
        let progress = self.progress;
        let rule = if progress.summed_contexts { context::RULE_SUM } else { context::RULE_VOTE };
        let result = EvalResult {
            strategy: learner.strategy().into(),
            tasks: self.course.infos(),
            metrics: progress.evaluation.metrics()?,
            boundaries: progress.boundaries,
            retrieval_context_rule: rule.into(),
            state_bytes_after_task: progress.state_bytes,
            rss_bytes_after_task: progress.rss_bytes,
            peak_rss_bytes: progress.peak_bytes.max(peak_rss_bytes()),
            train_seconds: progress.seconds.iter().sum(),
            train_seconds_by_task: progress.seconds,
            verdicts: progress.verdicts,
            predict_ms_per_image: 1e3 * progress.predicting / f64::from(progress.predicted.max(1)),
            ..self.result
        };
        Ok((result.with_unknown(progress.unknown), progress.trace))
    }
}
