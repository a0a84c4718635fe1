//! Old classes asked before and after, without an image.
//!
//! Statistics that say how rows of a class lie can be asked for some: `N(m, S / T)` around every centre, drawn with a fixed seed. Rows of the
//! old classes are answered by the state as it is and as it would be. A bundle that takes answers away from them (a class that lies where another lies,
//! a spread that blurs all) shows here, however well it is signed.
//!
//! A known class under another name is found by where its centre lies ([`Nearest`]).
//!
//! Not seen: a bundle that teaches its own classes wrongly, and what real images do that no Gaussian does.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::Result;
use crate::learner::{self, Asked, Lesson, Nearest, Recall, State, share};

/// How much harm is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest share of the rows of old classes that may lose their right answer.
    pub loss: f64,
    /// How many times as far out as any row of an old class rows of the new ones may lie.
    pub reach: f64,
    /// How near a new class may lie to an old one of another name, in what two samples of one class are apart. By default only what is nearly
    /// the same sample is refused: kinds that are hardly two (girl and woman, one stroke in two alphabets) lie within 1.
    pub nearness: f64,
    /// Whether to take what cannot be tried, because the classifier does not know how rows of a class lie.
    pub untried: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let learner::Limits { loss, twin, .. } = learner::Limits::default();
        Self { loss, reach: 4.0, nearness: twin, untried: false }
    }
}

/// What asking showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Old classes as they are answered now, and as they would be.
    pub recall: Recall,
    /// Share of rows of the new classes that would be answered rightly.
    pub own: f64,
    /// How far out the farthest row of a new class lies, over the farthest of an old one.
    pub reach: f64,
    /// The new class and the old one of another name that lie nearest to each other, as far as both have rows enough to tell.
    pub nearest: Option<Nearest>,
}

impl Trial {
    /// Asks both states, which are solved; `None` where the classifier does not know how rows of a class lie.
    pub(super) fn run(before: &State, after: &State, lesson: &Lesson) -> Result<Option<Self>> {
        let (Some(old), Some(new)) = (&before.statistics, &after.statistics) else { return Ok(None) };
        let known = Asked::of(before, before, &[old.head(), new.head()])?;
        let (Some(known), Some(all)) = (known, Asked::of(after, before, &[new.head()])?) else {
            return Ok(None);
        };
        let own: BTreeSet<usize> = lesson.classes.iter().filter_map(|name| after.class(name)).collect();
        let of_own: Vec<usize> = (0..all.labels.len()).filter(|&i| own.contains(&all.labels[i])).collect();
        let near = known.lengths.iter().copied().fold(0.0, f64::max);
        let farthest = of_own.iter().map(|&i| all.lengths[i]).fold(0.0, f64::max);
        let right = of_own.iter().filter(|&&i| all.answers[0][i] == all.labels[i]).count();
        Ok(Some(Self {
            recall: Recall::of(after, &known),
            own: share(right, of_own.len()),
            reach: farthest / near.max(f64::MIN_POSITIVE),
            nearest: lesson.statistics().centres().and_then(|new| Nearest::of(before, &new, &lesson.classes)),
        }))
    }

    /// Why it is not taken.
    pub(super) fn objection(&self, limits: &Limits) -> Option<String> {
        let lost = self.recall.lost();
        if !lost.is_finite() || lost > limits.loss {
            return Some(format!(
                "old classes would lose {:.1} % of their right answers ({}), and at most {:.1} % are given up; ask its maker, or \
                 raise the limit",
                100.0 * lost,
                self.recall.worst(),
                100.0 * limits.loss
            ));
        }
        let too_near = |n: &&Nearest| !n.nearness.is_finite() || n.nearness < limits.nearness;
        if let Some(Nearest { class, to, nearness }) = self.nearest.as_ref().filter(too_near) {
            return Some(format!(
                "{class} lies where {to} lies ({nearness:.2} of what two samples of one class are apart, and {:.2} is the least): one \
                 class under two names; ask its maker",
                limits.nearness
            ));
        }
        (!self.reach.is_finite() || self.reach > limits.reach).then(|| {
            format!(
                "its classes lie {:.1} times as far out as any known here, and {:.1} is the most; its features are not those of \
                 this backbone and preprocessing",
                self.reach, limits.reach
            )
        })
    }
}
