//! Statistics of rows that were seen elsewhere, added to one's own.
//!
//! Heads keep sums, so what two devices have seen is the sum of what each has: to rounding, what one head would hold that had
//! seen both. Sums that come from elsewhere may be damaged or made up. What cannot come from rows is refused: another width,
//! numbers that are not finite, negative squares, products larger than their squares allow, counts of nothing. What *could* come from rows, but
//! did not, is not seen here.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ndarray::{Array2, Axis};

use super::sums::ClassSums;
use super::{Better, Blend, ClassMeans, Imagined, Lda, MAX_CLASSES, Mda, Novelty, Ridge};
use crate::error::{Error, Result};
use crate::linalg::{PackedGram, Real};

/// Most rows of one lesson: more than any device sees in a task, and their sums stay exact in f64.
const MAX_ROWS: u64 = 1 << 32;

/// How far rounding to f16 may let a product leave what the squares allow, as a share of their mean.
const ROUNDING: f64 = 0.02;

/// Whether `classes` is a place for each of `count` classes, all different.
pub(super) fn check_places(count: usize, classes: &[usize]) -> Result<()> {
    let different: BTreeSet<_> = classes.iter().collect();
    let alike = classes.len() == count && different.len() == count && count > 0;
    match alike && classes.iter().all(|&class| class < MAX_CLASSES) {
        true => Ok(()),
        false => {
            Err(crate::err!(Corrupt, "statistics of {count} classes for {} names; {MADE}", classes.len()))
        }
    }
}

/// Refuses a sum of outer products of rows that no rows have.
pub(super) fn check_gram<T: Real>(own: &PackedGram<T>, other: &PackedGram<T>) -> Result<()> {
    other.check()?;
    if own.width() != other.width() {
        crate::bail!(
            Mismatch,
            "sums over {} features beside {} here; the learners were set up differently",
            other.width(),
            own.width()
        );
    }
    let dense = other.dense();
    let squares = dense.diag().to_owned();
    let slack = ROUNDING * squares.sum().abs() / squares.len().max(1) as f64;
    let sound = |((i, j), &x): ((usize, usize), &f64)| {
        x.is_finite() && (i != j || x >= 0.0) && x * x <= (squares[i] + slack) * (squares[j] + slack)
    };
    match dense.indexed_iter().all(sound) {
        true => Ok(()),
        false => Err(crate::err!(Numeric, "sums of products that no rows have; {MADE}")),
    }
}

/// What to do about statistics that are none.
pub(super) const MADE: &str = "ask whoever made them to make them anew";

/// The error for settings that differ.
pub(super) fn other_settings(what: &str) -> Error {
    crate::err!(Mismatch, "{what} of the statistics are not those here; both must come from one common state")
}

/// Where classes lie among features.
#[derive(Clone, Debug, PartialEq)]
pub struct Centres {
    /// Means `[n, E]`.
    pub means: Array2<f64>,
    /// Rows behind each.
    pub counts: Vec<u64>,
    /// Class of each.
    pub classes: Vec<usize>,
    /// Mean squared distance of a row from its centre, unbiased: the trace of the covariance within.
    pub spread: f64,
}

impl ClassSums {
    /// Where classes lie, `owner` the class of each; `squares` are those of all rows about their centres, `dropped` rows among them of
    /// none any more.
    fn centres(&self, owner: impl Fn(usize) -> usize, squares: f64, dropped: u64) -> Centres {
        let seen: Vec<usize> = (0..self.classes()).filter(|&i| self.counts()[i] > 0).collect();
        let counts: Vec<u64> = seen.iter().map(|&i| self.counts()[i]).collect();
        let mut means = self.sums().select(Axis(0), &seen);
        means.rows_mut().into_iter().zip(&counts).for_each(|(mut row, &n)| row /= n as f64);
        let freedom = (self.total() + dropped).saturating_sub(seen.len() as u64).max(1);
        let classes = seen.into_iter().map(owner).collect();
        Centres { means, counts, classes, spread: squares / freedom as f64 }
    }

    /// Refuses sums that are not of rows of `width`, some for every class.
    pub(super) fn check_sums(&self, width: usize) -> Result<()> {
        let finite = self.sums().iter().all(|x| x.is_finite());
        let total = self.counts().iter().try_fold(0u64, |sum, &n| sum.checked_add(n).filter(|_| n > 0));
        match total {
            Some(total) if finite && total <= MAX_ROWS && self.width() == width => Ok(()),
            _ => Err(crate::err!(
                Corrupt,
                "class sums of width {} for {width}, or of no rows, or not finite; {MADE}",
                self.width()
            )),
        }
    }
}

impl ClassMeans {
    /// Adds statistics of classes that are called `classes` here.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt), [`Numeric`](crate::ErrorKind::Numeric) or [`Mismatch`](crate::ErrorKind::Mismatch)
    /// for what cannot be added; the statistics may then be changed in part.
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        self.solved = None;
        self.classes.absorb(&other.classes, classes)
    }
}

impl Lda {
    /// Where classes lie.
    pub fn centres(&self) -> Centres {
        let sums = self.classes.sums();
        let between = sums.rows().into_iter().zip(self.classes.counts());
        let between: f64 = between.map(|(sum, &n)| sum.dot(&sum) / n.max(1) as f64).sum();
        self.classes.centres(|class| class, self.gram.trace() - between, self.dropped)
    }

    /// As [`Mda::imagined`].
    ///
    /// # Errors
    /// As [`Mda::imagined`].
    pub fn imagined(&self, per: usize, seed: u64) -> Result<Imagined> {
        let owners = (0..self.classes.classes()).collect();
        Ok(Imagined::new(self.metric()?, owners, per, seed, 1.0))
    }

    /// As [`ClassMeans::absorb`].
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        check_gram(&self.gram, &other.gram)?;
        if other.dropped > 0 {
            crate::bail!(Corrupt, "statistics that something was forgotten of; {MADE}");
        }
        self.solved = None;
        self.gram.merge(&other.gram)?;
        self.classes.absorb(&other.classes, classes)
    }
}

impl Novelty {
    /// As [`ClassMeans::absorb`].
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        self.solved = None;
        self.lda.absorb(&other.lda, classes)
    }
}

impl Ridge {
    /// As [`ClassMeans::absorb`].
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        if (self.lift, self.features, self.share) != (other.lift, other.features, other.share) {
            return Err(other_settings("random features or ridge parameter"));
        }
        self.weights = None;
        self.lambda = None;
        self.gram.absorb(&other.gram)?;
        self.classes.absorb(&other.classes, classes)
    }
}

impl Mda {
    /// Where classes lie.
    pub fn centres(&self) -> Centres {
        self.centres.centres(|centre| self.owners[centre], self.scatter.gram().trace(), self.dropped)
    }

    /// As [`ClassMeans::absorb`]; `other` has seen one observation, which becomes the newest here.
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        let count = other.owners.len();
        check_places(count, classes)?;
        let whole = other.owners.iter().copied().eq(0..count)
            && other.births.iter().all(|&birth| birth == 0)
            && (other.births.len(), other.centres.classes()) == (count, count);
        if !whole || (other.observations, other.dropped) != (1, 0) {
            crate::bail!(
                Corrupt,
                "statistics of other than one observation with a centre for each class; {MADE}"
            );
        }
        other.centres.check_sums(self.centres.width())?;
        if other.scatter.rows() != other.centres.total() {
            crate::bail!(Corrupt, "a spread of other rows than the centres have; {MADE}");
        }
        check_gram(self.scatter.gram(), other.scatter.gram())?;
        self.scatter.absorb(&other.scatter)?;
        self.centres.append(&other.centres)?;
        self.owners.extend(classes);
        self.births.extend(core::iter::repeat_n(self.observations, count));
        self.observations += 1;
        self.classes = classes.iter().map(|c| c + 1).fold(self.classes, usize::max);
        self.evidence.absorb(&other.evidence)?;
        (self.fresh, self.solved) = (None, None);
        self.strange.clear();
        Ok(())
    }

    /// Takes for its own what held-out rows said to `after` and not yet to `before`.
    pub fn hear(&mut self, after: &Self, before: &Self) {
        self.evidence = after.evidence.since(&before.evidence);
    }

    /// `per` rows of `N(m, S / T)` of every centre; the same for the same seed. The temperature `T`, chosen by rows held
    /// out, says how much nearer to each other centres are for new rows than for the rows that `S` was made of: `T Δ²` instead of `Δ²`.
    ///
    /// # Errors
    /// As [`Head::solve`](super::Head::solve).
    pub fn imagined(&self, per: usize, seed: u64) -> Result<Imagined> {
        let (metric, temperature) = self.definite()?;
        Ok(Imagined::new(metric, self.owners.clone(), per, seed, 1.0 / temperature))
    }
}

impl Blend {
    /// Where classes lie.
    pub fn centres(&self) -> Centres {
        self.mda.centres()
    }

    /// As [`Mda::absorb`].
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        if self.narrow != other.narrow {
            return Err(other_settings("columns"));
        }
        self.mda.absorb(&other.mda, classes)?;
        self.ridge.absorb(&other.ridge, classes)?;
        self.evidence.absorb(&other.evidence)
    }

    /// As [`Mda::hear`].
    pub fn hear(&mut self, after: &Self, before: &Self) {
        self.mda.hear(&after.mda, &before.mda);
        self.evidence = after.evidence.since(&before.evidence);
    }

    /// As [`Mda::imagined`].
    ///
    /// # Errors
    /// As [`Mda::imagined`].
    pub fn imagined(&self, per: usize, seed: u64) -> Result<Imagined> {
        self.mda.imagined(per, seed)
    }
}

impl Better {
    /// Where classes lie.
    pub fn centres(&self) -> Centres {
        self.lda.centres()
    }

    /// As [`ClassMeans::absorb`].
    ///
    /// # Errors
    /// As [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        if other.right.iter().any(|&right| right > other.lda.classes.total()) {
            crate::bail!(Corrupt, "more rows were right than there were; {MADE}");
        }
        self.fresh = None;
        self.ridge.absorb(&other.ridge, classes)?;
        self.lda.absorb(&other.lda, classes)?;
        self.right.iter_mut().zip(other.right).for_each(|(own, right)| *own += right);
        Ok(())
    }

    /// As [`Mda::imagined`].
    ///
    /// # Errors
    /// As [`Mda::imagined`].
    pub fn imagined(&self, per: usize, seed: u64) -> Result<Imagined> {
        self.lda.imagined(per, seed)
    }

    /// As [`Mda::hear`].
    pub fn hear(&mut self, after: &Self, before: &Self) {
        self.right = [0, 1].map(|i| after.right[i].saturating_sub(before.right[i]));
    }
}
