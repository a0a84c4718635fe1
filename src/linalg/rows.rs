//! Rows as directions.

use ndarray::{Array2, ArrayView2};
#[cfg(not(feature = "std"))]
use num_traits::Float;

/// Rows scaled to unit length in f64; a row of zeros stays.
pub fn unit_rows(features: ArrayView2<'_, f32>) -> Array2<f64> {
    let mut x = features.mapv(f64::from);
    for mut row in x.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    x
}
