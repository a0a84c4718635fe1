//! What joins the sections of a feature into the view that prototypes are made of.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, Axis, concatenate, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Of NTK-CL, for sections of `E` columns together.
///
/// ```text
/// Gate     z_m = 1.1 z + 0.5 g z                      E parameters; rows are z
/// Values   z_m = 0.5 (z_c W + b) + z_c + 0.1 z_p      E^2 + E parameters; rows are [frozen | slow_c | slow_p | c | p], z_c and z_p
///                                                     their frozen, slow and new sections
/// ```
///
/// `Values` is the published attention of `z_p` to `z_c`: over one key it gives that key's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fusion {
    /// `g`.
    Gate(Array1<f32>),
    /// `W` and `b`.
    Values {
        /// `[E, E]`.
        weight: Array2<f32>,
        /// `[E]`.
        bias: Array1<f32>,
    },
}

/// The sections of the rows that both branches are made of.
const CHANNEL: [usize; 3] = [0, 1, 3];
const PATCH: [usize; 3] = [0, 2, 4];

impl Fusion {
    /// A gate of zeros for features of `width` (`E`).
    pub fn gate(width: usize) -> Self {
        Self::Gate(Array1::zeros(width))
    }

    /// A linear map of `width` (`E`) columns as PyTorch starts one: uniform below `1 / sqrt E`.
    pub fn values(width: usize, seed: u64) -> Self {
        let (mut rng, bound) = (ChaCha8Rng::seed_from_u64(seed), 1.0 / (width as f32).sqrt());
        let mut draw = || rng.gen_range(-bound..bound);
        Self::Values {
            weight: Array2::from_shape_simple_fn((width, width), &mut draw),
            bias: Array1::from_shape_simple_fn(width, draw),
        }
    }

    /// `E`.
    pub fn width(&self) -> usize {
        match self {
            Self::Gate(gate) => gate.len(),
            Self::Values { bias, .. } => bias.len(),
        }
    }

    /// The fused view of rows, `[n, E]`.
    ///
    /// # Errors
    /// `Shape` on rows of another width.
    pub fn apply(&self, mut rows: Array2<f32>) -> Result<Array2<f32>> {
        match self {
            Self::Gate(gate) => {
                super::check_width(gate.len(), rows.view())?;
                rows *= &gate.mapv(|g| 1.1 + 0.5 * g);
                Ok(rows)
            }
            Self::Values { weight, bias } => {
                let section = bias.len() / CHANNEL.len();
                super::check_width(5 * section, rows.view())?;
                let branch = |sections: [usize; 3]| {
                    let parts = sections.map(|s| rows.slice(s![.., s * section..(s + 1) * section]));
                    concatenate(Axis(1), &parts).map_err(|e| crate::err!(Bug, "sections of a branch: {e}"))
                };
                let (channel, patch) = (branch(CHANNEL)?, branch(PATCH)?);
                let values = channel.dot(weight) + bias;
                Ok(0.5 * values + channel + 0.1 * patch)
            }
        }
    }

    /// Parameters in the order of the joint graph; vectors are one row.
    pub(super) fn parameters(&self) -> Vec<Array2<f32>> {
        let row = |v: &Array1<f32>| v.clone().insert_axis(Axis(0));
        match self {
            Self::Gate(gate) => vec![row(gate)],
            Self::Values { weight, bias } => vec![weight.clone(), row(bias)],
        }
    }

    /// Adds deltas of the same shapes.
    ///
    /// # Errors
    /// `Bug` for another number of deltas.
    pub(super) fn add(&mut self, deltas: &[Array2<f32>]) -> Result<()> {
        match (self, deltas) {
            (Self::Gate(gate), [delta]) => *gate += &delta.row(0),
            (Self::Values { weight, bias }, [first, second]) => {
                *weight += first;
                *bias += &second.row(0);
            }
            _ => crate::bail!(Bug, "{} deltas for a fusion", deltas.len()),
        }
        Ok(())
    }

    /// Bytes of state.
    pub(super) fn bytes(&self) -> usize {
        self.parameters().iter().map(|p| p.len() * size_of::<f32>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gaussian;

    #[test]
    fn the_fused_view_is_made_of_the_right_sections() {
        let rows = gaussian(1, 3, 10);
        let gate = Fusion::Gate(Array1::from_elem(10, 2.0));
        assert!((gate.apply(rows.clone()).unwrap() - 2.1 * &rows).iter().all(|x| x.abs() < 1e-6));
        // Columns in pairs: frozen, slow_c, slow_p, c, p. A map that turns the sections around.
        let weight = Array2::from_shape_fn((6, 6), |(i, j)| f32::from(i + j == 5));
        let fused = Fusion::Values { weight, bias: Array1::from_elem(6, 4.0) }.apply(rows.clone()).unwrap();
        let (z_c, z_p) = ([0, 1, 2, 3, 6, 7], [0, 1, 4, 5, 8, 9]);
        for (fused, row) in fused.rows().into_iter().zip(rows.rows()) {
            for i in 0..6 {
                let want = 0.5 * (row[z_c[5 - i]] + 4.0) + row[z_c[i]] + 0.1 * row[z_p[i]];
                assert!((fused[i] - want).abs() < 1e-6, "{i}: {} {want}", fused[i]);
            }
        }
        assert!(Fusion::values(6, 1).apply(gaussian(1, 3, 6)).is_err());
    }
}
