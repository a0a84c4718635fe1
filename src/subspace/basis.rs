//! The protected subspace of one site.

use alloc::vec::Vec;

use half::f16;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, LinalgScalar, concatenate};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::energy::{Captured, Energy, Extension};
use super::stored::Stored;
use crate::error::Result;
use crate::linalg::{complement, eigh, gaussian, qr};

/// Eigenvalues below this share of the total energy are rounding, not directions.
const RANK_FLOOR: f64 = 1e-10;
/// How far below the asked share counts as reached: f16 columns capture this much less than exact ones.
const SLACK: f64 = 1e-6;

/// Which side of the split the rows of a [`Basis`] span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The rows are protected: projecting removes them.
    Protected,
    /// The rows are what is free: projecting keeps them.
    Free,
}

/// An orthonormal basis of the directions to protect, in a feature space of width `D`.
///
/// Held as rows (`Uᵀ`, `[k, D]`); past `D / 2` the complement is held instead, so there are never more than `D / 2`
/// rows. Every number is exactly an f16, in memory as on the medium: a restored basis is the basis.
///
/// ```
/// # use perennial::subspace::{Basis, SecondMoment};
/// # use ndarray::array;
/// let mut inputs = SecondMoment::new(4);
/// inputs.push_rows(array![[3.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]].view())?;
/// let mut basis = Basis::new(4);
/// assert_eq!(basis.extend(&inputs, 0.95)?.added, 1);
/// let mut delta = array![[1.0, 2.0, 3.0, 4.0]];
/// basis.project(delta.view_mut())?;
/// assert_eq!(delta, array![[0.0, 2.0, 3.0, 4.0]]);
/// # Ok::<(), perennial::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Basis {
    pub(super) rows: Array2<f32>,
    pub(super) side: Side,
}

impl Basis {
    /// Nothing protected, in width `D`.
    pub fn new(width: usize) -> Self {
        Self { rows: Array2::zeros((0, width)), side: Side::Protected }
    }

    /// Width `D` of the feature space.
    pub fn width(&self) -> usize {
        self.rows.ncols()
    }

    /// Number of protected directions.
    pub fn protected(&self) -> usize {
        match self.side {
            Side::Protected => self.rows.nrows(),
            Side::Free => self.width() - self.rows.nrows(),
        }
    }

    /// Number of directions that updates may still use.
    pub fn free(&self) -> usize {
        self.width() - self.protected()
    }

    /// Whether the complement is what is held.
    pub fn is_complement(&self) -> bool {
        self.side == Side::Free
    }

    /// Bytes at rest: two for each number held.
    pub fn bytes(&self) -> usize {
        size_of::<f16>() * self.rows.len()
    }

    /// Bytes in memory, where the rows are f32.
    pub fn memory_bytes(&self) -> usize {
        size_of::<f32>() * self.rows.len()
    }

    /// Protects the leading directions of what `inputs` has beyond this basis, until the captured share of its energy
    /// reaches `energy`. The same inputs a second time add nothing.
    ///
    /// # Errors
    /// `Shape` on another width, `InvalidArgument` unless `0 <= energy <= 1`, `Numeric` when the moment is not finite;
    /// the basis is then unchanged.
    pub fn extend(&mut self, inputs: &impl Energy, energy: f64) -> Result<Extension> {
        let (grown, extension) = self.extended(inputs, energy)?;
        *self = grown.rounded();
        Ok(extension)
    }

    /// [`Basis::extend`] before the rounding to f16.
    fn extended(&self, inputs: &impl Energy, energy: f64) -> Result<(Self, Extension)> {
        if inputs.width() != self.width() {
            crate::bail!(Shape, "inputs of width {} for a basis of width {}", inputs.width(), self.width());
        }
        if !(0.0..=1.0).contains(&energy) {
            crate::bail!(InvalidArgument, "an energy share of {energy}; choose one in 0..=1, such as 0.95");
        }
        let (moment, total) = (inputs.moment(), inputs.total());
        let before = self.captured(&moment, total);
        let directions = self.missing(&moment, total, before.sigma2, energy)?;
        let grown = self.with_directions(directions.view())?;
        let after = grown.captured(&moment, total);
        let added = grown.protected() - self.protected();
        Ok((grown.clone(), Extension { added, protected: grown.protected(), before, after }))
    }

    /// The free directions, `[a, D]`, that lift the captured share from `captured` to `energy`.
    fn missing(&self, moment: &Array2<f64>, total: f64, captured: f64, energy: f64) -> Result<Array2<f64>> {
        let mut reached = captured;
        if total <= 0.0 || reached + SLACK >= energy {
            return Ok(Array2::zeros((0, self.width())));
        }
        let residual = eigh(self.free_part(moment).view())?;
        let mut count = 0;
        for &value in residual.values.iter().take(self.free()) {
            if reached >= energy || value <= RANK_FLOOR * total {
                break;
            }
            reached += value / total;
            count += 1;
        }
        Ok(residual.vectors.t().slice_move(ndarray::s![..count, ..]).to_owned())
    }

    /// `(I - P) C (I - P)`.
    fn free_part(&self, moment: &Array2<f64>) -> Array2<f64> {
        let rows = self.rows.mapv(f64::from);
        let mut half = moment.clone();
        keep_free(&mut half.view_mut(), rows.view(), self.side);
        let mut residual = half.reversed_axes().as_standard_layout().to_owned();
        keep_free(&mut residual.view_mut(), rows.view(), self.side);
        residual
    }

    /// Share of the energy in `moment` that the protected directions hold.
    fn captured(&self, moment: &Array2<f64>, total: f64) -> Captured {
        let residual = self.free_part(moment);
        let mut cross = moment.clone();
        keep_free(&mut cross.view_mut(), self.rows.mapv(f64::from).view(), self.side);
        // P C P = C - (I-P)C - C(I-P) + (I-P)C(I-P)
        let inside = moment - &cross - cross.t() + &residual;
        let squared = |m: &Array2<f64>| m.iter().map(|x| x * x).sum::<f64>();
        let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 1.0 };
        Captured {
            sigma2: share(moment.diag().sum() - residual.diag().sum(), total),
            sigma4: share(squared(&inside), squared(moment)),
        }
    }

    /// This basis with orthonormal `directions: [a, D]` of its free space protected too.
    fn with_directions(&self, directions: ArrayView2<'_, f64>) -> Result<Self> {
        if directions.nrows() == 0 {
            return Ok(self.clone());
        }
        let held = self.rows.mapv(f64::from);
        let (rows, side) = match self.side {
            Side::Free => (remaining(held.view(), directions)?, Side::Free),
            Side::Protected => {
                let grown = appended(held, directions)?;
                match 2 * grown.nrows() > self.width() {
                    true => (complement(grown.t())?.reversed_axes(), Side::Free),
                    false => (grown, Side::Protected),
                }
            }
        };
        Ok(Self { rows: rows.as_standard_layout().mapv(|x| x as f32), side })
    }

    /// Every number rounded to f16.
    fn rounded(mut self) -> Self {
        self.rows.mapv_inplace(|x| f16::from_f32(x).to_f32());
        self
    }

    /// This basis with only `kept` of its directions: those in which `inputs: [n, D]` have most energy, and the share of the inputs'
    /// energy that is not protected any more. One that holds its complement cannot become smaller by protecting less.
    ///
    /// # Errors
    /// `Shape` on another width.
    pub fn strongest(&self, inputs: ArrayView2<'_, f32>, kept: usize) -> Result<(Self, f64)> {
        if inputs.ncols() != self.width() {
            crate::bail!(Shape, "inputs of width {} for a basis of width {}", inputs.ncols(), self.width());
        }
        if self.side == Side::Free || kept >= self.rows.nrows() {
            return Ok((self.clone(), 0.0));
        }
        let square = |m: &Array2<f32>| m.mapv(|x| f64::from(x).powi(2));
        let along = square(&inputs.dot(&self.rows.t())).sum_axis(Axis(0));
        let mut order: Vec<usize> = (0..along.len()).collect();
        order.sort_by(|&i, &j| along[j].total_cmp(&along[i]));
        let lost: f64 = order[kept..].iter().map(|&i| along[i]).sum();
        // Directions keep the order in which they came.
        let mut order = order[..kept].to_vec();
        order.sort_unstable();
        let total = square(&inputs.to_owned()).sum();
        let share = if total > 0.0 { lost / total } else { 0.0 };
        Ok((Self { rows: self.rows.select(Axis(0), &order), side: self.side }, share))
    }

    /// Moves the rows of `m: [r, D]` into the free space, in place: `4 r D k` multiply-adds at most.
    ///
    /// # Errors
    /// `Shape` on another width.
    pub fn project(&self, mut m: ArrayViewMut2<'_, f32>) -> Result<()> {
        if m.ncols() != self.width() {
            crate::bail!(
                Shape,
                "projecting rows of width {} with a basis of width {}",
                m.ncols(),
                self.width()
            );
        }
        keep_free(&mut m, self.rows.view(), self.side);
        Ok(())
    }

    /// `[r, D]` random rows of the free space, each of length `1/sqrt(3)`, which is what Kaiming-uniform rows (the
    /// usual start of a LoRA `A`) have on average.
    ///
    /// # Errors
    /// `State` when nothing is free.
    pub fn sample_free(&self, seed: u64, r: usize) -> Result<Array2<f32>> {
        if self.free() == 0 {
            crate::bail!(State, "all {} directions are protected; lower the energy threshold", self.width());
        }
        let mut rows = gaussian(seed, r, self.width());
        self.project(rows.view_mut())?;
        for mut row in rows.rows_mut() {
            let norm = row.dot(&row).sqrt().max(f32::MIN_POSITIVE);
            row.mapv_inplace(|x| x / (norm * 3.0_f32.sqrt()));
        }
        Ok(rows)
    }
}

/// `m <- m (I - P)`. Twice on the protected side: with rows that are orthonormal to `e` only, what one pass leaves
/// behind is of order `e`, what two leave is of order `e²`.
fn keep_free<T: LinalgScalar>(m: &mut ArrayViewMut2<'_, T>, rows: ArrayView2<'_, T>, side: Side) {
    match side {
        Side::Free => m.assign(&m.dot(&rows.t()).dot(&rows)),
        Side::Protected if rows.nrows() == 0 => {}
        Side::Protected => {
            for _ in 0..2 {
                let inside = m.dot(&rows.t()).dot(&rows);
                m.zip_mut_with(&inside, |x, &y| *x = *x - y);
            }
        }
    }
}

/// `held` and, below it, `directions` made orthonormal to it and to each other (Gram-Schmidt, two passes).
fn appended(held: Array2<f64>, directions: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let mut fresh = directions.to_owned();
    keep_free(&mut fresh.view_mut(), held.view(), Side::Protected);
    let fresh = qr(fresh.t())?.reversed_axes();
    concatenate(Axis(0), &[held.view(), fresh.view()])
        .map_err(|e| crate::err!(Bug, "appending directions: {e}"))
}

/// What is left of the free rows `held` when `directions` of their span are taken away.
fn remaining(held: ArrayView2<'_, f64>, directions: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let coordinates = held.dot(&directions.t());
    let left = complement(coordinates.view())?.reversed_axes().dot(&held);
    Ok(qr(left.t())?.reversed_axes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subspace::SecondMoment;

    /// `n` rows with a few strong directions and a weak floor.
    fn inputs(seed: u64, n: usize, width: usize, rank: usize) -> SecondMoment {
        let strong = gaussian(seed, n, rank).dot(&gaussian(seed + 1, rank, width));
        let mut moment = SecondMoment::new(width);
        moment.push_rows((strong + gaussian(seed + 2, n, width) * 0.02).view()).unwrap();
        moment
    }

    /// Past D/2 the complement is held; it must project as the protected rows did.
    #[test]
    fn complement_projects_like_the_plain_basis() {
        let (width, first) = (48, inputs(1, 200, 48, 20));
        let mut plain = Basis::new(width).extended(&first, 0.99).unwrap().0;
        assert!(!plain.is_complement(), "{} directions", plain.protected());
        let (flipped, extension) = plain.extended(&inputs(9, 200, width, 18), 0.99).unwrap();
        assert!(flipped.is_complement() && extension.protected > width / 2);

        // The same directions, held plainly.
        let free = flipped.rows.mapv(f64::from);
        plain = Basis {
            rows: complement(free.t()).unwrap().reversed_axes().as_standard_layout().mapv(|x| x as f32),
            side: Side::Protected,
        };
        let (mut a, mut b) = (gaussian(5, 16, width), gaussian(5, 16, width));
        flipped.project(a.view_mut()).unwrap();
        plain.project(b.view_mut()).unwrap();
        let worst = (&a - &b).iter().fold(0.0_f32, |w, x| w.max(x.abs()));
        assert!(worst < 1e-5, "{worst}");

        // A third task: taking directions from the free rows equals adding them to the protected ones.
        let third = inputs(17, 200, width, 5);
        let (from_free, _) = flipped.extended(&third, 0.999).unwrap();
        let (from_plain, _) = plain.extended(&third, 0.999).unwrap();
        assert_eq!(from_free.protected(), from_plain.protected());
        from_free.project(a.view_mut()).unwrap();
        from_plain.project(b.view_mut()).unwrap();
        let worst = (&a - &b).iter().fold(0.0_f32, |w, x| w.max(x.abs()));
        assert!(worst < 1e-5, "{worst}");
    }
}
