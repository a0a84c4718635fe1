//! From images to features: once through the frozen trunk, then through the adapted suffix.

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayView4, Axis, Ix2, Slice, concatenate, s};

use std::collections::BTreeMap;

use super::Encoded;
use super::network::Network;
use super::pace::Pace;
use super::runner::Runner;
use crate::adapter::cut;
use crate::error::Result;
use crate::strategy::View;

/// Images decoded to f32 at a time, which bounds the working memory.
pub const CHUNK: usize = 32;

/// Parts of the summary that [`View::Near`] reads: mean and deviation at the boundary, and the mean before it.
pub const NEAR: usize = 3;

/// Feature rows of a set of images.
pub struct Features {
    /// Of the frozen backbone, `[n, width]`; of width 0 where it is not run to its end.
    pub frozen: Array2<f32>,
    /// Of every adapted network that was run, `[n, width]`; none where nothing was adapted.
    pub adapted: Vec<Array2<f32>>,
    /// Mean of the boundary tokens, `[n, token width]`; of width 0 where nobody asks.
    pub pooled: Array2<f32>,
    /// What tokens say on the way, `[n, summary]`.
    pub summary: Array2<f32>,
    /// What tokens say late in the adapted network, `[n, late]`; of width 0 where nobody asks.
    pub late: Array2<f32>,
}

impl Features {
    /// What a classifier reads; `scales` of the blocks that stand side by side, `parts` the widths of both summaries'.
    pub fn view(&self, view: View, scales: &[Scale], parts: [&[usize]; 2]) -> Result<Array2<f32>> {
        match view {
            View::Frozen => Ok(self.frozen.clone()),
            View::Adapted | View::Routed(_) if self.adapted.is_empty() => Ok(self.frozen.clone()),
            View::Adapted | View::Routed(_) => beside(&self.adapted.iter().collect::<Vec<_>>()),
            View::Fused => beside(&[&self.frozen].into_iter().chain(&self.adapted).collect::<Vec<_>>()),
            _ => {
                let blocks = self.blocks(view, parts);
                if let Some((block, scale)) =
                    blocks.iter().zip(scales).find(|(b, s)| b.ncols() != s.mean.len())
                {
                    let (have, want) = (block.ncols(), scale.mean.len());
                    crate::bail!(
                        Mismatch,
                        "features of {have} columns and a scale of {want}; give the state's own backbone"
                    );
                }
                let blocks: Vec<_> = blocks.iter().zip(scales).map(|(b, s)| s.apply(b)).collect();
                beside(&blocks.iter().collect::<Vec<_>>())
            }
        }
    }

    /// The blocks of a view that stand side by side, each to be centred and scaled; `parts` and `late` are the widths of
    /// both summaries' parts.
    pub fn blocks(&self, view: View, [parts, late]: [&[usize]; 2]) -> Vec<ArrayView2<'_, f32>> {
        let adapted = self.adapted.iter().map(Array2::view);
        if !view.is_deep() {
            return [self.frozen.view(), self.pooled.view()].into_iter().chain(adapted).collect();
        }
        let frozen = self.adapted.is_empty().then(|| self.frozen.view());
        let late = if self.late.ncols() > 0 { late } else { &[] };
        let parts = if view == View::Near { &parts[..parts.len().min(NEAR)] } else { parts };
        adapted.chain(frozen).chain(split(&self.summary, parts)).chain(split(&self.late, late)).collect()
    }
}

/// `rows` in parts of these widths.
fn split<'a>(rows: &'a Array2<f32>, widths: &[usize]) -> Vec<ArrayView2<'a, f32>> {
    let mut start = 0;
    let part = |width: &usize| {
        start += width;
        rows.slice(s![.., start - width..start])
    };
    widths.iter().map(part).collect()
}

fn beside(blocks: &[&Array2<f32>]) -> Result<Array2<f32>> {
    let views: Vec<_> = blocks.iter().map(|b| b.view()).collect();
    concatenate(Axis(1), &views).map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))
}

/// Centre and scale of one block of features, fixed by the first task.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scale {
    /// Mean row.
    pub mean: Array1<f32>,
    /// Mean standard deviation over the columns.
    pub deviation: f32,
}

impl Scale {
    /// Of `rows`.
    pub fn fit(rows: ArrayView2<'_, f32>) -> Self {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let deviation = rows.std_axis(Axis(0), 0.0).mean().unwrap_or(1.0).max(1e-6);
        Self { mean, deviation }
    }

    fn apply(&self, rows: &ArrayView2<'_, f32>) -> Array2<f32> {
        (rows - &self.mean) / self.deviation
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
