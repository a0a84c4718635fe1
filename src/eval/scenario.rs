//! A data set as a stream of tasks.
//!
//! | kind | tasks | classes |
//! |---|---|---|
//! | class-incremental | equal chunks of a class order, or folders with their own classes | each in one task |
//! | task-incremental | as class-incremental; whoever asks names the task, so only its classes compete (`within_task`) | each in one task |
//! | domain-incremental | folders that share classes (`photo/dog`, `sketch/dog`) | may return |
//!
//! [`Scenario::blurred`] moves a share of every task's training samples into other tasks. A stream without boundaries
//! would be a third form of the same list: its tasks are what the figures are grouped by.
//!
//! Invariants: ids index [`Dataset::train`] and [`Dataset::test`]; every task has a training and a test sample; no id is
//! in two tasks; the classes of [`Scenario::unknown`] are in no task.

use std::{collections::BTreeSet, fs, path::Path};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Sample};
use crate::error::{Context, Result};
use crate::{bail, err};

/// The setting, by what changes from task to task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioKind {
    /// New classes.
    #[default]
    ClassIncremental,
    /// The same classes elsewhere.
    DomainIncremental,
    /// New classes, and the task is named when a picture is asked about.
    TaskIncremental,
}

impl ScenarioKind {
    /// `class-incremental` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassIncremental => "class-incremental",
            Self::DomainIncremental => "domain-incremental",
            Self::TaskIncremental => "task-incremental",
        }
    }
}

/// One task of a [`Scenario`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSplit {
    /// Folder name, or `task 1` and so on.
    pub name: String,
    /// Its own classes, in learning order; those of its training samples, unless boundaries are blurred.
    pub classes: Vec<usize>,
    /// Indices into [`Dataset::train`].
    pub train: Vec<usize>,
    /// Indices into [`Dataset::test`].
    pub test: Vec<usize>,
}

/// Tasks in the order in which they are learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What changes from task to task.
    pub kind: ScenarioKind,
    /// The stream.
    pub tasks: Vec<TaskSplit>,
    /// Indices into [`Dataset::test`] of classes that are never learned.
    pub unknown: Vec<usize>,
}

/// In which order classes (of folder tasks: the tasks) come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// As the data set lists them.
    Listed,
    /// Shuffled by this seed (ChaCha8).
    Shuffled(u64),
    /// These indices; what is left out is unknown.
    Given(Vec<usize>),
}

impl ClassOrder {
    /// Reads one class (or task) a line, as an index or one of the names `classes`.
    ///
    /// # Errors
    /// `NotFound` for a line that is neither, with its number.
    pub fn read(path: &Path, classes: &[String]) -> Result<Self> {
        let text = fs::read_to_string(path).at(|| path.display().to_string())?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let class = |(at, line): (usize, &str)| {
            let named = classes.iter().position(|class| class == line.trim());
            let numbered = line.trim().parse().ok().filter(|class| *class < classes.len());
            named.or(numbered).ok_or_else(|| {
                err!(NotFound, "{:?} is neither a name nor an index below {}", line.trim(), classes.len())
                    .at(format!("{}, line {}", path.display(), at + 1))
            })
        };
        lines.map(class).collect::<Result<Vec<usize>>>().map(Self::Given)
    }

    fn resolve(&self, count: usize) -> Result<Vec<usize>> {
        let mut order: Vec<usize> = (0..count).collect();
        match self {
            Self::Listed => {}
            Self::Shuffled(seed) => order.shuffle(&mut ChaCha8Rng::seed_from_u64(*seed)),
            Self::Given(given) => {
                let mut seen = BTreeSet::new();
                for &class in given {
                    if class >= count || !seen.insert(class) {
                        bail!(InvalidArgument, "{class} in the order is twice or not below {count}");
                    }
                }
                order.clone_from(given);
            }
        }
        Ok(order)
    }
}

impl Scenario {
    /// Cuts a class order into `tasks` chunks (the first ones are larger by one where it does not divide), after setting
    /// the last `held_out` classes of it aside as unknown.
    ///
    /// # Errors
    /// `InvalidArgument` when there are fewer classes than tasks or the order names a class twice.
    pub fn class_incremental(
        dataset: &Dataset,
        tasks: usize,
        order: &ClassOrder,
        held_out: usize,
    ) -> Result<Self> {
        let mut order = order.resolve(dataset.classes.len())?;
        let learned = order.len().saturating_sub(held_out);
        if tasks == 0 || learned < tasks {
            bail!(InvalidArgument, "{learned} classes cannot be cut into {tasks} tasks; use fewer tasks");
        }
        order.truncate(learned);
        let (each, rest) = (learned / tasks, learned % tasks);
        let mut classes = order.as_slice();
        let chunk = |at: usize| {
            let (now, later) = classes.split_at(each + usize::from(at < rest));
            classes = later;
            (format!("task {}", at + 1), now.to_vec())
        };
        Self::groups(dataset, (0..tasks).map(chunk))
    }

    /// One task a group of classes, with its name; classes in no group are unknown.
    ///
    /// # Errors
    /// `InvalidArgument` for a group without a training or a test picture.
    pub fn groups(dataset: &Dataset, groups: impl IntoIterator<Item = (String, Vec<usize>)>) -> Result<Self> {
        let task = |(name, classes): (String, Vec<usize>)| {
            let of = |samples: &[Sample]| {
                classes.iter().flat_map(|class| ids(samples, |s| s.class == *class)).collect()
            };
            TaskSplit { name, train: of(&dataset.train), test: of(&dataset.test), classes }
        };
        let tasks = groups.into_iter().map(task).collect();
        Self { kind: ScenarioKind::ClassIncremental, tasks, unknown: Vec::new() }.with_unknown(dataset)
    }

    /// One task a folder, in their order; class- or domain-incremental by whether two of them share a class. The last
    /// `held_out` folders are set aside: their classes, where no other folder has them, are unknown.
    ///
    /// # Errors
    /// `InvalidArgument` when the data set was not read with task folders or none is left to learn.
    pub fn folders(dataset: &Dataset, held_out: usize) -> Result<Self> {
        let learned = dataset.tasks.len().saturating_sub(held_out);
        if learned == 0 {
            bail!(
                InvalidArgument,
                "{} task folders and {held_out} held out; the layout is {{train,test}}/<task>/<class>/<picture>",
                dataset.tasks.len()
            );
        }
        let task = |at: usize| {
            let train = ids(&dataset.train, |s| s.task == Some(at));
            let classes: BTreeSet<usize> = train.iter().map(|&id| dataset.train[id].class).collect();
            TaskSplit {
                name: dataset.tasks[at].clone(),
                classes: classes.into_iter().collect(),
                train,
                test: ids(&dataset.test, |s| s.task == Some(at)),
            }
        };
        let tasks: Vec<TaskSplit> = (0..learned).map(task).collect();
        let named: usize = tasks.iter().map(|task| task.classes.len()).sum();
        let distinct: BTreeSet<usize> = tasks.iter().flat_map(|task| task.classes.iter().copied()).collect();
        let kind = if named == distinct.len() {
            ScenarioKind::ClassIncremental
        } else {
            ScenarioKind::DomainIncremental
        };
        Self { kind, tasks, unknown: Vec::new() }.with_unknown(dataset)
    }

    /// The same tasks in another order; tasks left out of a given one are not learned.
    ///
    /// # Errors
    /// `InvalidArgument` for an order that names a task twice or one that is not there.
    pub fn ordered(self, order: &ClassOrder, dataset: &Dataset) -> Result<Self> {
        let order = order.resolve(self.tasks.len())?;
        let tasks = order.into_iter().map(|at| self.tasks[at].clone()).collect();
        Self { tasks, ..self }.with_unknown(dataset)
    }

    /// Moves `share` of every task's training samples, drawn by `seed`, each into another task: boundaries as the
    /// world has them. Test samples stay where they are.
    ///
    /// # Errors
    /// `InvalidArgument` unless `0 <= share < 1`, or for a single task.
    pub fn blurred(mut self, share: f64, seed: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&share) || self.tasks.len() < 2 {
            bail!(
                InvalidArgument,
                "a share of {share} of {} tasks cannot be blurred; give one from 0 up to 1, and two tasks",
                self.tasks.len()
            );
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = self.tasks.len();
        let mut moved: Vec<(usize, usize)> = Vec::new();
        for (from, task) in self.tasks.iter_mut().enumerate() {
            let mut drawn: Vec<usize> = (0..task.train.len()).collect();
            drawn.shuffle(&mut rng);
            drawn.truncate((share * task.train.len() as f64).round() as usize);
            let other = |rng: &mut ChaCha8Rng| (from + rng.gen_range(1..count)) % count;
            moved.extend(drawn.iter().map(|&at| (other(&mut rng), task.train[at])));
            let gone: BTreeSet<usize> = drawn.into_iter().collect();
            let kept = task.train.iter().enumerate().filter(|(at, _)| !gone.contains(at));
            task.train = kept.map(|(_, &id)| id).collect();
        }
        moved.into_iter().for_each(|(to, id)| self.tasks[to].train.push(id));
        Ok(self)
    }

    fn with_unknown(mut self, dataset: &Dataset) -> Result<Self> {
        for task in &self.tasks {
            if task.train.is_empty() || task.test.is_empty() {
                bail!(
                    InvalidArgument,
                    "{} has {} training and {} test pictures; both are needed",
                    task.name,
                    task.train.len(),
                    task.test.len()
                );
            }
        }
        let learned = self.classes_until(self.tasks.len());
        self.unknown = ids(&dataset.test, |sample| !learned.contains(&sample.class));
        Ok(self)
    }

    /// Classes of the first `tasks` tasks.
    pub fn classes_until(&self, tasks: usize) -> BTreeSet<usize> {
        self.tasks.iter().take(tasks).flat_map(|task| task.classes.iter().copied()).collect()
    }

    /// Test samples of classes that are not learned after the first `tasks` tasks: those of later tasks and the held-out
    /// ones. What unknown detection is measured on at that point.
    pub fn unknown_after(&self, tasks: usize, dataset: &Dataset) -> Vec<usize> {
        let seen = self.tasks.iter().take(tasks).flat_map(|task| &task.train);
        let seen = seen.map(|&id| dataset.train[id].class);
        let learned: BTreeSet<usize> = self.classes_until(tasks).into_iter().chain(seen).collect();
        let later = self.tasks.iter().skip(tasks).flat_map(|task| &task.test);
        let new = later.filter(|&&id| !learned.contains(&dataset.test[id].class));
        new.chain(&self.unknown).copied().collect()
    }

    /// All tasks as one, for the joint upper bound. Test samples stay apart: measure with the original scenario.
    pub fn pooled_train(&self) -> Vec<usize> {
        self.tasks.iter().flat_map(|task| task.train.iter().copied()).collect()
    }
}

fn ids(samples: &[Sample], wanted: impl Fn(&Sample) -> bool) -> Vec<usize> {
    samples.iter().enumerate().filter(|(_, sample)| wanted(sample)).map(|(id, _)| id).collect()
}
