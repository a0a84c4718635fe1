//! Nearest class mean by cosine.

use ndarray::{Array2, ArrayView2};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::sums::{ClassSums, Rows};
use super::{Head, Left, check_batch, check_width, unsolved};
use crate::error::Result;

/// Score of class `c` for `x`: `cos(x, mean of c)`. The mean is of raw features and normalised after, which is what
/// gives the reference figures (normalising first changes them by 0.1 point).
///
/// The only head whose classes share nothing: forgetting one is exact and leaves all other scores bit-identical.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMeans {
    pub(super) classes: ClassSums,
    /// Unit means `[classes, E]`, and the classes without any.
    #[serde(skip)]
    pub(super) solved: Option<Rows>,
}

impl ClassMeans {
    /// No class yet, for features of `width` (`E`).
    pub fn new(width: usize) -> Self {
        Self { classes: ClassSums::new(width), solved: None }
    }

    /// Images seen of each class.
    pub fn counts(&self) -> &[u64] {
        self.classes.counts()
    }
}

impl Head for ClassMeans {
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.classes.width(), features, labels)?;
        self.classes.add(features.mapv(f64::from).view(), labels)
    }

    fn solve(&mut self) -> Result<()> {
        if self.classes.total() == 0 {
            crate::bail!(State, "class means without any class; observe labelled features first");
        }
        let mut means = self.classes.sums().to_owned();
        means.rows_mut().into_iter().for_each(|mut sum| {
            let norm = sum.dot(&sum).sqrt().max(f64::MIN_POSITIVE);
            sum /= norm;
        });
        self.solved = Some(Rows::new(means.mapv(|x| x as f32), &self.classes));
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.classes.width(), features)?;
        let mut scores = self.solved.as_ref().ok_or_else(unsolved)?.products(features);
        for (mut row, x) in scores.rows_mut().into_iter().zip(features.rows()) {
            row /= x.dot(&x).sqrt().max(f32::MIN_POSITIVE);
        }
        Ok(scores)
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
    }
}
