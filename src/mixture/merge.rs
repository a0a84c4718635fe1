//! Fewer components at the least loss: Runnalls' moment-preserving greedy merge.
//!
//! Merging `i` and `j` keeps weight, mean and covariance of the pair; the cost bounds the Kullback-Leibler divergence
//! that it adds: `1/2 [(w_i + w_j) ln|C_ij| - w_i ln|C_i| - w_j ln|C_j|]`.

use ndarray::Array1;

use super::posterior::Posterior;
use super::{Covariance, DpGmm};
use crate::error::Result;

impl DpGmm {
    /// This mixture with at most `n_components` (at least one) components, and the sum of the costs of the merges:
    /// an upper bound, in nats per record, on what the scores lose. Low-rank components are rounded to their rank after
    /// every merge, which the bound does not know.
    ///
    /// # Errors
    /// `Numeric` if a merged covariance is not positive definite.
    pub fn merged(&self, n_components: usize) -> Result<(Self, f64)> {
        let mut model = self.clone();
        let mut lost = 0.0;
        while model.n_components() > n_components.max(1) {
            let Some(&(cost, i, j)) = merge_costs(&model.posterior)?.first() else { break };
            lost += cost;
            merge_pair(&mut model.posterior, i, j)?;
        }
        Ok((model, lost))
    }
}

/// All pairs `i < j` with what their merge costs, cheapest first.
pub(super) fn merge_costs(p: &Posterior) -> Result<Vec<(f64, usize, usize)>> {
    let total = p.counts.sum();
    let dets: Vec<f64> = p.covariances.iter().map(Covariance::log_det).collect();
    let mut costs = Vec::new();
    for i in 0..p.n_components() {
        for j in i + 1..p.n_components() {
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

fn merge_pair(p: &mut Posterior, i: usize, j: usize) -> Result<()> {
    let (mean, covariance) = moments(p, i, j)?;
    p.counts[i] += p.counts[j];
    p.means.row_mut(i).assign(&mean);
    p.covariances[i] = covariance;
    let rest: Vec<usize> = (0..p.n_components()).filter(|&l| l != j).collect();
    p.select(&rest);
    p.sort_by_count();
    Ok(())
}
