//! Per-class sums of rows.

use alloc::vec::Vec;

use half::f16;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};

use super::{check_batch, union};
use crate::error::{Error, Result};
use crate::linalg::{from_halves, to_halves};

/// `sums[c] = Σ x` over the rows of class `c`, and how many there were. Grows by rows as classes come.
///
/// At rest in f64, or rounded where it is settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub(super) struct ClassSums {
    sums: Array2<f64>,
    counts: Vec<u64>,
    rest: Rest,
}

/// How sums rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// In f64.
    Wide,
    /// In f32.
    Narrow,
    /// As means in f16; for classes that are not added to again.
    Half,
}

/// A record of sums.
#[derive(Clone, Serialize, Deserialize)]
enum Stored {
    Wide { sums: Array2<f64>, counts: Vec<u64> },
    Narrow { sums: Array2<f32>, counts: Vec<u64> },
    Half { means: Vec<u8>, width: usize, counts: Vec<u64> },
}

impl From<ClassSums> for Stored {
    fn from(ClassSums { sums, counts, rest }: ClassSums) -> Self {
        match rest {
            Rest::Wide => Self::Wide { sums, counts },
            Rest::Narrow => Self::Narrow { sums: sums.mapv(|x| x as f32), counts },
            Rest::Half => {
                let mut means = sums;
                each(&mut means, &counts, |x, n| x / n);
                Self::Half { width: means.ncols(), means: to_halves(means), counts }
            }
        }
    }
}

impl TryFrom<Stored> for ClassSums {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let sums = match stored {
            Stored::Wide { sums, counts } => Self { sums, counts, rest: Rest::Wide },
            Stored::Narrow { sums, counts } => {
                Self { sums: sums.mapv(f64::from), counts, rest: Rest::Narrow }
            }
            Stored::Half { means, width, counts } => {
                let means = from_halves(&means).map(f64::from).collect();
                let mut sums = Array2::from_shape_vec((counts.len(), width), means)
                    .map_err(|e| crate::err!(Corrupt, "means of {} classes: {e}", counts.len()))?;
                each(&mut sums, &counts, |x, n| x * n);
                Self { sums, counts, rest: Rest::Half }
            }
        };
        match sums.sums.nrows() == sums.counts.len() {
            true => Ok(sums),
            false => Err(crate::err!(Corrupt, "sums of other classes than were counted; restore a copy")),
        }
    }
}

/// Every entry of every row, with the row's count.
fn each(rows: &mut Array2<f64>, counts: &[u64], f: impl Fn(f64, f64) -> f64) {
    for (mut row, &n) in rows.rows_mut().into_iter().zip(counts) {
        row.mapv_inplace(|x| f(x, n.max(1) as f64));
    }
}

impl ClassSums {
    /// No class yet, rows of `width`.
    pub(super) fn new(width: usize) -> Self {
        Self { sums: Array2::zeros((0, width)), counts: Vec::new(), rest: Rest::Wide }
    }

    /// The same, resting otherwise.
    pub(super) fn resting(width: usize, rest: Rest) -> Self {
        Self { rest, ..Self::new(width) }
    }

    /// Rounds, so that stored and live state are the same numbers.
    pub(super) fn settle(&mut self) {
        match self.rest {
            Rest::Wide => {}
            Rest::Narrow => self.sums.mapv_inplace(|x| f64::from(x as f32)),
            Rest::Half => each(&mut self.sums, &self.counts, |x, n| f16::from_f64(x / n).to_f64() * n),
        }
    }

    /// Length of a row.
    pub(super) fn width(&self) -> usize {
        self.sums.ncols()
    }

    /// Highest class index + 1.
    pub(super) fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Rows of each class.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Rows of all classes.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// `[classes, width]`.
    pub(super) fn sums(&self) -> ArrayView2<'_, f64> {
        self.sums.view()
    }

    /// Makes room for the classes of `labels`.
    fn grow(&mut self, labels: &[usize]) -> Result<()> {
        let needed = labels.iter().map(|&l| l + 1).max().unwrap_or(0);
        if needed > self.classes() {
            let fresh = Array2::zeros((needed - self.classes(), self.width()));
            self.sums = concatenate(Axis(0), &[self.sums.view(), fresh.view()])
                .map_err(|e| crate::err!(Bug, "growing class sums: {e}"))?;
            self.counts.resize(needed, 0);
        }
        Ok(())
    }

    /// Adds sums that were made elsewhere, of classes that are called `classes` here.
    pub(super) fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        union::check_places(other.classes(), classes)?;
        other.check_sums(self.width())?;
        self.grow(classes)?;
        for ((row, &count), &class) in other.sums.rows().into_iter().zip(&other.counts).zip(classes) {
            let mut sum = self.sums.row_mut(class);
            sum += &row;
            self.counts[class] = self.counts[class].saturating_add(count);
        }
        Ok(())
    }

    /// Adds classes behind one's own.
    pub(super) fn append(&mut self, other: &Self) -> Result<()> {
        let first = self.classes();
        self.absorb(other, &(first..first + other.classes()).collect::<Vec<_>>())
    }

    /// Adds rows, which the caller has checked.
    pub(super) fn add(&mut self, rows: ArrayView2<'_, f64>, labels: &[usize]) -> Result<()> {
        self.grow(labels)?;
        for (row, &label) in rows.rows().into_iter().zip(labels) {
            let mut sum = self.sums.row_mut(label);
            sum += &row;
            self.counts[label] += 1;
        }
        Ok(())
    }

    /// Drops a class and gives its sum and count; its index stays, without rows.
    ///
    /// # Errors
    /// `NotFound` when it has no rows.
    pub(super) fn drop_class(&mut self, class: usize) -> Result<(Array1<f64>, u64)> {
        let count = match self.counts.get_mut(class) {
            Some(count) if *count > 0 => core::mem::take(count),
            _ => crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes()),
        };
        let mut row = self.sums.row_mut(class);
        let sum = row.to_owned();
        row.fill(0.0);
        Ok((sum, count))
    }

    /// Drops classes with their indices; later ones move down.
    pub(super) fn remove(&mut self, classes: &[usize]) {
        let kept: Vec<usize> = (0..self.classes()).filter(|class| !classes.contains(class)).collect();
        self.sums = self.sums.select(Axis(0), &kept);
        self.counts = kept.iter().map(|&class| self.counts[class]).collect();
    }

    /// Adds the rows of the second of each pair of classes to those of the first, and removes the second.
    pub(super) fn unite(&mut self, pairs: &[(usize, usize)]) {
        for &(kept, other) in pairs {
            let row = self.sums.row(other).to_owned();
            let mut sum = self.sums.row_mut(kept);
            sum += &row;
            self.counts[kept] = self.counts[kept].saturating_add(self.counts[other]);
        }
        self.remove(&pairs.iter().map(|&(_, other)| other).collect::<Vec<_>>());
    }

    /// The same of the first `width` columns.
    pub(super) fn leading(&self, width: usize) -> Self {
        let sums = self.sums.slice(s![.., ..width.min(self.width())]).to_owned();
        Self { sums, counts: self.counts.clone(), rest: self.rest }
    }

    /// Indices without rows: gaps in the numbering and forgotten classes.
    pub(super) fn absent(&self) -> Vec<usize> {
        (0..self.classes()).filter(|&class| self.counts[class] == 0).collect()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let each = match self.rest {
            Rest::Wide => size_of::<f64>(),
            Rest::Narrow => size_of::<f32>(),
            Rest::Half => size_of::<f16>(),
        };
        each * self.sums.len() + size_of::<u64>() * self.counts.len()
    }
}

/// Rows that stand for classes when scores are asked for, and the classes without any.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    /// `[classes, E]`.
    rows: Array2<f32>,
    absent: Vec<usize>,
}

impl Rows {
    /// Of the classes of `sums`.
    pub(super) fn new(rows: Array2<f32>, sums: &ClassSums) -> Self {
        Self { rows, absent: sums.absent() }
    }

    /// Products of features `[n, E]` with the rows; negative infinity for a class without one.
    pub(super) fn products(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        masked(features.dot(&self.rows.t()), &self.absent)
    }

    /// Takes a class out.
    pub(super) fn drop_class(&mut self, class: usize) {
        if class < self.rows.nrows() {
            self.rows.row_mut(class).fill(0.0);
            self.absent.push(class);
        }
    }
}

/// Writes negative infinity into the columns of `absent` classes.
pub(super) fn masked(mut scores: Array2<f32>, absent: &[usize]) -> Array2<f32> {
    absent.iter().for_each(|&class| scores.column_mut(class).fill(f32::NEG_INFINITY));
    scores
}

/// Refuses rows, as [`Head::observe_crops`](super::Head::observe_crops) takes them, that cannot have been observed by a head of features of
/// `width` and these `classes`.
pub(super) fn check_observed(
    width: usize,
    classes: &ClassSums,
    features: ArrayView2<'_, f32>,
    labels: &[usize],
    crops: usize,
) -> Result<()> {
    check_batch(width, features, &labels.repeat(crops))?;
    match labels.iter().find(|&&label| classes.counts.get(label).is_none_or(|&count| count == 0)) {
        Some(label) => crate::bail!(NotFound, "class {label} was not observed; hold out only rows that were"),
        None => Ok(()),
    }
}
