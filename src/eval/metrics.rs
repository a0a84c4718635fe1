//! The figures of continual learning, under one set of names (the papers' names clash).
//!
//! `A[t][i]` is the accuracy on the test samples of task `i` after task `t` was learned (i <= t), in percent;
//! `a[t]` is the accuracy over the test samples of all tasks up to `t` together.
//!
//! | name | formula | in papers |
//! |---|---|---|
//! | `last` | `a[T]` | A_T, Last, FAA |
//! | `last_macro` | mean over i of `A[T][i]` | "Avg. Acc" of L2P, DualPrompt, PEGP |
//! | `incremental_avg` | mean over t of `a[t]` | "Average Accuracy", AAA |
//! | `forgetting` | mean over i < T of `max over t of A[t][i] - A[T][i]` | Forgetting; never negative |
//! | `bwt` | mean over i < T of `A[T][i] - A[i][i]` | backward transfer |
//! | `retrieval` | share of samples whose retrieved task is theirs | matching accuracy, but per sample |
//! | `retrieval_by_signature` | the same, the signatures of tasks asked alone and not the classifier | |
//! | `retrieval_context_4`, `_16` | the same for contexts of 4 and 16 samples known to be of one task ([`super::context`]) | matching accuracy per batch |
//! | `task_from_class` | share of samples whose predicted class belongs to their task | "Task ID acc" |
//! | `within_task` | accuracy when only the classes of the true task compete | task-incremental accuracy |
//!
//! `last` and `last_macro` differ wherever tasks have unequal test counts. What cannot be computed (forgetting of one
//! task, the average of a stream that was measured at its end only) is `None`, never zero.
//!
//! Invariant: every figure derives from the counts recorded, and each pair (after, task) is recorded once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::Result;

/// What became of one test sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its class.
    pub class: usize,
    /// The class predicted among all learned ones.
    pub predicted: usize,
    /// The task retrieved for it, if the strategy retrieves one.
    pub retrieved: Option<usize>,
    /// The same from the signatures of tasks alone, without the classifier.
    pub by_signature: Option<usize>,
    /// The class predicted when only those of its own task compete, if measured.
    pub within_task: Option<usize>,
}

/// A share in the making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    hits: usize,
    of: usize,
}

impl Tally {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    fn percent(self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * self.hits as f64 / self.of as f64)
    }

    fn pooled(tallies: impl Iterator<Item = Tally>) -> Tally {
        tallies.fold(Tally::default(), |sum, one| Tally { hits: sum.hits + one.hits, of: sum.of + one.of })
    }
}

/// Counts of one (after, task) pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cell {
    class: Tally,
    retrieval: Tally,
    #[serde(default)]
    by_signature: Tally,
    task_from_class: Tally,
    within_task: Tally,
    /// By length of the context.
    contexts: BTreeMap<usize, Tally>,
    retrieved: BTreeMap<usize, u32>,
    confusion: BTreeMap<(usize, usize), u32>,
}

/// Collects outcomes while a stream is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Classes of each task.
    classes: Vec<BTreeSet<usize>>,
    /// `cells[t][i]`.
    cells: Vec<Vec<Option<Cell>>>,
}

impl Evaluation {
    /// For a stream whose tasks have these classes.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a [usize]>) -> Self {
        let classes: Vec<BTreeSet<usize>> =
            tasks.into_iter().map(|classes| classes.iter().copied().collect()).collect();
        let cells = vec![vec![None; classes.len()]; classes.len()];
        Self { classes, cells }
    }

    /// Records the test samples of `task`, measured after task `after` was learned (both from 0).
    ///
    /// # Errors
    /// `InvalidArgument` for a task out of range or measured before it is learned, for no outcomes, or for a retrieved
    /// task out of range; `State` when the pair was recorded already.
    pub fn record(&mut self, after: usize, task: usize, outcomes: &[Outcome]) -> Result<()> {
        let tasks = self.classes.len();
        if after >= tasks || task > after || outcomes.is_empty() {
            bail!(
                InvalidArgument,
                "{} outcomes of task {task} after task {after}, of {tasks} tasks; needs task <= after < tasks",
                outcomes.len()
            );
        }
        if self.cells[after][task].is_some() {
            bail!(State, "task {task} after task {after} was recorded already");
        }
        let shared = self.classes_are_shared();
        let mut cell = Cell::default();
        for outcome in outcomes {
            cell.class.add(outcome.predicted == outcome.class);
            *cell.confusion.entry((outcome.class, outcome.predicted)).or_default() += 1;
            if let Some(retrieved) = outcome.retrieved {
                if retrieved >= tasks {
                    bail!(InvalidArgument, "retrieved task {retrieved} of {tasks}");
                }
                cell.retrieval.add(retrieved == task);
                *cell.retrieved.entry(retrieved).or_default() += 1;
            }
            if let Some(found) = outcome.by_signature {
                cell.by_signature.add(found == task);
            }
            if let Some(within) = outcome.within_task {
                cell.within_task.add(within == outcome.class);
            }
            if !shared {
                cell.task_from_class.add(self.classes[task].contains(&outcome.predicted));
            }
        }
        self.cells[after][task] = Some(cell);
        Ok(())
    }

    /// Records the tasks retrieved for contexts of `length` samples of `task`, measured after task `after`. May be left
    /// out; the figures are `None` then.
    ///
    /// # Errors
    /// `State` unless the samples themselves were recorded before.
    pub fn record_contexts(
        &mut self,
        after: usize,
        task: usize,
        length: usize,
        retrieved: &[usize],
    ) -> Result<()> {
        let cell = self.cells.get_mut(after).and_then(|row| row.get_mut(task)).and_then(Option::as_mut);
        let Some(cell) = cell else {
            bail!(State, "contexts of task {task} after task {after}, whose samples were not recorded")
        };
        let tally = cell.contexts.entry(length).or_default();
        retrieved.iter().for_each(|&found| tally.add(found == task));
        Ok(())
    }

    /// Accuracy over everything measured after task `after`, in percent; for a live display.
    pub fn accuracy_after(&self, after: usize) -> Option<f64> {
        self.complete_row(after, |cell| cell.class)
    }

    /// Share of samples whose task was retrieved, measured after task `after`, in percent.
    pub fn retrieval_after(&self, after: usize) -> Option<f64> {
        self.complete_row(after, |cell| cell.retrieval)
    }

    /// Accuracy on `task` after task `after`, in percent.
    pub fn accuracy(&self, after: usize, task: usize) -> Option<f64> {
        self.cells.get(after)?.get(task)?.as_ref()?.class.percent()
    }

    /// Every figure, after the last task was measured.
    ///
    /// # Errors
    /// `State` when a task was not measured after the last one.
    pub fn metrics(&self) -> Result<Metrics> {
        let tasks = self.classes.len();
        let final_row: Vec<&Cell> = self.cells.last().into_iter().flatten().flatten().collect();
        if tasks == 0 || final_row.len() < tasks {
            bail!(
                State,
                "{} of {tasks} tasks were measured after the last one; record them all",
                final_row.len()
            );
        }
        let pooled =
            |tally: fn(&Cell) -> Tally| Tally::pooled(final_row.iter().map(|cell| tally(cell))).percent();
        let context = |length: usize| {
            let tally = |cell: &&Cell| cell.contexts.get(&length).copied().unwrap_or_default();
            Tally::pooled(final_row.iter().map(tally)).percent()
        };
        let macro_sum: f64 = final_row.iter().filter_map(|cell| cell.class.percent()).sum();
        let after: Vec<Option<f64>> = (0..tasks).map(|t| self.accuracy_after(t)).collect();
        let classes: BTreeSet<usize> = self.classes.iter().flatten().copied().collect();
        Ok(Metrics {
            last: pooled(|cell| cell.class).unwrap_or_default(),
            last_macro: macro_sum / tasks as f64,
            incremental_avg: mean(after.iter().copied()),
            forgetting: mean((0..tasks - 1).map(|i| Some(self.best(i)? - self.accuracy(tasks - 1, i)?))),
            bwt: mean((0..tasks - 1).map(|i| Some(self.accuracy(tasks - 1, i)? - self.accuracy(i, i)?))),
            retrieval: pooled(|cell| cell.retrieval),
            retrieval_by_signature: pooled(|cell| cell.by_signature),
            retrieval_chance: 100.0 / tasks as f64,
            retrieval_context_4: context(4),
            retrieval_context_16: context(16),
            task_from_class: pooled(|cell| cell.task_from_class),
            within_task: pooled(|cell| cell.within_task),
            chance: 100.0 / classes.len() as f64,
            accuracy_after_task: after,
            retrieval_after_task: (0..tasks).map(|t| self.retrieval_after(t)).collect(),
            accuracy_matrix: (0..tasks).map(|t| (0..tasks).map(|i| self.accuracy(t, i)).collect()).collect(),
            correct_matrix: (0..tasks).map(|t| (0..tasks).map(|i| self.hits(t, i)).collect()).collect(),
            test_counts: final_row.iter().map(|cell| cell.class.of).collect(),
            retrieval_matrix: final_row.iter().map(|cell| retrieved_row(cell, tasks)).collect(),
            class_confusion: confusion(&final_row),
        })
    }

    fn classes_are_shared(&self) -> bool {
        let distinct: BTreeSet<&usize> = self.classes.iter().flatten().collect();
        distinct.len() < self.classes.iter().map(BTreeSet::len).sum()
    }

    /// A share over all tasks up to `after`; `None` unless each was measured.
    fn complete_row(&self, after: usize, tally: fn(&Cell) -> Tally) -> Option<f64> {
        let cells: Option<Vec<&Cell>> = self.cells.get(after)?[..=after].iter().map(Option::as_ref).collect();
        Tally::pooled(cells?.into_iter().map(tally)).percent()
    }

    fn hits(&self, after: usize, task: usize) -> Option<usize> {
        self.cells[after][task].as_ref().map(|cell| cell.class.hits)
    }

    /// The best that was ever reached on a task; `None` unless it was measured after every task since.
    fn best(&self, task: usize) -> Option<f64> {
        let reached: Option<Vec<f64>> = (task..self.classes.len()).map(|t| self.accuracy(t, task)).collect();
        reached?.into_iter().reduce(f64::max)
    }
}

/// The mean; `None` of nothing or when a part is missing.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Samples of a task by retrieved task; all zero where nothing was retrieved.
fn retrieved_row(cell: &Cell, tasks: usize) -> Vec<u32> {
    (0..tasks).map(|task| cell.retrieved.get(&task).copied().unwrap_or_default()).collect()
}

fn confusion(row: &[&Cell]) -> Vec<(usize, usize, u32)> {
    let mut sum: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for (&pair, &count) in row.iter().flat_map(|cell| &cell.confusion) {
        *sum.entry(pair).or_default() += count;
    }
    sum.into_iter().map(|((class, predicted), count)| (class, predicted, count)).collect()
}

/// Every figure of one run, in percent; see the module page for the formulas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Accuracy over all test samples at the end.
    pub last: f64,
    /// Mean of the tasks' accuracies at the end.
    pub last_macro: f64,
    /// Mean over tasks of the accuracy so far.
    pub incremental_avg: Option<f64>,
    /// Mean loss against the best ever reached.
    pub forgetting: Option<f64>,
    /// Mean change since a task was learned.
    pub bwt: Option<f64>,
    /// Samples whose task was retrieved; `None` where the strategy retrieves none.
    pub retrieval: Option<f64>,
    /// The same by the signatures of tasks alone, without the classifier.
    #[serde(default)]
    pub retrieval_by_signature: Option<f64>,
    /// What drawing a task blindly would retrieve.
    pub retrieval_chance: f64,
    /// Contexts of 4 samples of one task whose task was retrieved.
    #[serde(default)]
    pub retrieval_context_4: Option<f64>,
    /// Contexts of 16 samples of one task whose task was retrieved.
    #[serde(default)]
    pub retrieval_context_16: Option<f64>,
    /// Samples whose predicted class lies in their task; `None` where tasks share classes.
    pub task_from_class: Option<f64>,
    /// Accuracy when only the true task's classes compete.
    pub within_task: Option<f64>,
    /// What drawing a class blindly would reach.
    pub chance: f64,
    /// `a[t]`.
    pub accuracy_after_task: Vec<Option<f64>>,
    /// `retrieval` after each task.
    pub retrieval_after_task: Vec<Option<f64>>,
    /// `A[t][i]`; `None` above the diagonal and where nothing was measured.
    pub accuracy_matrix: Vec<Vec<Option<f64>>>,
    /// Correct samples behind `accuracy_matrix`.
    pub correct_matrix: Vec<Vec<Option<usize>>>,
    /// Test samples of each task.
    pub test_counts: Vec<usize>,
    /// Samples of task (row) for which task (column) was retrieved, at the end.
    pub retrieval_matrix: Vec<Vec<u32>>,
    /// `(class, predicted class, samples)` at the end, where there are any.
    pub class_confusion: Vec<(usize, usize, u32)>,
}

impl Metrics {
    /// Accuracy of each class at the end, in percent.
    pub fn class_accuracy(&self) -> BTreeMap<usize, f64> {
        let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
        for &(class, predicted, count) in &self.class_confusion {
            let tally = tallies.entry(class).or_default();
            tally.of += count as usize;
            tally.hits += if class == predicted { count as usize } else { 0 };
        }
        tallies.into_iter().filter_map(|(class, tally)| Some((class, tally.percent()?))).collect()
    }
}
