//! Linear discriminant analysis with one shared covariance.

use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::sums::{ClassSums, masked};
use super::{Head, check_batch, check_width, unsolved};
use crate::error::Result;
use crate::linalg::{Cholesky, PackedGram};

/// Score of class `c`: `xᵀ S⁻¹ μ_c - μ_cᵀ S⁻¹ μ_c / 2`, with `S` the within-class covariance shrunk towards a multiple
/// of the identity. The amount is Chen and others' oracle-approximating shrinkage (arXiv 0907.4698), which needs nothing
/// but `S` and the number of rows. Classes count as equally likely: how often a camera saw one says little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lda {
    gram: PackedGram<f64>,
    classes: ClassSums,
    #[serde(skip)]
    solved: Option<Solved>,
}

/// What scores are made of.
#[derive(Clone, Debug, PartialEq)]
struct Solved {
    /// `S⁻¹ μ`, `[E, classes]`.
    weights: Array2<f32>,
    bias: Array1<f32>,
    /// Classes without rows.
    absent: Vec<usize>,
}

impl Lda {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self { gram: PackedGram::new(width), classes: ClassSums::new(width), solved: None }
    }

    /// Takes rows out that were observed before. Exact up to rounding.
    ///
    /// # Errors
    /// As [`Head::observe`], and `NotFound` when a class has fewer rows.
    pub fn forget_rows(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.classes.width(), features, labels)?;
        let rows = features.mapv(f64::from);
        self.classes.remove(rows.view(), labels)?;
        self.gram.add_rows(rows.view(), -1.0)
    }

    /// Class means `[classes, E]`; zero without rows.
    fn means(&self) -> Array2<f64> {
        let mut means = Array2::zeros((self.classes.classes(), self.classes.width()));
        for (class, mut row) in means.rows_mut().into_iter().enumerate() {
            if let Some(mean) = self.classes.mean(class) {
                row.assign(&mean);
            }
        }
        means
    }

    /// Pooled within-class covariance and its degrees of freedom.
    fn within(&self, means: &Array2<f64>) -> (Array2<f64>, f64) {
        let present = self.classes.counts().iter().filter(|&&c| c > 0).count();
        let freedom = (self.classes.total() as f64 - present as f64).max(1.0);
        let scatter = self.gram.dense() - self.classes.sums().t().dot(means);
        (scatter / freedom, freedom)
    }
}

/// Share of the identity in the shrunk covariance (equation 23 of the paper).
fn shrinkage(covariance: &Array2<f64>, freedom: f64) -> f64 {
    let p = covariance.nrows() as f64;
    let trace = covariance.diag().sum();
    let squares = covariance.iter().map(|x| x * x).sum::<f64>();
    let numerator = (1.0 - 2.0 / p) * squares + trace * trace;
    let denominator = (freedom + 1.0 - 2.0 / p) * (squares - trace * trace / p);
    if denominator > 0.0 { (numerator / denominator).min(1.0) } else { 1.0 }
}

impl Head for Lda {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.classes.width(), features, labels)?;
        let rows = features.mapv(f64::from);
        self.gram.add_rows(rows.view(), 1.0)?;
        self.classes.add(rows.view(), labels)
    }

    fn solve(&mut self) -> Result<()> {
        if self.classes.total() == 0 {
            crate::bail!(State, "discriminant analysis without any class; observe labelled features first");
        }
        self.gram.check()?;
        let means = self.means();
        let (covariance, freedom) = self.within(&means);
        let share = shrinkage(&covariance, freedom);
        let spherical = covariance.diag().sum() / covariance.nrows() as f64;
        // A single image a class has no within-class spread: distances are then plain Euclidean.
        let floor = if spherical > 0.0 { share * spherical } else { 1.0 };
        let weights = Cholesky::new((covariance * (1.0 - share)).view(), floor)?.solve(means.t())?;
        let bias = Array1::from_iter((0..means.nrows()).map(|c| -0.5 * means.row(c).dot(&weights.column(c))));
        self.solved = Some(Solved {
            weights: weights.mapv(|w| w as f32),
            bias: bias.mapv(|b| b as f32),
            absent: self.classes.absent(),
        });
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

    /// Not possible from these sums: every class is in the shared covariance.
    fn forget(&mut self, class: usize) -> Result<()> {
        if self.classes.counts().get(class).is_none_or(|&count| count == 0) {
            crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes());
        }
        crate::bail!(
            Unsupported,
            "a shared covariance cannot forget class {class} without its rows; call forget_rows, or use ClassMeans"
        )
    }

    fn bytes(&self) -> usize {
        self.gram.bytes() + self.classes.bytes()
    }
}
