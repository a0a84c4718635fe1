//! Classifiers on feature rows, learned from additive statistics.
//!
//! Floor 3. A head sees features once and keeps sums; classes may come in any order and number, and a class that comes
//! late is worth as much as one that came first. On a frozen backbone nothing is forgotten, because sums do not depend
//! on order.
//!
//! | file | holds | keeps |
//! |---|---|---|
//! | `class_means` | [`ClassMeans`]: cosine to the class mean | `C` sums of `E` |
//! | `sections` | [`Sections`]: class means in sections that are trusted differently | `C` sums of `E` |
//! | `subspaces` | [`Subspaces`]: class means in the space of every network of a task | `C T` sums of `E` |
//! | `ridge` | [`Ridge`]: least squares on lifted features (RanPAC, arXiv 2307.02251, with [`Lift::random_relu`]) | `G [M, M]`, `Q [M, C]` |
//! | `gram` | `G` of a ridge, whole or rounded | |
//! | `gcv` | the ridge parameter in closed form | |
//! | `lift` | [`Lift`]: the map from features to ridge inputs | one seed |
//! | `lda` | [`Lda`]: shared covariance, shrunk | `G [E, E]`, `C` sums of `E` |
//! | `mda` | [`Mda`]: a centre for every class and occasion, calibrated | `G [E, E]` in f32, `K` sums of `E` |
//! | `background` | how far rows are from everything | |
//! | `metric` | the covariance and its distances | |
//! | `imagined` | [`Imagined`]: rows as they would be seen | |
//! | `leaving` | statistics without a picture and all its crops | |
//! | `better` | [`Better`]: ridge and discriminants, chosen by rows held out | both |
//! | `evidence` | which setting held-out rows find likeliest | |
//! | `blend` | [`Blend`]: `mda` on everything and `ridge` on some, added up as held-out rows would have it | both |
//! | `linear` | [`Linear`]: weights that the joint graph trains | `W [capacity, E]` |
//! | `cosine`, `fusion`, `training` | [`Cosine`], [`Fusion`], [`TrainingHead`]: rows that last for a task, and what the joint graph trains | |
//! | `vectors` | [`Vectors`]: vectors that the caller gives, such as embeddings of class names | `V [C, E]` |
//! | `novelty` | [`Novelty`]: whether a row is of any class at all | the sums of [`Lda`] |
//! | `angles` | [`Angles`]: the same, as long as few rows were seen | `C` means of `E` in f16 |
//! | `sums` | per-class sums and counts | |
//! | `union` | statistics of rows that were seen elsewhere, added | |
//! | `demand` | [`Demand`]: what heads take of RAM, from their sizes alone | |
//! | `fits` | whether parts of statistics that were read fit each other | |
//!
//! On frozen `vit_tiny` features, ten tasks of equally many classes, in percent and megabytes of state (command in
//! `tests/head_parity.rs`; random features: mean of three seeds; standard error of an accuracy 1.0 and 1.4):
//!
//! | | CIFAR-100, 100 images a class: last, average, MB | Omniglot, 242 characters: last, average, MB |
//! |---|---|---|
//! | [`ClassMeans`] | 69.6, 78.0, 0.15 | 56.1, 54.8, 0.4 |
//! | [`Lda`] | 72.6, 80.8, 0.3 | 74.0, 75.6, 0.5 |
//! | [`Ridge`], [`Lift::Identity`] | 71.3, 80.3, 0.2 | 61.7, 66.9, 0.4 |
//! | [`Ridge`], 2000 random features | 74.6, 82.3, 9.6 | 69.9, 71.4, 11.9 |
//!
//! Invariants: `observe` does not change `scores` until `solve`; after decoding, one `solve` makes a head ready and
//! gives the very same scores. Statistics are sums of what the backbone gave *when they were taken*: a head cannot know
//! that an adapter has moved the features since, and does not correct for it.

mod angles;
mod background;
mod better;
mod blend;
mod class_means;
mod cosine;
mod demand;
mod evidence;
mod fits;
mod fusion;
mod gcv;
mod gram;
mod imagined;
mod lda;
mod leaving;
mod lift;
mod linear;
mod mda;
mod metric;
mod novelty;
mod ridge;
mod sections;
mod subspaces;
mod sums;
mod training;
mod union;
mod vectors;

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};

pub use angles::{Angles, Spread};
pub use better::Better;
pub use blend::Blend;
pub use class_means::ClassMeans;
pub use cosine::Cosine;
pub use demand::Demand;
pub use fusion::Fusion;
pub use imagined::Imagined;
pub use lda::Lda;
pub use lift::Lift;
pub use linear::Linear;
pub use mda::Mda;
pub use novelty::Novelty;
pub use ridge::Ridge;
pub use sections::{Sections, Weighing};
pub use subspaces::Subspaces;
pub use training::TrainingHead;
pub use union::Centres;
pub use vectors::Vectors;

use crate::error::Result;

/// Largest class index + 1. A label beyond it is a mistake, not a class.
pub const MAX_CLASSES: usize = 1 << 16;

/// What a head that has forgotten a class still holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Nothing. Scores of other classes are what they were, to the bit.
    Nothing,
    /// How its rows lay about their mean, in one sum with those of all other classes, which their scores rest on: these are
    /// what they were, to the bit.
    Spread,
    /// The same, and scores of other classes move by rounding, since its mean was taken out of that sum.
    Rounded,
}

/// A classifier over feature rows `[n, E]`; classes are indices from 0, in any order of arrival.
pub trait Head {
    /// Adds labelled features to the statistics.
    ///
    /// # Errors
    /// `Shape` on another width or number of labels, `InvalidArgument` on a label of [`MAX_CLASSES`] or more, `Numeric`
    /// on NaN or infinity. The statistics are then unchanged.
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()>;

    /// The same of pictures in `crops` crops: the first crop of every picture, then the second of every one, and so on,
    /// `[crops * n, E]` with `n` labels. Heads that ask rows held out take a picture out with all its crops.
    ///
    /// # Errors
    /// As [`Head::observe`].
    fn observe_crops(&mut self, features: ArrayView2<'_, f32>, labels: &[usize], crops: usize) -> Result<()> {
        self.observe(features, &labels.repeat(crops))
    }

    /// Makes [`Head::scores`] reflect everything observed.
    ///
    /// # Errors
    /// `State` before anything was observed, `Numeric` when the statistics are degenerate.
    fn solve(&mut self) -> Result<()>;

    /// `[n, classes]` as of the last solve, larger is likelier; negative infinity for an index that was never observed or
    /// is forgotten.
    ///
    /// # Errors
    /// `State` before [`Head::solve`], `Shape` on another width.
    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>>;

    /// Log-probabilities `[n, observations]` that a row is like those of each observation so far, where the head can tell.
    ///
    /// # Errors
    /// As [`Head::scores`].
    fn occasions(&self, _features: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>> {
        Ok(None)
    }

    /// How strange rows are to every class, where the head can tell.
    ///
    /// # Errors
    /// As [`Head::scores`].
    fn strange(&self, _features: ArrayView2<'_, f32>) -> Result<Option<Array1<f64>>> {
        Ok(None)
    }

    /// Novelty of the rows of the last observation, each held out; empty where the head cannot tell.
    fn held_out_strange(&self) -> &[f64] {
        &[]
    }

    /// Pictures of the last observation that were held out, and how many of them were answered rightly; none where the head asks
    /// none.
    fn held_out_right(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Highest class index observed + 1.
    fn classes(&self) -> usize;

    /// Removes a class and says what is left of it. It is not answered any more; scores of other classes stay, see [`Left`],
    /// also when the head is solved again.
    ///
    /// # Errors
    /// `NotFound` for a class that is not known.
    fn forget(&mut self, class: usize) -> Result<Left>;

    /// Forgets that there was an observation, none of whose classes is left; later ones move down by one.
    fn forget_occasion(&mut self, _occasion: usize) {}

    /// Makes two observations one, the earlier of the two; later ones than `other` move down by one. Where a class was in both, its
    /// centres become one, and what was between them becomes spread.
    ///
    /// # Errors
    /// `Numeric` where sums are not finite.
    fn unite_occasions(&mut self, _kept: usize, _other: usize) -> Result<()> {
        Ok(())
    }

    /// Centres that it keeps: one a class, or one for every class and observation.
    fn centres_kept(&self) -> usize {
        self.classes()
    }

    /// Columns of random features that it reads.
    fn random_features(&self) -> usize {
        0
    }

    /// Keeps only the first of them. To be solved again.
    ///
    /// # Errors
    /// `Numeric` where a factorization fails.
    fn keep_features(&mut self, _columns: usize) -> Result<()> {
        Ok(())
    }

    /// Bytes of statistics, which is what a record of the head takes.
    fn bytes(&self) -> usize;

    /// Index of the best score of each row.
    ///
    /// # Errors
    /// As [`Head::scores`].
    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Vec<usize>> {
        Ok(best_of(&self.scores(features)?))
    }
}

/// Index of the best score of each row, the first of equals.
fn best_of(scores: &Array2<f32>) -> Vec<usize> {
    let best = |row: ndarray::ArrayView1<'_, f32>| {
        row.iter().enumerate().fold((0, f32::NEG_INFINITY), |b, (i, &s)| if s > b.1 { (i, s) } else { b }).0
    };
    scores.rows().into_iter().map(best).collect()
}

/// What every `observe` refuses.
fn check_batch(width: usize, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
    check_width(width, features)?;
    if features.nrows() != labels.len() {
        crate::bail!(Shape, "{} feature rows with {} labels", features.nrows(), labels.len());
    }
    if let Some(label) = labels.iter().find(|&&l| l >= MAX_CLASSES) {
        crate::bail!(InvalidArgument, "class index {label}; number classes from 0, below {MAX_CLASSES}");
    }
    if !features.iter().all(|x| x.is_finite()) {
        crate::bail!(Numeric, "a feature row is not finite; drop the image it came from");
    }
    Ok(())
}

/// At most `most` of `n` pictures in so many crops, evenly spread: which pictures, and the places of their rows.
fn asked(n: usize, crops: usize, most: usize) -> (Vec<usize>, Vec<usize>) {
    let pictures: Vec<usize> = (0..n).step_by(n.div_ceil(most).max(1)).collect();
    let rows = (0..crops).flat_map(|crop| pictures.iter().map(move |i| crop * n + i)).collect();
    (pictures, rows)
}

/// What every `scores` refuses.
fn check_width(width: usize, features: ArrayView2<'_, f32>) -> Result<()> {
    if features.ncols() != width {
        crate::bail!(Shape, "features of width {} for a head of width {width}", features.ncols());
    }
    Ok(())
}

/// The error of `scores` before `solve`.
fn unsolved() -> crate::Error {
    crate::err!(State, "the head has not been solved; call solve() after observing or loading")
}
