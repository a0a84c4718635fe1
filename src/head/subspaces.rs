//! Class means in the space of every network of a task.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::sections::unit_parts;
use super::{Head, Left, MAX_CLASSES, check_batch, unsolved};
use crate::error::Result;

/// Weight of a space that is not the one in which a class was learned (EASE, arXiv 2403.12030).
const OTHERS: f32 = 0.1;

/// Features are those of all networks so far side by side, `[n, T * E]`, `T` growing with the tasks.
///
/// ```text
/// score of class c = sum_j w_cj cos(f_j, m_cj)        w = 1 in the space of c's own task, 0.1 elsewhere
/// ```
///
/// A class that was learned before network `j` existed has no mean there, and no image of it is left. Its mean is completed
/// from the classes of the new task, by how similar it is to them in the newest space that knows both:
/// `m_cj = sum_b softmax_b(cos(m_c, m_b)) m_bj`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subspaces {
    pub(super) width: usize,
    /// By class.
    pub(super) classes: Vec<Option<Means>>,
    /// Unit means `[classes, T * E]`, each space times its weight.
    #[serde(skip)]
    solved: Option<Array2<f32>>,
}

/// Means of one class, by space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Means {
    /// The space of the task that learned it first.
    own: usize,
    /// Sum of rows and their number, by space; completed means count as one row.
    sums: Vec<(Array1<f32>, u32)>,
}

impl Subspaces {
    /// No class yet, for networks of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self { width, classes: Vec::new(), solved: None }
    }

    fn spaces(&self) -> usize {
        self.classes.iter().flatten().map(|c| c.sums.len()).max().unwrap_or(0)
    }

    /// Whether every mean is as wide as the space, and every class is at home in one that it has.
    pub(super) fn even(&self) -> bool {
        let mut means = self.classes.iter().flatten();
        self.width > 0
            && means.all(|c| c.own < c.sums.len() && c.sums.iter().all(|(sum, _)| sum.len() == self.width))
    }

    /// Gives every class a mean in every space.
    fn complete(&mut self, spaces: usize, new: &[usize]) {
        for class in 0..self.classes.len() {
            let Some(have) = self.classes[class].as_ref().map(|c| c.sums.len()) else { continue };
            for space in have..spaces {
                let mean = self.completed(class, space, new);
                if let Some(means) = &mut self.classes[class] {
                    means.sums.push((mean, 1));
                }
            }
        }
    }

    /// The mean that `class` would have in `space`, by its likeness to the classes of `new` in the space before.
    fn completed(&self, class: usize, space: usize, new: &[usize]) -> Array1<f32> {
        let known = |c: usize, space: usize| self.classes.get(c)?.as_ref()?.sums.get(space);
        let before = space.saturating_sub(1);
        let mut mean = Array1::zeros(self.width);
        let Some((own, _)) = known(class, before) else { return mean };
        let alike = |&b: &usize| known(b, before).map(|(other, _)| cosine(own.view(), other.view()).exp());
        let weights: Vec<f32> = new.iter().map(|b| alike(b).unwrap_or(0.0)).collect();
        let total = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        for (&b, w) in new.iter().zip(&weights) {
            if let Some((sum, count)) = known(b, space) {
                mean.scaled_add(w / total / *count as f32, sum);
            }
        }
        mean
    }
}

fn cosine(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt().max(f32::MIN_POSITIVE)
}

impl Head for Subspaces {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        let spaces = features.ncols() / self.width.max(1);
        if spaces < self.spaces() {
            crate::bail!(Shape, "features of {spaces} networks where {} were seen", self.spaces());
        }
        check_batch(spaces * self.width, features, labels)?;
        let mut new: Vec<usize> = labels.to_vec();
        new.sort_unstable();
        new.dedup();
        let most = new.last().map_or(0, |&c| (c + 1).min(MAX_CLASSES));
        self.classes.resize(self.classes.len().max(most), None);
        for (&class, row) in labels.iter().zip(features.rows()) {
            let fresh = || Means { own: spaces - 1, sums: Vec::new() };
            let means = self.classes[class].get_or_insert_with(fresh);
            means.sums.resize(spaces, (Array1::zeros(self.width), 0));
            for (space, (sum, count)) in means.sums.iter_mut().enumerate() {
                *sum += &row.slice(s![space * self.width..(space + 1) * self.width]);
                *count += 1;
            }
        }
        self.complete(spaces, &new);
        self.solved = None;
        Ok(())
    }

    fn solve(&mut self) -> Result<()> {
        let (width, spaces) = (self.width, self.spaces());
        if spaces == 0 {
            crate::bail!(State, "class means without any class; observe labelled features first");
        }
        let mut rows = Array2::zeros((self.classes.len(), spaces * width));
        for (mut row, means) in rows.rows_mut().into_iter().zip(&self.classes) {
            let Some(means) = means else { continue };
            for (space, (sum, _)) in means.sums.iter().enumerate() {
                let weight = if space == means.own { 1.0 } else { OTHERS };
                let norm = sum.dot(sum).sqrt().max(f32::MIN_POSITIVE);
                row.slice_mut(s![space * width..(space + 1) * width]).assign(&(sum * (weight / norm)));
            }
        }
        self.solved = Some(rows);
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let means = self.solved.as_ref().ok_or_else(unsolved)?;
        super::check_width(means.ncols(), features)?;
        let mut unit = features.to_owned();
        unit_parts(unit.view_mut(), self.width);
        let mut scores = unit.dot(&means.t());
        for (class, mut column) in scores.columns_mut().into_iter().enumerate() {
            if self.classes[class].is_none() {
                column.fill(f32::NEG_INFINITY);
            }
        }
        Ok(scores)
    }

    fn classes(&self) -> usize {
        self.classes.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
    }

    fn forget(&mut self, class: usize) -> Result<Left> {
        if self.spaces() > 1 {
            crate::bail!(Unsupported, "means of other classes were completed with those of class {class}");
        }
        match self.classes.get_mut(class) {
            Some(known) if known.is_some() => *known = None,
            _ => crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes()),
        }
        Ok(Left::Nothing)
    }

    fn bytes(&self) -> usize {
        let means = |m: &Means| m.sums.iter().map(|(s, _)| 4 * s.len() + 4).sum::<usize>() + 8;
        self.classes.iter().flatten().map(means).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_class_from_before_a_network_gets_a_mean_there_by_likeness() {
        let mut head = Subspaces::new(2);
        head.observe(array![[1.0, 0.0], [0.0, 1.0]].view(), &[0, 1]).unwrap();
        // Class 2 is like class 0 in the first space, class 3 like class 1.
        let rows = array![[1.0, 0.1, 5.0, 0.0], [0.1, 1.0, 0.0, 5.0]];
        head.observe(rows.view(), &[2, 3]).unwrap();
        head.solve().unwrap();
        let mean = &head.classes[0].as_ref().unwrap().sums[1].0;
        assert!(mean[0] > mean[1] && mean[1] > 0.0, "{mean}");
        let scores = head.scores(rows.view()).unwrap();
        assert!(scores[[0, 2]] > scores[[0, 3]] && scores[[1, 3]] > scores[[1, 2]], "{scores}");
        assert!(head.scores(array![[1.0, 0.0]].view()).is_err(), "features of one network");
    }
}
