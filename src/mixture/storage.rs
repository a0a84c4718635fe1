//! The stored form: two bytes for every number that describes a component.
//!
//! ```text
//! header     form, covariance type, gamma, beta0, nu0, bound, iterations, converged
//! centre     [d] f32   prior mean
//! scale      [d] f32   sqrt(prior scatter / nu0), of a full one its diagonal
//! counts     [K] f32
//! means      [K, d] f16   (m - centre) / scale
//! deviations [K, d] f16   sqrt(variance) / scale; full: the diagonal of L / scale
//! rest                    full: [K, d (d - 1) / 2] f16, L below the diagonal, row by row, / scale of the row
//!                         low-rank: [K, d, q] f16, F / scale of the row
//! ```
//!
//! Relative to the prior's own centre and scale, halves are precise whatever the units of the data: a mean is off by
//! at most 2^-12 of its distance from the centre, a deviation by 2^-12 of itself. Rounding twice changes nothing, so
//! a stored model and the model it was read into are the same bytes. The root `L` is rounded, not `C`: whatever the
//! rounding, `L Lᵀ` is a covariance.

use alloc::vec::Vec;
use core::cmp::Ordering;

use half::f16;
use ndarray::{Array1, Array2, ArrayView1};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::full::Triangle;
use super::low_rank::LowRank;
use super::posterior::{Posterior, Prior};
use super::symmetric::Symmetric;
use super::{Covariance, CovarianceType, DpGmm, Form};
use crate::bail;
use crate::error::{Error, Result};
use crate::linalg::{from_halves, to_halves};

/// Wire form of a [`DpGmm`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Packed {
    form: Form,
    covariance_type: CovarianceType,
    weight_concentration: f64,
    mean_precision: f64,
    degrees_of_freedom: f64,
    lower_bound: f64,
    n_iter: u32,
    converged: bool,
    centre: Vec<f32>,
    scale: Vec<f32>,
    counts: Vec<f32>,
    means: Vec<u8>,
    deviations: Vec<u8>,
    rest: Vec<u8>,
}

impl DpGmm {
    /// This model as it will be after storing and reading it back. Score with the rounded model from the start and a
    /// restart changes nothing.
    ///
    /// # Errors
    /// `Numeric` if the model leaves the range of the stored form.
    pub fn rounded(&self) -> Result<Self> {
        Packed::from(self.clone()).try_into()
    }

    /// Bytes of the stored numbers; the record around them adds a few dozen.
    pub fn bytes(&self) -> usize {
        let (k, d) = (self.n_components(), self.n_features());
        let rest = below(&Kind::new(self.covariance_type(), d), d).unwrap_or(0);
        2 * 4 * d + 4 * k + 2 * 2 * k * d + 2 * k * rest
    }
}

/// What is stored of a component beside its deviations.
enum Kind {
    Diagonal,
    Full,
    LowRank(usize),
}

impl Kind {
    fn new(kind: CovarianceType, width: usize) -> Self {
        match kind {
            CovarianceType::Diagonal => Self::Diagonal,
            CovarianceType::Full => Self::Full,
            CovarianceType::LowRank(q) => Self::LowRank(usize::from(q).min(width.saturating_sub(1))),
        }
    }
}

/// Numbers of a component of width `d > 0` beside its deviations; `None` where they leave the range of numbers.
fn below(kind: &Kind, d: usize) -> Option<usize> {
    match kind {
        Kind::Diagonal => Some(0),
        Kind::Full => Some(d.checked_mul(d - 1)? / 2),
        Kind::LowRank(q) => d.checked_mul(*q),
    }
}

impl From<DpGmm> for Packed {
    fn from(model: DpGmm) -> Self {
        let DpGmm { posterior: p, lower_bound, n_iter, converged } = model;
        let nu0 = p.prior.degrees_of_freedom;
        let centre: Vec<f32> = p.prior.mean.iter().map(|&m| m as f32).collect();
        let scale: Vec<f32> = p.prior.covariance.diagonal().iter().map(|c| (c / nu0).sqrt() as f32).collect();
        let means =
            p.means.indexed_iter().map(|((_, d), m)| (m - f64::from(centre[d])) / f64::from(scale[d]));
        let (deviations, rest): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            p.covariances.iter().map(|c| pack(c, &scale)).unzip();
        Self {
            form: p.form,
            covariance_type: p.kind,
            weight_concentration: p.prior.weight_concentration,
            mean_precision: p.prior.mean_precision,
            degrees_of_freedom: nu0,
            lower_bound,
            n_iter: u32::try_from(n_iter).unwrap_or(u32::MAX),
            converged,
            means: to_halves(means),
            deviations: deviations.concat(),
            rest: rest.concat(),
            counts: p.counts.iter().map(|&n| n as f32).collect(),
            centre,
            scale,
        }
    }
}

/// Deviations and the rest of one component.
fn pack(covariance: &Covariance, scale: &[f32]) -> (Vec<u8>, Vec<u8>) {
    let scale = |d: usize| f64::from(scale[d]);
    let smallest = f16::MIN_POSITIVE.to_f64();
    let deviation = |(d, v): (usize, f64)| (v / scale(d)).max(smallest);
    let roots = |v: ArrayView1<f64>| to_halves(v.iter().map(|v| v.sqrt()).enumerate().map(deviation));
    match covariance {
        Covariance::Diagonal(v) => (roots(v.view()), Vec::new()),
        Covariance::Full(t) => {
            let entries = t.lower().to_owned();
            let under = entries.indexed_iter().filter(|((i, j), _)| j < i);
            (
                to_halves(entries.diag().iter().copied().enumerate().map(deviation)),
                to_halves(under.map(|((i, _), v)| v / scale(i))),
            )
        }
        Covariance::LowRank(c) => {
            (roots(c.diagonal()), to_halves(c.factor().indexed_iter().map(|((i, _), v)| v / scale(i))))
        }
    }
}

/// The component that [`pack`] packed: `deviations` `[d]` and `rest` already times the scale of their rows.
fn unpack(
    kind: &Kind,
    deviations: ArrayView1<f64>,
    rest: &[f64],
    scale: ArrayView1<f64>,
) -> Result<Covariance> {
    let d = deviations.len();
    let roots = &deviations * &scale;
    let entry = |at: usize, row: usize| rest.get(at).copied().unwrap_or(0.0) * scale[row];
    match kind {
        Kind::Diagonal => Covariance::diagonal(roots.mapv(|s| s * s)),
        Kind::Full => {
            Ok(Covariance::Full(Triangle::new(Array2::from_shape_fn((d, d), |(i, j)| match j.cmp(&i) {
                Ordering::Less => entry(i * i.saturating_sub(1) / 2 + j, i),
                Ordering::Equal => roots[i],
                Ordering::Greater => 0.0,
            }))?))
        }
        Kind::LowRank(q) => {
            let factor = Array2::from_shape_fn((d, *q), |(i, j)| entry(i * q + j, i));
            Ok(Covariance::LowRank(LowRank::new(roots.mapv(|s| s * s), factor)?))
        }
    }
}

impl TryFrom<Packed> for DpGmm {
    type Error = Error;

    fn try_from(packed: Packed) -> Result<Self> {
        let (k, d) = (packed.counts.len(), packed.centre.len());
        let kind = Kind::new(packed.covariance_type, d);
        let shape = (packed.scale.len(), packed.means.len(), packed.deviations.len(), packed.rest.len());
        if k == 0 || d == 0 || Some(shape) != wanted(k, d, &kind) {
            bail!(
                Corrupt,
                "stored mixture of {k} x {d} has parts of {shape:?} numbers and bytes; restore a copy"
            );
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Array1<f64>>();
        let (centre, scale, counts) = (wide(&packed.centre), wide(&packed.scale), wide(&packed.counts));
        let halves = |bytes: &[u8]| {
            Array2::from_shape_vec((k, d), from_halves(bytes).map(f64::from).collect())
                .map_err(|e| crate::err!(Bug, "a checked shape did not fit: {e}"))
        };
        let means = halves(&packed.means)? * &scale + &centre;
        let prior = [packed.weight_concentration, packed.mean_precision, packed.degrees_of_freedom];
        let deviations = halves(&packed.deviations)?;
        let sound = prior.into_iter().chain(scale.iter().chain(&counts).chain(&deviations).copied());
        if !sound.into_iter().all(positive) || means.iter().any(|m| !m.is_finite()) {
            bail!(
                Numeric,
                "a mixture with infinite means or without spread cannot be stored; scale its records"
            );
        }
        let rest: Vec<f64> = from_halves(&packed.rest).map(f64::from).collect();
        let each = rest.len() / k;
        let covariances = deviations
            .outer_iter()
            .enumerate()
            .map(|(j, own)| unpack(&kind, own, &rest[j * each..(j + 1) * each], scale.view()))
            .collect::<Result<_>>()?;
        let scatter = scale.mapv(|s| s * s * packed.degrees_of_freedom);
        let prior = Prior {
            weight_concentration: packed.weight_concentration,
            mean_precision: packed.mean_precision,
            degrees_of_freedom: packed.degrees_of_freedom,
            log_det: scatter.iter().map(|v| v.ln()).sum(),
            covariance: Symmetric::Diagonal(scatter),
            mean: centre,
        };
        let (form, kind) = (packed.form, packed.covariance_type);
        let posterior = Posterior { form, kind, prior, counts, means, covariances };
        Ok(Self::new(posterior, packed.lower_bound, packed.n_iter as usize, packed.converged))
    }
}

/// Lengths of scale, means, deviations and rest; `None` where they leave the range of numbers.
fn wanted(k: usize, d: usize, kind: &Kind) -> Option<(usize, usize, usize, usize)> {
    let plain = k.checked_mul(d)?.checked_mul(2)?;
    Some((d, plain, plain, k.checked_mul(below(kind, d)?)?.checked_mul(2)?))
}
