//! What the machine can do: single-precision matrix products, one a thread.

use std::time::Instant;

use ndarray::Array2;

use crate::error::Result;
use crate::linalg::matmul;

/// Side of the squares that are multiplied; three of them fit a core's second-level cache or nearly.
const SIDE: usize = 512;

/// Rounds; the best one counts, because a peak is what the machine does undisturbed.
const ROUNDS: usize = 5;

/// Products of one round.
const PRODUCTS: usize = 16;

/// GFLOP/s of faer's sgemm on squares of 512, `threads` of them beside each other.
///
/// faer's kernels are in this program anyway. An engine with better ones can come above it.
///
/// # Errors
/// As [`matmul`].
pub fn sgemm_peak(threads: usize) -> Result<f64> {
    let threads = threads.max(1);
    let mut best = 0.0f64;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let products = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .map(|w| w.join().unwrap_or_else(|_| Err(crate::err!(Bug, "a thread panicked"))))
                .sum::<Result<usize>>()
        })?;
        let flop = 2.0 * (products * SIDE * SIDE * SIDE) as f64;
        best = best.max(flop / start.elapsed().as_secs_f64() / 1e9);
    }
    Ok(best)
}

/// Multiplies, and says how often.
fn work() -> Result<usize> {
    let a = Array2::from_shape_fn((SIDE, SIDE), |(i, j)| ((i + 3 * j) % 7) as f32);
    for _ in 0..PRODUCTS {
        std::hint::black_box(matmul(a.view(), a.view())?);
    }
    Ok(PRODUCTS)
}
