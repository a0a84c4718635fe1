//! One LoRA pair on the host.

use alloc::vec::Vec;

use half::f16;
use ndarray::{Array1, Array2, Axis, concatenate, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::linalg::{self, from_halves, to_halves};

/// `A [rank, in]` and `B [out, rank]`. Stored in f16.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Reads the input.
    pub a: Array2<f32>,
    /// Writes the output.
    pub b: Array2<f32>,
}

impl Pair {
    /// All zeros.
    pub fn zeros(rank: usize, inputs: usize, outputs: usize) -> Self {
        Self { a: Array2::zeros((rank, inputs)), b: Array2::zeros((outputs, rank)) }
    }

    /// Number of rank-1 terms.
    pub fn rank(&self) -> usize {
        self.a.nrows()
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        (self.a.len() + self.b.len()) * size_of::<f16>()
    }

    /// Rounds to what f16 can hold, so that stored and live state are the same numbers.
    pub fn round(&mut self) {
        for x in self.a.iter_mut().chain(&mut self.b) {
            *x = f16::from_f32(*x).to_f32();
        }
    }

    /// The sum of both products: ranks add up, factors are never averaged.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where the widths differ.
    pub fn join(&self, other: &Self) -> Result<Self> {
        let a = concatenate(Axis(0), &[self.a.view(), other.a.view()]);
        let b = concatenate(Axis(1), &[self.b.view(), other.b.view()]);
        match (a, b) {
            // Joined columns lie column by column; in memory order a sum over them would differ from that of a restored pair.
            (Ok(a), Ok(b)) => Ok(Self { a, b: b.as_standard_layout().into_owned() }),
            _ => Err(crate::err!(Bug, "adapters of different widths were joined")),
        }
    }

    /// The best approximation of `B A` of at most `rank`, and the share of its energy (squared Frobenius norm)
    /// that was given up.
    ///
    /// QR of both factors, then an SVD of the small core, so no `out x in` matrix is made (methods A.7).
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where the factorization fails.
    pub fn compress(&self, rank: usize) -> Result<(Self, f64)> {
        if self.rank() <= rank {
            return Ok((self.clone(), 0.0));
        }
        let (b, a) = (self.b.mapv(f64::from), self.a.t().mapv(f64::from));
        let (qb, qa) = (linalg::qr(b.view())?, linalg::qr(a.view())?);
        let core = qb.t().dot(&b).dot(&qa.t().dot(&a).t());
        let core = linalg::svd_thin(core.view())?;
        let energy = |from: usize| core.values.iter().skip(from).map(|s| s * s).sum::<f64>();
        let (total, lost) = (energy(0), energy(rank));
        let root: Array1<f64> = core.values.iter().take(rank).map(|s| s.sqrt()).collect();
        let left = qb.dot(&(&core.u.slice(s![.., ..rank]) * &root));
        let right = qa.dot(&(&core.vt.t().slice(s![.., ..rank]) * &root));
        let pair = Self { a: right.t().mapv(|x| x as f32), b: left.mapv(|x| x as f32) };
        Ok((pair, if total > 0.0 { lost / total } else { 0.0 }))
    }
}

/// The bytes of a pair: its three widths and both factors in f16, row-major.
#[derive(Serialize, Deserialize)]
struct Stored {
    rank: usize,
    inputs: usize,
    outputs: usize,
    a: Vec<u8>,
    b: Vec<u8>,
}

fn halves(m: &Array2<f32>) -> Vec<u8> {
    to_halves(m.iter().map(|&x| f64::from(x)))
}

fn floats(bytes: &[u8], rows: usize, columns: usize) -> Option<Array2<f32>> {
    Array2::from_shape_vec((rows, columns), from_halves(bytes).collect()).ok()
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (rank, inputs, outputs) = (self.rank(), self.a.ncols(), self.b.nrows());
        Stored { rank, inputs, outputs, a: halves(&self.a), b: halves(&self.b) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { rank, inputs, outputs, a, b } = Stored::deserialize(deserializer)?;
        match (floats(&a, rank, inputs), floats(&b, outputs, rank)) {
            (Some(a), Some(b)) => Ok(Self { a, b }),
            _ => Err(serde::de::Error::custom("an adapter whose length does not match its widths")),
        }
    }
}
