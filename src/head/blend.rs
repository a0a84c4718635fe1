//! Discriminants on everything, and a ridge on random features of some, added up as held-out rows would have it.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, log_softmax};
use super::mda::{HeldOut, TEMPERATURES, temperature};
use super::{Head, Left, Mda, Ridge};
use crate::error::Result;

/// Weights of the ridge that are tried; 0 leaves it silent.
const WEIGHTS: [f32; 8] = [0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 20.0];

/// ```text
/// score of class c = mda_c(x; T) + b ridge_c(x[..narrow])
/// ```
///
/// [`Mda`] reads whole rows, [`Ridge`] the first `narrow` columns, which should be the few that matter most: random features of
/// many columns are mostly noise. `T` and `b` are those under which the rows of all observations so far were likeliest, each
/// held out of both heads in closed form when it came. Where discriminants know better, `b` becomes 0.
///
/// A linear rule under one covariance and pairwise interactions of features err on different images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    pub(super) mda: Mda,
    pub(super) ridge: Ridge,
    pub(super) narrow: usize,
    /// Log-likelihood of held-out rows, by temperature and weight.
    pub(super) evidence: Evidence,
}

impl Blend {
    /// Two heads that have seen nothing; `ridge` takes rows of `narrow` columns.
    pub fn new(mda: Mda, ridge: Ridge, narrow: usize) -> Self {
        Self { mda, ridge, narrow, evidence: Evidence::new(Self::settings()) }
    }

    /// Temperatures and weights that are compared.
    pub(super) fn settings() -> usize {
        TEMPERATURES * WEIGHTS.len()
    }

    /// Temperature of the discriminants and weight of the ridge: the likeliest so far.
    pub fn chosen(&self) -> (f64, f32) {
        let best = self.evidence.likeliest();
        (temperature(best / WEIGHTS.len()), WEIGHTS[best % WEIGHTS.len()])
    }

    fn narrow<'a>(&self, features: ArrayView2<'a, f32>) -> ArrayView2<'a, f32> {
        narrowed(features, self.narrow)
    }

    /// Adds up how likely the pictures of the last observation are, held out, under every temperature and weight.
    fn weigh(&mut self, held_out: &HeldOut, ridge: &Array2<f32>) {
        self.evidence.observe();
        for t in 0..TEMPERATURES {
            let mda = self.mda.scores_of(held_out, temperature(t));
            for (b, &weight) in WEIGHTS.iter().enumerate() {
                let rows = mda.rows().into_iter().zip(ridge.rows()).zip(&held_out.labels);
                // The only row of a class is of no class that is left when it is held out.
                let known = rows.filter(|((mda, _), own)| mda[**own].is_finite());
                let log =
                    known.map(|((mda, ridge), &own)| log_softmax(sum(mda, ridge, weight).view(), own)).sum();
                self.evidence.add(t * WEIGHTS.len() + b, log);
            }
        }
    }
}

/// The first `width` columns.
fn narrowed(features: ArrayView2<'_, f32>, width: usize) -> ArrayView2<'_, f32> {
    let width = width.min(features.ncols());
    features.slice_move(s![.., ..width])
}

/// `mda + weight ridge` of one row.
fn sum(mda: ArrayView1<'_, f64>, ridge: ArrayView1<'_, f32>, weight: f32) -> Array1<f64> {
    let score = |(&m, &r): (&f64, &f32)| if weight > 0.0 { m + f64::from(weight * r) } else { m };
    mda.iter().zip(&ridge).map(score).collect()
}

impl Head for Blend {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        self.observe_crops(features, labels, 1)
    }

    fn observe_crops(&mut self, features: ArrayView2<'_, f32>, labels: &[usize], crops: usize) -> Result<()> {
        let narrow = self.narrow(features);
        self.mda.observe_crops(features, labels, crops)?;
        self.ridge.observe_crops(narrow, labels, crops)
    }

    fn solve(&mut self) -> Result<()> {
        let held_out = self.mda.solve_and_hold_out()?;
        let narrow = self.narrow;
        let asked = held_out.as_ref().map(|h| (narrowed(h.rows.view(), narrow), &h.labels[..], h.crops));
        let ridge = self.ridge.solve_and_hold_out(asked)?;
        if let (Some(held_out), Some(ridge)) = (&held_out, &ridge) {
            self.weigh(held_out, ridge);
        }
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let (temperature, weight) = self.chosen();
        let mut scores = self.mda.scores_at(features, temperature)?;
        if weight > 0.0 {
            scores.scaled_add(weight, &self.ridge.scores(self.narrow(features))?);
        }
        Ok(scores)
    }

    fn occasions(&self, features: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>> {
        self.mda.occasions(features)
    }

    fn strange(&self, features: ArrayView2<'_, f32>) -> Result<Option<Array1<f64>>> {
        self.mda.strange(features)
    }

    fn held_out_strange(&self) -> &[f64] {
        self.mda.held_out_strange()
    }

    fn held_out_right(&self) -> (usize, usize) {
        self.mda.held_out_right()
    }

    fn classes(&self) -> usize {
        self.mda.classes()
    }

    fn forget(&mut self, class: usize) -> Result<Left> {
        Ok(self.mda.forget(class)?.max(self.ridge.forget(class)?))
    }

    fn forget_occasion(&mut self, occasion: usize) {
        self.mda.forget_occasion(occasion);
    }

    fn unite_occasions(&mut self, kept: usize, other: usize) -> Result<()> {
        self.mda.unite_occasions(kept, other)
    }

    fn centres_kept(&self) -> usize {
        self.mda.centres_kept()
    }

    fn random_features(&self) -> usize {
        self.ridge.random_features()
    }

    fn keep_features(&mut self, columns: usize) -> Result<()> {
        self.ridge.keep_features(columns)
    }

    fn bytes(&self) -> usize {
        self.mda.bytes() + self.ridge.bytes() + self.evidence.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Lift;
    use crate::linalg::gaussian;

    /// Two classes that no line separates: the sign of a product. Columns beyond the second are noise.
    fn crossed(seed: u64) -> (Array2<f32>, Vec<usize>) {
        let rows = gaussian(seed, 200, 6);
        let labels = rows.rows().into_iter().map(|row| usize::from(row[0] * row[1] > 0.0)).collect();
        (rows, labels)
    }

    fn learned(train: impl Fn(u64) -> (Array2<f32>, Vec<usize>)) -> Blend {
        let mut head = Blend::new(Mda::new(6), Ridge::new(2, Lift::random_relu(64, 3)), 2);
        for seed in 0..3 {
            let (rows, labels) = train(seed);
            head.observe(rows.view(), &labels).unwrap();
            head.solve().unwrap();
        }
        head
    }

    #[test]
    fn the_ridge_speaks_where_discriminants_cannot() {
        let head = learned(crossed);
        assert!(head.chosen().1 > 0.0);
        let (rows, labels) = crossed(9);
        let right = |answers: Vec<usize>| answers.iter().zip(&labels).filter(|(a, b)| a == b).count();
        let (both, alone) =
            (right(head.predict(rows.view()).unwrap()), right(head.mda.predict(rows.view()).unwrap()));
        assert!(both > 170 && alone < 140, "{both} and {alone} of 200");
    }

    #[test]
    fn the_ridge_is_silent_where_it_sees_nothing() {
        // What tells the classes apart lies in a column that the ridge does not read.
        let far = |seed: u64| {
            let (mut rows, _) = crossed(seed);
            let labels: Vec<usize> = (0..200).map(|i| i % 2).collect();
            rows.rows_mut().into_iter().zip(&labels).for_each(|(mut row, &l)| row[5] += 3.0 * l as f32);
            (rows, labels)
        };
        let head = learned(far);
        assert_eq!(head.chosen().1, 0.0);
        let (rows, labels) = far(9);
        assert!(head.predict(rows.view()).unwrap().iter().zip(&labels).filter(|(a, b)| a == b).count() > 170);
    }

    #[test]
    fn decoded_and_solved_it_is_what_it_was() {
        let head = learned(crossed);
        let mut again: Blend = postcard::from_bytes(&postcard::to_allocvec(&head).unwrap()).unwrap();
        again.solve().unwrap();
        let (rows, _) = crossed(4);
        assert_eq!(again.scores(rows.view()).unwrap(), head.scores(rows.view()).unwrap());
    }
}
