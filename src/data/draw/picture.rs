//! What a class looks like before the world gets at it: layers of inked shapes, and the hand that varies them.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::shape::Shape;

/// Role of a colour; [`super::scene`] picks the colours so that each can be told from the paper and from Main.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Main,
    Second,
    Accent,
    Dark,
    Light,
}

/// Layers from back to front, in a frame that spans -1..1.
pub(super) struct Picture {
    pub layers: Vec<(Ink, Shape)>,
    /// Largest turn either way, in degrees.
    pub turn: f32,
}

impl Picture {
    /// Without layers; may be turned by up to `turn` degrees either way.
    pub fn new(turn: f32) -> Self {
        Self { layers: Vec::new(), turn }
    }

    /// With one more layer in front.
    #[must_use]
    pub fn with(mut self, ink: Ink, shape: Shape) -> Self {
        self.layers.push((ink, shape));
        self
    }

    /// `pattern` in Main on Second over the whole frame and beyond it.
    pub fn texture(pattern: Shape, turn: f32) -> Self {
        Self::new(turn).with(Ink::Second, Shape::new(|_| -1.0)).with(Ink::Main, pattern)
    }

    /// Signed distance of the union of all layers.
    pub fn silhouette(&self, p: [f32; 2]) -> f32 {
        self.layers.iter().map(|(_, s)| s.distance(p)).fold(f32::MAX, f32::min)
    }
}

/// The random choices behind one picture, a function of theme, class, seed and index alone.
pub(super) struct Hand(ChaCha8Rng);

impl Hand {
    /// The stream of one picture.
    pub fn new(theme: u64, class: u64, seed: u64, index: u64) -> Self {
        let mut key = [0; 32];
        for (part, word) in key.chunks_exact_mut(8).zip([theme, class, seed, index]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `low..high`, from the top 24 bits of one word.
    pub fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.seed() >> 8) as f32 / (1 << 24) as f32
    }

    /// Within `share` of `x` either way.
    pub fn near(&mut self, x: f32, share: f32) -> f32 {
        x * self.within(1.0 - share, 1.0 + share)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.within(0.0, 1.0) < p
    }

    /// Uniform below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.within(0.0, 1.0) * n as f32) as usize).min(n.saturating_sub(1))
    }

    /// One word of the stream.
    pub fn seed(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Nearly normal, mean 0, variance 1: four bytes of one word summed.
    pub fn noise(&mut self) -> f32 {
        let sum: i32 = self.seed().to_le_bytes().iter().map(|&b| i32::from(b)).sum();
        (sum - 510) as f32 / 147.8
    }
}
