//! Fewer components at the least loss: Runnalls' moment-preserving greedy merge.
//!
//! Merging `i` and `j` keeps weight, mean and variance of the pair; the cost bounds the Kullback-Leibler divergence
//! that it adds: `1/2 [(w_i + w_j) ln|C_ij| - w_i ln|C_i| - w_j ln|C_j|]`.

use ndarray::{Array1, ArrayView1, Zip};

use super::DpGmm;
use super::posterior::Posterior;

impl DpGmm {
    /// This mixture with at most `n_components` (at least one) components, and the sum of the costs of the merges:
    /// an upper bound, in nats per record, on what the scores lose.
    #[must_use]
    pub fn merged(&self, n_components: usize) -> (Self, f64) {
        let mut model = self.clone();
        let mut lost = 0.0;
        while model.n_components() > n_components.max(1) {
            let Some(&(cost, i, j)) = merge_costs(&model.posterior).first() else { break };
            lost += cost;
            merge_pair(&mut model.posterior, i, j);
        }
        (model, lost)
    }
}

/// All pairs `i < j` with what their merge costs, cheapest first.
pub(super) fn merge_costs(p: &Posterior) -> Vec<(f64, usize, usize)> {
    let total = p.counts.sum();
    let log_det = |c: ArrayView1<f64>| c.iter().map(|v| v.ln()).sum::<f64>();
    let dets: Vec<f64> = p.covariances.outer_iter().map(log_det).collect();
    let mut costs: Vec<_> = (0..p.n_components())
        .flat_map(|i| (i + 1..p.n_components()).map(move |j| (i, j)))
        .map(|(i, j)| {
            let (wi, wj) = (p.counts[i] / total, p.counts[j] / total);
            let (_, covariance) = moments(p, i, j);
            (0.5 * ((wi + wj) * log_det(covariance.view()) - wi * dets[i] - wj * dets[j]), i, j)
        })
        .collect();
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    costs
}

/// Mean and variance of components `i` and `j` taken as one.
fn moments(p: &Posterior, i: usize, j: usize) -> (Array1<f64>, Array1<f64>) {
    let (a, b) = (p.counts[i], p.counts[j]);
    let (a, b) = (a / (a + b), b / (a + b));
    let mean = a * &p.means.row(i) + b * &p.means.row(j);
    let mut covariance = a * &p.covariances.row(i) + b * &p.covariances.row(j);
    Zip::from(&mut covariance)
        .and(p.means.row(i))
        .and(p.means.row(j))
        .for_each(|c, x, y| *c += a * b * (x - y) * (x - y));
    (mean, covariance)
}

fn merge_pair(p: &mut Posterior, i: usize, j: usize) {
    let (mean, covariance) = moments(p, i, j);
    p.counts[i] += p.counts[j];
    p.means.row_mut(i).assign(&mean);
    p.covariances.row_mut(i).assign(&covariance);
    let rest: Vec<usize> = (0..p.n_components()).filter(|&l| l != j).collect();
    p.select(&rest);
    p.sort_by_count();
}
