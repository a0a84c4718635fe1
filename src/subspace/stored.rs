//! A basis at rest: width, side, and the rows in f16.

use alloc::vec::Vec;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Basis;
use super::basis::Side;
use crate::error::{Error, Result};
use crate::linalg::{from_halves, to_halves};

/// How far from orthonormal a loaded basis may be. Rounding to f16 costs at most 0.98e-3 (relative 2⁻¹¹ an entry).
const ORTHONORMAL: f32 = 1e-3;

/// The record of a [`Basis`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    width: u32,
    complement: bool,
    rows: Vec<u8>,
}

impl From<Basis> for Stored {
    fn from(basis: Basis) -> Self {
        Self {
            width: basis.width() as u32,
            complement: basis.is_complement(),
            rows: to_halves(basis.rows.iter().map(|&x| f64::from(x))),
        }
    }
}

impl TryFrom<Stored> for Basis {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let width = stored.width as usize;
        let rows: Vec<f32> = from_halves(&stored.rows).collect();
        let count = rows.len().checked_div(width).unwrap_or(0);
        if 2 * count * width != stored.rows.len() || 2 * count > width.max(1) {
            crate::bail!(Corrupt, "a basis of width {width} in {} bytes", stored.rows.len());
        }
        let rows = Array2::from_shape_vec((count, width), rows)
            .map_err(|e| crate::err!(Corrupt, "a basis of width {width}: {e}"))?;
        let overlap = rows.dot(&rows.t());
        for ((i, j), &x) in overlap.indexed_iter() {
            let expected = if i == j { 1.0 } else { 0.0 };
            // False for NaN too.
            let near = (x - expected).abs() < ORTHONORMAL;
            if !near {
                crate::bail!(
                    Corrupt,
                    "basis rows {i} and {j} have product {x} instead of {expected}; restore an older record"
                );
            }
        }
        let side = if stored.complement { Side::Free } else { Side::Protected };
        Ok(Self { rows, side })
    }
}
