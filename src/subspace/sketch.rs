//! Frequent Directions: the second moment in `2 l` rows instead of `D`.

use ndarray::{Array2, ArrayView2, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::Energy;
use crate::error::Result;
use crate::linalg::{matmul, svd_thin};

/// A sketch `S: [2 l, D]` in f32 with `0 <= XᵀX - SᵀS <= lost` in every direction, where
/// `lost <= ‖X - X_k‖² / (l - k)` for every `k < l`: `8 l D` bytes.
///
/// When the buffer is full, one thin SVD shrinks all squared singular values by the `l+1`-th and frees half the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrequentDirections {
    kept: usize,
    buffer: Array2<f32>,
    filled: usize,
    total: f64,
    lost: f64,
}

impl FrequentDirections {
    /// An empty sketch that keeps `kept` (`l`) of `width` directions.
    ///
    /// # Errors
    /// `InvalidArgument` unless `1 <= kept <= width`.
    pub fn new(width: usize, kept: usize) -> Result<Self> {
        if kept == 0 || kept > width {
            crate::bail!(InvalidArgument, "a sketch of {kept} of {width} directions; choose 1 to {width}");
        }
        Ok(Self { kept, buffer: Array2::zeros((2 * kept, width)), filled: 0, total: 0.0, lost: 0.0 })
    }

    /// Adds `rows: [n, D]`.
    ///
    /// # Errors
    /// `Shape` on another width, `Numeric` on NaN or infinity; the sketch is then unchanged.
    pub fn push_rows(&mut self, rows: ArrayView2<'_, f32>) -> Result<()> {
        if rows.ncols() != self.width() {
            crate::bail!(Shape, "rows of width {} for a sketch of width {}", rows.ncols(), self.width());
        }
        if !rows.iter().all(|x| x.is_finite()) {
            crate::bail!(Numeric, "a row for the sketch is not finite; drop the sample it came from");
        }
        for row in rows.rows() {
            if self.filled == self.buffer.nrows() {
                self.shrink()?;
            }
            self.buffer.row_mut(self.filled).assign(&row);
            self.filled += 1;
            self.total += row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        }
        Ok(())
    }

    /// Halves the buffer.
    fn shrink(&mut self) -> Result<()> {
        let svd = svd_thin(self.buffer.mapv(f64::from).view())?;
        let floor = svd.values.get(self.kept).map_or(0.0, |s| s * s);
        self.buffer.fill(0.0);
        for (i, (s, direction)) in svd.values.iter().zip(svd.vt.rows()).take(self.kept).enumerate() {
            let scale = (s * s - floor).max(0.0).sqrt();
            self.buffer.row_mut(i).assign(&direction.mapv(|v| (v * scale) as f32));
        }
        self.filled = self.kept.min(svd.values.len());
        self.lost += floor;
        Ok(())
    }

    /// At most this much energy is missing from any direction.
    pub fn lost(&self) -> f64 {
        self.lost
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * self.buffer.len()
    }
}

impl Energy for FrequentDirections {
    fn width(&self) -> usize {
        self.buffer.ncols()
    }

    /// The exact energy of all rows pushed, so that captured shares are lower bounds.
    fn total(&self) -> f64 {
        self.total
    }

    fn moment(&self) -> Array2<f64> {
        let rows = self.buffer.slice(s![..self.filled, ..]).mapv(f64::from);
        let empty = || Array2::zeros((self.width(), self.width()));
        matmul(rows.t(), rows.view()).unwrap_or_else(|_| empty())
    }
}
