//! From images to features: once through the frozen trunk, then through the adapted suffix.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayView4, Axis, Ix2, Slice};

use super::Encoded;
use super::features::{Features, Scale};
use super::network::Network;
use super::pace::Pace;
use super::runner::Runner;
use crate::adapter::cut;
use crate::error::Result;
use crate::strategy::View;

/// Images decoded to f32 at a time, which bounds the working memory.
pub const CHUNK: usize = 32;

impl Scale {
    /// Of `rows`.
    pub fn fit(rows: ArrayView2<'_, f32>) -> Self {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let deviation = rows.std_axis(Axis(0), 0.0).mean().unwrap_or(1.0).max(1e-6);
        Self { mean, deviation }
    }
}

fn cast<D: ndarray::Dimension>(a: ArrayD<f32>) -> Result<ndarray::Array<f32, D>> {
    a.into_dimensionality().map_err(|e| crate::err!(Shape, "an output has another rank than expected: {e}"))
}

/// Images through the frozen trunk, which may leave out the feature or the summary.
pub fn encode(trunk: &Runner, images: ArrayView4<'_, f32>, pace: &dyn Pace) -> Result<Encoded> {
    let mut all: Option<Encoded> = None;
    for start in (0..images.shape()[0]).step_by(CHUNK) {
        let end = images.shape()[0].min(start + CHUNK);
        let chunk = images.slice_axis(Axis(0), Slice::from(start..end));
        let outputs = trunk.run(chunk.view().into_dyn(), &[], pace)?;
        let mut outputs: BTreeMap<&str, ArrayD<f32>> = trunk.outputs().zip(outputs).collect();
        let mut rows = |name: &str| match outputs.remove(name) {
            Some(rows) => cast::<Ix2>(rows),
            None => Ok(Array2::zeros((end - start, 0))),
        };
        let (frozen, summary) = (rows(cut::FEATURES)?, rows(cut::SUMMARY)?);
        let tokens = outputs.remove(cut::BOUNDARY);
        let tokens = tokens.ok_or_else(|| crate::err!(Bug, "the trunk has no boundary"))?;
        let part = Encoded::of(chunk.into_dyn(), &tokens, frozen.view(), summary.view());
        match &mut all {
            Some(all) => all.extend(&part),
            None => all = Some(part),
        }
    }
    all.ok_or_else(|| crate::err!(InvalidArgument, "no image was given"))
}

/// Encoded images through adapted networks, with what `view` reads beside.
pub fn extract(networks: &[Network], view: View, images: &Encoded, pace: &dyn Pace) -> Result<Features> {
    if let Some(features) = images.features() {
        return Ok(features);
    }
    let (frozen, summary) = (images.frozen(), images.summary());
    let pooled = if view == View::Beside { images.pooled()? } else { Array2::zeros((images.len(), 0)) };
    let width = networks.first().map_or(0, Network::width);
    let mut adapted = vec![Array2::zeros((images.len(), width)); networks.len()];
    let mut late = Array2::zeros((images.len(), networks.first().map_or(0, Network::late)));
    if !networks.is_empty() {
        each_chunk(images, |indices, tokens| {
            let rows = Slice::from(indices[0]..indices[0] + indices.len());
            for (network, out) in networks.iter().zip(&mut adapted) {
                let (features, said) = network.run(tokens.view(), pace)?;
                out.slice_axis_mut(Axis(0), rows).assign(&features);
                if let Some(said) = said {
                    late.slice_axis_mut(Axis(0), rows).assign(&said);
                }
            }
            Ok(())
        })?;
    }
    Ok(Features { frozen, adapted, pooled, summary, late })
}

/// Runs `suffix` with its taps as further outputs; gives every tap's rows, `[images * tokens, width]`.
pub fn taps(
    runner: &Runner,
    images: &Encoded,
    pace: &dyn Pace,
    mut record: impl FnMut(usize, ArrayView2<'_, f32>) -> Result<()>,
) -> Result<()> {
    each_chunk(images, |_, tokens| {
        for (tap, rows) in runner.run(tokens.view(), &[], pace)?.into_iter().enumerate() {
            let width = rows.shape().last().copied().unwrap_or(1).max(1);
            let rows = rows.to_shape((rows.len() / width, width)).map_err(|e| crate::err!(Bug, "{e}"))?;
            record(tap, rows.view())?;
        }
        Ok(())
    })
}

fn each_chunk(images: &Encoded, mut f: impl FnMut(&[usize], ArrayD<f32>) -> Result<()>) -> Result<()> {
    let indices: Vec<usize> = (0..images.len()).collect();
    indices.chunks(CHUNK).try_for_each(|chunk| f(chunk, images.tokens(chunk)?))
}
