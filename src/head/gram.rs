//! `G = Σ phi phiᵀ`, whole or resting in half the memory, and what a ridge solves with it.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::gcv::best_lambda;
use super::union::{MADE, check_gram, other_settings};
use crate::error::{Error, Result};
use crate::linalg::{Cholesky, PackedGram, RoundedGram, svd_thin};

/// Directions in which means of observations are kept apart from a rounded scatter.
const BETWEEN: usize = 16;

/// What λ is multiplied by where it does not make the sums definite, and how often.
const RAISE: f64 = 2.0;
const MOST_RAISES: usize = 16;

/// Width of the sums at rest.
pub(super) type Sum = f32;

/// The sum of outer products, as it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Gram {
    Whole(PackedGram<Sum>),
    /// Of rows less the mean of their observation, and what those means add: the mean of random features is large, and
    /// rounding what it makes of every entry would cost more than the ridge adds.
    Rounded {
        scatter: RoundedGram,
        /// Rows `R` with `R' R = Σ n m m'`: orthogonal, the largest first, so that none is the mean of an observation.
        between: Array2<Sum>,
    },
}

/// Rows that have the same `R' R` and are orthogonal, the longest first.
fn orthogonal(rows: &Array2<Sum>) -> Result<Array2<Sum>> {
    let found = svd_thin(rows.mapv(f64::from).view())?;
    let lengths = Array1::from(found.values).insert_axis(Axis(1));
    Ok((found.vt * lengths).mapv(|x| x as Sum))
}

/// Adds `means` to the rows between; the smallest beyond [`BETWEEN`] go into the scatter.
fn add_means(scatter: &mut RoundedGram, between: &mut Array2<Sum>, means: &Array2<Sum>) -> Result<()> {
    *between = orthogonal(&concatenate(Axis(0), &[between.view(), means.view()]).map_err(odd)?)?;
    if between.nrows() > BETWEEN {
        let (kept, smallest) = between.view().split_at(Axis(0), BETWEEN);
        scatter.add_rows(smallest)?;
        *between = kept.to_owned();
    }
    Ok(())
}

fn odd(e: ndarray::ShapeError) -> Error {
    crate::err!(Bug, "rows of different lengths: {e}")
}

impl Gram {
    /// Of no row, of `width`.
    pub(super) fn rounded(width: usize) -> Self {
        Self::Rounded { scatter: RoundedGram::new(width), between: Array2::zeros((0, width)) }
    }

    /// Length of a row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Whole(gram) => gram.width(),
            Self::Rounded { scatter, .. } => scatter.gram().width(),
        }
    }

    /// Sum of the diagonal.
    pub(super) fn trace(&self) -> f64 {
        match self {
            Self::Whole(gram) => gram.trace(),
            Self::Rounded { scatter, between } => {
                scatter.gram().trace() + between.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
            }
        }
    }

    /// λ by generalised cross-validation.
    pub(super) fn best_lambda(&self, moments: &Array2<f64>, rows: u64) -> Result<f64> {
        match self {
            Self::Whole(gram) => best_lambda(gram, moments, rows),
            Self::Rounded { scatter, between } => {
                let mut gram = scatter.gram().clone();
                gram.add_rows(between.view(), 1.0)?;
                best_lambda(&gram, moments, rows)
            }
        }
    }

    /// Factors `G + λ I`.
    pub(super) fn factor(&self, lambda: f64) -> Result<Cholesky> {
        match self {
            Self::Whole(gram) => Cholesky::of_gram(gram, lambda),
            Self::Rounded { scatter, between } => {
                Cholesky::of_gram_and_rows(scatter.gram(), between.view(), lambda)
            }
        }
    }

    /// Factors `G + λ I`, and gives the λ that it took. Rows that hardly differ (two things that do not move before a camera) leave few
    /// directions and many large entries in `G`; rounded, it may have eigenvalues below `-λ`.
    pub(super) fn factor_raised(&self, mut lambda: f64) -> Result<(Cholesky, f64)> {
        let mut factored = self.factor(lambda);
        for _ in 0..MOST_RAISES {
            if factored.is_ok() {
                break;
            }
            lambda *= RAISE;
            factored = self.factor(lambda);
        }
        Ok((factored?, lambda))
    }

    /// Adds the rows of one observation.
    pub(super) fn add_rows(&mut self, rows: ArrayView2<'_, Sum>) -> Result<()> {
        match self {
            Self::Whole(gram) => gram.add_rows(rows, 1.0),
            Self::Rounded { scatter, between } => {
                let Some(mean) = rows.mean_axis(Axis(0)) else { return Ok(()) };
                scatter.add_rows((&rows - &mean).view())?;
                let mean = (mean * (rows.nrows() as Sum).sqrt()).insert_axis(Axis(0));
                add_means(scatter, between, &mean)
            }
        }
    }

    /// The same of the first `width` columns.
    pub(super) fn leading(&self, width: usize) -> Result<Self> {
        match self {
            Self::Whole(gram) => Ok(Self::Whole(gram.leading(width))),
            Self::Rounded { scatter, between } => {
                let columns = between.slice(s![.., ..width.min(between.ncols())]).to_owned();
                let between = if columns.is_empty() { columns } else { orthogonal(&columns)? };
                Ok(Self::Rounded { scatter: scatter.leading(width), between })
            }
        }
    }

    /// Adds what rows elsewhere added up to.
    pub(super) fn absorb(&mut self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Whole(own), Self::Whole(other)) => {
                check_gram(own, other)?;
                own.merge(other)
            }
            (Self::Rounded { scatter, between }, Self::Rounded { scatter: other, between: means }) => {
                check_gram(scatter.gram(), other.gram())?;
                let finite = means.iter().all(|x| x.is_finite());
                if !finite || means.ncols() != scatter.gram().width() || means.nrows() > BETWEEN {
                    crate::bail!(Corrupt, "{:?} means of random features; {MADE}", means.shape());
                }
                scatter.absorb(other)?;
                add_means(scatter, between, means)
            }
            _ => Err(other_settings("sums")),
        }
    }

    /// Whether it is of rows of `width`.
    pub(super) fn fits(&self, width: usize) -> bool {
        match self {
            Self::Whole(gram) => gram.check().is_ok() && gram.width() == width,
            Self::Rounded { scatter, between } => {
                scatter.gram().width() == width && between.ncols() == width && between.nrows() <= BETWEEN
            }
        }
    }

    /// As [`PackedGram::check`].
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Whole(gram) => gram.check(),
            Self::Rounded { scatter, .. } => scatter.gram().check(),
        }
    }

    /// Rounds what rests rounded.
    pub(super) fn settle(&mut self) {
        if let Self::Rounded { scatter, .. } = self {
            scatter.settle();
        }
    }

    /// Bytes at rest.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Whole(gram) => gram.bytes(),
            Self::Rounded { scatter, between } => scatter.bytes() + size_of::<Sum>() * between.len(),
        }
    }
}
