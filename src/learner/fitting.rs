//! Settings that fit a promise.
//!
//! Where RAM is promised, what was set is the most that is taken: random features, pictures a micro-batch, bytes kept of a task's pictures.
//! Micro-batches and activations that are computed again change speed alone; few pictures and few random features cost accuracy. So the first of
//! these that fits is taken:
//!
//! 1. random features, then micro-batches from large to small, then activations computed again, with room for [`ENOUGH`] pictures;
//! 2. the fewest random features, micro-batches of 1, activations kept or not as takes less, and room for as many pictures as there is, at
//!    least one step's.
//!
//! Where the time of a pass is promised, micro-batches that would take longer are left out; that is measured, so devices differ in it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::phases::Plan;
use super::{Budget, Settings};
use crate::error::Result;

/// Pictures of a task that should find room.
const ENOUGH: usize = 256;

/// Columns of a random-feature head, and pictures a micro-batch, that are tried.
const COLUMNS: [usize; 3] = [2000, 1000, 500];
const MICROS: [usize; 4] = [8, 4, 2, 1];

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fitted {
    /// Pictures a micro-batch.
    pub micro: usize,
    /// Whether activations are computed again.
    pub recompute: bool,
    /// Columns of a random-feature head.
    pub random_features: usize,
    /// Bytes for what is kept of a task's pictures.
    pub cache: usize,
    /// Pictures of the first task for which that is enough.
    pub pictures: usize,
    /// Bytes of RAM below which nothing would do.
    pub smallest: usize,
    /// How long a pass of a training step takes here, where its time was promised.
    pub pass: Option<Duration>,
}

impl Fitted {
    /// Takes what was found.
    pub fn apply(&self, settings: &mut Settings, budget: &mut Budget) {
        (settings.micro, settings.recompute) = (self.micro, self.recompute);
        settings.random_features = self.random_features;
        budget.cache = self.cache;
    }
}

impl fmt::Display for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.cache as f64 / f64::from(1 << 20);
        write!(
            f,
            "fitted: micro-batches of {}{}, {} random features, {mib:.1} MiB for pictures ({} of a first task); {} bytes would do",
            self.micro,
            if self.recompute { ", activations computed again" } else { "" },
            self.random_features,
            self.pictures,
            self.smallest
        )?;
        match self.pass {
            Some(pass) => write!(f, "; a training pass takes {pass:.1?}"),
            None => Ok(()),
        }
    }
}

/// What may become smaller than it was set.
#[derive(Clone, Copy)]
pub struct Free {
    pub random_features: bool,
    pub micro: bool,
    pub recompute: bool,
}

/// The best of what was set that fits into `budget`; `plan` plans for settings.
///
/// # Errors
/// [`Budget`](crate::ErrorKind::Budget) with the smallest budget that would do.
pub fn fit(
    budget: &Budget,
    settings: &Settings,
    free: Free,
    plan: impl Fn(&Settings) -> Result<Plan>,
    pass: impl Fn(&Settings) -> Result<Option<Duration>>,
) -> Result<Fitted> {
    let columns = tried(settings.random_features, &COLUMNS, free.random_features);
    let micros = tried(settings.micro, &MICROS, free.micro);
    let (fewest, least) = (columns[columns.len() - 1], micros[micros.len() - 1]);
    let again = (free.recompute && !settings.recompute).then_some((least, true));
    let passes: Vec<_> = micros.iter().map(|&micro| (micro, settings.recompute)).chain(again).collect();
    let planned = |random_features: usize, &(micro, recompute): &(usize, bool)| {
        let settings = Settings { random_features, micro, recompute, ..settings.clone() };
        Ok(Candidate { plan: plan(&settings)?, settings })
    };
    let frugal = [(least, settings.recompute)].into_iter().chain(again).map(|pass| planned(fewest, &pass));
    let frugal = frugal.collect::<Result<Vec<_>>>()?.into_iter().min_by_key(Candidate::least);
    let frugal = frugal.ok_or_else(|| crate::err!(Bug, "no settings to fit"))?;
    let smallest = frugal.least();
    let limit = budget.ram.unwrap_or(usize::MAX);
    let mut watch = Watch { most: budget.step_time, times: BTreeMap::new() };
    for &random_features in &columns {
        for settled in &passes {
            let candidate = planned(random_features, settled)?;
            let Some(cache) = room(&candidate.plan, ENOUGH, budget.cache, limit) else { continue };
            let took = watch.time(*settled, || pass(&candidate.settings))?;
            if watch.allows(took) {
                return Ok(candidate.fitted(cache, smallest, took));
            }
        }
    }
    let cache = room(&frugal.plan, settings.batch, budget.cache, limit).ok_or_else(|| {
        crate::err!(
            Budget,
            "{limit} bytes of RAM were promised, and {smallest} is the least that would do, with micro-batches of {least} and the \
             pictures of one step kept; other strategies, blocks or fewer threads may take less"
        )
    })?;
    let took = watch.time((least, frugal.settings.recompute), || pass(&frugal.settings))?;
    if !watch.allows(took) {
        crate::bail!(
            Budget,
            "a training pass in micro-batches of {least} takes {:.1?} here, and {:.1?} were promised; fewer adapted blocks, a smaller rank or \
             another engine take less",
            took.unwrap_or_default(),
            watch.most.unwrap_or_default()
        );
    }
    Ok(frugal.fitted(cache, smallest, took))
}

/// How long passes take here, each measured once, where that is promised.
struct Watch {
    most: Option<Duration>,
    times: BTreeMap<(usize, bool), Option<Duration>>,
}

impl Watch {
    /// Of the pass that is known by `name`; `None` where nobody asks or nothing is trained.
    fn time(
        &mut self,
        name: (usize, bool),
        measure: impl FnOnce() -> Result<Option<Duration>>,
    ) -> Result<Option<Duration>> {
        if self.most.is_none() {
            return Ok(None);
        }
        if let Some(known) = self.times.get(&name) {
            return Ok(*known);
        }
        let took = measure()?;
        self.times.insert(name, took);
        Ok(took)
    }

    fn allows(&self, took: Option<Duration>) -> bool {
        took.zip(self.most).is_none_or(|(took, most)| took <= most)
    }
}

/// Settings, and what they take.
struct Candidate {
    settings: Settings,
    plan: Plan,
}

impl Candidate {
    /// Bytes with the pictures of one step.
    fn least(&self) -> usize {
        self.plan.footprint(self.plan.cache(self.settings.batch)).total()
    }

    fn fitted(&self, cache: usize, smallest: usize, pass: Option<Duration>) -> Fitted {
        let Settings { micro, recompute, random_features, .. } = self.settings;
        let pictures = self.plan.pictures(cache);
        Fitted { micro, recompute, random_features, cache, pictures, smallest, pass }
    }
}

/// What was `set`, and where it is `free` what is smaller among `others`, from large to small.
fn tried(set: usize, others: &[usize], free: bool) -> Vec<usize> {
    let smaller = others.iter().copied().filter(|&n| n < set && free);
    std::iter::once(set).chain(smaller).collect()
}

/// The most bytes, up to `most`, that can be kept of pictures within `limit`; `None` where there is no room for `pictures` of them.
fn room(plan: &Plan, pictures: usize, most: usize, limit: usize) -> Option<usize> {
    let fits = |cache: usize| plan.footprint(cache).total() <= limit;
    let least = plan.cache(pictures).min(most);
    if !fits(least) {
        return None;
    }
    let (mut fitting, mut beyond) = (least, most + 1);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    Some(fitting)
}
