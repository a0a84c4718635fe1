//! The map from features to the inputs of a ridge.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::linalg::{GAUSSIAN, Gaussian, gaussian, matmul};

/// How features `h: [n, E]` become ridge inputs `phi: [n, M]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lift {
    /// `phi = [h, 1]`, `M = E + 1`.
    Identity,
    /// `phi = relu(h W)` with `W: [E, M]` of N(0, 1): pairwise interactions of features at a fixed width. Made by
    /// [`Lift::random_relu`]; a state keeps the seed, not `W`.
    RandomRelu {
        /// Number of random features `M`; accuracy grows with it, memory with its square.
        width: u32,
        /// Seed of `W`.
        seed: u64,
        /// The generator that `W` was drawn with.
        generator: u16,
    },
    /// The first columns of a `W` that was drawn with more: what is left of [`Lift::RandomRelu`] when memory is short.
    FewerRandomRelu {
        /// Number of random features `M`.
        width: u32,
        /// Columns that were drawn.
        drawn: u32,
        /// Seed of all of them.
        seed: u64,
        /// The generator that they were drawn with.
        generator: u16,
    },
}

impl Lift {
    /// `width` random features of this build's generator.
    pub fn random_relu(width: u32, seed: u64) -> Self {
        Self::RandomRelu { width, seed, generator: GAUSSIAN }
    }

    /// `M` for features of width `E`.
    pub fn width(self, features: usize) -> usize {
        match self {
            Self::Identity => features + 1,
            Self::RandomRelu { width, .. } | Self::FewerRandomRelu { width, .. } => width as usize,
        }
    }

    /// Random features of which some were given up; `None` where there are none to give up.
    pub(super) fn fewer(self, columns: usize) -> Option<Self> {
        let fewer = u32::try_from(columns).ok()?;
        match self {
            Self::RandomRelu { width: drawn, seed, generator } if fewer < drawn => {
                Some(Self::FewerRandomRelu { width: fewer, drawn, seed, generator })
            }
            Self::FewerRandomRelu { width, drawn, seed, generator } if fewer < width => {
                Some(Self::FewerRandomRelu { width: fewer, drawn, seed, generator })
            }
            _ => None,
        }
    }

    /// Whether one that was read draws no more than `most` columns, and keeps no more than it draws.
    pub(super) fn fits(self, most: usize) -> bool {
        match self {
            Self::Identity => true,
            Self::RandomRelu { width, .. } => width as usize <= most,
            Self::FewerRandomRelu { width, drawn, .. } => width <= drawn && drawn as usize <= most,
        }
    }

    /// `W` for features of width `E`; empty where there is none.
    ///
    /// # Errors
    /// `Mismatch` when the state was made with another generator.
    pub(super) fn draw(self, features: usize) -> Result<Array2<f32>> {
        match self {
            Self::Identity => Ok(Array2::zeros((0, 0))),
            Self::RandomRelu { width, seed, generator: GAUSSIAN } => {
                Ok(gaussian(seed, features, width as usize))
            }
            Self::FewerRandomRelu { width, drawn, seed, generator: GAUSSIAN } => {
                let mut generator = Gaussian::new(seed);
                let mut random = Array2::zeros((features, width as usize));
                for mut row in random.rows_mut() {
                    row.assign(&generator.rows(1, drawn as usize).slice(s![0, ..width as usize]));
                }
                Ok(random)
            }
            Self::RandomRelu { generator, .. } | Self::FewerRandomRelu { generator, .. } => crate::bail!(
                Mismatch,
                "random features of generator {generator}, this build draws {GAUSSIAN}; relearn the head"
            ),
        }
    }

    /// `phi: [n, M]`.
    pub(super) fn apply(
        self,
        features: ArrayView2<'_, f32>,
        random: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>> {
        match self {
            Self::Identity => {
                let ones = Array2::ones((features.nrows(), 1));
                concatenate(Axis(1), &[features.view(), ones.view()])
                    .map_err(|e| crate::err!(Bug, "appending the bias column: {e}"))
            }
            Self::RandomRelu { .. } | Self::FewerRandomRelu { .. } => {
                let mut phi = matmul(features, random)?;
                phi.mapv_inplace(|x| x.max(0.0));
                Ok(phi)
            }
        }
    }
}
