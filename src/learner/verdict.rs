//! Whether what a task taught should be kept.
//!
//! | objection | found by | limit |
//! |---|---|---|
//! | [`Forgets`](Objection::Forgets) | rows of old classes, drawn from the statistics, asked before and after ([`Recall`]) | [`Limits::loss`] |
//! | [`Loses`](Objection::Loses) | the same, of one class | [`Limits::class_loss`] |
//! | [`Misnamed`](Objection::Misnamed) | a known class that in this task lies where one of another name lies, and a new one that lies there to a fraction of what chance puts between two samples ([`Nearest`]) | [`Limits::swapped`], [`Limits::twin`] |
//! | [`Learned nothing`](Objection::LearnedNothing) | pictures of the task, held out of the statistics, no better than a guess and surely worse than half way from there to all | two standard errors |
//! | [`One picture`](Objection::OnePicture) | a class whose pictures are all the same to the bit: a frozen or covered camera | from [`FEW`] pictures on |
//!
//! The limits let every task of three real streams pass (CIFAR-100 by ten, alphabets, photographs to sketches; `verdicts` in the results of
//! `perennial eval`): old classes lose up to 21 % of the rows when a second task doubles their number and 12 % elsewhere, one class up
//! to 69 %, new classes lie as near as 0.32, known ones no nearer than 3.2.
//!
//! An objection keeps [`Learner::commit`](super::Learner::commit) from committing;
//! [`Learner::commit_anyway`](super::Learner::commit_anyway) does it all the same. Nothing here costs state.
//!
//! What it does not see: labels that are wrong in a way that can be learned, such as the names of two new classes swapped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ndarray::s;
use serde::{Deserialize, Serialize};

use super::recall::{Recall, share};
use super::twins::{Nearest, ONE};
use super::{Encoded, State};
use crate::error::Result;
use crate::head::Centres;

/// Pictures of a class from which on they should differ.
const FEW: usize = 4;

/// Standard errors by which a task must be better than a guess.
const SURE: f64 = 2.0;

/// How much harm is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest share of the rows of old classes that may lose their right answer.
    pub loss: f64,
    /// Largest share of the rows of one old class that may lose theirs.
    pub class_loss: f64,
    /// How near a class that is known may lie to one of another name, in what two samples of one class are apart.
    pub swapped: f64,
    /// How near a new class may: kinds that are hardly two (girl and woman, one stroke in two alphabets) lie within 1.
    pub twin: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { loss: 0.3, class_loss: 0.75, swapped: ONE, twin: 0.25 }
    }
}

/// What a finished task looks like, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Old classes asked before and after; `None` for the first task, and where the classifier does not know how rows of a
    /// class lie.
    pub recall: Option<Recall>,
    /// Pictures of the task that were held out, and how many of them were answered rightly; 0 where the classifier holds none
    /// out.
    pub held_out: usize,
    /// See `held_out`.
    pub right: usize,
    /// Pictures that are the same to the bit as an earlier one of the task.
    pub repeated: usize,
    /// Pictures of the class with the most, over those of the class with the fewest.
    pub imbalance: f64,
    /// The class of the task that lies nearest to an old one of another name; at 1 they are hardly two.
    pub nearest: Option<Nearest>,
    /// What speaks against keeping it; nothing where it is sound.
    pub objections: Vec<Objection>,
}

/// What speaks against keeping a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objection {
    /// Old classes lose right answers.
    Forgets {
        /// Share of their rows.
        lost: f64,
        /// Most that may be.
        limit: f64,
        /// Which to which.
        worst: String,
    },
    /// One old class loses right answers.
    Loses {
        /// The class.
        class: String,
        /// Share of its rows.
        lost: f64,
        /// Most that may be.
        limit: f64,
    },
    /// A class lies where one of another name lies.
    Misnamed {
        /// The class of this task.
        class: String,
        /// The other one.
        to: String,
        /// Their distance, 1 being that of two samples of one class.
        nearness: f64,
        /// Least that is taken.
        limit: f64,
    },
    /// Held-out pictures are answered no better than by guessing among the task's classes.
    LearnedNothing {
        /// Share of right answers.
        right: f64,
        /// Share of a guess.
        guess: f64,
    },
    /// All pictures of a class are the same.
    OnePicture {
        /// The class.
        class: String,
        /// Its pictures.
        pictures: usize,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &f64| 100.0 * share;
        match self {
            Self::Forgets { lost, limit, worst } => write!(
                f,
                "old classes lose {:.1} % of their right answers ({worst}), and {:.1} % is the most; look whether these are one class \
                 under two names",
                percent(lost),
                percent(limit)
            ),
            Self::Loses { class, lost, limit } => write!(
                f,
                "{class} loses {:.1} % of its right answers, and {:.1} % is the most; look whether its pictures came under another name",
                percent(lost),
                percent(limit)
            ),
            Self::Misnamed { class, to, nearness, limit } => write!(
                f,
                "{class} lies where {to} lies ({nearness:.2} of what two samples of one class are apart, and {limit:.2} is the least); look \
                 whether it is one thing under two names"
            ),
            Self::LearnedNothing { right, guess } => write!(
                f,
                "{:.0} % of the pictures that were held out are answered rightly, and a guess has {:.0} %; look at the labels",
                percent(right),
                percent(guess)
            ),
            Self::OnePicture { class, pictures } => write!(
                f,
                "all {pictures} pictures of {class} are the same; look whether the camera is covered or has stopped"
            ),
        }
    }
}

impl Verdict {
    /// On the task whose pictures `images` with `labels` made `after` of `before`; both are solved.
    pub(super) fn of(
        before: &State,
        after: &State,
        images: &Encoded,
        labels: &[usize],
        limits: &Limits,
    ) -> Result<Self> {
        let mut by_class: BTreeMap<usize, (usize, BTreeSet<u32>)> = BTreeMap::new();
        for (&label, print) in labels.iter().zip(images.fingerprints()) {
            let (count, different) = by_class.entry(label).or_default();
            *count += 1;
            different.insert(print);
        }
        let different: BTreeSet<u32> = by_class.values().flat_map(|(_, prints)| prints).copied().collect();
        let counts = || by_class.values().map(|(count, _)| *count);
        let (held_out, right) = after.statistics.as_ref().map_or((0, 0), |s| s.head().held_out_right());
        let mut verdict = Self {
            recall: Recall::between(before, after)?,
            held_out,
            right,
            repeated: labels.len() - different.len(),
            imbalance: counts().max().unwrap_or(1) as f64 / counts().min().unwrap_or(1) as f64,
            nearest: newest(before, after).and_then(|new| Nearest::of(before, &new, &after.classes)),
            objections: Vec::new(),
        };
        verdict.objections.extend(verdict.forgets(limits));
        verdict.objections.extend(verdict.loses(limits));
        verdict.objections.extend(verdict.misnamed(before, limits));
        verdict.objections.extend(verdict.learned_nothing(by_class.len()));
        let stuck =
            by_class.into_iter().filter(|(_, (count, different))| *count >= FEW && different.len() == 1);
        verdict.objections.extend(stuck.map(|(class, (pictures, _))| Objection::OnePicture {
            class: after.classes.get(class).cloned().unwrap_or_default(),
            pictures,
        }));
        Ok(verdict)
    }

    /// Asks old classes again, now that `after` has become smaller to stay inside a promise.
    pub(super) fn ask_again(&mut self, before: &State, after: &State, limits: &Limits) -> Result<()> {
        self.recall = Recall::between(before, after)?;
        self.objections.retain(|o| !matches!(o, Objection::Forgets { .. } | Objection::Loses { .. }));
        let lost: Vec<Objection> = self.forgets(limits).into_iter().chain(self.loses(limits)).collect();
        self.objections.splice(..0, lost);
        Ok(())
    }

    /// What speaks against keeping it, as one text; `None` where nothing does.
    pub fn against(&self) -> Option<String> {
        let all: Vec<String> = self.objections.iter().map(Objection::to_string).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn forgets(&self, limits: &Limits) -> Option<Objection> {
        let recall = self.recall.as_ref()?;
        let (lost, limit) = (recall.lost(), limits.loss);
        let bears = lost.is_finite() && lost <= limit;
        (!bears).then(|| Objection::Forgets { lost, limit, worst: recall.worst() })
    }

    fn loses(&self, limits: &Limits) -> Option<Objection> {
        let (class, lost) = self.recall.as_ref()?.worst_class()?;
        let limit = limits.class_loss;
        (lost > limit).then(|| Objection::Loses { class: class.into(), lost, limit })
    }

    fn misnamed(&self, before: &State, limits: &Limits) -> Option<Objection> {
        let Nearest { class, to, nearness } = self.nearest.clone()?;
        let limit = if before.class(&class).is_some() { limits.swapped } else { limits.twin };
        let apart = nearness >= limit;
        (!apart).then_some(Objection::Misnamed { class, to, nearness, limit })
    }

    fn learned_nothing(&self, classes: usize) -> Option<Objection> {
        let guess = 1.0 / classes.max(1) as f64;
        let half_way = (1.0 + guess) / 2.0;
        let right = share(self.right, self.held_out);
        let error = |rate: f64| (rate * (1.0 - rate) / self.held_out.max(1) as f64).sqrt();
        let nothing = right <= guess + SURE * error(guess) && right < half_way - SURE * error(half_way);
        (classes > 1 && self.held_out > 0 && nothing).then_some(Objection::LearnedNothing { right, guess })
    }
}

/// The centres that `after` has beside those of `before`: of new classes, and of all classes of the task where every task makes its own.
fn newest(before: &State, after: &State) -> Option<Centres> {
    let known = before.statistics.as_ref()?.centres()?.counts.len();
    let all = after.statistics.as_ref()?.centres()?;
    let new = known.min(all.counts.len())..all.counts.len();
    Some(Centres {
        means: all.means.slice(s![new.clone(), ..]).to_owned(),
        counts: all.counts[new.clone()].to_vec(),
        classes: all.classes[new].to_vec(),
        spread: all.spread,
    })
}
