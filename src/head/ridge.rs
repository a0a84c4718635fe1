//! Regularised least squares on lifted features.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::gram::{Gram, Sum};
use super::sums::{ClassSums, Rest, check_observed, masked};
use super::{Head, Left, Lift, check_batch, check_width, unsolved};
use crate::error::Result;
use crate::linalg::{Cholesky, PackedGram, eigh, matmul};

/// Rows lifted and summed at a time: bounds the f64 copy of `phi`.
pub(super) const BLOCK: usize = 512;

/// Pictures held out at a time: bounds the same, and what solving gives of it.
pub(super) const ASKED: usize = 64;

/// `W = (G + λ I)⁻¹ Q` with `G = Σ phi phiᵀ` and `Q[:, c] = Σ phi` over the rows of class `c`; λ by generalised
/// cross-validation. With [`Lift::random_relu`] this is RanPAC's head, without its held-out split and 17 solves.
///
/// State: `2 M (M + 1)` bytes of `G` (8 MB at M = 2000) and `8 M C` of `Q`. [`Ridge::solve_bytes`] says what a solve
/// needs beside it. The sums are f32 and the solve is f64: f64 sums gave the same accuracy in five streams, while
/// λ cannot be chosen in f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    pub(super) lift: Lift,
    pub(super) features: u32,
    pub(super) gram: Gram,
    pub(super) classes: ClassSums,
    /// λ over the mean of the diagonal of `G`, where it is not chosen.
    pub(super) share: Option<f64>,
    /// λ of the last solve; `None` after the sums have changed.
    pub(super) lambda: Option<f64>,
    /// The random matrix, redrawn after decoding.
    #[serde(skip)]
    random: Option<Array2<f32>>,
    /// `W: [M, classes]`, and the classes without rows.
    #[serde(skip)]
    pub(super) weights: Option<(Array2<f32>, Vec<usize>)>,
}

/// The first row of `(I - H)⁻¹ (s - H y)` of the crops of a picture of class `own`, from their scores.
fn left_out(leverage: &Array2<f64>, fitted: &[ArrayView1<'_, f32>], own: usize) -> Result<Array1<f32>> {
    let first = first_of_rest(leverage)?.mapv(|x| x as f32);
    let targets = leverage.sum_axis(Axis(1)).mapv(|x| x as f32);
    let mut scores = Array1::zeros(fitted[0].len());
    fitted.iter().zip(&first).for_each(|(row, &share)| scores.scaled_add(share, row));
    scores[own] -= first.dot(&targets);
    Ok(scores)
}

/// First row of `(I - H)⁻¹` of a symmetric `H` below `I`.
fn first_of_rest(leverage: &Array2<f64>) -> Result<Array1<f64>> {
    let found = eigh(leverage.view())?;
    let rest = |(h, v): (&f64, &f64)| v / (1.0 - h).max(f64::from(f32::EPSILON));
    Ok(found.vectors.dot(&found.values.iter().zip(found.vectors.row(0)).map(rest).collect::<Array1<f64>>()))
}

impl Ridge {
    /// No class yet, with sums that rest in f16 (`G`) and f32 (`Q`), half the state, and λ fixed at `share` of the mean of the
    /// diagonal of `G`, which saves most of a solve.
    pub fn rounded(width: usize, lift: Lift, share: f64) -> Self {
        let lifted = lift.width(width);
        let (gram, classes) = (Gram::rounded(lifted), ClassSums::resting(lifted, Rest::Narrow));
        Self { gram, classes, share: Some(share), ..Self::new(width, lift) }
    }

    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize, lift: Lift) -> Self {
        let lifted = lift.width(width);
        Self {
            lift,
            features: width as u32,
            gram: Gram::Whole(PackedGram::new(lifted)),
            classes: ClassSums::new(lifted),
            share: None,
            lambda: None,
            random: None,
            weights: None,
        }
    }

    /// The λ in use; `None` before a solve or after the sums have changed.
    pub fn lambda(&self) -> Option<f64> {
        self.lambda
    }

    /// Fixes λ for the next solves, until rows come or go.
    ///
    /// # Errors
    /// `InvalidArgument` unless finite and above 0.
    pub fn set_lambda(&mut self, lambda: f64) -> Result<()> {
        if !(lambda.is_finite() && lambda > 0.0) {
            crate::bail!(InvalidArgument, "a ridge parameter of {lambda}; choose a finite one above 0");
        }
        self.lambda = Some(lambda);
        Ok(())
    }

    /// Bytes that [`Head::solve`] needs for its length: the factor, a panel of its inverse, right-hand sides.
    pub fn solve_bytes(&self) -> usize {
        let (m, c) = (self.gram.width(), self.classes.classes());
        size_of::<f64>() * m * (m + Cholesky::PANEL + 3 * c)
    }

    /// Scores `[n, classes]` that `n` observed pictures would have if they had not been, λ staying, from their rows as
    /// [`Head::observe_crops`] takes them: the first row of `(I - H)⁻¹ (s - H y)` with scores `s` and targets `y` of a picture's
    /// crops and their leverage `H = phi (G + λ I)⁻¹ phiᵀ`.
    ///
    /// # Errors
    /// `State` before [`Head::solve`], `Shape` on another width, `NotFound` for a label without rows.
    pub fn held_out(
        &self,
        features: ArrayView2<'_, f32>,
        labels: &[usize],
        crops: usize,
    ) -> Result<Array2<f32>> {
        let lambda = self.lambda.ok_or_else(unsolved)?;
        self.held_out_by(&self.gram.factor(lambda)?, features, labels, crops)
    }

    /// The same by the factor of `G + λ I`.
    fn held_out_by(
        &self,
        factor: &Cholesky,
        features: ArrayView2<'_, f32>,
        labels: &[usize],
        crops: usize,
    ) -> Result<Array2<f32>> {
        check_observed(self.features as usize, &self.classes, features, labels, crops)?;
        let (weights, absent) = self.weights.as_ref().ok_or_else(unsolved)?;
        let mut scores = Array2::zeros((labels.len(), weights.ncols()));
        let pictures: Vec<usize> = (0..labels.len()).collect();
        for block in pictures.chunks(ASKED) {
            let rows: Vec<usize> =
                (0..crops).flat_map(|crop| block.iter().map(move |i| crop * labels.len() + i)).collect();
            let phi = self.phi(features.select(Axis(0), &rows).view())?;
            let fitted = matmul(phi.view(), weights.view())?;
            let phi = phi.mapv(f64::from);
            let solved = factor.solve(phi.t())?;
            for (at, &i) in block.iter().enumerate() {
                let row = |crop| crop * block.len() + at;
                let leverage = |(a, b)| phi.row(row(a)).dot(&solved.column(row(b)));
                let leverage = Array2::from_shape_fn((crops, crops), leverage);
                let fitted: Vec<_> = (0..crops).map(|crop| fitted.row(row(crop))).collect();
                scores.row_mut(i).assign(&left_out(&leverage, &fitted, labels[i])?);
            }
        }
        Ok(masked(scores, absent))
    }

    /// Makes scores reflect everything observed, and gives what `observed` pictures would have scored if they had not been; see
    /// [`Ridge::held_out`]. The factor of `G`, the largest thing that a solve makes, is made once.
    pub(super) fn solve_and_hold_out(
        &mut self,
        observed: Option<(ArrayView2<'_, f32>, &[usize], usize)>,
    ) -> Result<Option<Array2<f32>>> {
        let factor = self.solve_factor()?;
        observed.map(|(rows, labels, crops)| self.held_out_by(&factor, rows, labels, crops)).transpose()
    }

    /// [`Head::solve`], with the factor that it made.
    fn solve_factor(&mut self) -> Result<Cholesky> {
        if self.classes.total() == 0 {
            crate::bail!(State, "a ridge without any class; observe labelled features first");
        }
        self.gram.settle();
        self.classes.settle();
        self.gram.check()?;
        let moments = self.classes.sums().reversed_axes().as_standard_layout().to_owned();
        let fixed = self.share.map(|share| share * self.gram.trace() / self.gram.width() as f64);
        let lambda = match self.lambda.or(fixed) {
            Some(lambda) => lambda,
            None => self.gram.best_lambda(&moments, self.classes.total())?,
        };
        let (factor, lambda) = self.gram.factor_raised(lambda)?;
        let weights = factor.solve(moments.view())?;
        if self.random.is_none() {
            self.random = Some(self.lift.draw(self.features as usize)?);
        }
        self.lambda = Some(lambda);
        self.weights = Some((weights.mapv(|w| w as f32), self.classes.absent()));
        Ok(factor)
    }

    /// `phi` by the random matrix that is there.
    fn phi(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.lift.apply(features, self.random.as_ref().ok_or_else(unsolved)?.view())
    }

    /// `phi`, drawing the random matrix when it is not there.
    fn lifted(&mut self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let random = match self.random.take() {
            Some(random) => random,
            None => self.lift.draw(self.features as usize)?,
        };
        let phi = self.lift.apply(features, random.view());
        self.random = Some(random);
        phi
    }
}

impl Head for Ridge {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.features as usize, features, labels)?;
        for (block, labels) in features.axis_chunks_iter(Axis(0), BLOCK).zip(labels.chunks(BLOCK)) {
            let phi = self.lifted(block)?;
            self.gram.add_rows(phi.mapv(Sum::from).view())?;
            self.classes.add(phi.mapv(f64::from).view(), labels)?;
            self.lambda = None;
        }
        Ok(())
    }

    fn solve(&mut self) -> Result<()> {
        self.solve_factor().map(drop)
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.features as usize, features)?;
        let (weights, absent) = self.weights.as_ref().ok_or_else(unsolved)?;
        Ok(masked(matmul(self.phi(features)?.view(), weights.view())?, absent))
    }

    fn classes(&self) -> usize {
        self.classes.classes()
    }

    /// Its rows stay in `G`, as rows of no class; keeping each class's part would cost `M²` a class. λ stays, too.
    fn forget(&mut self, class: usize) -> Result<Left> {
        self.classes.drop_class(class)?;
        if let Some((weights, absent)) = &mut self.weights {
            weights.column_mut(class).fill(0.0);
            absent.push(class);
        }
        Ok(Left::Spread)
    }

    fn random_features(&self) -> usize {
        match self.lift {
            Lift::Identity => 0,
            _ => self.gram.width(),
        }
    }

    /// The sums over fewer columns are those that would have been made of them alone.
    fn keep_features(&mut self, columns: usize) -> Result<()> {
        let Some(lift) = self.lift.fewer(columns) else { return Ok(()) };
        self.gram = self.gram.leading(columns)?;
        self.classes = self.classes.leading(columns);
        (self.lift, self.random, self.weights, self.lambda) = (lift, None, None, None);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.gram.bytes() + self.classes.bytes()
    }
}
