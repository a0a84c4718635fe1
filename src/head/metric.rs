//! Distances between rows and classes under one shrunk within-class covariance.

use ndarray::{Array1, Array2, Axis};

use super::leaving::{self, Leaving, fewer};
use super::sums::ClassSums;
use crate::error::Result;
use crate::linalg::{Cholesky, gaussian};

/// `S`, its inverse, and what they make of the class means.
pub(super) struct Metric {
    /// Class means `[classes, E]`; zero without rows.
    pub(super) means: Array2<f64>,
    /// Rows of each class.
    pub(super) counts: Array1<f64>,
    /// Within-class covariance `S [E, E]`, shrunk towards a multiple of the identity.
    pub(super) covariance: Array2<f64>,
    /// Of `S`.
    factor: Cholesky,
    /// `S⁻¹ μ`, `[E, classes]`.
    pub(super) weights: Array2<f64>,
    /// Share of the sample covariance in `S`.
    kept: f64,
    /// Rows less classes.
    freedom: f64,
}

/// How much identity is mixed into a covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shrinkage {
    /// As much as its size and the number of rows ask for.
    Oracle,
    /// This share.
    Share(f64),
}

impl Metric {
    /// From `Σ x xᵀ` and the class sums, of at least one row; `dropped` as for [`Metric::within`].
    pub(super) fn new(
        gram: Array2<f64>,
        classes: &ClassSums,
        dropped: u64,
        shrinkage: Shrinkage,
    ) -> Result<Self> {
        let means = means(classes);
        Self::within(gram - classes.sums().t().dot(&means), classes, dropped, shrinkage)
    }

    /// From `Σ (x - μ)(x - μ)ᵀ`, with `μ` the mean of the row's class, and the class sums, of at least one row.
    /// `dropped` are the rows, less one a class, that are in the scatter and of no class any more.
    pub(super) fn within(
        scatter: Array2<f64>,
        classes: &ClassSums,
        dropped: u64,
        shrinkage: Shrinkage,
    ) -> Result<Self> {
        let counts: Array1<f64> = classes.counts().iter().map(|&n| n as f64).collect();
        let means = means(classes);
        let present = counts.iter().filter(|&&n| n > 0.0).count() as f64;
        let freedom = (counts.sum() - present + dropped as f64).max(1.0);
        let mut covariance = scatter / freedom;
        let kept = 1.0
            - match shrinkage {
                Shrinkage::Oracle => oracle(&covariance, freedom),
                Shrinkage::Share(share) => share,
            };
        let spherical = covariance.diag().sum() / covariance.nrows() as f64;
        // A single image a class has no within-class spread: distances are then plain Euclidean.
        let floor = if spherical > 0.0 { (1.0 - kept) * spherical } else { 1.0 };
        covariance *= kept;
        covariance.diag_mut().mapv_inplace(|x| x + floor);
        let factor = Cholesky::new(covariance.view(), 0.0)?;
        let weights = factor.solve(means.t())?;
        Ok(Self { means, counts, covariance, factor, weights, kept, freedom })
    }

    /// `per` rows of `N(m, spread S)` for every class with rows, the same for the same seed, and their classes.
    pub(super) fn draw(&self, per: usize, seed: u64, spread: f64) -> (Array2<f32>, Vec<usize>) {
        let seen: Vec<usize> = (0..self.counts.len()).filter(|&class| self.counts[class] > 0.0).collect();
        let classes: Vec<usize> = seen.iter().flat_map(|&class| std::iter::repeat_n(class, per)).collect();
        let noise = gaussian(seed, classes.len(), self.means.ncols()).mapv(|z| f64::from(z) * spread.sqrt());
        let rows = noise.dot(&self.factor.lower().t()) + self.means.select(Axis(0), &classes);
        (rows.mapv(|x| x as f32), classes)
    }

    /// `S⁻¹`.
    pub(super) fn inverse(&self) -> Result<Array2<f64>> {
        self.factor.solve(Array2::eye(self.covariance.nrows()).view())
    }

    /// Squared distances `[pictures, classes]` that rows which *were* observed would have to every class if they had not been;
    /// infinite to classes without (other) rows.
    ///
    /// A picture is taken out of its class mean and of `S` with all its crops ([`Leaving`]), so nothing is fitted twice; its
    /// first crop is asked. The amount of shrinkage stays.
    pub(super) fn held_out(&self, asked: &Asked<'_>, labels: &[usize]) -> Result<Array2<f64>> {
        let between = self.means.dot(&self.weights);
        let mut distances = Array2::from_elem((labels.len(), self.counts.len()), f64::INFINITY);
        for (i, mut distances) in distances.rows_mut().into_iter().enumerate() {
            let own = labels[i];
            let (dots, cross) = (asked.dots(i), asked.cross(i));
            let inner = asked.less(&dots, &cross, own, between[[own, own]]);
            let stay = self.staying(own, asked.crops);
            let leaving = Leaving::new(inner.view(), self.share(), stay)?;
            let freedom = (asked.crops - usize::from(stay <= 0.0)) as f64;
            let scale = fewer(self.freedom, freedom);
            for (c, distance) in distances.iter_mut().enumerate().filter(|(c, _)| self.counts[*c] > 0.0) {
                let square = match c == own {
                    true if stay > 0.0 => leaving::to_rest(inner.view(), &leaving, stay),
                    true => continue,
                    false => {
                        let to = dots[[0, 0]] - 2.0 * cross[[0, c]] + between[[c, c]];
                        let products =
                            &dots.column(0) - &cross.column(c) - cross[[0, own]] + between[[own, c]];
                        to + leaving.gains(products.view(), products.view())
                    }
                };
                *distance = scale * square;
            }
        }
        Ok(distances)
    }

    /// What a row of the scatter counts in `S`.
    pub(super) fn share(&self) -> f64 {
        self.kept / self.freedom
    }

    /// Rows that stay of class `own` when so many leave.
    pub(super) fn staying(&self, own: usize, leave: usize) -> f64 {
        (self.counts[own] - leave as f64).max(0.0)
    }
}

/// Class means; zero without rows.
fn means(classes: &ClassSums) -> Array2<f64> {
    let mut means = classes.sums().to_owned();
    means.rows_mut().into_iter().zip(classes.counts()).for_each(|(mut sum, &n)| sum /= n.max(1) as f64);
    means
}

/// Share of the identity in the shrunk covariance: Chen and others' oracle-approximating shrinkage (arXiv 0907.4698,
/// equation 23).
fn oracle(covariance: &Array2<f64>, freedom: f64) -> f64 {
    let p = covariance.nrows() as f64;
    let trace = covariance.diag().sum();
    let squares = covariance.iter().map(|x| x * x).sum::<f64>();
    let numerator = (1.0 - 2.0 / p) * squares + trace * trace;
    let denominator = (freedom + 1.0 - 2.0 / p) * (squares - trace * trace / p);
    if denominator > 0.0 { (numerator / denominator).min(1.0) } else { 1.0 }
}

/// Pictures that were observed, and what `S⁻¹` makes of their rows: the first crop of every picture, then the second of
/// every one, and so on.
pub(super) struct Asked<'a> {
    rows: &'a Array2<f64>,
    /// `S⁻¹ x`, `[E, rows]`.
    applied: Array2<f64>,
    /// `x' S⁻¹ μ`, `[rows, classes]`.
    cross: Array2<f64>,
    /// Rows a picture.
    pub(super) crops: usize,
}

impl<'a> Asked<'a> {
    pub(super) fn new(metric: &Metric, rows: &'a Array2<f64>, crops: usize) -> Result<Self> {
        let (applied, cross) = (metric.factor.solve(rows.t())?, rows.dot(&metric.weights));
        Ok(Self { rows, applied, cross, crops })
    }

    fn row(&self, picture: usize, crop: usize) -> usize {
        crop * (self.rows.nrows() / self.crops) + picture
    }

    /// `x_a' S⁻¹ x_b` of the crops of a picture.
    pub(super) fn dots(&self, picture: usize) -> Array2<f64> {
        let dot =
            |(a, b)| self.rows.row(self.row(picture, a)).dot(&self.applied.column(self.row(picture, b)));
        Array2::from_shape_fn((self.crops, self.crops), dot)
    }

    /// `x_a' S⁻¹ μ` of the crops of a picture, `[crops, classes]`.
    pub(super) fn cross(&self, picture: usize) -> Array2<f64> {
        self.cross.select(Axis(0), &(0..self.crops).map(|crop| self.row(picture, crop)).collect::<Vec<_>>())
    }

    /// `(x_a - μ)' S⁻¹ (x_b - μ)` with `μ` of class `own`, whose square under `S⁻¹` is given.
    pub(super) fn less(
        &self,
        dots: &Array2<f64>,
        cross: &Array2<f64>,
        own: usize,
        square: f64,
    ) -> Array2<f64> {
        let of = |(a, b)| dots[[a, b]] - cross[[a, own]] - cross[[b, own]] + square;
        Array2::from_shape_fn(dots.dim(), of)
    }
}
