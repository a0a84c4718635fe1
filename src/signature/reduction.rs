//! The space that all signatures share: `z = Pᵀ (h / |h| - m)`.
//!
//! `P = V W`: `V` the leading principal directions of the unit-length features, `W` a whitening inside them.
//! Within-class whitening makes the pooled covariance *within* classes the identity, so that Euclidean distance to a
//! class mean is the distance that linear discriminant analysis uses. Total whitening makes the covariance of all
//! features the identity and thereby shrinks the directions in which classes differ.
//!
//! `W = ((1 - s) S + s tr(S)/d I)^(-1/2)` with shrinkage `s = d / (d + n)` unless given: 192 directions need more than
//! a thousand features before their covariance can be believed.
//!
//! The variances of the fitted `z` are kept as a [background](Reduced::background): how likely any feature is. Scores
//! are taken relative to half of it, which makes them far better at telling unknown images (a blurred or empty image is
//! close to everything; area under the curve 0.75 without and 0.81 with it on P-small) and changes no comparison
//! between tasks that share the features.
//!
//! Fitted once per backbone, then frozen: signatures stored under one reduction mean nothing under another.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::linalg::{eigh, matmul, unit_rows};
use crate::linalg::{from_halves, to_halves};
use crate::{bail, err};

/// What a [`Reduction`] makes equal to the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whitening {
    /// Nothing: principal components as they are.
    None,
    /// The covariance of all features.
    Total,
    /// The covariance of features about their class means. The default.
    #[default]
    WithinClass,
}

/// How to fit a [`Reduction`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReductionParams {
    /// Most dimensions kept. Default 192: fewer cost retrieval (64 dimensions: 5 points on P-small), more cost bytes.
    pub dims: usize,
    /// What becomes white.
    pub whitening: Whitening,
    /// Weight of the identity in the covariance, 0 to 1; `None` is `d / (d + n)`.
    pub shrinkage: Option<f64>,
}

impl Default for ReductionParams {
    fn default() -> Self {
        Self { dims: 192, whitening: Whitening::WithinClass, shrinkage: None }
    }
}

/// Reduced features of `n` samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduced {
    /// `[n, d']`
    pub z: Array2<f64>,
    /// Half the log density of each sample under the background, `[n]`, in nats.
    pub background: Array1<f64>,
}

impl Reduced {
    /// `z` `[n, d']` without a background.
    pub fn plain(z: Array2<f64>) -> Self {
        Self { background: Array1::zeros(z.nrows()), z }
    }

    /// The samples `rows`.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { z: self.z.select(Axis(0), rows), background: self.background.select(Axis(0), rows) }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.z.nrows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frozen linear map from features of width `d` to `d'` numbers. Stored in halves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Packed", try_from = "Packed")]
pub struct Reduction {
    mean: Array1<f64>,
    /// `[d, d']`
    projection: Array2<f64>,
    /// Variances of `z` over the features it was fitted on, `[d']`.
    spread: Array1<f64>,
}

impl Reduction {
    /// Fits to features `[n, d]` and their labels `[n]`.
    ///
    /// # Errors
    /// `Shape` for no features or another number of labels, `Numeric` for features that are not finite or all equal,
    /// `InvalidArgument` for zero dimensions or a shrinkage outside 0 to 1.
    pub fn fit(features: ArrayView2<f32>, labels: &[usize], params: &ReductionParams) -> Result<Self> {
        let (n, width) = features.dim();
        if n == 0 || width == 0 || labels.len() != n {
            bail!(
                Shape,
                "features are [{n}, {width}] with {} labels; give one label for each row",
                labels.len()
            );
        }
        if params.dims == 0 || params.shrinkage.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
            bail!(InvalidArgument, "{params:?}: give at least one dimension and a shrinkage from 0 to 1");
        }
        let mut unit = unit_rows(features);
        let mean = unit.mean_axis(Axis(0)).ok_or_else(|| err!(Bug, "no rows after they were counted"))?;
        unit -= &mean;
        let total = covariance(&unit, n)?;
        if !total.diag().sum().is_finite() || total.diag().sum() <= 0.0 {
            bail!(Numeric, "features are not finite or all the same; check the backbone's feature output");
        }
        let dims = params.dims.min(width);
        let principal = eigh(total.view())?.vectors.slice(s![.., ..dims]).to_owned();
        let within = match params.whitening {
            Whitening::None => None,
            Whitening::Total => Some(total),
            Whitening::WithinClass => Some(within_class(unit.clone(), labels)?),
        };
        let projection = match within {
            None => principal,
            Some(c) => {
                let shrinkage = params.shrinkage.unwrap_or(dims as f64 / (dims + n) as f64);
                let inside = matmul(principal.t(), matmul(c.view(), principal.view())?.view())?;
                matmul(principal.view(), inverse_root(&inside, shrinkage)?.view())?
            }
        };
        let spread = variances(&matmul(unit.view(), projection.view())?);
        // As it will be read back, so that a restart changes nothing.
        Packed::from(Self { mean, projection, spread }).try_into()
    }

    /// Width `d` of the features.
    pub fn width(&self) -> usize {
        self.projection.nrows()
    }

    /// Width `d'` of the reduced features.
    pub fn dims(&self) -> usize {
        self.projection.ncols()
    }

    /// Bytes of the stored numbers, once per backbone.
    pub fn bytes(&self) -> usize {
        4 * (self.width() + self.dims()) + 2 * self.projection.len()
    }

    /// Features `[n, d]` in the shared space.
    ///
    /// # Errors
    /// `Shape` for another width.
    pub fn apply(&self, features: ArrayView2<f32>) -> Result<Reduced> {
        let width = features.ncols();
        if width != self.width() {
            bail!(
                Shape,
                "features of width {width} for a reduction of {}; use the same backbone",
                self.width()
            );
        }
        let z = matmul((unit_rows(features) - &self.mean).view(), self.projection.view())?;
        let norm: f64 = self.spread.iter().map(|v| (v * core::f64::consts::TAU).ln()).sum();
        let background = z.map_axis(Axis(1), |row| {
            let distance: f64 = row.iter().zip(&self.spread).map(|(z, v)| z * z / v).sum();
            -0.25 * (distance + norm)
        });
        Ok(Reduced { z, background })
    }
}

/// Mean squares of the columns of centred `z`, none of them zero.
fn variances(z: &Array2<f64>) -> Array1<f64> {
    let mean_squares = z.map_axis(Axis(0), |column| column.dot(&column) / column.len() as f64);
    let floor = (1e-3 * mean_squares.sum() / mean_squares.len() as f64).max(f64::from(f32::MIN_POSITIVE));
    mean_squares.mapv(|v| v.max(floor))
}

/// `xᵀ x / n`.
fn covariance(x: &Array2<f64>, n: usize) -> Result<Array2<f64>> {
    Ok(matmul(x.t(), x.view())? / n as f64)
}

/// Covariance of `x` about the means of its classes. With one image a class there is none, and the total must do.
fn within_class(mut x: Array2<f64>, labels: &[usize]) -> Result<Array2<f64>> {
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    labels.iter().enumerate().for_each(|(i, &c)| rows.entry(c).or_default().push(i));
    let degrees = x.nrows() - rows.len();
    if degrees == 0 {
        let n = x.nrows();
        return covariance(&x, n);
    }
    for members in rows.values() {
        let mean: Array1<f64> =
            members.iter().map(|&i| x.row(i)).fold(Array1::zeros(x.ncols()), |a, r: ArrayView1<f64>| a + r)
                / members.len() as f64;
        for &i in members {
            let mut row = x.row_mut(i);
            row -= &mean;
        }
    }
    covariance(&x, degrees)
}

/// `V diag(1 / sqrt(values))` of the shrunk matrix.
fn inverse_root(c: &Array2<f64>, shrinkage: f64) -> Result<Array2<f64>> {
    let d = c.nrows() as f64;
    let level = c.diag().sum() / d;
    let shrunk = c * (1.0 - shrinkage) + Array2::from_diag_elem(c.nrows(), shrinkage * level);
    let eigen = eigh(shrunk.view())?;
    // Directions without any spread would otherwise be blown up without limit.
    let floor = (1e-6 * level).max(f64::MIN_POSITIVE);
    let scale: Array1<f64> = eigen.values.iter().map(|v| v.max(floor).sqrt().recip()).collect();
    Ok(eigen.vectors * &scale)
}

/// Wire form: the mean in f32, the projection in halves relative to one scale.
#[derive(Clone, Serialize, Deserialize)]
struct Packed {
    scale: f32,
    mean: Vec<f32>,
    spread: Vec<f32>,
    projection: Vec<u8>,
}

impl From<Reduction> for Packed {
    fn from(r: Reduction) -> Self {
        // A power of two: dividing by it loses nothing, so packing twice changes nothing.
        let largest = r.projection.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        let scale = largest.log2().ceil().clamp(-100.0, 100.0).exp2();
        Self {
            scale: scale as f32,
            mean: r.mean.iter().map(|&m| m as f32).collect(),
            spread: r.spread.iter().map(|&v| v as f32).collect(),
            projection: to_halves(r.projection.iter().map(|v| v / scale)),
        }
    }
}

impl TryFrom<Packed> for Reduction {
    type Error = Error;

    fn try_from(p: Packed) -> Result<Self> {
        let (width, dims) = (p.mean.len(), p.spread.len());
        if dims == 0 || width == 0 || 2 * width * dims != p.projection.len() {
            bail!(
                Corrupt,
                "stored reduction of {width} x {dims} has {} bytes; restore a copy",
                p.projection.len()
            );
        }
        let values = from_halves(&p.projection).map(|v| f64::from(v) * f64::from(p.scale)).collect();
        let projection = Array2::from_shape_vec((width, dims), values)
            .map_err(|e| err!(Bug, "a checked shape did not fit: {e}"))?;
        let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Array1<f64>>();
        let (mean, spread) = (wide(p.mean), wide(p.spread));
        let finite = projection.iter().chain(&mean).chain(&spread).all(|v| v.is_finite());
        if !finite || spread.iter().any(|&v| v <= 0.0) {
            bail!(Numeric, "a reduction that is not finite; check the features it was fitted on");
        }
        Ok(Self { mean, projection, spread })
    }
}
