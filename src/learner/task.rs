//! The open task: observing and repeating.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::course::Course;
use super::encoded::Cache;
use super::shown::Shown;
use super::trainer::{Batch, Step, Trainer};
use super::{Crops, Encoded, Learner, Model, Phase, State, extraction};
use crate::error::Result;
use crate::strategy::{Strategy, TaskContext, Wants};

/// What is held while a task is open.
pub struct OpenTask {
    pub(super) name: String,
    pub(super) context: TaskContext,
    pub(super) trainer: Option<Trainer>,
    pub(super) cache: Cache,
    pub(super) classes: BTreeSet<usize>,
    pub(super) epochs: u64,
    pub(super) shown: Shown,
    pub(super) course: Course,
}

impl Learner {
    /// The open task, or an error that says what to call.
    pub(super) fn task(&mut self) -> Result<&mut OpenTask> {
        match &mut self.phase {
            Phase::Open { task, .. } => Ok(task),
            _ => Err(crate::err!(State, "no task is open; call begin_task first")),
        }
    }

    /// What the open task was shown.
    pub(super) fn shown(&mut self) -> Result<Shown> {
        self.task().map(|task| task.shown.clone())
    }

    pub(super) fn open(&mut self, name: &str) -> Result<OpenTask> {
        let (index, settings) = (self.model.state.learned(), self.model.state.settings.clone());
        let context = TaskContext { index, seed: settings.seed, rank: settings.lora.rank };
        self.strategy.begin(&context, &mut self.model.state.memory)?;
        let trainer = if self.strategy.adapts(index) {
            self.prepare_head(settings.seed ^ index as u64)?;
            Some(self.trainer(index)?)
        } else {
            None
        };
        let cache = Cache::new(self.budget.cache, self.budget.spill.clone(), settings.seed ^ index as u64);
        Ok(OpenTask {
            name: name.into(),
            context,
            trainer,
            cache,
            classes: BTreeSet::new(),
            epochs: 0,
            shown: Shown::default(),
            course: Course::default(),
        })
    }

    /// As [`Learner::observe`], from encoded images.
    ///
    /// # Errors
    /// As [`Learner::observe`], and [`Mismatch`](crate::ErrorKind::Mismatch) for images that a learner of another strategy
    /// encoded without what this one reads.
    pub fn observe_encoded(&mut self, images: &Crops, labels: &[&str]) -> Result<Vec<Step>> {
        if images.len() != labels.len() {
            crate::bail!(InvalidArgument, "{} images, {} labels", images.len(), labels.len());
        }
        self.task()?;
        images.each().iter().try_for_each(|crop| self.model.check_encoded(crop))?;
        self.check_crops(images)?;
        if labels.contains(&"") {
            crate::bail!(InvalidArgument, "a class needs a name; an empty one stands for what was forgotten");
        }
        self.check_classes(labels)?;
        let mut shown = self.task()?.shown.clone();
        shown.pictures(images, labels);
        let images = &self.worth_keeping(images)?;
        let placed = self.task()?.cache.place(images.clone())?;
        let (before, mut new) = (self.model.state.classes.len(), Vec::new());
        let mut index = |name: &&str| {
            new.extend(self.model.state.class(name).is_none().then(|| self.model.state.intern(name)));
            self.model.state.intern(name)
        };
        let labels: Vec<usize> = labels.iter().map(&mut index).collect();
        match self.learn_rows(images.whole(), &labels) {
            Ok(steps) => {
                let task = self.task()?;
                task.shown = shown;
                task.cache.add(placed, &labels);
                Ok(steps)
            }
            Err(e) => {
                self.unlearn_names(&new, before);
                Err(e)
            }
        }
    }

    /// Refuses more classes than a promise of RAM was planned for.
    fn check_classes(&self, labels: &[&str]) -> Result<()> {
        let planned = self.budget.classes.max(self.state().classes.len());
        let new: BTreeSet<_> = labels.iter().filter(|name| self.model.state.class(name).is_none()).collect();
        let all = self.model.state.known().count() + new.len();
        if self.budget.ram.is_some() && all > planned {
            crate::bail!(
                Budget,
                "{all} classes, and the promised RAM was planned for {planned}; forget some, or build with Budget::classes of {all}"
            );
        }
        Ok(())
    }

    /// What the end of the open task reads of the images: without tokens where nothing is trained on them.
    fn worth_keeping(&mut self, images: &Crops) -> Result<Crops> {
        if self.task()?.trainer.is_some() {
            return Ok(images.clone());
        }
        let read = |images: &Encoded| {
            let features = extraction::extract(
                &self.model.networks,
                self.model.reading.view,
                images,
                self.pace.as_ref(),
            )?;
            Ok(images.without_tokens(&features))
        };
        Crops::new(images.each().iter().map(read).collect::<Result<_>>()?)
    }

    /// Refuses pictures in another number of crops than the open task has.
    fn check_crops(&mut self, images: &Crops) -> Result<()> {
        match self.task()?.cache.images() {
            Some(kept) => kept.select(&[]).extend(&images.select(&[])),
            None => Ok(()),
        }
    }

    fn learn_rows(&mut self, images: &Encoded, labels: &[usize]) -> Result<Vec<Step>> {
        self.make_room(labels)?;
        self.meet(images)?;
        self.task()?.classes.extend(labels);
        let indices: Vec<usize> = (0..labels.len()).collect();
        self.train(images, labels, &indices)
    }

    /// Lets the strategy look at the first images of the open task before it trains on them.
    fn meet(&mut self, images: &Encoded) -> Result<()> {
        let task = self.task()?;
        let (first, context) = (task.cache.seen() == 0, task.context);
        if !first || !self.strategy.wants().first {
            return Ok(());
        }
        let moments = self.moments(images, Wants { inputs: true, ..Wants::default() })?;
        self.strategy.meet(&context, &mut self.model.state.memory, &moments)
    }

    /// Takes the classes `new` that came with a failed call out again, of which there were `before`.
    fn unlearn_names(&mut self, new: &[usize], before: usize) {
        for &class in new {
            if let Some(head) = &mut self.model.state.training {
                head.forget(class);
            }
            self.model.state.classes[class].clear();
        }
        self.model.state.classes.truncate(before);
        if let Phase::Open { task, .. } = &mut self.phase {
            task.classes.retain(|class| !new.contains(class));
        }
    }

    /// One more pass over the images kept of the open task, shuffled by the seed, each in the crop whose turn it is.
    ///
    /// # Errors
    /// As [`Learner::observe`].
    pub fn epoch(&mut self) -> Result<Vec<Step>> {
        let task = self.task()?;
        let epoch = task.epochs + 1;
        let Some(images) = task.cache.images().map(|kept| kept.turn(epoch as usize).clone()) else {
            return Ok(Vec::new());
        };
        let labels = task.cache.labels().to_vec();
        let order = self.order(labels.len(), epoch)?;
        let steps = self.train(&images, &labels, &order)?;
        let task = self.task()?;
        task.epochs = epoch;
        task.shown.pass();
        Ok(steps)
    }

    /// `n` rows, shuffled by the seed, the open task and the pass.
    pub(super) fn order(&mut self, n: usize, pass: u64) -> Result<Vec<usize>> {
        let seed = self.model.state.settings.seed;
        let index = self.task()?.context.index as u64;
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ (index << 32) ^ pass));
        Ok(order)
    }

    /// Steps over `images` in `order`, where the open task adapts.
    fn train(&mut self, images: &Encoded, labels: &[usize], order: &[usize]) -> Result<Vec<Step>> {
        if self.task()?.trainer.is_none() {
            return Ok(Vec::new());
        }
        let (beside, strategy) = (self.beside(images)?, self.strategy.clone());
        self.pass(strategy.as_ref(), images, labels, order, beside.as_ref())
    }

    /// The same with the open task's training step under any strategy; `beside` are further rows that its objective reads.
    pub(super) fn pass(
        &mut self,
        strategy: &dyn Strategy,
        images: &Encoded,
        labels: &[usize],
        order: &[usize],
        beside: Option<&Array2<f32>>,
    ) -> Result<Vec<Step>> {
        let Self { phase, model: Model { state, .. }, pace, .. } = self;
        let Phase::Open { task, .. } = phase else { return Ok(Vec::new()) };
        let (Some(trainer), Some(head)) = (&mut task.trainer, &mut state.training) else {
            return Ok(Vec::new());
        };
        let mut mask = Array1::zeros(trainer.capacity());
        task.classes.iter().for_each(|&c| mask[c] = 1.0);
        let size = state.settings.batch.max(1);
        task.course.keep(trainer, &mut state.memory, head, |trainer, memory, head, done| {
            let mut step = |indices: &[usize]| {
                let tokens = images.tokens(indices)?;
                let labels: Vec<usize> = indices.iter().map(|&i| labels[i]).collect();
                let beside = beside.map(|rows| rows.select(Axis(0), indices));
                let beside = beside.as_ref().map(|rows| rows.view());
                let batch = Batch { tokens: tokens.view(), beside, labels: &labels, mask: &mask };
                trainer.step(strategy, memory, head, &batch, pace.as_ref()).inspect(|_| *done += 1)
            };
            order.chunks(size).map(&mut step).collect()
        })
    }

    /// Makes the labels known to the training head, doubling it where they do not fit. The graph is compiled again
    /// then, and only then.
    fn make_room(&mut self, labels: &[usize]) -> Result<()> {
        let (trains, state) = (self.task()?.trainer.is_some(), &mut self.model.state);
        let Some(head) = &mut state.training else { return Ok(()) };
        let mut grown = false;
        for &label in labels {
            grown |= head.add_class(label, &state.classes[label])?;
        }
        if !(grown && trains) {
            return Ok(());
        }
        let mut trainer = self.trainer(self.model.state.learned())?;
        let task = self.task()?;
        trainer.slow(task.course.rate());
        task.course.changed();
        task.trainer = Some(trainer);
        Ok(())
    }
}

impl State {
    /// Index of the class `name`, made known if it is new: under an index that was freed, where there is one.
    pub(super) fn intern(&mut self, name: &str) -> usize {
        if let Some(known) = self.class(name) {
            return known;
        }
        let free = self.classes.iter().position(String::is_empty).unwrap_or(self.classes.len());
        if free == self.classes.len() {
            self.classes.push(String::new());
        }
        self.classes[free] = name.into();
        free
    }
}
