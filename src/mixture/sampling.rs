//! Draws from a mixture, and how much two mixtures differ, measured by such draws.
//!
//! The Kullback-Leibler divergence between mixtures has no closed form; an average of log ratios over draws from one of
//! them is unbiased and, with a seed, the same every time (methods.md A.8 takes a thousand).

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{Covariance, DpGmm, LowRank};
use crate::bail;
use crate::error::Result;

impl DpGmm {
    /// `n` draws of the mixture with its posterior means and covariances, `[n, d]`.
    ///
    /// # Errors
    /// `Numeric` if the weights are not finite.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Array2<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pick = WeightedIndex::new(self.weights())
            .map_err(|e| crate::err!(Numeric, "a mixture whose weights are no weights").caused_by(e))?;
        let mut out = Array2::zeros((n, self.n_features()));
        for mut row in out.outer_iter_mut() {
            let j = pick.sample(&mut rng);
            let covariance = &self.covariances()[j];
            let noise: Array1<f64> =
                (0..covariance.noise_width()).map(|_| rng.sample::<f64, _>(StandardNormal)).collect();
            row.assign(&(covariance.coloured(noise.view()) + self.means().row(j)));
        }
        Ok(out)
    }

    /// `KL(self | other) + KL(other | self)` in nats, from `n` draws of each. Its error falls as `1 / sqrt(n)`.
    ///
    /// # Errors
    /// `Shape` for different widths, `InvalidArgument` without draws.
    pub fn symmetric_divergence(&self, other: &Self, n: usize, seed: u64) -> Result<f64> {
        let (d, width) = (self.n_features(), other.n_features());
        if d != width || n == 0 {
            bail!(Shape, "{n} draws of mixtures of width {d} and {width}; compare mixtures of one space");
        }
        let one_way = |from: &Self, to: &Self, seed| -> Result<f64> {
            let x = from.sample(n, seed)?;
            Ok((from.log_density(&x) - to.log_density(&x)).sum() / n as f64)
        };
        Ok(one_way(self, other, seed)? + one_way(other, self, seed.wrapping_add(1))?)
    }
}

impl Covariance {
    /// How many independent standard normal numbers [`Self::coloured`] takes.
    fn noise_width(&self) -> usize {
        match self {
            Self::LowRank(c) => c.diagonal().len() + c.rank(),
            _ => self.width(),
        }
    }

    /// Standard normal `noise` turned into a draw of `N(0, C)`, `[d]`.
    fn coloured(&self, noise: ArrayView1<f64>) -> Array1<f64> {
        match self {
            Self::Diagonal(v) => v.mapv(f64::sqrt) * noise,
            Self::Full(t) => t.lower().dot(&noise),
            Self::LowRank(c) => c.coloured(noise),
        }
    }
}

impl LowRank {
    /// Standard normal `noise` `[d + q]` as a draw of `N(0, C)`.
    fn coloured(&self, noise: ArrayView1<f64>) -> Array1<f64> {
        let (own, shared) = noise.split_at(Axis(0), self.diagonal().len());
        self.diagonal().mapv(f64::sqrt) * own + self.factor().dot(&shared)
    }
}
