//! How strange a row is, as long as few rows were seen.
//!
//! ```text
//! strange(x)  = 1 - max_c cos(x, m_c)                    m_c the mean of class c
//! held out      the same with n m_c - x in the place of the row's own mean, whose length does not matter
//! bound       = mean + t sd sqrt(1 + 1/n)                t the quantile of Student's distribution, n - 1 degrees of freedom
//! ```
//!
//! Distances under a covariance ([`Novelty`](super::Novelty), [`Mda`](super::Mda)) tell strangers best once there are more rows than
//! columns, and mean little before: of five photos a class, held-out rows lie wherever the inverse of their covariance throws them. An
//! angle needs no covariance, and does not grow stale: another class can only bring it down. So held-out angles of all tasks
//! so far are one sample, and the bound is what the next row of a known class stays below with the wanted probability if the sample is normal
//! (prediction interval, Hahn and Meeker 1991).
//!
//! What is kept: means of classes in f16 and six numbers. What it does not do: tell classes apart.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::sums::{ClassSums, Rest, check_observed};
use super::{ClassMeans, Head, Left};
use crate::error::Result;

/// Class means, and the angles of rows that were held out of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Angles {
    pub(super) means: ClassMeans,
    held_out: Sample,
    spread: Option<Spread>,
}

/// Count, mean and squared deviations of a sample that grows (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sample {
    count: u32,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn push(&mut self, x: f64) {
        self.count = self.count.saturating_add(1);
        let off = x - self.mean;
        self.mean += off / f64::from(self.count);
        self.squares += off * (x - self.mean);
    }

    /// Where it lies, and what the next one stays below with probability `recall`; `None` of fewer than two.
    fn spread(&self, recall: f64) -> Option<Spread> {
        let n = f64::from(self.count);
        let student = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
        let sd = (self.squares / (n - 1.0)).sqrt();
        let bound = self.mean + student.inverse_cdf(recall) * sd * (1.0 + 1.0 / n).sqrt();
        bound.is_finite().then_some(Spread { mean: self.mean, sd, bound })
    }
}

/// Where rows of known classes lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean strangeness of held-out rows.
    pub mean: f64,
    /// Their standard deviation.
    pub sd: f64,
    /// What the next one stays below.
    pub bound: f64,
}

impl Angles {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        let classes = ClassSums::resting(width, Rest::Half);
        Self { means: ClassMeans { classes, solved: None }, held_out: Sample::default(), spread: None }
    }

    /// Adds labelled features `[n, E]`, and holds each out. The only row of a class says nothing and is left out of the sample. A share
    /// `recall` of rows of known classes is to stay below the bound.
    ///
    /// # Errors
    /// As [`Head::observe`].
    pub fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize], recall: f64) -> Result<()> {
        self.means.observe(features, labels)?;
        self.means.classes.settle();
        self.means.solve()?;
        let strange = self.held_out(features, labels)?;
        strange.into_iter().filter(|x| x.is_finite()).for_each(|x| self.held_out.push(x));
        self.spread = self.held_out.spread(recall);
        Ok(())
    }

    /// Makes [`Angles::score`] ready after decoding.
    ///
    /// # Errors
    /// As [`Head::solve`].
    pub fn solve(&mut self) -> Result<()> {
        self.means.solve()
    }

    /// Strangeness of rows `[n, E]`: 0 for a row that points as the mean of a class, 1 for one at right angles to all.
    ///
    /// # Errors
    /// As [`Head::scores`].
    pub fn score(&self, features: ArrayView2<'_, f32>) -> Result<Array1<f64>> {
        let nearest = |row: ArrayView1<'_, f32>| row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        Ok(self.means.scores(features)?.map_axis(Axis(1), nearest).mapv(|cos| 1.0 - f64::from(cos)))
    }

    /// Strangeness that rows which *were* observed would have if they had not been; NaN for the only row of a class.
    ///
    /// # Errors
    /// As [`Angles::score`]; `NotFound` for a label without rows.
    pub fn held_out(&self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array1<f64>> {
        let classes = &self.means.classes;
        check_observed(classes.width(), classes, features, labels, 1)?;
        let scores = self.means.scores(features)?;
        let strange = |((row, scores), &own): ((ArrayView1<'_, f32>, ArrayView1<'_, f32>), &usize)| {
            if classes.counts()[own] < 2 {
                return f64::NAN;
            }
            let row = row.mapv(f64::from);
            let rest = &classes.sums().row(own) - &row;
            let lengths = (row.dot(&row) * rest.dot(&rest)).sqrt().max(f64::MIN_POSITIVE);
            let others = scores.iter().enumerate().filter(|&(class, _)| class != own);
            1.0 - others.map(|(_, &cos)| f64::from(cos)).fold(row.dot(&rest) / lengths, f64::max)
        };
        Ok(features.rows().into_iter().zip(scores.rows()).zip(labels).map(strange).collect())
    }

    /// Where rows of known classes lie; `None` before two were held out.
    pub fn spread(&self) -> Option<Spread> {
        self.spread
    }

    /// Rows observed so far, those of forgotten classes left out.
    pub fn rows(&self) -> u64 {
        self.means.classes.total()
    }

    /// Removes a class; see [`Head::forget`]. How strange its rows were stays in the sample of all.
    ///
    /// # Errors
    /// As [`Head::forget`].
    pub fn forget(&mut self, class: usize) -> Result<Left> {
        self.means.forget(class)
    }

    /// Bytes of statistics.
    pub fn bytes(&self) -> usize {
        self.means.bytes() + size_of::<Sample>() + size_of::<Spread>()
    }
}
