//! The signature of one task: a mixture over its reduced features, and the calibration of its score.

use std::collections::{BTreeMap, BTreeSet};

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, folds};
use super::reduction::Reduced;
use crate::bail;
use crate::error::Result;
use crate::mixture::{CovarianceType, DpGmm, DpGmmParams};

/// How a [`Signature`] is fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureForm {
    /// A Dirichlet process inside every class (most classes need one component), all components tied to the unit
    /// covariance that within-class whitening promises. The default.
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
    /// Log density of the mixture of Gaussians, weighted.
    Mixture,
}

/// How to fit a [`Signature`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignatureParams {
    /// Labels used or not.
    pub form: SignatureForm,
    /// Truncation of the process: of the whole task in the faithful form (20), of each class by class (3).
    pub n_components: usize,
    /// How many samples the tied unit covariance is worth (by class only).
    pub tie: f64,
    /// Iterations over all classes together once each has its components (by class only). 0, the default, leaves every
    /// sample to its own class; letting the mixture reassign them cost 1.7 points of retrieval on P-small.
    pub refine: usize,
    /// How the shape of a component is held. Full by class needs a `tie` above the width.
    pub covariance: CovarianceType,
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
            n_components: 3,
            tie: 300.0,
            refine: 0,
            covariance: CovarianceType::Diagonal,
            score: Score::Predictive,
            recall: 0.95,
            seed: 42,
        }
    }
}

impl SignatureParams {
    /// The published form and rule (methods.md 3.5, 3.6), in diagonal covariances; published
    /// are full ones ([`CovarianceType::Full`]).
    pub fn faithful() -> Self {
        Self {
            form: SignatureForm::Faithful,
            n_components: 20,
            score: Score::MaxComponent,
            ..Self::default()
        }
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

    fn scores(&self, mixture: &DpGmm, features: &Reduced) -> Result<Array1<f64>> {
        let density = match self.score {
            Score::Predictive => mixture.predictive(&features.z),
            Score::MaxComponent => mixture.max_component(&features.z, 1e-4)?,
            Score::Mixture => mixture.log_density(&features.z),
        };
        Ok(density - &features.background)
    }
}

/// What one task leaves behind, a few kilobytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    params: SignatureParams,
    mixture: DpGmm,
    calibration: Calibration,
    classes: Vec<u32>,
    /// Class of most of each component's samples.
    owners: Vec<u32>,
    n: u32,
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

    /// Whether every component of one that was read has an owner.
    pub(crate) fn fits(&self) -> bool {
        self.owners.len() == self.mixture.n_components()
    }

    /// Log density relative to the background per sample, in nats; shape `[n]`.
    ///
    /// # Errors
    /// `Shape` for another width.
    pub fn score(&self, features: &Reduced) -> Result<Array1<f64>> {
        let (width, own) = (features.z.ncols(), self.mixture.n_features());
        if width != own {
            bail!(
                Shape,
                "features of width {width} for a signature of {own}; use the reduction it was fitted under"
            );
        }
        self.params.scores(&self.mixture, features)
    }

    /// The mixture.
    pub fn mixture(&self) -> &DpGmm {
        &self.mixture
    }

    /// Where own unseen scores lie.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Drops the components of a class. `false` where components were fitted across classes, so that others hold some of it. What is
    /// left rests about another centre, so its scores move by rounding.
    ///
    /// # Errors
    /// `Numeric` where what is left leaves the range of the stored form.
    pub fn forget(&mut self, class: usize) -> Result<bool> {
        let own = |&j: &usize| self.owners[j] as usize != class;
        let kept: Vec<usize> = (0..self.owners.len()).filter(own).collect();
        if !kept.is_empty() {
            self.mixture.keep(&kept);
            self.mixture = self.mixture.rounded()?;
            self.owners = kept.iter().map(|&j| self.owners[j]).collect();
        }
        self.classes.retain(|&c| c as usize != class);
        Ok(self.params.form == SignatureForm::ByClass)
    }

    /// The same with other names of the classes.
    ///
    /// # Errors
    /// `Corrupt` where `name` knows no name for one of them, or they are not those of its components.
    pub fn renamed(&self, name: impl Fn(usize) -> Option<usize>) -> Result<Self> {
        let renamed = |classes: &[u32]| {
            let one = |&class: &u32| name(class as usize).and_then(|new| u32::try_from(new).ok());
            classes.iter().map(one).collect::<Option<Vec<u32>>>()
        };
        let whole = self.owners.len() == self.mixture.n_components();
        let (Some(mut classes), Some(owners), true) = (renamed(&self.classes), renamed(&self.owners), whole)
        else {
            bail!(Corrupt, "a signature of classes without a name, or of other components than it says");
        };
        classes.sort_unstable();
        Ok(Self { classes, owners, ..self.clone() })
    }

    /// Whether scores of both can be compared: fitted alike, in a space of one width, with a calibration that is one.
    pub fn is_like(&self, other: &Self) -> bool {
        let seedless = |params: &SignatureParams| SignatureParams { seed: 0, ..*params };
        let Calibration { mean, sd, threshold } = other.calibration;
        seedless(&self.params) == seedless(&other.params)
            && self.mixture.n_features() == other.mixture.n_features()
            && self.mixture.covariance_type() == other.mixture.covariance_type()
            && mean.is_finite()
            && threshold.is_finite()
            && sd.is_finite()
            && sd > 0.0
    }

    /// The cheapest merge of two components of one class, and its cost ([`DpGmm::merged`]); `None` where every class has one.
    ///
    /// # Errors
    /// `Numeric` where a merged covariance is none.
    pub fn smaller(&self) -> Result<Option<(Self, f64)>> {
        let alike = |i: usize, j: usize| self.owners[i] == self.owners[j];
        let Some((mixture, places, cost)) = self.mixture.merged_where(alike)? else { return Ok(None) };
        let owners = places.iter().map(|&place| self.owners[place]).collect();
        Ok(Some((Self { mixture: mixture.rounded()?, owners, ..self.clone() }, cost)))
    }

    /// Two tasks as one: the components of both, of which those of one class are merged until it has no more of them than in the
    /// task where it had most. And what the merges cost, in nats a sample at most.
    ///
    /// # Errors
    /// `Mismatch` for a signature of another form, `Numeric` where a merged covariance is none.
    pub fn united(&self, other: &Self) -> Result<(Self, f64)> {
        let (mut mixture, places) = self.mixture.united(&other.mixture)?;
        let both = [&self.owners[..], &other.owners[..]].concat();
        let mut owners: Vec<u32> = places.iter().map(|&place| both[place]).collect();
        let most = |class: u32| components(&self.owners, class).max(components(&other.owners, class));
        let mut lost = 0.0;
        loop {
            let may = |i: usize, j: usize| {
                owners[i] == owners[j] && components(&owners, owners[i]) > most(owners[i])
            };
            let Some((merged, places, cost)) = mixture.merged_where(may)? else { break };
            owners = places.iter().map(|&place| owners[place]).collect();
            (mixture, lost) = (merged, lost + cost);
        }
        let classes: BTreeSet<u32> = self.classes.iter().chain(&other.classes).copied().collect();
        let united = Self {
            mixture: mixture.rounded()?,
            calibration: self.calibration.pooled(self.n, &other.calibration, other.n),
            classes: classes.into_iter().collect(),
            owners,
            n: self.n.saturating_add(other.n),
            ..self.clone()
        };
        Ok((united, lost))
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
        self.mixture.bytes() + size_of::<Calibration>() + 4 * (self.classes.len() + self.owners.len())
    }
}

/// How many of `owners` are `class`.
fn components(owners: &[u32], class: u32) -> usize {
    owners.iter().filter(|&&owner| owner == class).count()
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
