//! What one task taught, apart from everything else, so that another learner can take it over.
//!
//! Statistics of a task are sums over its images under *this* network. Added to another learner's they mean something only if
//! that one computes the same features: the same backbone, adapters, centres and scales, random features and reduction, which
//! together are its [`Space`]. A strategy whose network never moves after its first task has one space for ever, and
//! devices that start from one common state share it. What one learned there is then, in the other, what the other would have
//! learned from the same images, to rounding.
//!
//! What is not taken over: the calibration of "unknown", which stays the learner's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::concession::Concession;
use super::features::{Features, Scale};
use super::ledger::Digest;
use super::{Learner, Phase, State, Statistics, TaskRecord};
use crate::adapter::{Lora, Named};
use crate::error::Result;
use crate::head::Novelty;
use crate::signature::{Reduction, Signature};
use crate::strategy::{self, Choice, Pair, SlotShape, View};

/// What one task taught. Classes are counted from 0 in the order of their names here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Name of the task.
    pub name: String,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Images that its statistics were made from.
    pub images: u64,
    statistics: Statistics,
    signature: Signature,
    novelty: Option<Novelty>,
}

/// All that decides what the features of an image are, beside the backbone. Serialise it to compare two.
#[derive(Debug, Serialize)]
pub struct Space<'s> {
    strategy: &'s str,
    seed: u64,
    random_features: u64,
    crops: u64,
    lora: &'s Lora,
    named: &'s Named,
    slots: &'s [SlotShape],
    adapters: Vec<Vec<Pair>>,
    scales: &'s [Scale],
    widths: [&'s [usize]; 2],
    reduction: Option<&'s Reduction>,
}

impl Lesson {
    /// The statistics.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Of the newest task, of which `state` has just learned the images with these features `space` and classifier inputs
    /// `rows`; `before` is the state without it.
    fn new(
        state: &State,
        before: &State,
        [rows, space]: [ArrayView2<'_, f32>; 2],
        labels: &[usize],
        mut statistics: Statistics,
    ) -> Result<Self> {
        let classes: BTreeMap<usize, usize> = labels.iter().map(|&class| (class, 0)).collect();
        let classes: BTreeMap<usize, usize> = classes.into_keys().zip(0..).collect();
        let own: Vec<usize> = labels.iter().map(|class| classes[class]).collect();
        let crops = rows.nrows() / labels.len().max(1);
        statistics.head_mut().observe_crops(rows, &own, crops)?;
        if let (Some(after), Some(before)) = (&state.statistics, &before.statistics) {
            statistics.hear(after, before);
        }
        let mut novelty = state.recognition.needs_novelty().then(|| Novelty::new(space.ncols()));
        if let Some(novelty) = &mut novelty {
            novelty.observe(space, &own)?;
        }
        let signature = state.recognition.signatures().router().signatures().last();
        let signature = signature.ok_or_else(|| crate::err!(Bug, "a finished task without a signature"))?;
        Ok(Self {
            name: String::new(),
            classes: classes.keys().map(|&class| state.classes[class].clone()).collect(),
            images: labels.len() as u64,
            statistics,
            signature: signature.renamed(|class| classes.get(&class).copied())?,
            novelty,
        })
    }
}

impl Learner {
    /// What the task that has just ended taught, where the learner was built with
    /// [`Builder::sharing`](super::Builder::sharing); until it is committed or rolled back. None after the first task, which
    /// makes the space of all others.
    pub fn lesson(&self) -> Option<&Lesson> {
        match &self.phase {
            Phase::Ended { lesson, .. } => lesson.as_deref(),
            _ => None,
        }
    }

    /// Goes on from `state`, another one of the same strategy, settings and adapted layers: this learner's own with a bundle
    /// taken over, or one from its store. Gives what was given up so that it fits the promise.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) while a task is open or undecided; [`Mismatch`](crate::ErrorKind::Mismatch) for a state that
    /// needs another learner; [`Budget`](crate::ErrorKind::Budget) for one beyond the promise; as [`State::solve`]. Nothing is changed then.
    pub fn go_on_from(&mut self, mut state: State) -> Result<Vec<Concession>> {
        if !matches!(self.phase, Phase::Idle) {
            crate::bail!(State, "a task is open or undecided; commit or roll back first");
        }
        let of = |state: &State| (state.strategy.clone(), state.settings.clone(), state.memory.slots.clone());
        if of(&state) != of(&self.model.state)
            || (&state.summary, &state.late) != (&self.model.state.summary, &self.model.state.late)
        {
            crate::bail!(
                Mismatch,
                "a state of {} with its own settings; build a learner that resumes it",
                state.strategy
            );
        }
        let given = state.shrink(&self.budget, self.strategy.as_ref(), self.model.reading.view)?;
        if let Some(why) = state.exceeds(&self.budget)? {
            crate::bail!(Budget, "{why}");
        }
        state.solve()?;
        let before = std::mem::replace(&mut self.model.state, state);
        match self.connect() {
            Ok(()) => {
                self.publish();
                Ok(given)
            }
            Err(e) => {
                self.model.state = before;
                Err(e)
            }
        }
    }

    /// The lesson of the open task, whose images have these classifier inputs `rows` in every crop, the whole ones first, and
    /// these features `whole`.
    pub(super) fn draw_lesson(
        &self,
        rows: &Array2<f32>,
        whole: &Features,
        labels: &[usize],
    ) -> Result<Option<Box<Lesson>>> {
        let Phase::Open { before, task } = &self.phase else { return Ok(None) };
        if !self.sharing || before.state.tasks.is_empty() {
            return Ok(None);
        }
        before.state.can_share()?;
        let space = self.model.state.space_rows(self.model.reading.view, whole)?;
        let empty = self.empty_statistics(rows.ncols())?;
        let empty = empty.ok_or_else(|| crate::err!(Bug, "a classifier without statistics"))?;
        let lesson =
            Lesson::new(&self.model.state, &before.state, [rows.view(), space.view()], labels, empty)?;
        Ok(Some(Box::new(Lesson { name: task.name.clone(), ..lesson })))
    }
}

impl State {
    /// Whether what later tasks teach can be given and taken.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) with the reason where the strategy's statistics mean nothing elsewhere;
    /// [`State`](crate::ErrorKind::State) before the first task.
    pub fn can_share(&self) -> Result<()> {
        self.strategy_shares()?;
        if self.tasks.is_empty() {
            crate::bail!(
                State,
                "nothing was learned yet, and the first task makes the space that devices must have in common; start from a copy \
                 of their state"
            );
        }
        Ok(())
    }

    /// Whether statistics under this strategy mean something elsewhere.
    pub(super) fn strategy_shares(&self) -> Result<()> {
        let Choice { strategy, reading, .. } =
            strategy::by_name(&self.strategy, self.settings.random_features)?;
        const OTHERS: &str = "use perennial, perennial-compact, ranpac-first or a frozen strategy";
        if strategy.adapts(1) {
            crate::bail!(
                Unsupported,
                "{} goes on adapting its network, so statistics of one device's images are not those that another's network \
                 would give; {OTHERS}",
                self.strategy
            );
        }
        if matches!(reading.view, View::Routed(_)) || reading.classifier.is_training_head() {
            crate::bail!(Unsupported, "{} keeps no sums that could be added up; {OTHERS}", self.strategy);
        }
        Ok(())
    }

    /// What this learner's features are.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    pub fn space(&self) -> Result<Space<'_>> {
        let strategy = strategy::by_name(&self.strategy, self.settings.random_features)?.strategy;
        let left = self.statistics.as_ref().map(|statistics| statistics.head().random_features());
        let adapters = if self.adapted { strategy.networks(&self.memory)? } else { Vec::new() };
        Ok(Space {
            strategy: &self.strategy,
            seed: self.settings.seed,
            random_features: left.filter(|&n| n > 0).unwrap_or(self.settings.random_features) as u64,
            crops: self.settings.crops.unwrap_or(1) as u64,
            lora: &self.settings.lora,
            named: &self.settings.named,
            slots: &self.memory.slots,
            adapters,
            scales: &self.scales,
            widths: [&self.summary, &self.late],
            reduction: self.recognition.signatures().reduction(),
        })
    }

    /// Takes over a lesson of a learner of the same backbone and [`Space`], which the caller has compared, as a task of its own; `id`
    /// says where it came from. The state is to be solved again.
    ///
    /// Nothing of what was learned before is changed but what all statistics share. The threshold of "unknown" stays.
    ///
    /// # Errors
    /// As [`State::can_share`]; [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a task or class without a name of its own;
    /// [`Corrupt`](crate::ErrorKind::Corrupt), [`Numeric`](crate::ErrorKind::Numeric) and
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for statistics that cannot be added. The state may then be changed in
    /// part: take a copy.
    pub fn adopt(&mut self, lesson: &Lesson, id: Digest) -> Result<()> {
        self.can_share()?;
        let different = lesson.classes.iter().collect::<std::collections::BTreeSet<_>>().len();
        if different != lesson.classes.len() || lesson.classes.iter().any(String::is_empty) {
            crate::bail!(InvalidArgument, "classes without a name of their own: {:?}", lesson.classes);
        }
        if self.tasks.iter().any(|task| task.name == lesson.name) {
            crate::bail!(
                InvalidArgument,
                "there is a task {:?} here; forget it first, or take this one over by another name",
                lesson.name
            );
        }
        let classes: Vec<usize> = lesson.classes.iter().map(|name| self.intern(name)).collect();
        let Some(statistics) = &mut self.statistics else {
            crate::bail!(Bug, "a classifier without statistics")
        };
        Arc::make_mut(statistics).absorb(&lesson.statistics, &classes)?;
        let signature = lesson.signature.renamed(|class| classes.get(class).copied())?;
        self.recognition.absorb(signature, lesson.novelty.as_ref(), &classes)?;
        let mut sorted = classes;
        sorted.sort_unstable();
        let images = usize::try_from(lesson.images).unwrap_or(usize::MAX);
        self.tasks.push(TaskRecord {
            name: lesson.name.clone(),
            classes: sorted,
            images,
            with: 0,
            from: Some(id),
            receipt: None,
        });
        self.commits += 1;
        Ok(())
    }
}

impl Statistics {
    /// Takes for what its rows say about settings what `after` heard of them and `before` had not.
    fn hear(&mut self, after: &Self, before: &Self) {
        match (self, after, before) {
            (Self::Centres(own), Self::Centres(after), Self::Centres(before)) => own.hear(after, before),
            (Self::Blend(own), Self::Blend(after), Self::Blend(before)) => own.hear(after, before),
            (Self::Better(own), Self::Better(after), Self::Better(before)) => own.hear(after, before),
            // The others choose nothing by held-out rows.
            _ => {}
        }
    }
}
