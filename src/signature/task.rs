//! The signature of one task: a mixture over its reduced features, and the calibration of its score.

use std::collections::BTreeMap;

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, folds};
use crate::bail;
use crate::error::Result;
use crate::mixture::{DpGmm, DpGmmParams};

/// How a [`Signature`] is fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureForm {
    /// One component a class to begin with, all tied to the unit covariance that within-class whitening promises; the
    /// process then moves, merges and drops them. The default.
    #[default]
    ByClass,
    /// As published: scikit-learn's mixture from k-means, labels unused.
    Faithful,
}

/// How a point is scored under a mixture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Score {
    /// Log posterior predictive density (Student's t). The default.
    #[default]
    Predictive,
    /// The best single Gaussian, unweighted, with 1e-4 added to the variances: the published rule.
    MaxComponent,
}

/// How to fit a [`Signature`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignatureParams {
    /// Labels used or not.
    pub form: SignatureForm,
    /// Truncation of the faithful form; by class the classes are counted.
    pub n_components: usize,
    /// How many samples the tied unit covariance is worth (by class only).
    pub tie: f64,
    /// Iterations of the fit. By class, 0 keeps every component at its class.
    pub max_iter: usize,
    /// How points are scored.
    pub score: Score,
    /// Share of own samples that must not be called unknown.
    pub recall: f64,
    /// Seed of k-means starts.
    pub seed: u64,
}

impl Default for SignatureParams {
    fn default() -> Self {
        Self {
            form: SignatureForm::ByClass,
            n_components: 20,
            tie: 300.0,
            max_iter: 100,
            score: Score::Predictive,
            recall: 0.95,
            seed: 42,
        }
    }
}

impl SignatureParams {
    /// The published form and rule (methods.md 3.5, 3.6), in diagonal covariances.
    pub fn faithful() -> Self {
        Self { form: SignatureForm::Faithful, score: Score::MaxComponent, ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        let sound = self.n_components > 0
            && self.tie > 0.0
            && self.tie.is_finite()
            && (0.0..=1.0).contains(&self.recall);
        if !sound {
            bail!(InvalidArgument, "{self:?}: give components and a tie above 0, and a recall from 0 to 1");
        }
        Ok(())
    }

    fn mixture(&self, z: ArrayView2<f64>, labels: &[usize]) -> Result<DpGmm> {
        match self.form {
            SignatureForm::Faithful => {
                let params = DpGmmParams::new(self.n_components).scikit_learn().max_iter(self.max_iter);
                params.seed(self.seed).fit(&DatasetBase::from(z))
            }
            SignatureForm::ByClass => {
                let start = by_class(labels);
                DpGmmParams::new(start.ncols())
                    .degrees_of_freedom_prior(self.tie)
                    .covariance_prior(Array1::from_elem(z.ncols(), self.tie))
                    .max_iter(self.max_iter)
                    .merge_moves(false)
                    .check()?
                    .fit_from(&z, &start)
            }
        }
    }

    fn scores(&self, mixture: &DpGmm, z: ArrayView2<f64>) -> Array1<f64> {
        match self.score {
            Score::Predictive => mixture.predictive(&z),
            Score::MaxComponent => mixture.max_component(&z, 1e-4),
        }
    }
}

/// One-hot responsibilities `[n, classes]`, classes in rising order of their label.
fn by_class(labels: &[usize]) -> Array2<f64> {
    let mut column: BTreeMap<usize, usize> = labels.iter().map(|&c| (c, 0)).collect();
    column.values_mut().enumerate().for_each(|(i, c)| *c = i);
    let mut start = Array2::zeros((labels.len(), column.len()));
    for (mut row, label) in start.outer_iter_mut().zip(labels) {
        row[column[label]] = 1.0;
    }
    start
}

/// What one task leaves behind, a few kilobytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    params: SignatureParams,
    mixture: DpGmm,
    calibration: Calibration,
    classes: Vec<u32>,
    n: u32,
}

impl Signature {
    /// Fits to reduced features `z` `[n, d']` and their labels `[n]`.
    ///
    /// # Errors
    /// `Shape` without features or with another number of labels, `Numeric` for features that are not finite,
    /// `InvalidArgument` for parameters out of range.
    pub fn fit(z: ArrayView2<f64>, labels: &[usize], params: &SignatureParams) -> Result<Self> {
        params.check()?;
        if z.nrows() == 0 || labels.len() != z.nrows() {
            bail!(
                Shape,
                "{} features with {} labels; give one label for each, and at least one",
                z.nrows(),
                labels.len()
            );
        }
        let calibration = Calibration::new(&held_out(z, labels, params)?, params.recall);
        let mixture = params.mixture(z, labels)?.rounded()?;
        let classes: std::collections::BTreeSet<u32> =
            labels.iter().map(|&c| u32::try_from(c).unwrap_or(u32::MAX)).collect();
        Ok(Self {
            params: *params,
            mixture,
            calibration,
            classes: classes.into_iter().collect(),
            n: u32::try_from(labels.len()).unwrap_or(u32::MAX),
        })
    }

    /// Scores of reduced features `[n, d']`, in nats; shape `[n]`.
    ///
    /// # Errors
    /// `Shape` for another width.
    pub fn score(&self, z: ArrayView2<f64>) -> Result<Array1<f64>> {
        if z.ncols() != self.mixture.n_features() {
            bail!(
                Shape,
                "features of width {} for a signature of {}; use its reduction",
                z.ncols(),
                self.mixture.n_features()
            );
        }
        Ok(self.params.scores(&self.mixture, z))
    }

    /// The mixture.
    pub fn mixture(&self) -> &DpGmm {
        &self.mixture
    }

    /// Where own unseen scores lie.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Labels seen in this task, rising.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// Number of features it was fitted on.
    pub fn n(&self) -> usize {
        self.n as usize
    }

    /// Bytes of the stored numbers; the record around them adds a few dozen.
    pub fn bytes(&self) -> usize {
        self.mixture.bytes() + size_of::<Calibration>() + 4 * self.classes.len()
    }
}

/// Scores of samples under mixtures that did not see them.
fn held_out(z: ArrayView2<f64>, labels: &[usize], params: &SignatureParams) -> Result<Vec<f64>> {
    let (fold, used) = folds(labels);
    let mut scores = Vec::new();
    for f in 0..used {
        let (out, seen): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|&i| fold[i] == f);
        if out.is_empty() || seen.is_empty() {
            continue;
        }
        let seen_labels: Vec<usize> = seen.iter().map(|&i| labels[i]).collect();
        let mixture = params.mixture(z.select(Axis(0), &seen).view(), &seen_labels)?;
        scores.extend(params.scores(&mixture, z.select(Axis(0), &out).view()));
    }
    Ok(scores)
}
