//! Classes that may be one under two names.
//!
//! Centres of few rows lie apart even where their classes are one. So every new one is measured against the old ones of other
//! names, in what two samples of one class would be apart:
//!
//! ```text
//! nearness = |m - m'|^2 / ((1 / n + 1 / n') tr S)          1 on average for one class under two names
//! ```
//!
//! In hundreds of dimensions this finds what rows drawn around the centres do not: rows of one sample are hardly ever nearer to the mean of another.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::State;
use crate::head::Centres;

/// Pictures behind both centres from which on their distance says something.
const SURE: u64 = 5;

/// Nearness below which two samples are hardly of two classes.
pub const ONE: f64 = 1.5;

/// Two classes that may be one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// The new class.
    pub class: String,
    /// The old class.
    pub to: String,
    /// Their distance, 1 being that of two samples of one class.
    pub nearness: f64,
}

impl Nearest {
    /// Whether the two may be one thing with two names.
    pub fn may_be_one(&self) -> bool {
        self.nearness < ONE
    }

    /// Of the centres in `new`, whose classes are called `names`, the one that lies nearest to a class of `state` that has another name, and farther
    /// from any of its own; `None` where the statistics do not say, or rows are too few.
    pub fn of(state: &State, new: &Centres, names: &[String]) -> Option<Self> {
        let old = state.statistics.as_ref()?.centres()?;
        // Crops of a picture lie where the picture lies.
        let crops = state.settings.crops.unwrap_or(1) as u64;
        let mut found: Option<Self> = None;
        for ((own, &n), &class) in new.means.rows().into_iter().zip(&new.counts).zip(&new.classes) {
            let to = nearest(own, n, &old, crops).map(|(to, nearness)| (state.classes.get(to), nearness));
            let (Some(class), Some((Some(to), nearness))) = (names.get(class), to) else { continue };
            let nearer = found.as_ref().is_none_or(|f| nearness < f.nearness || nearness.is_nan());
            if class != to && nearer {
                found = Some(Self { class: class.clone(), to: to.clone(), nearness });
            }
        }
        found
    }
}

/// The class in `old` nearest to a centre of `n` rows, and how near.
fn nearest(centre: ArrayView1<'_, f64>, n: u64, old: &Centres, crops: u64) -> Option<(usize, f64)> {
    let sure = |&(_, &m): &(_, &u64)| n.min(m) >= SURE * crops;
    let near = |(i, &m): (usize, &u64)| {
        let apart = &centre - &old.means.row(i);
        let one_class = (1.0 / n as f64 + 1.0 / m as f64) * crops as f64 * old.spread;
        (old.classes[i], apart.dot(&apart) / one_class.max(f64::MIN_POSITIVE))
    };
    let all = old.counts.iter().enumerate().filter(sure).map(near);
    all.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
