//! How much identity is mixed into the shared covariance, and at which temperature scores are: what held-out rows say.

use ndarray::Array2;
#[cfg(not(feature = "std"))]
use num_traits::Float;

use super::{Mda, gathered};
use crate::error::Result;
use crate::head::evidence::log_softmax;
use crate::head::metric::{Asked, Metric, Shrinkage};

/// Shares of the identity in the covariance that are tried, beside the oracle's.
const SHARES: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

/// Temperatures that are tried: powers of two from 1/64 to 4, in half steps.
pub(in crate::head) const TEMPERATURES: usize = 17;

/// The temperature with this index.
pub(in crate::head) fn temperature(index: usize) -> f64 {
    2f64.powf(index as f64 / 2.0 - 6.0)
}

impl Mda {
    /// Shrinkages and temperatures that are compared.
    pub(in crate::head) fn settings() -> usize {
        (1 + SHARES.len()) * TEMPERATURES
    }

    /// Share of identity in the covariance, `None` for the oracle's, and temperature: the likeliest so far.
    pub fn chosen(&self) -> (Option<f64>, f64) {
        let best = self.evidence.likeliest();
        let share = (best / TEMPERATURES).checked_sub(1).map(|i| SHARES[i]);
        (share, temperature(best % TEMPERATURES))
    }

    /// The covariance that was chosen, and the temperature; with more identity where it is none. Rounding at every observation adds up over
    /// hundreds of them, and what was likeliest when rows came last may not be definite after two observations became one.
    pub(in crate::head) fn definite(&self) -> Result<(Metric, f64)> {
        let (share, temperature) = self.chosen();
        let more = SHARES.into_iter().filter(|&more| share.is_none_or(|share| more > share));
        let mut metric = self.metric(share);
        for share in more {
            if metric.is_ok() {
                break;
            }
            metric = self.metric(Some(share));
        }
        Ok((metric?, temperature))
    }

    pub(in crate::head) fn metric(&self, share: Option<f64>) -> Result<Metric> {
        let shrinkage = share.map_or(Shrinkage::Oracle, Shrinkage::Share);
        Metric::within(self.scatter.gram(), &self.centres, self.dropped, shrinkage)
    }

    /// Adds up how likely held-out rows are under every shrinkage and temperature.
    pub(super) fn weigh(&mut self, rows: &Array2<f32>, centres: &[usize]) -> Result<()> {
        self.evidence.observe();
        let crops = rows.nrows() / centres.len().max(1);
        for (i, share) in core::iter::once(None).chain(SHARES.map(Some)).enumerate() {
            let settings = i * TEMPERATURES..(i + 1) * TEMPERATURES;
            // Rounded sums are a covariance only with enough identity mixed in.
            let Ok(metric) = self.metric(share) else {
                settings.for_each(|setting| self.evidence.add(setting, f64::NAN));
                continue;
            };
            let distances = metric.held_out(&Asked::new(&metric, rows.view(), crops)?, centres)?;
            for (t, setting) in settings.enumerate() {
                let scores =
                    gathered(&distances.mapv(|d| -0.5 * temperature(t) * d), &self.owners, self.classes);
                // The only picture of a class has no centre left when it is held out; it says nothing about shrinkage.
                let asked = scores.rows().into_iter().zip(centres);
                let asked = asked.filter(|(_, c)| self.centres.counts()[**c] > crops as u64);
                let log = asked.map(|(row, &centre)| log_softmax(row, self.owners[centre])).sum();
                self.evidence.add(setting, log);
            }
        }
        Ok(())
    }
}
