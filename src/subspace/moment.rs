//! The exact second moment of a site's inputs.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::Energy;
use crate::error::Result;
use crate::linalg::PackedGram;

/// Rows folded in at a time: the f64 copy of a block stays small.
const BLOCK: usize = 512;

/// `Σ x xᵀ`, `Σ x` and the row count, in f64: `4 D (D + 1)` bytes and a little.
///
/// Raw by default; [`SecondMoment::centred`] takes the mean out of [`Energy::moment`], which matters after
/// LayerNorm, where one mean direction can hold most of the energy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondMoment {
    gram: PackedGram<f64>,
    sum: Array1<f64>,
    rows: u64,
    centred: bool,
}

impl SecondMoment {
    /// No rows yet, of width `D`.
    pub fn new(width: usize) -> Self {
        Self { gram: PackedGram::new(width), sum: Array1::zeros(width), rows: 0, centred: false }
    }

    /// The same sums, read with the mean taken out.
    #[must_use]
    pub fn centred(mut self) -> Self {
        self.centred = true;
        self
    }

    /// Adds `rows: [n, D]`.
    ///
    /// # Errors
    /// `Shape` on another width, `Numeric` on NaN or infinity; the sums are then unchanged.
    pub fn push_rows(&mut self, rows: ArrayView2<'_, f32>) -> Result<()> {
        if !rows.iter().all(|x| x.is_finite()) {
            crate::bail!(Numeric, "a row for the second moment is not finite; drop the sample it came from");
        }
        for block in rows.axis_chunks_iter(Axis(0), BLOCK) {
            let block = block.mapv(f64::from);
            self.gram.add_rows(block.view(), 1.0)?;
            self.sum += &block.sum_axis(Axis(0));
            self.rows += block.nrows() as u64;
        }
        Ok(())
    }

    /// Adds what a graph computed itself: `gram = XᵀX: [D, D]` and `sum = Σ x` of `rows` rows.
    ///
    /// # Errors
    /// `Shape` on another width, `Numeric` on NaN or infinity.
    pub fn push_gram(&mut self, gram: ArrayView2<'_, f32>, sum: &[f32], rows: u64) -> Result<()> {
        if sum.len() != self.sum.len() || !sum.iter().all(|x| x.is_finite()) {
            crate::bail!(Shape, "a finite sum of width {} is needed beside the Gram matrix", self.sum.len());
        }
        self.gram.add_dense(gram)?;
        self.sum.iter_mut().zip(sum).for_each(|(a, &b)| *a += f64::from(b));
        self.rows += rows;
        Ok(())
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Mean row, `[D]`; zero before the first row.
    pub fn mean(&self) -> Array1<f64> {
        &self.sum / (self.rows.max(1) as f64)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.gram.bytes() + size_of::<f64>() * self.sum.len()
    }
}

impl Energy for SecondMoment {
    fn width(&self) -> usize {
        self.gram.width()
    }

    fn total(&self) -> f64 {
        let mean_share = if self.centred { self.sum.dot(&self.mean()) } else { 0.0 };
        self.gram.trace() - mean_share
    }

    fn moment(&self) -> Array2<f64> {
        let mut moment = self.gram.dense();
        if self.centred {
            let mean = self.mean();
            for (mut row, &s) in moment.rows_mut().into_iter().zip(&self.sum) {
                row.scaled_add(-s, &mean);
            }
        }
        moment
    }
}
