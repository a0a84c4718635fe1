//! Distances between rows and classes under one shrunk within-class covariance.

use ndarray::{Array1, Array2, Axis};

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

    /// `x' S⁻¹ x` of rows.
    pub(super) fn squares(&self, rows: &Array2<f64>) -> Result<Array1<f64>> {
        let applied = self.factor.solve(rows.t())?;
        Ok(rows.rows().into_iter().zip(applied.columns()).map(|(x, s)| x.dot(&s)).collect())
    }

    /// `per` rows of `N(m, S)` for every class with rows, the same for the same seed, and their classes.
    pub(super) fn draw(&self, per: usize, seed: u64) -> (Array2<f32>, Vec<usize>) {
        let seen: Vec<usize> = (0..self.counts.len()).filter(|&class| self.counts[class] > 0.0).collect();
        let classes: Vec<usize> = seen.iter().flat_map(|&class| std::iter::repeat_n(class, per)).collect();
        let noise = gaussian(seed, classes.len(), self.means.ncols()).mapv(f64::from);
        let rows = noise.dot(&self.factor.lower().t()) + self.means.select(Axis(0), &classes);
        (rows.mapv(|x| x as f32), classes)
    }

    /// `S⁻¹`.
    pub(super) fn inverse(&self) -> Result<Array2<f64>> {
        self.factor.solve(Array2::eye(self.covariance.nrows()).view())
    }

    /// Squared distances `[n, classes]` that rows which *were* observed would have to every class if they had not been;
    /// infinite to classes without (other) rows.
    ///
    /// A row is taken out of its class mean and of `S` by the Sherman-Morrison formula, `S - α v vᵀ` with `v` the row less
    /// its class mean, so nothing is fitted twice. The amount of shrinkage stays.
    pub(super) fn held_out(&self, rows: &Array2<f64>, labels: &[usize]) -> Result<Array2<f64>> {
        let between = self.means.dot(&self.weights);
        let (cross, applied) = (rows.dot(&self.weights), self.factor.solve(rows.t())?);
        let mut distances = Array2::from_elem(cross.dim(), f64::INFINITY);
        for (i, mut distances) in distances.rows_mut().into_iter().enumerate() {
            let own = labels[i];
            let (grown, alpha) = self.leaving(own);
            let square = applied.column(i).dot(&rows.row(i));
            let to_own = square - 2.0 * cross[[i, own]] + between[[own, own]];
            let left = rest(alpha * to_own);
            for (c, distance) in distances.iter_mut().enumerate().filter(|(c, _)| self.counts[*c] > 0.0) {
                let to = square - 2.0 * cross[[i, c]] + between[[c, c]];
                let product = square - cross[[i, own]] - cross[[i, c]] + between[[own, c]];
                *distance = match c == own {
                    true if grown > 0.0 => grown * grown * to_own / left,
                    true => continue,
                    false => to + alpha / left * product * product,
                };
                *distance *= fewer(self.freedom);
            }
        }
        Ok(distances)
    }

    /// What a row of class `own` leaves behind: the factor on its deviation from the mean, which grows without it, and
    /// `α`. Both are zero for the only row of a class: it is its own mean, and nothing of it is in `S`.
    pub(super) fn leaving(&self, own: usize) -> (f64, f64) {
        let n = self.counts[own];
        let grown = if n > 1.0 { n / (n - 1.0) } else { 0.0 };
        (grown, self.kept / self.freedom * grown)
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

/// `1 - taken`, kept above zero.
pub(super) fn rest(taken: f64) -> f64 {
    (1.0 - taken).max(f64::EPSILON)
}

/// What one row less does to the inverse of a mean of squares.
pub(super) fn fewer(n: f64) -> f64 {
    (n - 1.0).max(1.0) / n
}
