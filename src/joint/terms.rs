//! What the terms of an objective over two branches weigh; a strategy decides it.

/// Weights of the terms, and which of them are as released.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// `eta`.
    pub dissimilarity: f32,
    /// `nu`.
    pub orthogonality: f32,
    /// `lambda`.
    pub anchor: f32,
    /// `tau`.
    pub temperature: f32,
    /// The sign and the pairs of the released dissimilarity.
    pub contrast: bool,
    /// The released orthogonality: a signed sum outside the subspace.
    pub residual: bool,
}
