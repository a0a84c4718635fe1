//! Class means in sections of the feature that are trusted differently.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::sums::{ClassSums, Rows};
use super::{Head, Left, check_batch, check_width, unsolved};
use crate::error::Result;
use crate::linalg;

/// NTK-CL's prototypes (arXiv 2407.17120):
///
/// ```text
/// score of class c = sum_s m_s cos(z[s], mu_c[s])
/// ```
///
/// over sections `s` of equal width. Weights fall with how far a section drifts; see [`Weighing`]. Weights and lengths are folded into the
/// means, so a score is one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sections {
    weighing: Weighing,
    pub(super) classes: ClassSums,
    #[serde(skip)]
    solved: Option<Rows>,
}

/// How sections are trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Weighing {
    /// Constants `m_s`: published are 1 for the frozen network, 0.3 for the mean of the adapters, 0.1 for the newest.
    Given(Vec<f32>),
    /// `m_s = max(0, 1 - d_s / g_s)`: a section counts as long as its prototypes have moved less far than the nearest other one is.
    ///
    /// `d_s` is how far prototypes of length 1 have moved since they were made, as a root mean square over classes, here squared. Every task's
    /// step is measured on its own images ([`Sections::drift`]), since those of earlier classes are gone; steps of different tasks add up as
    /// steps in different directions do. `g_s` is the mean distance to the nearest other prototype.
    ///
    /// Weights are made when classes come, and stay when one is forgotten: what others score does not change.
    Drift {
        /// `d_s^2`.
        squares: Vec<f64>,
        /// `m_s`.
        weights: Vec<f32>,
    },
}

impl Sections {
    /// No class yet, for sections of constant weight side by side, of `width` (`E`) together.
    pub fn new(width: usize, weights: &[f32]) -> Self {
        Self::weighed(width, Weighing::Given(weights.to_vec()))
    }

    /// The same for `sections` weighed by their drift.
    pub fn drifting(width: usize, sections: usize) -> Self {
        Self::weighed(width, Weighing::Drift { squares: vec![0.0; sections], weights: vec![1.0; sections] })
    }

    fn weighed(width: usize, weighing: Weighing) -> Self {
        Self { weighing, classes: ClassSums::new(width), solved: None }
    }

    /// What sections count.
    pub fn weights(&self) -> &[f32] {
        match &self.weighing {
            Weighing::Given(weights) | Weighing::Drift { weights, .. } => weights,
        }
    }

    fn weigh(&mut self) {
        let gaps = self.gaps();
        if let Weighing::Drift { squares, weights } = &mut self.weighing {
            let weight = |(square, gap): (&f64, f64)| (1.0 - square.sqrt() / gap).max(0.0) as f32;
            *weights = squares.iter().zip(gaps).map(weight).collect();
        }
    }

    /// Mean distance of a prototype to the nearest other one, by section; of a single one, to its opposite.
    fn gaps(&self) -> Vec<f64> {
        let mut means = self.classes.sums().select(Axis(0), &self.known()).mapv(|x| x as f32);
        unit_parts(means.view_mut(), self.section());
        let gap = |part: ArrayView2<'_, f32>| {
            let mut cosines = part.dot(&part.t());
            cosines.diag_mut().fill(-1.0);
            let nearest = cosines.rows().into_iter().map(|row| row.fold(-1.0f32, |a, &b| a.max(b)));
            let apart = nearest.map(|cosine| f64::from(2.0 - 2.0 * cosine).max(0.0).sqrt());
            (apart.sum::<f64>() / part.nrows().max(1) as f64).max(f64::MIN_POSITIVE)
        };
        means.axis_chunks_iter(Axis(1), self.section()).map(gap).collect()
    }

    fn section(&self) -> usize {
        (self.classes.width() / self.weights().len().max(1)).max(1)
    }

    /// Whether there is a width for every section, and a drift for every weight.
    pub(super) fn even(&self) -> bool {
        let drifts = match &self.weighing {
            Weighing::Given(_) => true,
            Weighing::Drift { squares, weights } => squares.len() == weights.len(),
        };
        drifts && self.classes.width().checked_rem(self.weights().len()) == Some(0)
    }

    /// Whether it wants to know how far prototypes move.
    pub fn drifts(&self) -> bool {
        matches!(self.weighing, Weighing::Drift { .. })
    }

    /// Counts a step: the squared distance between the class means, of length 1, of the same images before and after a task, by
    /// section and averaged over classes. To be called before new classes are observed.
    ///
    /// # Errors
    /// `Shape` on rows of another width or number.
    pub fn drift(
        &mut self,
        before: ArrayView2<'_, f32>,
        after: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<()> {
        let section = self.section();
        let means = |rows: ArrayView2<'_, f32>| -> Result<Array2<f32>> {
            let mut sums = ClassSums::new(self.classes.width());
            check_batch(sums.width(), rows, labels)?;
            sums.add(rows.mapv(f64::from).view(), labels)?;
            let mut means = sums.sums().mapv(|x| x as f32);
            unit_parts(means.view_mut(), section);
            Ok(means)
        };
        let moved = means(after)? - means(before)?;
        let classes = labels.iter().collect::<BTreeSet<_>>().len().max(1) as f64;
        if let Weighing::Drift { squares, .. } = &mut self.weighing {
            for (square, part) in squares.iter_mut().zip(moved.axis_chunks_iter(Axis(1), section)) {
                let far = part.rows().into_iter().map(|row| f64::from(row.dot(&row)));
                *square += far.sum::<f64>() / classes;
            }
        }
        self.weigh();
        Ok(())
    }

    /// The classes learned so far.
    pub fn known(&self) -> Vec<usize> {
        (0..self.classes.classes()).filter(|&c| self.classes.counts()[c] > 0).collect()
    }

    /// Their means, `[classes, E]`, each of length 1.
    pub fn prototypes(&self) -> Array2<f32> {
        let sums = self.classes.sums().select(Axis(0), &self.known()).mapv(|x| x as f32);
        linalg::unit_rows(sums.view()).mapv(|x| x as f32)
    }

    /// Directions that hold `energy` of the prototypes, at most `most`, `[E, directions]`.
    ///
    /// # Errors
    /// `Numeric` where the decomposition fails.
    pub fn subspace(&self, energy: f64, most: usize) -> Result<Array2<f32>> {
        let found = linalg::svd_thin(self.prototypes().mapv(f64::from).view())?;
        let total: f64 = found.values.iter().map(|s| s * s).sum();
        let (mut held, mut count) = (0.0, 0);
        while count < found.values.len().min(most) && held < energy * total {
            held += found.values[count].powi(2);
            count += 1;
        }
        Ok(found.vt.slice(s![..count, ..]).t().mapv(|x| x as f32).as_standard_layout().to_owned())
    }
}

/// Every part of `width` columns of every row brought to length 1.
pub(super) fn unit_parts(mut rows: ArrayViewMut2<'_, f32>, width: usize) {
    for mut row in rows.rows_mut() {
        for mut part in row.axis_chunks_iter_mut(Axis(0), width) {
            let norm = part.dot(&part).sqrt().max(f32::MIN_POSITIVE);
            part /= norm;
        }
    }
}

impl Head for Sections {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.classes.width(), features, labels)?;
        let before = self.known().len();
        self.classes.add(features.mapv(f64::from).view(), labels)?;
        let share = before as f64 / self.known().len().max(1) as f64;
        if let Weighing::Drift { squares, .. } = &mut self.weighing {
            // New classes have not moved.
            squares.iter_mut().for_each(|square| *square *= share);
        }
        self.weigh();
        Ok(())
    }

    fn solve(&mut self) -> Result<()> {
        if self.classes.total() == 0 {
            crate::bail!(State, "class means without any class; observe labelled features first");
        }
        let (width, mut means) = (self.section(), self.classes.sums().mapv(|x| x as f32));
        unit_parts(means.view_mut(), width);
        for (mut part, &weight) in means.axis_chunks_iter_mut(Axis(1), width).zip(self.weights()) {
            part *= weight;
        }
        self.solved = Some(Rows::new(means, &self.classes));
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.classes.width(), features)?;
        let means = self.solved.as_ref().ok_or_else(unsolved)?;
        let mut rows = features.to_owned();
        unit_parts(rows.view_mut(), self.section());
        Ok(means.products(rows.view()))
    }

    fn classes(&self) -> usize {
        self.classes.classes()
    }

    fn forget(&mut self, class: usize) -> Result<Left> {
        self.classes.drop_class(class)?;
        self.solved.iter_mut().for_each(|rows| rows.drop_class(class));
        Ok(Left::Nothing)
    }

    fn bytes(&self) -> usize {
        self.classes.bytes()
            + match &self.weighing {
                Weighing::Given(weights) => size_of_val(weights.as_slice()),
                Weighing::Drift { squares, weights } => {
                    size_of_val(squares.as_slice()) + size_of_val(weights.as_slice())
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    /// methods.md 2.11: section-weighted logits equal one product with scaled, normalised prototypes.
    #[test]
    fn methods_2_11_sections_fold_into_one_product() {
        let rows = Array2::from_shape_fn((12, 6), |(i, j)| ((i * 6 + j) as f32 * 1.3).sin() + 0.1 * i as f32);
        let labels: Vec<usize> = (0..12).map(|i| i % 3).collect();
        let mut head = Sections::new(6, &[1.0, 0.3, 0.1]);
        head.observe(rows.view(), &labels).unwrap();
        head.solve().unwrap();
        let scores = head.scores(rows.view()).unwrap();
        for (i, row) in rows.rows().into_iter().enumerate() {
            for class in 0..3 {
                let own = (0..12).filter(|j| j % 3 == class).map(|j| rows.row(j).to_owned());
                let mean = own.fold(Array1::zeros(6), |sum, row| sum + row) / 4.0;
                let section = |s: usize| {
                    let (x, m) = (row.slice(s![2 * s..2 * s + 2]), mean.slice(s![2 * s..2 * s + 2]));
                    x.dot(&m) / (x.dot(&x) * m.dot(&m)).sqrt()
                };
                let want = section(0) + 0.3 * section(1) + 0.1 * section(2);
                assert!(
                    (scores[[i, class]] - want).abs() < 1e-5,
                    "{i} {class}: {} {want}",
                    scores[[i, class]]
                );
            }
        }
    }

    /// methods.md 2.10: weights fall with the measured drift, of which new classes have none.
    #[test]
    fn sections_that_drift_count_less() {
        let mut head = Sections::drifting(4, 2);
        let rows = ndarray::array![[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]];
        head.observe(rows.view(), &[0, 1]).unwrap();
        assert_eq!(head.weights(), [1.0, 1.0]);
        // The first section grows, which is no drift; of the second, one of two classes moves as far as from (1, 0) to (0.8, 0.6).
        let before = ndarray::array![[2.0, 0.0, 1.0, 0.0], [2.0, 0.0, 3.0, 0.0], [0.0, 1.0, 0.0, 1.0]];
        let after = ndarray::array![[5.0, 0.0, 0.8, 0.6], [5.0, 0.0, 1.6, 1.2], [0.0, 1.0, 0.0, 1.0]];
        head.drift(before.view(), after.view(), &[2, 2, 3]).unwrap();
        // A mean square of 0.4 / 2, where prototypes are a right angle apart.
        let weight = 1.0 - 0.2f32.sqrt() / 2.0f32.sqrt();
        assert!(
            (head.weights()[1] - weight).abs() < 1e-6 && head.weights()[0] == 1.0,
            "{:?}",
            head.weights()
        );
        // Two classes more, where the old ones are: half of all have moved, and the nearest is nowhere else.
        let mut more = head.clone();
        more.observe(ndarray::array![[-1.0, 0.0, -1.0, 0.0], [0.0, -1.0, 0.0, -1.0]].view(), &[2, 3])
            .unwrap();
        let half = 1.0 - 0.1f32.sqrt() / 2.0f32.sqrt();
        assert!((more.weights()[1] - half).abs() < 1e-6, "{:?}", more.weights());
        head.solve().unwrap();
        let scores = head.scores(rows.view()).unwrap();
        assert!((scores[[0, 0]] - 1.0 - weight).abs() < 1e-6, "{scores}");
        // As far as the nearest other class, or farther: nothing is left of it.
        (0..20).for_each(|_| head.drift(before.view(), after.view(), &[2, 2, 3]).unwrap());
        assert_eq!(head.weights(), [1.0, 0.0]);
    }

    #[test]
    fn the_subspace_holds_the_energy_asked_for_and_no_more() {
        let mut head = Sections::new(4, &[1.0]);
        let rows = ndarray::array![[3.0, 0.0, 0.0, 0.0], [3.0, 0.1, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0]];
        head.observe(rows.view(), &[0, 1, 2]).unwrap();
        let found = head.subspace(0.95, 40).unwrap();
        assert_eq!(found.dim(), (4, 2));
        assert_eq!(head.subspace(0.95, 1).unwrap().ncols(), 1);
        assert!((found.t().dot(&found) - Array2::<f32>::eye(2)).iter().all(|x| x.abs() < 1e-5));
    }
}
