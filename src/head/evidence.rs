//! How likely held-out rows were under each of several settings, added up over observations.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::ArrayView1;
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::union::MADE;
use crate::error::Result;

/// What a setting is worth under which rows are not likely at all, or whose statistics are none: more against it than any
/// number of rows can say for it.
const IMPOSSIBLE: f64 = -1e12;

/// Log-likelihood by setting.
///
/// Rows of the first observation count only until there are others: a network that was trained on them makes them look
/// likelier than others will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence {
    logs: Vec<f64>,
    observations: u32,
}

impl Evidence {
    /// Nothing known of `settings` settings.
    pub(super) fn new(settings: usize) -> Self {
        Self { logs: vec![0.0; settings], observations: 0 }
    }

    /// Settings that are compared.
    pub(super) fn settings(&self) -> usize {
        self.logs.len()
    }

    /// The likeliest setting, the first of equals.
    pub(super) fn likeliest(&self) -> usize {
        let likelier = |&a: &usize, &b: &usize| self.logs[a].total_cmp(&self.logs[b]).then(b.cmp(&a));
        (0..self.logs.len()).max_by(likelier).unwrap_or(0)
    }

    /// Begins with the rows of another observation.
    pub(super) fn observe(&mut self) {
        self.observations += 1;
        if self.observations == 2 {
            self.logs.fill(0.0);
        }
    }

    /// Adds what the rows of this observation say of one setting.
    pub(super) fn add(&mut self, setting: usize, log: f64) {
        self.logs[setting] += if log.is_finite() { log } else { IMPOSSIBLE };
    }

    /// What was added since it was `before`, as one observation.
    pub(super) fn since(&self, before: &Self) -> Self {
        let own = |(&log, &before): (&f64, &f64)| if self.observations == 2 { log } else { log - before };
        let logs = self.logs.iter().zip(&before.logs).map(own).map(|log| log.min(0.0)).collect();
        Self { logs, observations: 1 }
    }

    /// Adds what the rows of one observation elsewhere said.
    ///
    /// # Errors
    /// `Corrupt` for what are no log-likelihoods of these settings.
    pub(super) fn absorb(&mut self, other: &Self) -> Result<()> {
        let sound = |&log: &f64| (2.0 * IMPOSSIBLE..=0.0).contains(&log);
        if other.logs.len() != self.logs.len() || other.observations != 1 || !other.logs.iter().all(sound) {
            crate::bail!(
                Corrupt,
                "{} log-likelihoods for {} settings; {MADE}",
                other.logs.len(),
                self.logs.len()
            );
        }
        self.observe();
        self.logs.iter_mut().zip(&other.logs).for_each(|(own, log)| *own += log);
        Ok(())
    }

    /// Bytes at rest.
    pub(super) fn bytes(&self) -> usize {
        size_of::<f64>() * self.logs.len() + size_of::<u32>()
    }
}

/// `ln softmax(scores)[own]`.
pub(super) fn log_softmax(scores: ArrayView1<'_, f64>, own: usize) -> f64 {
    let most = scores.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    scores[own] - most - scores.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_observation_speaks_until_there_are_others_and_no_number_is_no_evidence() {
        let mut evidence = Evidence::new(3);
        evidence.observe();
        [-5.0, -1.0, f64::NAN].into_iter().enumerate().for_each(|(i, log)| evidence.add(i, log));
        assert_eq!(evidence.likeliest(), 1);
        evidence.observe();
        [-2.0, -3.0, f64::NEG_INFINITY].into_iter().enumerate().for_each(|(i, log)| evidence.add(i, log));
        assert_eq!(evidence.likeliest(), 0);
        evidence.observe();
        [-2.0, -0.5, -0.1].into_iter().enumerate().for_each(|(i, log)| evidence.add(i, log));
        assert_eq!(evidence.likeliest(), 1);
    }
}
