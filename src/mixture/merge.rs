//! Fewer components at the least loss: Runnalls' moment-preserving greedy merge.
//!
//! Merging `i` and `j` keeps weight, mean and covariance of the pair; the cost bounds the Kullback-Leibler divergence
//! that it adds: `1/2 [(w_i + w_j) ln|C_ij| - w_i ln|C_i| - w_j ln|C_j|]`.

use alloc::vec::Vec;

use ndarray::{Array1, Axis, concatenate};

use super::posterior::Posterior;
use super::{Covariance, DpGmm};
use crate::error::Result;

impl DpGmm {
    /// This mixture with at most `n_components` (at least one) components, and the sum of the costs of the merges:
    /// an upper bound, in nats per record drawn from the mixture, on what the scores lose. Low-rank components are rounded to their rank after
    /// every merge, which the bound does not know.
    ///
    /// # Errors
    /// `Numeric` if a merged covariance is not positive definite.
    pub fn merged(&self, n_components: usize) -> Result<(Self, f64)> {
        let mut model = self.clone();
        let mut lost = 0.0;
        while model.n_components() > n_components.max(1) {
            let Some(&(cost, i, j)) = merge_costs(&model.posterior, |_, _| true)?.first() else { break };
            lost += cost;
            merge_pair(&mut model.posterior, i, j)?;
        }
        Ok((model, lost))
    }

    /// The cheapest merge of two components that `may` be one: the mixture after it, where each of its components was, and the cost.
    /// `None` where no two may.
    ///
    /// # Errors
    /// As [`DpGmm::merged`].
    pub fn merged_where(
        &self,
        may: impl Fn(usize, usize) -> bool,
    ) -> Result<Option<(Self, Vec<usize>, f64)>> {
        let Some(&(cost, i, j)) = merge_costs(&self.posterior, may)?.first() else { return Ok(None) };
        let mut model = self.clone();
        let places = merge_pair(&mut model.posterior, i, j)?;
        model.lower_bound = f64::NAN;
        Ok(Some((model, places, cost)))
    }

    /// The components of both mixtures over one space, fitted under priors that differ in their mean at most, and where each was:
    /// those of `other` count on from those of this one.
    ///
    /// # Errors
    /// `Mismatch` for mixtures of another width or form.
    pub fn united(&self, other: &Self) -> Result<(Self, Vec<usize>)> {
        let (own, more) = (&self.posterior, &other.posterior);
        if (own.form, own.kind, own.n_features()) != (more.form, more.kind, more.n_features()) {
            crate::bail!(Mismatch, "mixtures of another form or width; unite those that were fitted alike");
        }
        let mut model = self.clone();
        let p = &mut model.posterior;
        let (n, m) = (own.counts.sum(), more.counts.sum());
        p.prior.mean = (&own.prior.mean * n + &more.prior.mean * m) / (n + m).max(f64::MIN_POSITIVE);
        let odd = |e| crate::err!(Bug, "components of one width: {e}");
        p.counts = concatenate(Axis(0), &[own.counts.view(), more.counts.view()]).map_err(odd)?;
        p.means = concatenate(Axis(0), &[own.means.view(), more.means.view()]).map_err(odd)?;
        p.covariances.extend(more.covariances.iter().cloned());
        let places = p.sort_by_count();
        model.lower_bound = f64::NAN;
        Ok((model, places))
    }
}

/// All pairs `i < j` that `may` merge with what their merge costs, cheapest first.
pub(super) fn merge_costs(
    p: &Posterior,
    may: impl Fn(usize, usize) -> bool,
) -> Result<Vec<(f64, usize, usize)>> {
    let total = p.counts.sum();
    let dets: Vec<f64> = p.covariances.iter().map(Covariance::log_det).collect();
    let mut costs = Vec::new();
    for i in 0..p.n_components() {
        for j in (i + 1..p.n_components()).filter(|&j| may(i, j)) {
            let (wi, wj) = (p.counts[i] / total, p.counts[j] / total);
            let (_, covariance) = moments(p, i, j)?;
            costs.push((0.5 * ((wi + wj) * covariance.log_det() - wi * dets[i] - wj * dets[j]), i, j));
        }
    }
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(costs)
}

/// Mean and covariance of components `i` and `j` taken as one.
fn moments(p: &Posterior, i: usize, j: usize) -> Result<(Array1<f64>, Covariance)> {
    let (a, b) = (p.counts[i], p.counts[j]);
    let (a, b) = (a / (a + b), b / (a + b));
    let gap = &p.means.row(i) - &p.means.row(j);
    let covariance = p.covariances[i].pooled(a, &p.covariances[j], b, gap.view())?;
    Ok((a * &p.means.row(i) + b * &p.means.row(j), covariance))
}

/// Merges `j` into `i`, and says where each component that is left was.
fn merge_pair(p: &mut Posterior, i: usize, j: usize) -> Result<Vec<usize>> {
    let (mean, covariance) = moments(p, i, j)?;
    p.counts[i] += p.counts[j];
    p.means.row_mut(i).assign(&mean);
    p.covariances[i] = covariance;
    let rest: Vec<usize> = (0..p.n_components()).filter(|&l| l != j).collect();
    p.select(&rest);
    Ok(p.sort_by_count().into_iter().map(|place| rest[place]).collect())
}
