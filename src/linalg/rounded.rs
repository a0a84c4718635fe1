//! A Gram sum that rests in half the memory.

use alloc::vec::Vec;

use half::f16;
use ndarray::ArrayView2;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{PackedGram, from_halves, to_halves};
use crate::error::Result;

/// [`PackedGram`] whose *mean* over the rows is rounded to f16 when it is settled, and stored so.
///
/// Sums are f32 while rows come. f16 has eleven bits: of rows whose mean was
/// taken out, what is lost is below what shrinkage or a ridge adds to the diagonal.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundedGram {
    gram: PackedGram<f32>,
    rows: u64,
}

impl RoundedGram {
    /// The empty sum for rows of `width`.
    pub fn new(width: usize) -> Self {
        Self { gram: PackedGram::new(width), rows: 0 }
    }

    /// The sum.
    pub fn gram(&self) -> &PackedGram<f32> {
        &self.gram
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds another sum of the same width.
    ///
    /// # Errors
    /// As [`PackedGram::merge`].
    pub fn absorb(&mut self, other: &Self) -> Result<()> {
        self.gram.merge(&other.gram)?;
        self.rows = self.rows.saturating_add(other.rows);
        Ok(())
    }

    /// As [`PackedGram::leading`].
    pub fn leading(&self, width: usize) -> Self {
        Self { gram: self.gram.leading(width), rows: self.rows }
    }

    /// Adds the outer products of `rows: [n, M]`.
    ///
    /// # Errors
    /// As [`PackedGram::add_rows`].
    pub fn add_rows(&mut self, rows: ArrayView2<'_, f32>) -> Result<()> {
        self.gram.add_rows(rows, 1.0)?;
        self.rows += rows.nrows() as u64;
        Ok(())
    }

    /// Rounds, so that stored and live state are the same numbers. Settling twice is settling once.
    pub fn settle(&mut self) {
        let n = self.count();
        self.gram.packed.iter_mut().for_each(|x| *x = f16::from_f32(*x / n).to_f32() * n);
    }

    fn count(&self) -> f32 {
        self.rows.max(1) as f32
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        size_of::<f16>() * self.gram.packed.len() + size_of::<u64>()
    }
}

/// Width, rows, and the mean in f16.
#[derive(Serialize, Deserialize)]
struct Stored {
    width: usize,
    rows: u64,
    mean: Vec<u8>,
}

impl Serialize for RoundedGram {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let mean = to_halves(self.gram.packed.iter().map(|x| f64::from(x / self.count())));
        Stored { width: self.gram.width, rows: self.rows, mean }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RoundedGram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        let Stored { width, rows, mean } = Stored::deserialize(deserializer)?;
        let count = rows.max(1) as f32;
        let packed = from_halves(&mean).map(|x| x * count).collect();
        let gram = PackedGram { width, packed };
        gram.check().map_err(de::Error::custom)?;
        Ok(Self { gram, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gaussian;

    #[test]
    fn what_was_settled_is_stored_bit_by_bit_and_near_the_sum() -> Result<()> {
        let (mut rounded, mut exact) = (RoundedGram::new(20), PackedGram::<f32>::new(20));
        for seed in 0..12 {
            let rows = gaussian(seed, 37, 20);
            rounded.add_rows(rows.view())?;
            exact.add_rows(rows.view(), 1.0)?;
            rounded.settle();
        }
        let once = rounded.clone();
        rounded.settle();
        assert_eq!(rounded, once);
        let again: RoundedGram = postcard::from_bytes(&postcard::to_allocvec(&rounded).unwrap_or_default())
            .map_err(|e| crate::err!(Bug, "{e}"))?;
        assert_eq!(again, rounded);
        let scale = exact.trace() / 20.0;
        let off = (rounded.gram().dense() - exact.dense()).iter().fold(0.0f64, |a, x| a.max(x.abs()));
        assert!(off < 2e-3 * scale && off > 0.0, "{off} of {scale}");
        Ok(())
    }
}
