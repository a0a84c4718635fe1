//! The signature of one task: a mixture over its reduced features, and the calibration of its score.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::reduction::Reduced;
use crate::bail;
use crate::error::Result;
use crate::mixture::{CovarianceType, DpGmm};

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

    pub(super) fn scores(&self, mixture: &DpGmm, features: &Reduced) -> Result<Array1<f64>> {
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
    pub(super) params: SignatureParams,
    pub(super) mixture: DpGmm,
    pub(super) calibration: Calibration,
    pub(super) classes: Vec<u32>,
    /// Class of most of each component's samples.
    pub(super) owners: Vec<u32>,
    pub(super) n: u32,
}

impl Signature {
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
