//! What is left of a sum of outer products when a group of rows is taken out of it.
//!
//! ```text
//! W = sum (x - m)(x - m)'  over n rows with mean m;   without g of them, the rows of V being x - m:
//! W - V' K V,   K = 1 + 1 1' / (n - g)                (their mean moves, too)
//!
//! (S - a V' K V)^-1 = S^-1 + S^-1 V' B diag(a / (1 - h)) B' V S^-1,   K = L L, a L V S^-1 V' L = E diag(h) E', B = L E
//! ```
//!
//! A picture that was learned in several crops leaves with all of them: a window of it in the statistics would vouch for it.
//! Of a single row this is the Sherman-Morrison formula.
//!
//! What it does not do: hold anything. The caller gives products under `S^-1`, never `S`.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use crate::error::Result;
use crate::linalg::eigh;

/// What the inverse of a matrix gains when a group of rows leaves it.
pub(super) struct Leaving {
    /// `B`.
    basis: Array2<f64>,
    /// `a / (1 - h)`.
    factors: Array1<f64>,
}

/// `1 / n`, and 0 of nothing.
fn inverse(n: f64) -> f64 {
    if n > 0.0 { 1.0 / n } else { 0.0 }
}

impl Leaving {
    /// From `V S^-1 V'` of the rows that leave, `a`, and the `n - g` rows that stay. With a negative `a` they come in.
    pub(super) fn new(inner: ArrayView2<'_, f64>, amount: f64, stay: f64) -> Result<Self> {
        let g = inner.nrows();
        // The square root of K.
        let ones = ((1.0 + g as f64 * inverse(stay)).sqrt() - 1.0) / g as f64;
        let mut root = Array2::from_elem((g, g), ones);
        root.diag_mut().mapv_inplace(|x| x + 1.0);
        let found = eigh(root.dot(&inner).dot(&root).view())?;
        // Exact sums keep `a h` below 1; rounded ones may not.
        let factor = |h: &f64| amount / (1.0 - amount * h).max(f64::EPSILON);
        Ok(Self { basis: root.dot(&found.vectors), factors: found.values.iter().map(factor).collect() })
    }

    /// What `y' S^-1 z` gains, from `V S^-1 y` and `V S^-1 z`.
    pub(super) fn gains(&self, y: ArrayView1<'_, f64>, z: ArrayView1<'_, f64>) -> f64 {
        (y.dot(&self.basis) * z.dot(&self.basis)).dot(&self.factors)
    }
}

/// Squared distance under `S^-1` from the first row of `V` to the mean of those that stay, from `V S^-1 V'`.
pub(super) fn to_rest(inner: ArrayView2<'_, f64>, leaving: &Leaving, stay: f64) -> f64 {
    // The row less that mean is a sum of rows of V.
    let mut weights = Array1::from_elem(inner.nrows(), inverse(stay));
    weights[0] += 1.0;
    let along = inner.dot(&weights);
    weights.dot(&along) + leaving.gains(along.view(), along.view())
}

/// A group in the spread of everything: how it lies in `T = S + B`, where `B` is how the means lie about the mean of all.
pub(super) struct Everything {
    /// Rows in all.
    pub(super) total: f64,
    /// Rows that stay of the group's own mean.
    pub(super) stay: f64,
    /// What a row of the scatter counts in `S`.
    pub(super) share: f64,
}

impl Everything {
    /// Squared distance of the first row to the mean of all rows that stay, under what is left of `T`; from the products `P T^-1 P'`
    /// of the group's rows less the mean of all, and below them the same rows less their own.
    ///
    /// But for its scale `T` becomes `T + (1 / N - share) V' K V - U' K_N U / N`.
    pub(super) fn square(&self, products: &Array2<f64>) -> Result<f64> {
        let g = products.nrows() / 2;
        let (all, own) = (s![..g, ..g], s![g.., g..]);
        let inside = Leaving::new(products.slice(own), self.share - 1.0 / self.total, self.stay)?;
        let mut from_all = products.slice(all).to_owned();
        for ((a, b), x) in from_all.indexed_iter_mut() {
            *x += inside.gains(products.slice(s![a, g..]), products.slice(s![b, g..]));
        }
        let stay = (self.total - g as f64).max(0.0);
        let leaving = Leaving::new(from_all.view(), 1.0 / self.total, stay)?;
        Ok(fewer(self.total, g as f64) * to_rest(from_all.view(), &leaving, stay))
    }
}

/// What so many rows less do to the inverse of a mean of squares.
pub(super) fn fewer(n: f64, rows: f64) -> f64 {
    (n - rows).max(1.0) / n
}
