//! Discriminants with a centre for every class and occasion, and a confidence that means something.

mod choice;

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::background::Background;
use super::evidence::Evidence;
use super::metric::Asked;
use super::sums::{ClassSums, Rest};
use super::{Head, Left, asked, check_batch, check_width, unsolved};
use crate::error::Result;
use crate::linalg::RoundedGram;

pub(super) use choice::{TEMPERATURES, temperature};

/// Pictures that are held out after each observation.
pub(super) const ASKED: usize = 512;

/// Rows widened and summed at a time: bounds their f64 copies.
pub(super) const BLOCK: usize = 512;

/// Mixture discriminant analysis (Hastie and Tibshirani 1996) under one shared covariance `S`:
///
/// ```text
/// score of class c = logsumexp over its centres k of  T (x' S^-1 m_k - m_k' S^-1 m_k / 2)
/// ```
///
/// A class gets a centre for every observation in which it occurs: a horse in photographs and a horse in sketches are two
/// centres of one class, and what tells photographs from sketches does not widen `S`. Where classes come once this is
/// linear discriminant analysis.
///
/// How much identity is mixed into `S`, and the temperature `T`, are those under which the rows of all observations so far,
/// each held out of its centre and of `S` in closed form when it came, were likeliest. So `softmax` of the scores is a
/// calibrated probability. Classes count as equally likely.
///
/// Second moments and centres are settled to f16: a quarter of the memory of [`Lda`](super::Lda).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mda {
    /// Of rows less their centre: nothing cancels, however far from zero the centres lie.
    pub(super) scatter: RoundedGram,
    pub(super) centres: ClassSums,
    /// Class of every centre.
    pub(super) owners: Vec<usize>,
    /// Observation from which every centre is.
    pub(super) births: Vec<usize>,
    /// Observations so far.
    pub(super) observations: usize,
    /// Highest class index so far + 1.
    pub(super) classes: usize,
    /// Rows less centres that were forgotten, whose spread is still in the scatter.
    pub(super) dropped: u64,
    /// Log-likelihood of held-out rows, by shrinkage and temperature.
    pub(super) evidence: Evidence,
    /// Rows of the last observation, with the centres of their pictures, until they were asked.
    #[serde(skip)]
    pub(super) fresh: Option<(Array2<f32>, Vec<usize>)>,
    #[serde(skip)]
    pub(super) solved: Option<Solved>,
    /// Novelty of the rows of the last observation, held out; empty after decoding.
    #[serde(skip)]
    pub(super) strange: Vec<f64>,
    /// Pictures of the last observation that were held out, and how many of them were answered rightly; none after decoding.
    #[serde(skip)]
    pub(super) right: (usize, usize),
}

/// Pictures of the last observation, held out of everything.
pub(super) struct HeldOut {
    /// Their rows, as [`Head::observe_crops`] takes them.
    pub(super) rows: Array2<f32>,
    pub(super) labels: Vec<usize>,
    pub(super) crops: usize,
    /// Squared distances `[pictures, centres]` under the covariance that was chosen.
    distances: Array2<f64>,
}

/// What scores are made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solved {
    /// `T S^-1 m`, `[E, centres]`.
    weights: Array2<f32>,
    bias: Array1<f32>,
    temperature: f64,
    background: Background,
}

/// `ln(exp a + exp b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = (a.max(b), a.min(b));
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln sum exp` of the columns of each group, `[n, count]`; minus infinity for a group without any.
fn gathered(scores: &Array2<f64>, groups: &[usize], count: usize) -> Array2<f64> {
    let mut out = Array2::from_elem((scores.nrows(), count), f64::NEG_INFINITY);
    for (row, mut out) in scores.rows().into_iter().zip(out.rows_mut()) {
        row.iter().zip(groups).for_each(|(&score, &group)| out[group] = log_add(out[group], score));
    }
    out
}

impl Mda {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self {
            scatter: RoundedGram::new(width),
            centres: ClassSums::resting(width, Rest::Half),
            owners: Vec::new(),
            births: Vec::new(),
            observations: 0,
            classes: 0,
            dropped: 0,
            evidence: Evidence::new(Self::settings()),
            fresh: None,
            solved: None,
            strange: Vec::new(),
            right: (0, 0),
        }
    }

    /// Class scores at another temperature than the chosen one.
    pub(super) fn scores_at(&self, features: ArrayView2<'_, f32>, temperature: f64) -> Result<Array2<f32>> {
        let solved = self.solved.as_ref().ok_or_else(unsolved)?;
        let scores = self.by_centre(features)? * (temperature / solved.temperature);
        Ok(gathered(&scores, &self.owners, self.classes).mapv(|x| x as f32))
    }

    /// Class scores of pictures held out, at a temperature, `[n, classes]`.
    pub(super) fn scores_of(&self, held_out: &HeldOut, temperature: f64) -> Array2<f64> {
        gathered(&held_out.distances.mapv(|d| -0.5 * temperature * d), &self.owners, self.classes)
    }

    /// Solves, and gives the pictures of the last observation, held out; `None` where nothing came since the last time.
    pub(super) fn solve_and_hold_out(&mut self) -> Result<Option<HeldOut>> {
        if self.centres.total() == 0 {
            crate::bail!(State, "discriminant analysis without any class; observe labelled features first");
        }
        self.scatter.settle();
        self.centres.settle();
        let asked = self.fresh.take();
        if let Some((rows, centres)) = &asked {
            self.weigh(rows, centres)?;
        }
        let (metric, temperature) = self.definite()?;
        let background = Background::new(&metric)?;
        let mut held_out = None;
        if let Some((rows, centres)) = asked {
            let crops = rows.nrows() / centres.len().max(1);
            let asked = Asked::new(&metric, rows.view(), crops)?;
            let distances = metric.held_out(&asked, &centres)?;
            self.strange = background.held_out(&metric, &asked, &distances, &centres)?.to_vec();
            let labels: Vec<usize> = centres.iter().map(|&centre| self.owners[centre]).collect();
            self.right = self.right_of(&distances, &centres, crops);
            held_out = Some(HeldOut { rows, labels, crops, distances });
        }
        let (means, weights) = (&metric.means, &metric.weights);
        let bias = (0..means.nrows())
            .map(|k| (-0.5 * temperature * means.row(k).dot(&weights.column(k))) as f32)
            .collect();
        let weights = weights.mapv(|w| (temperature * w) as f32);
        self.solved = Some(Solved { bias, weights, temperature, background });
        Ok(held_out)
    }

    /// Pictures with others in their centre, and how many of them are nearest to a centre of their class.
    fn right_of(&self, distances: &Array2<f64>, centres: &[usize], crops: usize) -> (usize, usize) {
        let nearest = |row: ArrayView1<'_, f64>| {
            row.iter().zip(&self.owners).min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, &owner)| owner)
        };
        let asked = distances.rows().into_iter().zip(centres);
        let asked = asked.filter(|(_, centre)| self.centres.counts()[**centre] > crops as u64);
        asked.fold((0, 0), |(all, right), (row, &centre)| {
            (all + 1, right + usize::from(nearest(row) == Some(self.owners[centre])))
        })
    }

    /// Drops what is known of centres that are gone.
    fn drop_places(&mut self, gone: &[usize]) {
        for of in [&mut self.owners, &mut self.births] {
            let mut centre = 0..;
            of.retain(|_| centre.next().is_none_or(|centre| !gone.contains(&centre)));
        }
    }

    /// Scores by centre, `[n, centres]`.
    fn by_centre(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
        check_width(self.centres.width(), features)?;
        let Solved { weights, bias, .. } = self.solved.as_ref().ok_or_else(unsolved)?;
        Ok((features.dot(weights) + bias).mapv(f64::from))
    }
}

impl Head for Mda {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        self.observe_crops(features, labels, 1)
    }

    fn observe_crops(
        &mut self,
        features: ArrayView2<'_, f32>,
        pictures: &[usize],
        crops: usize,
    ) -> Result<()> {
        let labels = pictures.repeat(crops);
        check_batch(self.centres.width(), features, &labels)?;
        let mut classes = pictures.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let first = self.owners.len();
        let place = |label: &usize| classes.binary_search(label).unwrap_or(0);
        let places: Vec<usize> = labels.iter().map(place).collect();
        // Every centre is of this observation alone, so what is added now is never added to.
        let mut own = ClassSums::new(features.ncols());
        let blocks = || features.axis_chunks_iter(Axis(0), BLOCK).zip(places.chunks(BLOCK));
        for (rows, places) in blocks() {
            own.add(rows.mapv(f64::from).view(), places)?;
        }
        for (rows, places) in blocks() {
            let mut centred = rows.mapv(f64::from);
            for (mut row, &place) in centred.rows_mut().into_iter().zip(places) {
                row.scaled_add(-1.0 / own.counts()[place] as f64, &own.sums().row(place));
            }
            self.scatter.add_rows(centred.mapv(|x| x as f32).view())?;
        }
        self.centres.append(&own)?;
        self.births.extend(core::iter::repeat_n(self.observations, classes.len()));
        self.observations += 1;
        self.classes = classes.last().map_or(self.classes, |last| self.classes.max(last + 1));
        self.owners.extend(classes);
        let (some, rows) = asked(pictures.len(), crops, ASKED);
        let asked = some.iter().map(|&i| first + places[i]).collect();
        self.fresh = Some((features.select(Axis(0), &rows), asked));
        Ok(())
    }

    fn solve(&mut self) -> Result<()> {
        self.solve_and_hold_out().map(drop)
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        Ok(gathered(&self.by_centre(features)?, &self.owners, self.classes).mapv(|x| x as f32))
    }

    fn occasions(&self, features: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>> {
        let mut scores = gathered(&self.by_centre(features)?, &self.births, self.observations);
        for mut row in scores.rows_mut() {
            let total = row.iter().copied().fold(f64::NEG_INFINITY, log_add);
            row -= total;
        }
        Ok(Some(scores.mapv(|x| x as f32)))
    }

    /// Relative Mahalanobis distance: how far from the nearest centre, less how far from everything
    /// ([`Novelty`](super::Novelty) says why). It follows from the scores, so it costs no state.
    fn strange(&self, features: ArrayView2<'_, f32>) -> Result<Option<Array1<f64>>> {
        let solved = self.solved.as_ref().ok_or_else(unsolved)?;
        Ok(Some(solved.background.novelty(&(self.by_centre(features)? / solved.temperature))))
    }

    fn held_out_strange(&self) -> &[f64] {
        &self.strange
    }

    fn held_out_right(&self) -> (usize, usize) {
        self.right
    }

    fn classes(&self) -> usize {
        self.classes
    }

    /// Its centres go. How its rows lay about them stays in the shared covariance.
    fn forget(&mut self, class: usize) -> Result<Left> {
        let own: Vec<usize> = (0..self.owners.len()).filter(|&centre| self.owners[centre] == class).collect();
        if own.is_empty() {
            crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes());
        }
        self.dropped += own.iter().map(|&centre| self.centres.counts()[centre] - 1).sum::<u64>();
        self.centres.remove(&own);
        self.drop_places(&own);
        (self.fresh, self.solved) = (None, None);
        self.strange.clear();
        Ok(Left::Spread)
    }

    fn forget_occasion(&mut self, occasion: usize) {
        self.births.iter_mut().filter(|birth| **birth > occasion).for_each(|birth| *birth -= 1);
        self.observations -= 1;
    }

    /// The mean of two centres lies between them: `n n' / (n + n') (m - m') (m - m')'` is what the scatter of their rows grows by.
    fn unite_occasions(&mut self, kept: usize, other: usize) -> Result<()> {
        self.births.iter_mut().filter(|birth| **birth == other).for_each(|birth| *birth = kept);
        let twin = |i: usize| {
            let same = |&j: &usize| (self.owners[j], self.births[j]) == (self.owners[i], kept);
            (self.births[i] == kept).then(|| (i + 1..self.owners.len()).find(same)).flatten().map(|j| (i, j))
        };
        let pairs: Vec<(usize, usize)> = (0..self.owners.len()).filter_map(twin).collect();
        let mut gaps = Array2::zeros((pairs.len(), self.centres.width()));
        for (&(i, j), mut gap) in pairs.iter().zip(gaps.rows_mut()) {
            let [n, m] = [i, j].map(|k| self.centres.counts()[k].max(1) as f64);
            let apart = &self.centres.sums().row(i) / n - &self.centres.sums().row(j) / m;
            gap.assign(&apart.mapv(|x| (x * (n * m / (n + m)).sqrt()) as f32));
        }
        self.scatter.add_rows(gaps.view())?;
        self.centres.unite(&pairs);
        self.drop_places(&pairs.iter().map(|&(_, j)| j).collect::<Vec<_>>());
        self.forget_occasion(other);
        (self.fresh, self.solved) = (None, None);
        Ok(())
    }

    fn centres_kept(&self) -> usize {
        self.owners.len()
    }

    fn bytes(&self) -> usize {
        self.scatter.bytes()
            + self.centres.bytes()
            + self.evidence.bytes()
            + size_of::<usize>() * (2 * self.owners.len() + 3)
    }
}

#[cfg(test)]
mod tests;
