//! Forgetting on request: a class, such as a person, or a whole task.
//!
//! What is told apart by class goes: names, prototypes, rows of a trained head, columns of a ridge, components of signatures, and of
//! a task its record, signature and anchor rows. What was learned from many classes at once cannot be taken apart again without
//! their images: [`Residue`] says by type what of that kind is left, [`Others`] whether other classes score what they did. How
//! familiar an image is may change: what was forgotten is no longer part of what is known. A class index that was freed is given to the
//! next new class.
//!
//! Scalars chosen over all tasks (a temperature, a ridge parameter, a threshold) stay as they are.

use std::sync::Arc;

use serde::Serialize;

use super::{Learner, Phase, State};
use crate::error::Result;
use crate::head::Left;
use crate::strategy::{self, View};

/// What was forgotten, and what could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Names of the tasks of which nothing is left.
    pub tasks: Vec<String>,
    /// What is left, rising.
    pub residues: Vec<Residue>,
    /// What other classes score.
    pub others: Others,
}

/// What forgetting does to the scores of other classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are what they were, to the bit.
    Same,
    /// They move by rounding.
    Rounded,
    /// They are shares of one, which those that are left now have among them.
    Normalised,
}

impl Forgotten {
    /// Whether nothing is left.
    pub fn is_exact(&self) -> bool {
        self.residues.is_empty()
    }
}

/// What of a forgotten class is still in the state, mixed with what others left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Residue {
    /// How its features lay about their mean, in sums over all classes that the classifier is solved from.
    Spread,
    /// Centres, scales and directions of the feature space, fitted to the images of the first task.
    Space,
    /// Components of its task's signature that were fitted across classes.
    Signature,
    /// Adapters that were trained on its images.
    Adapters,
}

impl std::fmt::Display for Residue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spread => "its spread, in sums over all classes",
            Self::Space => "its share in the centre and scale of features, which the first task fixed",
            Self::Signature => "its share in components of the task's signature",
            Self::Adapters => "its share in adapters that were trained on it",
        })
    }
}

impl std::fmt::Display for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Same => "what they were, to the bit",
            Self::Rounded => "moved by rounding",
            Self::Normalised => "they are shares of one, which those that are left now have among them",
        })
    }
}

impl Learner {
    /// Forgets a class, committed at once; see [`State::forget_class`].
    ///
    /// # Errors
    /// As [`State::forget_class`], and [`State`](crate::ErrorKind::State) while a task is open or undecided. Nothing is changed then.
    pub fn forget_class(&mut self, name: &str) -> Result<Forgotten> {
        self.forgetting(|state| state.forget_class(name))
    }

    /// Forgets a task with all its classes, committed at once; see [`State::forget_task`].
    ///
    /// # Errors
    /// As [`State::forget_task`], and [`State`](crate::ErrorKind::State) while a task is open or undecided. Nothing is changed then.
    pub fn forget_task(&mut self, name: &str) -> Result<Forgotten> {
        self.forgetting(|state| state.forget_task(name))
    }

    fn forgetting(&mut self, forget: impl FnOnce(&mut State) -> Result<Forgotten>) -> Result<Forgotten> {
        if !matches!(self.phase, Phase::Idle) {
            crate::bail!(State, "a task is open or undecided; commit or roll back first");
        }
        let mut state = self.model.state.clone();
        let forgotten = forget(&mut state)?;
        state.solve()?;
        self.model.state = state;
        self.publish();
        Ok(forgotten)
    }
}

impl State {
    /// Forgets the class `name`, and tasks of which it was the last. The state is to be solved again where it predicts.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a class that is not known, [`State`](crate::ErrorKind::State) for the only one,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the strategy keeps a network a task that others build on. The state may then
    /// be changed in part: take a copy.
    pub fn forget_class(&mut self, name: &str) -> Result<Forgotten> {
        let Some(class) = self.class(name) else {
            let known: Vec<&str> = self.known().collect();
            crate::bail!(NotFound, "no class {name:?}; known are: {}", known.join(", "))
        };
        self.forget_classes(&[class])
    }

    /// Forgets the task `name` (the first of that name) and all its classes.
    ///
    /// # Errors
    /// As [`State::forget_class`], and [`Unsupported`](crate::ErrorKind::Unsupported) where its classes are in other tasks, too.
    pub fn forget_task(&mut self, name: &str) -> Result<Forgotten> {
        let Some(task) = self.tasks.iter().position(|t| t.name == name) else {
            let known: Vec<&str> = self.tasks.iter().map(|t| t.name.as_str()).collect();
            crate::bail!(NotFound, "no task {name:?}; known are: {}", known.join(", "))
        };
        if self.tasks[task].with > 0 {
            crate::bail!(
                Unsupported,
                "{name:?} was made one with {} other tasks to save memory; forget classes",
                self.tasks[task].with
            );
        }
        let classes = self.tasks[task].classes.clone();
        let elsewhere =
            |c: &&usize| self.tasks.iter().enumerate().any(|(t, r)| t != task && r.classes.contains(c));
        if let Some(&class) = classes.iter().find(elsewhere) {
            crate::bail!(
                Unsupported,
                "{:?} is in other tasks, too, and what each task taught of it is one sum; forget the class",
                self.classes[class]
            );
        }
        self.forget_classes(&classes)
    }

    fn forget_classes(&mut self, classes: &[usize]) -> Result<Forgotten> {
        if self.known().count() == classes.len() {
            crate::bail!(State, "nothing else was learned; delete the state instead");
        }
        let mut forgotten =
            Forgotten { classes: Vec::new(), tasks: Vec::new(), residues: Vec::new(), others: Others::Same };
        for &class in classes {
            self.forget_one(class, &mut forgotten)?;
        }
        forgotten.residues.sort_unstable();
        forgotten.residues.dedup();
        self.commits += 1;
        Ok(forgotten)
    }

    fn forget_one(&mut self, class: usize, forgotten: &mut Forgotten) -> Result<()> {
        let choice = strategy::by_name(&self.strategy, self.settings.random_features)?;
        let tasks: Vec<usize> =
            (0..self.tasks.len()).filter(|&t| self.tasks[t].classes.contains(&class)).collect();
        let emptied = |&t: &usize| self.tasks[t].classes.len() == 1;
        if matches!(choice.reading.view, View::Routed(_)) && tasks.iter().any(emptied) {
            crate::bail!(Unsupported, "{} keeps a network a task, and later ones build on it", self.strategy);
        }
        let left = self.statistics.as_mut();
        let left = left.map_or(Ok(Left::Nothing), |s| Arc::make_mut(s).head_mut().forget(class))?;
        if let Some(head) = &mut self.training {
            head.forget(class);
        }
        let (strangeness, clean) = self.recognition.forget(class, &tasks)?;
        let mut own = true;
        for &task in &tasks {
            own &= self.own.forget(task, class)?;
        }
        let surest =
            choice.reading.classifier.is_training_head() && choice.strategy.networks(&self.memory)?.len() > 1;
        let others = match left {
            _ if surest => Others::Normalised,
            Left::Rounded => Others::Rounded,
            Left::Spread | Left::Nothing => Others::Same,
        };
        forgotten.others = forgotten.others.max(others);
        let residues = &mut forgotten.residues;
        residues.extend((left.max(strangeness) > Left::Nothing).then_some(Residue::Spread));
        residues.extend((!(clean && own)).then_some(Residue::Signature));
        residues.extend(tasks.contains(&0).then_some(Residue::Space));
        residues.extend(tasks.iter().any(|&t| choice.strategy.adapts(t)).then_some(Residue::Adapters));
        forgotten.classes.push(std::mem::take(&mut self.classes[class]));
        for &task in tasks.iter().rev() {
            self.tasks[task].classes.retain(|&c| c != class);
            if self.tasks[task].classes.is_empty() {
                forgotten.tasks.push(self.drop_task(task));
            }
        }
        Ok(())
    }

    /// Drops a task without classes; later ones move down by one.
    fn drop_task(&mut self, task: usize) -> String {
        self.recognition.forget_task(task);
        self.own.forget_task(task);
        if let Some(statistics) = &mut self.statistics {
            Arc::make_mut(statistics).head_mut().forget_occasion(task);
        }
        if task < self.memory.probes.len() {
            self.memory.probes.remove(task);
        }
        self.tasks.remove(task).name
    }
}
