//! The stored form: two bytes for every mean and every deviation.
//!
//! ```text
//! header     form, gamma, beta0, nu0, bound, iterations, converged
//! centre     [d] f32   prior mean
//! scale      [d] f32   sqrt(prior scatter / nu0)
//! counts     [K] f32
//! means      [K, d] f16   (m - centre) / scale
//! deviations [K, d] f16   sqrt(C) / scale
//! ```
//!
//! Relative to the prior's own centre and scale, halves are precise whatever the units of the data: a mean is off by
//! at most 2^-12 of its distance from the centre, a deviation by 2^-12 of itself. Rounding twice changes nothing, so
//! a stored model and the model it was read into are the same bytes.

use half::f16;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use super::posterior::{Posterior, Prior};
use super::{DpGmm, Form};
use crate::bail;
use crate::error::{Error, Result};

/// The nearest halves, little-endian. Bytes, because a serde format may write a `u16` in one to three.
pub(crate) fn to_halves(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values.flat_map(|v| f16::from_f64(v).to_le_bytes()).collect()
}

/// The numbers that [`to_halves`] wrote.
pub(crate) fn from_halves(bytes: &[u8]) -> impl Iterator<Item = f64> {
    bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f64())
}

/// Wire form of a [`DpGmm`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Packed {
    form: Form,
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
        2 * 4 * d + 4 * k + 2 * 2 * k * d
    }
}

impl From<DpGmm> for Packed {
    fn from(model: DpGmm) -> Self {
        let DpGmm { posterior: p, lower_bound, n_iter, converged } = model;
        let nu0 = p.prior.degrees_of_freedom;
        let centre: Vec<f32> = p.prior.mean.iter().map(|&m| m as f32).collect();
        let scale: Vec<f32> = p.prior.covariance.iter().map(|c| (c / nu0).sqrt() as f32).collect();
        let columns = |values: &Array2<f64>, pack: &dyn Fn(f64, usize) -> f64| {
            to_halves(values.indexed_iter().map(|((_, d), &v)| pack(v, d)))
        };
        Self {
            form: p.form,
            weight_concentration: p.prior.weight_concentration,
            mean_precision: p.prior.mean_precision,
            degrees_of_freedom: nu0,
            lower_bound,
            n_iter: u32::try_from(n_iter).unwrap_or(u32::MAX),
            converged,
            means: columns(&p.means, &|m, d| (m - f64::from(centre[d])) / f64::from(scale[d])),
            deviations: columns(&p.covariances, &|c, d| {
                let smallest = f16::MIN_POSITIVE.to_f64();
                (c.sqrt() / f64::from(scale[d])).max(smallest)
            }),
            counts: p.counts.iter().map(|&n| n as f32).collect(),
            centre,
            scale,
        }
    }
}

impl TryFrom<Packed> for DpGmm {
    type Error = Error;

    fn try_from(packed: Packed) -> Result<Self> {
        let (k, d) = (packed.counts.len(), packed.centre.len());
        let shape = (packed.scale.len(), packed.means.len(), packed.deviations.len());
        if k == 0 || d == 0 || shape != (d, 2 * k * d, 2 * k * d) {
            bail!(
                Corrupt,
                "stored mixture of {k} x {d} has parts of {shape:?} numbers and bytes; restore a copy"
            );
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Array1<f64>>();
        let (centre, scale, counts) = (wide(&packed.centre), wide(&packed.scale), wide(&packed.counts));
        let halves = |bytes: &[u8]| {
            Array2::from_shape_vec((k, d), from_halves(bytes).collect())
                .map_err(|e| crate::err!(Bug, "a checked shape did not fit").caused_by(e))
        };
        let means = halves(&packed.means)? * &scale + &centre;
        let covariances = (halves(&packed.deviations)? * scale.view().insert_axis(Axis(0))).mapv(|s| s * s);
        let prior = [packed.weight_concentration, packed.mean_precision, packed.degrees_of_freedom];
        let sound =
            prior.into_iter().chain(scale.iter().chain(&counts).chain(&covariances).copied()).all(positive);
        if !sound || means.iter().any(|m| !m.is_finite()) {
            bail!(
                Numeric,
                "a mixture with infinite means or without spread cannot be stored; scale its records"
            );
        }
        let prior = Prior {
            weight_concentration: packed.weight_concentration,
            mean_precision: packed.mean_precision,
            degrees_of_freedom: packed.degrees_of_freedom,
            covariance: scale.mapv(|s| s * s * packed.degrees_of_freedom),
            mean: centre,
        };
        let posterior = Posterior { form: packed.form, prior, counts, means, covariances };
        Ok(Self::new(posterior, packed.lower_bound, packed.n_iter as usize, packed.converged))
    }
}
