//! Distances between rows and classes under one shrunk within-class covariance.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use super::leaving::{self, Leaving, fewer};
use super::sums::ClassSums;
use crate::error::Result;
use crate::linalg::{Cholesky, PackedGram, Real};

/// Pictures that are asked at a time: bounds what is as wide as their rows.
pub(super) const BLOCK: usize = 64;

/// `S`, its inverse, and what they make of the class means.
pub(super) struct Metric {
    /// Class means `[classes, E]`; zero without rows.
    pub(super) means: Array2<f64>,
    /// Rows of each class.
    pub(super) counts: Array1<f64>,
    /// Of the within-class covariance `S [E, E]`, shrunk towards a multiple of the identity. The only matrix of that size: on a
    /// device it decides how much a task takes to end.
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
        gram: &PackedGram<f64>,
        classes: &ClassSums,
        dropped: u64,
        shrinkage: Shrinkage,
    ) -> Result<Self> {
        let roots = classes.counts().iter().map(|&n| (n as f64).sqrt());
        let roots = roots.collect::<Array1<f64>>().insert_axis(Axis(1));
        let mut scatter = gram.clone();
        scatter.add_rows((means(classes) * roots).view(), -1.0)?;
        Self::within(&scatter, classes, dropped, shrinkage)
    }

    /// From `Σ (x - μ)(x - μ)ᵀ`, with `μ` the mean of the row's class, and the class sums, of at least one row.
    /// `dropped` are the rows, less one a class, that are in the scatter and of no class any more.
    pub(super) fn within<T: Real>(
        scatter: &PackedGram<T>,
        classes: &ClassSums,
        dropped: u64,
        shrinkage: Shrinkage,
    ) -> Result<Self> {
        let counts: Array1<f64> = classes.counts().iter().map(|&n| n as f64).collect();
        let means = means(classes);
        let present = counts.iter().filter(|&&n| n > 0.0).count() as f64;
        let freedom = (counts.sum() - present + dropped as f64).max(1.0);
        let kept = 1.0
            - match shrinkage {
                Shrinkage::Oracle => oracle(scatter, freedom),
                Shrinkage::Share(share) => share,
            };
        let spherical = scatter.trace() / freedom / scatter.width() as f64;
        // A single image a class has no within-class spread: distances are then plain Euclidean.
        let floor = if spherical > 0.0 { (1.0 - kept) * spherical } else { 1.0 };
        let factor = Cholesky::of_scaled_gram(scatter, kept / freedom, floor)?;
        let weights = factor.solve(means.t())?;
        Ok(Self { means, counts, factor, weights, kept, freedom })
    }

    /// `noise` as rows of covariance `spread S` about the means of `classes`, one a row.
    pub(super) fn rows(&self, noise: &Array2<f32>, classes: &[usize], spread: f64) -> Result<Array2<f32>> {
        let noise = noise.mapv(|z| f64::from(z) * spread.sqrt());
        let rows = self.factor.correlate(noise.view())? + self.means.select(Axis(0), classes);
        Ok(rows.mapv(|x| x as f32))
    }

    /// `S`.
    pub(super) fn covariance(&self) -> Array2<f64> {
        let lower = self.factor.lower();
        lower.dot(&lower.t())
    }

    /// `S⁻¹`.
    pub(super) fn inverse(&self) -> Result<Array2<f64>> {
        self.factor.solve(Array2::eye(self.means.ncols()).view())
    }

    /// Squared distances `[pictures, classes]` that rows which *were* observed would have to every class if they had not been;
    /// infinite to classes without (other) rows.
    ///
    /// A picture is taken out of its class mean and of `S` with all its crops ([`Leaving`]), so nothing is fitted twice; its
    /// first crop is asked. The amount of shrinkage stays.
    pub(super) fn held_out(&self, asked: &Asked, labels: &[usize]) -> Result<Array2<f64>> {
        let between = self.means.dot(&self.weights);
        let mut distances = Array2::from_elem((labels.len(), self.counts.len()), f64::INFINITY);
        for (i, mut distances) in distances.rows_mut().into_iter().enumerate() {
            let own = labels[i];
            let (dots, cross) = (asked.dots(i), asked.cross(i));
            let inner = asked.less(dots, &cross, own, between[[own, own]]);
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
fn oracle<T: Real>(scatter: &PackedGram<T>, freedom: f64) -> f64 {
    let p = scatter.width() as f64;
    let trace = scatter.trace() / freedom;
    let squares = scatter.sum_of_squares() / (freedom * freedom);
    let numerator = (1.0 - 2.0 / p) * squares + trace * trace;
    let denominator = (freedom + 1.0 - 2.0 / p) * (squares - trace * trace / p);
    if denominator > 0.0 { (numerator / denominator).min(1.0) } else { 1.0 }
}

/// Pictures that were observed, and what `S⁻¹` makes of their rows: the first crop of every picture, then the second of
/// every one, and so on.
pub(super) struct Asked {
    /// `x_a' S⁻¹ x_b` of the crops of a picture, `[pictures, crops, crops]`.
    dots: Array3<f64>,
    /// `x' S⁻¹ μ`, `[rows, classes]`.
    cross: Array2<f64>,
    /// Rows a picture.
    pub(super) crops: usize,
}

impl Asked {
    pub(super) fn new<T: Real>(metric: &Metric, rows: ArrayView2<'_, T>, crops: usize) -> Result<Self> {
        let pictures = rows.nrows() / crops.max(1);
        let mut dots = Array3::zeros((pictures, crops, crops));
        let mut cross = Array2::zeros((rows.nrows(), metric.means.nrows()));
        for start in (0..pictures).step_by(BLOCK) {
            let block = start..pictures.min(start + BLOCK);
            let of: Vec<usize> =
                (0..crops).flat_map(|crop| block.clone().map(move |i| crop * pictures + i)).collect();
            let rows = rows.select(Axis(0), &of).mapv(Real::to_f64);
            let applied = metric.factor.solve(rows.t())?;
            for ((i, a, b), dot) in dots.slice_mut(s![block.clone(), .., ..]).indexed_iter_mut() {
                let row = |crop| crop * block.len() + i;
                *dot = rows.row(row(a)).dot(&applied.column(row(b)));
            }
            for (row, &at) in rows.dot(&metric.weights).rows().into_iter().zip(&of) {
                cross.row_mut(at).assign(&row);
            }
        }
        Ok(Self { dots, cross, crops })
    }

    /// `x_a' S⁻¹ x_b` of the crops of a picture.
    pub(super) fn dots(&self, picture: usize) -> ArrayView2<'_, f64> {
        self.dots.index_axis(Axis(0), picture)
    }

    /// `x_a' S⁻¹ μ` of the crops of a picture, `[crops, classes]`.
    pub(super) fn cross(&self, picture: usize) -> Array2<f64> {
        let row = |crop| crop * self.dots.len_of(Axis(0)) + picture;
        self.cross.select(Axis(0), &(0..self.crops).map(row).collect::<Vec<_>>())
    }

    /// `(x_a - μ)' S⁻¹ (x_b - μ)` with `μ` of class `own`, whose square under `S⁻¹` is given.
    pub(super) fn less(
        &self,
        dots: ArrayView2<'_, f64>,
        cross: &Array2<f64>,
        own: usize,
        square: f64,
    ) -> Array2<f64> {
        let of = |(a, b)| dots[[a, b]] - cross[[a, own]] - cross[[b, own]] + square;
        Array2::from_shape_fn(dots.dim(), of)
    }
}
