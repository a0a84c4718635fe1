//! Linear discriminant analysis with one shared covariance.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::metric::{Asked, Metric, Shrinkage};
use super::sums::{ClassSums, check_observed, masked};
use super::{Head, Left, check_batch, check_width, unsolved};
use crate::error::Result;
use crate::linalg::PackedGram;

/// Score of class `c`: `xᵀ S⁻¹ μ_c - μ_cᵀ S⁻¹ μ_c / 2`, with `S` the within-class covariance shrunk towards a multiple
/// of the identity. The amount is Chen and others' oracle-approximating shrinkage (arXiv 0907.4698), which needs nothing
/// but `S` and the number of rows. Classes count as equally likely: how often a camera saw one says little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lda {
    pub(super) gram: PackedGram<f64>,
    pub(super) classes: ClassSums,
    /// Rows less classes that were forgotten, whose spread is still in the covariance.
    pub(super) dropped: u64,
    #[serde(skip)]
    pub(super) solved: Option<Solved>,
}

/// What scores are made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solved {
    /// `S⁻¹ μ`, `[E, classes]`.
    weights: Array2<f32>,
    bias: Array1<f32>,
    /// Classes without rows.
    absent: Vec<usize>,
}

impl Lda {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self { gram: PackedGram::new(width), classes: ClassSums::new(width), dropped: 0, solved: None }
    }

    /// The shrunk covariance and what it makes of the class means.
    ///
    /// # Errors
    /// As [`Head::solve`].
    pub(super) fn metric(&self) -> Result<Metric> {
        if self.classes.total() == 0 {
            crate::bail!(State, "discriminant analysis without any class; observe labelled features first");
        }
        self.gram.check()?;
        Metric::new(&self.gram, &self.classes, self.dropped, Shrinkage::Oracle)
    }

    /// Scores from `metric`, which is of these sums.
    pub(super) fn adopt(&mut self, metric: &Metric) {
        let Metric { means, weights, .. } = metric;
        let bias = Array1::from_iter((0..means.nrows()).map(|c| -0.5 * means.row(c).dot(&weights.column(c))));
        self.solved = Some(Solved {
            weights: weights.mapv(|w| w as f32),
            bias: bias.mapv(|b| b as f32),
            absent: self.classes.absent(),
        });
    }

    /// Scores `[n, classes]`, up to a constant a row, that `n` observed pictures would have if they had not been, from their rows as
    /// [`Head::observe_crops`] takes them.
    ///
    /// # Errors
    /// As [`Head::solve`]; `Shape` on another width, `NotFound` for a label without rows.
    pub fn held_out(
        &self,
        features: ArrayView2<'_, f32>,
        labels: &[usize],
        crops: usize,
    ) -> Result<Array2<f32>> {
        check_observed(self.classes.width(), &self.classes, features, labels, crops)?;
        let metric = self.metric()?;
        let distances = metric.held_out(&Asked::new(&metric, features, crops)?, labels)?;
        Ok(distances.mapv(|d| (-0.5 * d) as f32))
    }
}

impl Head for Lda {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.classes.width(), features, labels)?;
        let rows = features.mapv(f64::from);
        self.gram.add_rows(rows.view(), 1.0)?;
        self.classes.add(rows.view(), labels)
    }

    fn solve(&mut self) -> Result<()> {
        let metric = self.metric()?;
        self.adopt(&metric);
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.classes.width(), features)?;
        let Solved { weights, bias, absent } = self.solved.as_ref().ok_or_else(unsolved)?;
        Ok(masked(features.dot(weights) + bias, absent))
    }

    fn classes(&self) -> usize {
        self.classes.classes()
    }

    /// How its rows lay about their mean stays in the shared covariance.
    fn forget(&mut self, class: usize) -> Result<Left> {
        let (sum, count) = self.classes.drop_class(class)?;
        let mean = (sum / (count as f64).sqrt()).insert_axis(Axis(0));
        self.gram.add_rows(mean.view(), -1.0)?;
        self.dropped += count - 1;
        if let Some(solved) = &mut self.solved {
            solved.absent.push(class);
        }
        Ok(Left::Rounded)
    }

    fn bytes(&self) -> usize {
        self.gram.bytes() + self.classes.bytes()
    }
}
