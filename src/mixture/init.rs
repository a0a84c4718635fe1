//! Where a fit starts: hard assignments from k-means, or from labels.

use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::err;
use crate::error::Result;

/// One-hot responsibilities `[n, min(k, n)]` from k-means with k-means++ seeding.
pub(super) fn start(x: ArrayView2<f64>, k: usize, seed: u64) -> Result<Array2<f64>> {
    let k = k.min(x.nrows());
    if k == 1 {
        return Ok(Array2::ones((x.nrows(), 1)));
    }
    let dataset = DatasetBase::from(x);
    let model = KMeans::params_with_rng(k, ChaCha8Rng::seed_from_u64(seed))
        .init_method(KMeansInit::KMeansPlusPlus)
        .n_runs(1)
        .max_n_iterations(30)
        .fit(&dataset)
        .map_err(|e| err!(Numeric, "k-means start failed; scale the records").caused_by(e))?;
    Ok(one_hot(model.predict(&dataset).as_slice().unwrap_or_default(), k))
}

/// Responsibilities `[n, k]` that give record `i` to component `labels[i]`.
pub(super) fn one_hot(labels: &[usize], k: usize) -> Array2<f64> {
    let mut r = Array2::zeros((labels.len(), k));
    for (mut row, &label) in r.outer_iter_mut().zip(labels) {
        row[label.min(k - 1)] = 1.0;
    }
    r
}
