//! Merge moves: leaving the local optima in which two components share one cluster.
//!
//! Coordinate ascent moves responsibilities one component at a time and hardly ever empties a surplus one. Given the
//! responsibilities of two components added up, the bound of the smaller mixture is known in closed form from the
//! merged statistics; if it is higher, the merge is an ascent step like any other. (Hughes & Sudderth, *Memoized
//! online variational inference for Dirichlet process mixture models*, 2013.)

use ndarray::{Array2, ArrayView2, Axis};

use super::algorithm::expect;
use super::merge::merge_costs;
use super::posterior::Posterior;
use super::statistics::Statistics;
use crate::error::Result;

/// A mixture with fewer components and its bound, higher than that of `posterior`, or `None` if no pair's merge raises it.
pub(super) fn merge_moves(
    x: ArrayView2<f64>,
    posterior: &Posterior,
    reg: f64,
) -> Result<Option<(Posterior, f64)>> {
    let (mut r, mut entropy) = expect(x, posterior);
    let mut data = Statistics::new(posterior.kind, x, &r)?;
    let update = |data: &Statistics| posterior.prior.update(posterior.form, posterior.kind, reg, data);
    let mut current = update(&data)?;
    let mut bound = current.lower_bound(entropy);
    // Columns of `r` follow `posterior`; this names them after some have gone.
    let mut alive: Vec<usize> = (0..posterior.n_components()).collect();
    let mut changed = false;
    for (_, i, j) in merge_costs(posterior, |_, _| true)? {
        let place = |c| alive.iter().position(|&a| a == c);
        let (Some(i), Some(j)) = (place(i), place(j)) else { continue };
        let merged_data = data.merged(i, j);
        let merged_entropy = entropy + entropy_change(&r, i, j);
        let merged = update(&merged_data)?;
        let merged_bound = merged.lower_bound(merged_entropy);
        if merged_bound > bound {
            (data, entropy, current, bound, changed) =
                (merged_data, merged_entropy, merged, merged_bound, true);
            alive.remove(j);
            r = without_column(&r, i, j);
        }
    }
    Ok(changed.then_some((current, bound)))
}

/// How the entropy of the responsibilities changes when columns `i` and `j` are added up.
fn entropy_change(r: &Array2<f64>, i: usize, j: usize) -> f64 {
    let x_ln_x = |v: f64| if v > 0.0 { v * v.ln() } else { 0.0 };
    r.outer_iter().map(|row| x_ln_x(row[i]) + x_ln_x(row[j]) - x_ln_x(row[i] + row[j])).sum()
}

fn without_column(r: &Array2<f64>, i: usize, j: usize) -> Array2<f64> {
    let rest: Vec<usize> = (0..r.ncols()).filter(|&l| l != j).collect();
    let mut out = r.select(Axis(1), &rest);
    let mut into = out.column_mut(i);
    into += &r.column(j);
    out
}
