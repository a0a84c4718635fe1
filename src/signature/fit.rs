//! Fitting a signature: a mixture over the features of one task, and what it scores features that it did not see.

use std::collections::{BTreeMap, BTreeSet};

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::{Calibration, Reduced, Signature, SignatureForm, SignatureParams};
use crate::bail;
use crate::error::Result;
use crate::mixture::{DpGmm, DpGmmParams};

impl SignatureParams {
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
                let params = DpGmmParams::new(self.n_components).scikit_learn();
                let params = params.covariance_type(self.covariance).seed(self.seed);
                params.fit(&DatasetBase::from(z))
            }
            SignatureForm::ByClass => {
                let start = self.by_class(z, labels)?;
                let params = self.tied(start.ncols(), z.ncols()).covariance_type(self.covariance);
                let params = params.max_iter(self.refine).merge_moves(false);
                params.check()?.fit_from(&z, &start)
            }
        }
    }

    /// A process whose components expect unit variances.
    fn tied(&self, n_components: usize, width: usize) -> DpGmmParams {
        DpGmmParams::new(n_components)
            .degrees_of_freedom_prior(self.tie)
            .covariance_prior(Array1::from_elem(width, self.tie))
            .seed(self.seed)
    }

    /// Responsibilities `[n, K]` that never cross classes: those of one process a class, classes in rising order.
    fn by_class(&self, z: ArrayView2<f64>, labels: &[usize]) -> Result<Array2<f64>> {
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        labels.iter().enumerate().for_each(|(i, &c)| rows.entry(c).or_default().push(i));
        let parts = rows
            .into_values()
            .map(|members| {
                let own = z.select(Axis(0), &members);
                let model = self.tied(self.n_components, z.ncols()).fit(&DatasetBase::from(own.view()))?;
                Ok((members, model.responsibilities(&own)))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut start = Array2::zeros((z.nrows(), parts.iter().map(|(_, r)| r.ncols()).sum()));
        let mut first = 0;
        for (members, r) in parts {
            for (&i, row) in members.iter().zip(r.outer_iter()) {
                start.slice_mut(s![i, first..first + r.ncols()]).assign(&row);
            }
            first += r.ncols();
        }
        Ok(start)
    }
}

impl Signature {
    /// Fits to reduced features of `n` samples and their labels `[n]`.
    ///
    /// # Errors
    /// `Shape` without features or with another number of labels, `Numeric` for features that are not finite,
    /// `InvalidArgument` for parameters out of range.
    pub fn fit(features: &Reduced, labels: &[usize], params: &SignatureParams) -> Result<Self> {
        Ok(Self::fit_held_out(features, labels, params)?.0)
    }

    /// As [`Self::fit`], with the indices and scores of the samples that were held out for the calibration.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn fit_held_out(
        features: &Reduced,
        labels: &[usize],
        params: &SignatureParams,
    ) -> Result<(Self, Vec<(usize, f64)>)> {
        params.check()?;
        let n = features.len();
        if n == 0 || labels.len() != n {
            bail!(
                Shape,
                "{n} features with {} labels; give one label for each, and at least one",
                labels.len()
            );
        }
        let held_out = held_out(features, labels, params)?;
        let scores: Vec<f64> = held_out.iter().map(|&(_, score)| score).collect();
        let calibration = Calibration::new(&scores, params.recall);
        let mixture = params.mixture(features.z.view(), labels)?.rounded()?;
        let label = |&c: &usize| u32::try_from(c).unwrap_or(u32::MAX);
        let classes: BTreeSet<u32> = labels.iter().map(label).collect();
        let owners = owners(&mixture.responsibilities(&features.z), labels).iter().map(label).collect();
        let signature = Self {
            params: *params,
            mixture,
            calibration,
            classes: classes.into_iter().collect(),
            owners,
            n: u32::try_from(n).unwrap_or(u32::MAX),
        };
        Ok((signature, held_out))
    }
}

/// The class that has most of each component, by responsibilities `[n, K]`.
fn owners(responsibilities: &Array2<f64>, labels: &[usize]) -> Vec<usize> {
    let owner = |column: ArrayView1<'_, f64>| {
        let mut shares: BTreeMap<usize, f64> = BTreeMap::new();
        column.iter().zip(labels).for_each(|(r, &c)| *shares.entry(c).or_default() += r);
        shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(class, _)| class)
    };
    responsibilities.columns().into_iter().map(owner).collect()
}

/// Indices and scores of samples under mixtures that did not see them.
fn held_out(features: &Reduced, labels: &[usize], params: &SignatureParams) -> Result<Vec<(usize, f64)>> {
    let (fold, used) = folds(labels);
    let mut scores = Vec::new();
    for f in 0..used {
        let (out, seen): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|&i| fold[i] == f);
        if out.is_empty() || seen.is_empty() {
            continue;
        }
        let seen_labels: Vec<usize> = seen.iter().map(|&i| labels[i]).collect();
        let mixture = params.mixture(features.z.select(Axis(0), &seen).view(), &seen_labels)?;
        let held_out = params.scores(&mixture, &features.select(&out))?;
        scores.extend(out.into_iter().zip(held_out));
    }
    Ok(scores)
}

/// Which samples to hold out, fold by fold: sample `i` belongs to fold `i % 10` of its class, so that folds are
/// balanced. As many folds as give about 200 scores, at least one and at most ten.
fn folds(labels: &[usize]) -> (Vec<usize>, usize) {
    let mut seen = BTreeMap::<usize, usize>::new();
    let fold = labels
        .iter()
        .map(|&label| {
            // Classes start at different folds: tiny classes must not all give to the first.
            let count = seen.entry(label).or_insert(label % FOLDS);
            *count += 1;
            *count % FOLDS
        })
        .collect();
    (fold, 2000_usize.div_ceil(labels.len().max(1)).clamp(1, FOLDS))
}

const FOLDS: usize = 10;
