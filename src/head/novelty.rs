//! How strange a row is to every class known.

use ndarray::{Array1, Array2, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::lda::Lda;
use super::leaving::Everything;
use super::metric::{Asked, Metric};
use super::sums::check_observed;
use super::{Head, Left, unsolved};
use crate::error::Result;
use crate::linalg::{Cholesky, unit_rows};

/// Relative Mahalanobis distance (Ren and others, arXiv 2106.09022): how far a row is from the nearest class, less how
/// far it is from everything.
///
/// ```text
/// novelty(x) = min_c |x - m_c|²_S  -  |x - m|²_T          x is scaled to unit length first
/// T          = S + Σ_c n_c (m_c - m)(m_c - m)ᵀ / N        so that T - S is only what tells classes apart
/// ```
///
/// with `S` the shrunk within-class covariance of [`Lda`], whose sums it keeps and nothing more. The second term takes
/// away what is unusual about an image in ways that no class depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    pub(super) lda: Lda,
    #[serde(skip)]
    pub(super) solved: Option<Solved>,
}

/// Both distances as one quadratic form: `xᵀ (S⁻¹ - T⁻¹) x + 2 xᵀ T⁻¹ m - mᵀ T⁻¹ m - 2 max_c score_c(x)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solved {
    excess: Array2<f64>,
    linear: Array1<f64>,
    constant: f64,
}

impl Novelty {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self { lda: Lda::new(width), solved: None }
    }

    /// Adds labelled features `[n, E]` to the statistics. [`Novelty::score`] changes with the next
    /// [`Novelty::solve`].
    ///
    /// # Errors
    /// As [`Head::observe`].
    pub fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        self.lda.observe(unit_rows(features).mapv(|x| x as f32).view(), labels)
    }

    /// Makes [`Novelty::score`] reflect everything observed.
    ///
    /// # Errors
    /// As [`Head::solve`].
    pub fn solve(&mut self) -> Result<()> {
        let form = Form::new(&self.lda)?;
        self.lda.adopt(&form.metric);
        let linear = form.background.dot(&form.centre);
        let constant = form.centre.dot(&linear);
        self.solved = Some(Solved { excess: form.metric.inverse()? - &form.background, linear, constant });
        Ok(())
    }

    /// Novelty of rows `[n, E]`, higher being stranger.
    ///
    /// # Errors
    /// `State` before [`Novelty::solve`], `Shape` on another width.
    pub fn score(&self, features: ArrayView2<'_, f32>) -> Result<Array1<f64>> {
        let rows = unit_rows(features);
        let Solved { excess, linear, constant } = self.solved.as_ref().ok_or_else(unsolved)?;
        let scores = self.lda.scores(rows.mapv(|x| x as f32).view())?;
        let best =
            scores.map_axis(Axis(1), |row| f64::from(row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b))));
        let squares = (rows.dot(excess) * &rows).sum_axis(Axis(1));
        Ok(squares + rows.dot(linear) * 2.0 - *constant - best * 2.0)
    }

    /// Novelty that rows which *were* observed would have if they had not been; infinite for the only row of the only
    /// class. Each is taken out of both covariances in closed form; the amount of shrinkage stays.
    ///
    /// # Errors
    /// As [`Novelty::solve`]; `Shape` on another width, `NotFound` for a label without rows.
    pub fn held_out(&self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array1<f64>> {
        check_observed(self.lda.classes.width(), &self.lda.classes, features, labels, 1)?;
        Form::new(&self.lda)?.held_out(&unit_rows(features), labels)
    }

    /// Removes a class; see [`Head::forget`].
    ///
    /// # Errors
    /// As [`Head::forget`].
    pub fn forget(&mut self, class: usize) -> Result<Left> {
        self.solved = None;
        self.lda.forget(class)
    }

    /// Bytes of statistics.
    pub fn bytes(&self) -> usize {
        self.lda.bytes()
    }
}

/// Both covariances, inverted.
struct Form {
    metric: Metric,
    /// `T⁻¹`.
    background: Array2<f64>,
    /// Mean of all rows.
    centre: Array1<f64>,
    total: f64,
}

impl Form {
    fn new(lda: &Lda) -> Result<Self> {
        let metric = lda.metric()?;
        let total = metric.counts.sum();
        let centre = metric.counts.dot(&metric.means) / total;
        let shares = (&metric.counts / total).mapv(f64::sqrt).insert_axis(Axis(1));
        let spread = (&metric.means - &centre) * &shares;
        let everything = metric.covariance() + spread.t().dot(&spread);
        let background = Cholesky::new(everything.view(), 0.0)?.solve(Array2::eye(centre.len()).view())?;
        Ok(Self { metric, background, centre, total })
    }

    fn held_out(&self, rows: &Array2<f64>, labels: &[usize]) -> Result<Array1<f64>> {
        let nearest = self.metric.held_out(&Asked::new(&self.metric, rows.view(), 1)?, labels)?;
        let mut out = nearest.map_axis(Axis(1), |row| row.iter().copied().fold(f64::INFINITY, f64::min));
        for ((out, row), &own) in out.iter_mut().zip(rows.rows()).zip(labels) {
            let parts = [&row - &self.centre, &row - &self.metric.means.row(own)];
            let applied = parts.each_ref().map(|part| self.background.dot(part));
            let products = Array2::from_shape_fn((2, 2), |(a, b)| parts[a].dot(&applied[b]));
            let (share, stay) = (self.metric.share(), self.metric.staying(own, 1));
            *out -= Everything { total: self.total, share, stay }.square(&products)?;
        }
        Ok(out)
    }
}
