//! Random matrices that a state keeps as one seed.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Number of the generator behind [`gaussian`]: 1 is ChaCha8 with rand_distr's f64 ziggurat, row by row. States store a
/// seed and this number; a later release that draws differently changes it, so that an old state is refused and not
/// silently misread.
pub const GAUSSIAN: u16 = 1;

/// `[rows, cols]` of independent N(0, 1): ChaCha8 seeded by `seed` (`SeedableRng::seed_from_u64`), drawn in f64 row
/// after row and rounded to f32. The same on every platform.
pub fn gaussian(seed: u64, rows: usize, cols: usize) -> Array2<f32> {
    Gaussian::new(seed).rows(rows, cols)
}

/// [`gaussian`] a block of rows at a time.
#[derive(Clone, Debug)]
pub struct Gaussian(ChaCha8Rng);

impl Gaussian {
    /// Before the first row.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The next `[rows, cols]`.
    pub fn rows(&mut self, rows: usize, cols: usize) -> Array2<f32> {
        Array2::from_shape_simple_fn((rows, cols), || self.0.sample::<f64, _>(StandardNormal) as f32)
    }
}
