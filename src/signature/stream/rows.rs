//! A bounded buffer of features and, where known, their labels.
//!
//! Features are held in halves, as they are stored, so that a segmenter that was read back sees what the stored one saw.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::{Error, Result};
use crate::linalg::{from_halves, to_halves};

/// At most `limit` rows; the oldest goes when another comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub(super) struct Rows {
    width: u32,
    halves: Vec<u8>,
    labels: Vec<Option<u32>>,
}

/// What is read, before it is believed.
#[derive(Deserialize)]
struct Stored {
    width: u32,
    halves: Vec<u8>,
    labels: Vec<Option<u32>>,
}

impl TryFrom<Stored> for Rows {
    type Error = Error;

    fn try_from(s: Stored) -> Result<Self> {
        let (width, n) = (s.width as usize, s.labels.len());
        if width.checked_mul(n).and_then(|v| v.checked_mul(2)) != Some(s.halves.len()) {
            bail!(Corrupt, "{n} stored rows of {width} take {} bytes; restore a copy", s.halves.len());
        }
        Ok(Self { width: s.width, halves: s.halves, labels: s.labels })
    }
}

impl Rows {
    pub fn new(width: usize) -> Self {
        Self { width: u32::try_from(width).unwrap_or(u32::MAX), halves: Vec::new(), labels: Vec::new() }
    }

    pub fn width(&self) -> usize {
        self.width as usize
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn bytes(&self) -> usize {
        self.halves.len() + size_of::<Option<u32>>() * self.labels.len()
    }

    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// Adds a row, as it will be read back.
    pub fn push(&mut self, feature: ArrayView1<f32>, label: Option<u32>, limit: usize) {
        self.halves.extend(to_halves(feature.iter().map(|&v| f64::from(v))));
        self.labels.push(label);
        self.keep_last(limit);
    }

    fn keep_last(&mut self, limit: usize) {
        let surplus = self.len().saturating_sub(limit.max(1));
        self.halves.drain(..2 * surplus * self.width as usize);
        self.labels.drain(..surplus);
    }

    /// Moves rows of `other` here until there are `limit`, and drops the rest of `other`.
    pub fn take(&mut self, other: &mut Self, limit: usize) {
        let room = limit.saturating_sub(self.len()).min(other.len());
        self.halves.extend(&other.halves[..2 * room * other.width as usize]);
        self.labels.extend(&other.labels[..room]);
        *other = Self::new(other.width as usize);
    }

    /// All rows, `[n, width]`.
    pub fn features(&self) -> Array2<f32> {
        let values: Vec<f32> = from_halves(&self.halves).collect();
        let width = self.width as usize;
        Array2::from_shape_fn((self.len(), width), |(i, j)| values[i * width + j])
    }

    /// The last row, `[1, width]`.
    pub fn last(&self) -> Array2<f32> {
        let start = self.halves.len().saturating_sub(2 * self.width as usize);
        let values: Vec<f32> = from_halves(&self.halves[start..]).collect();
        Array2::from_shape_fn((1, values.len()), |(_, j)| values[j])
    }
}
