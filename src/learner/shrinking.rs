//! A state that stays inside a promise, however many tasks come (methods.md 5.6).
//!
//! When a task has ended and the state is too large, levers are pulled in the caller's order, one step at a time, each until it has nothing
//! left to give or the state fits. What is then asked of old classes is asked of the state as it has become, so a verdict speaks
//! against a loss that is too large. Where levers do not suffice, the task is not committed.
//!
//! No lever drops a class: that is [`Learner::forget_class`], which only a caller does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::concession::{Concession, Lever};
use super::{Budget, Learner, State, TaskRecord};
use crate::error::Result;
use crate::strategy::{Classifier, Strategy, View};

/// Fewest random features that are left.
const FEWEST: usize = 125;

/// What is too large.
enum Short {
    /// The state, for the flash: so many bytes, and the promise.
    Flash(usize, usize),
    /// The number of centres, for the promised RAM: so many, and as many as were planned for.
    Centres(usize, usize),
}

impl State {
    /// What is beyond `budget`; the first thing, where there are several.
    fn short(&self, budget: &Budget) -> Result<Option<Short>> {
        if let Some(most) = budget.flash {
            let bytes = self.stored_bytes()?;
            if bytes > most {
                return Ok(Some(Short::Flash(bytes, most)));
            }
        }
        let (centres, planned) = (self.centres(), budget.classes.max(self.classes.len()));
        Ok((budget.ram.is_some() && centres > planned).then_some(Short::Centres(centres, planned)))
    }

    /// What speaks against keeping this state under `budget`; nothing where it fits.
    pub(super) fn exceeds(&self, budget: &Budget) -> Result<Option<String>> {
        let Some(short) = self.short(budget)? else { return Ok(None) };
        let what = match short {
            Short::Flash(bytes, most) => {
                format!("the state would take {bytes} bytes and {most} were promised")
            }
            Short::Centres(centres, planned) => {
                format!("{centres} centres of classes, and the promised RAM was planned for {planned}")
            }
        };
        let given: Vec<&str> = budget.give_up.iter().map(|lever| lever.name()).collect();
        let given = match given.is_empty() {
            true => "nothing may be given up for it".into(),
            false => format!("giving up {} does not suffice", given.join(", ")),
        };
        Ok(Some(format!(
            "{what}; {given}. Call rollback, and forget a task or classes that are not needed any more, or build with another strategy"
        )))
    }

    /// Centres that the classifier keeps.
    pub(super) fn centres(&self) -> usize {
        self.statistics.as_ref().map_or(0, |statistics| statistics.head().centres_kept())
    }

    /// Tasks that were learned: those that were made one with another count as well.
    pub(super) fn learned(&self) -> usize {
        self.tasks.iter().map(|task| 1 + task.with as usize).sum()
    }

    /// Pulls levers for the newest task until the state fits `budget` or there is nothing left to give.
    pub(super) fn shrink(
        &mut self,
        budget: &Budget,
        strategy: &dyn Strategy,
        view: View,
    ) -> Result<Vec<Concession>> {
        let task = self.tasks.last().map(|task| task.name.clone()).unwrap_or_default();
        let mut given: Vec<Concession> = Vec::new();
        'short: while let Some(short) = self.short(budget)? {
            for &lever in &budget.give_up {
                // Only this one makes centres fewer.
                if matches!(short, Short::Centres(..)) && lever != Lever::Tasks {
                    continue;
                }
                let (bytes, confusion) = (self.bytes(), self.confusion(lever)?);
                let Some(lost) = self.pull(lever, strategy, view)? else { continue };
                let after = self.confusion(lever)?;
                let step = Concession {
                    lever,
                    task: task.clone(),
                    times: 1,
                    bytes: bytes.saturating_sub(self.bytes()) as u64,
                    lost: lost as f32,
                    confusion: confusion.zip(after).map(|(before, after)| [before as f32, after as f32]),
                };
                match given.iter_mut().find(|one| one.lever == lever) {
                    Some(one) => one.add(&step),
                    None => given.push(step),
                }
                continue 'short;
            }
            break;
        }
        self.concessions.extend(&given);
        Ok(given)
    }

    /// Bound on taking one task for another, where `lever` changes signatures.
    fn confusion(&self, lever: Lever) -> Result<Option<f64>> {
        match lever {
            Lever::Components | Lever::Tasks => self.overlap().map(|overlap| Some(overlap.total)),
            _ => Ok(None),
        }
    }

    /// One step of `lever`, and what it lost; `None` where it has nothing left to give.
    fn pull(&mut self, lever: Lever, strategy: &dyn Strategy, view: View) -> Result<Option<f64>> {
        match lever {
            Lever::Features => self.halve_features(),
            Lever::Components => self.recognition.signatures.merge_components(),
            Lever::Tasks if self.tasks_stand_alone(strategy, view) => Ok(None),
            Lever::Tasks => self.unite_likest(),
            Lever::Directions => self.memory.protect_less(),
            Lever::Ranks => self.memory.compress(!strategy.adapts(self.learned())),
        }
    }

    /// Keeps the first half of the random features.
    fn halve_features(&mut self) -> Result<Option<f64>> {
        let Some(statistics) = &mut self.statistics else { return Ok(None) };
        let have = statistics.head().random_features();
        let left = have / 2;
        if left < FEWEST {
            return Ok(None);
        }
        Arc::make_mut(statistics).head_mut().keep_features(left)?;
        Ok(Some((have - left) as f64 / have as f64))
    }

    /// Whether every task has something of its own that cannot be one with another's: a network, or a space.
    fn tasks_stand_alone(&self, strategy: &dyn Strategy, view: View) -> bool {
        matches!(view, View::Routed(_))
            || strategy.reading().classifier == Classifier::Subspaces
            || self.memory.pool.tasks() > 0
    }

    /// Makes one of the two tasks that share classes and of which that loses least for what it saves.
    fn unite_likest(&mut self) -> Result<Option<f64>> {
        let signatures = self.recognition.signatures();
        let mut best: Option<(f64, f64, [usize; 2])> = None;
        for other in 1..self.tasks.len() {
            for kept in 0..other {
                if !self.tasks[kept].shares(&self.tasks[other]) {
                    continue;
                }
                let (lost, saved) = signatures.cost_of_union(kept, other)?;
                let price = lost / saved.max(1) as f64;
                if best.is_none_or(|(least, ..)| price < least) {
                    best = Some((price, lost, [kept, other]));
                }
            }
        }
        let Some((_, lost, [kept, other])) = best else { return Ok(None) };
        self.unite(kept, other)?;
        Ok(Some(lost))
    }

    /// Makes two tasks one, the earlier of the two; later ones move down by one.
    fn unite(&mut self, kept: usize, other: usize) -> Result<()> {
        self.recognition.signatures.unite(kept, other)?;
        if let Some(statistics) = &mut self.statistics {
            Arc::make_mut(statistics).head_mut().unite_occasions(kept, other)?;
        }
        self.memory.unite_tasks(kept, other);
        let gone = self.tasks.remove(other);
        let own = &mut self.tasks[kept];
        let classes: BTreeSet<usize> = own.classes.iter().chain(&gone.classes).copied().collect();
        own.classes = classes.into_iter().collect();
        own.images = own.images.saturating_add(gone.images);
        own.with = own.with.saturating_add(1).saturating_add(gone.with);
        (own.from, own.receipt) = (None, None);
        Ok(())
    }
}

impl Learner {
    /// Gives up what the promise asks for, now that the open task is part of the state.
    pub(super) fn give_up(&mut self) -> Result<Vec<Concession>> {
        let (strategy, view) = (self.strategy.clone(), self.model.reading.view);
        let given = self.model.state.shrink(&self.budget, strategy.as_ref(), view)?;
        if !given.is_empty() {
            self.model.state.solve()?;
        }
        if given.iter().any(|one| one.lever == Lever::Ranks) {
            self.connect()?;
        }
        Ok(given)
    }
}

impl TaskRecord {
    /// Whether a class is in both.
    fn shares(&self, other: &Self) -> bool {
        self.classes.iter().any(|class| other.classes.contains(class))
    }
}
