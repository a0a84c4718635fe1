//! The end of a task for what recognises it: its signature, and how strange its own images are to what is known.

use ndarray::ArrayView2;

use super::recognition::{Recognition, Strangeness};
use super::signatures::{Signatures, reduced};
use crate::error::Result;
use crate::head::{Angles, Head, Novelty};
use crate::signature::{Calibration, Certificate, Reduction, ReductionParams, Signature, SignatureParams};

/// Share of known images that must not be called unknown.
const RECALL: f64 = 0.95;

/// Images a column of the feature below which a covariance is not trusted to tell strangers. On frozen `vit_tiny` features of
/// CIFAR-100 both tell them equally well at two (areas under the curve 85.0 and 83.8 of ten classes of ten images, 79.5 and 82.3 of
/// fifty classes of twenty); thresholds of the angle hold from a dozen images on.
const FEW: usize = 2;

impl Signatures {
    /// Adds the signature of a task from its features `[n, width]`.
    pub fn learn(&mut self, features: ArrayView2<'_, f32>, labels: &[usize], seed: u64) -> Result<()> {
        let reduction = match self.reduction.take() {
            Some(reduction) => reduction,
            None => Reduction::fit(features, labels, &ReductionParams::default())?,
        };
        let z = reduced(&reduction, features)?;
        self.reduction = Some(reduction);
        let params = SignatureParams { seed, ..SignatureParams::default() };
        self.router.push(Signature::fit(&z, labels, &params)?);
        Ok(())
    }

    /// How far the newest task is from being taken for another, from its own images' features `[n, width]`, for an error
    /// of `eps`; `None` for the first task, which has no rival.
    pub fn certificate(&self, features: ArrayView2<'_, f32>, eps: f64) -> Result<Option<Certificate>> {
        let mixtures = self.mixtures();
        let Some(newest) = mixtures.len().checked_sub(1).filter(|&newest| newest > 0) else {
            return Ok(None);
        };
        let z = reduced(self.space()?, features)?.z;
        Certificate::new(newest, &mixtures, &vec![z.view(); mixtures.len()], eps).map(Some)
    }
}

impl Recognition {
    /// Adds the signature of a task from its features `[n, width]`; `head` has just learned its classes.
    pub fn learn(
        &mut self,
        features: ArrayView2<'_, f32>,
        labels: &[usize],
        seed: u64,
        head: Option<&dyn Head>,
    ) -> Result<()> {
        self.signatures.learn(features, labels, seed)?;
        let told = head.map_or(&[][..], Head::held_out_strange);
        let (before, angles) = match self.strangeness.take() {
            Some(Strangeness { novelty, angles, .. }) => (novelty, angles),
            None => (None, Some(Angles::new(features.ncols()))),
        };
        let angles = angles.map(|angles| met(angles, features, labels)).transpose()?.flatten();
        let (novelty, held_out) = if told.is_empty() {
            let mut novelty = before.unwrap_or_else(|| Novelty::new(features.ncols()));
            novelty.observe(features, labels)?;
            novelty.solve()?;
            let held_out = novelty.held_out(features, labels)?.to_vec();
            (Some(novelty), held_out)
        } else {
            (None, told.to_vec())
        };
        // The only row of a class says nothing about how far rows are from their class.
        let familiar: Vec<f64> = held_out.into_iter().filter(|x| x.is_finite()).map(|x| -x).collect();
        let calibration = Calibration::new(&familiar, RECALL);
        self.strangeness = Some(Strangeness { novelty, calibration, angles });
        Ok(())
    }

    /// What can be promised of the newest task's signature; see [`Signatures::certificate`].
    pub fn certificate(&self, features: ArrayView2<'_, f32>) -> Result<Option<Certificate>> {
        self.signatures.certificate(features, 1.0 - RECALL)
    }
}

/// `angles` with the images of another task; `None` once there are enough to know better.
fn met(mut angles: Angles, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Option<Angles>> {
    angles.observe(features, labels, RECALL)?;
    let enough = (FEW * features.ncols()) as u64;
    Ok((angles.rows() < enough).then_some(angles))
}
