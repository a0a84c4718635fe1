//! From images to features: once through the frozen trunk, then through the adapted suffix.

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayView4, Axis, Ix2, Slice, concatenate};

use super::Encoded;
use super::network::Network;
use super::runner::Runner;
use crate::error::Result;
use crate::strategy::View;

/// Images decoded to f32 at a time, which bounds the working memory.
const CHUNK: usize = 64;

/// Feature rows of a set of images.
pub struct Features {
    /// Of the frozen backbone, `[n, width]`.
    pub frozen: Array2<f32>,
    /// Of every adapted network that was run, `[n, width]`; none where nothing was adapted.
    pub adapted: Vec<Array2<f32>>,
    /// Mean of the boundary tokens, `[n, token width]`.
    pub pooled: Array2<f32>,
}

impl Features {
    /// What a classifier reads.
    pub fn view(&self, view: View, scales: &[Scale]) -> Result<Array2<f32>> {
        match view {
            View::Frozen => Ok(self.frozen.clone()),
            View::Adapted | View::Routed(_) if self.adapted.is_empty() => Ok(self.frozen.clone()),
            View::Adapted | View::Routed(_) => beside(&self.adapted.iter().collect::<Vec<_>>()),
            View::Beside => {
                let blocks: Vec<_> = self.blocks().into_iter().zip(scales).map(|(b, s)| s.apply(b)).collect();
                beside(&blocks.iter().collect::<Vec<_>>())
            }
        }
    }

    /// The blocks of [`View::Beside`].
    pub fn blocks(&self) -> Vec<&Array2<f32>> {
        [&self.frozen, &self.pooled].into_iter().chain(&self.adapted).collect()
    }
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
    pub fn fit(rows: &Array2<f32>) -> Self {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let deviation = rows.std_axis(Axis(0), 0.0).mean().unwrap_or(1.0).max(1e-6);
        Self { mean, deviation }
    }

    fn apply(&self, rows: &Array2<f32>) -> Array2<f32> {
        (rows - &self.mean) / self.deviation
    }
}

fn cast<D: ndarray::Dimension>(a: ArrayD<f32>) -> Result<ndarray::Array<f32, D>> {
    a.into_dimensionality().map_err(|e| crate::err!(Shape, "an output has another rank than expected: {e}"))
}

/// Images through the frozen trunk.
pub fn encode(trunk: &Runner, images: ArrayView4<'_, f32>) -> Result<Encoded> {
    let mut all: Option<Encoded> = None;
    for start in (0..images.shape()[0]).step_by(CHUNK) {
        let end = images.shape()[0].min(start + CHUNK);
        let chunk = images.slice_axis(Axis(0), Slice::from(start..end));
        let mut outputs = trunk.run(chunk.into_dyn(), &[])?.into_iter();
        let (Some(tokens), Some(frozen)) = (outputs.next(), outputs.next()) else {
            crate::bail!(Bug, "the trunk has two outputs");
        };
        let frozen: Array2<f32> = cast::<Ix2>(frozen)?;
        let part = Encoded::new(&tokens, frozen.view());
        match &mut all {
            Some(all) => all.extend(&part),
            None => all = Some(part),
        }
    }
    all.ok_or_else(|| crate::err!(InvalidArgument, "no image was given"))
}

/// Encoded images through adapted networks.
pub fn extract(networks: &[Network], images: &Encoded) -> Result<Features> {
    let (frozen, pooled) = (images.frozen(), images.pooled());
    let mut adapted = vec![Array2::zeros(frozen.raw_dim()); networks.len()];
    if !networks.is_empty() {
        each_chunk(images, |indices, tokens| {
            let rows = Slice::from(indices[0]..indices[0] + indices.len());
            for (network, out) in networks.iter().zip(&mut adapted) {
                out.slice_axis_mut(Axis(0), rows).assign(&network.run(tokens.view())?);
            }
            Ok(())
        })?;
    }
    Ok(Features { frozen, adapted, pooled })
}

/// Runs `suffix` with its taps as further outputs; gives every tap's rows, `[images * tokens, width]`.
pub fn taps(
    runner: &Runner,
    images: &Encoded,
    mut record: impl FnMut(usize, ArrayView2<'_, f32>) -> Result<()>,
) -> Result<()> {
    each_chunk(images, |_, tokens| {
        for (tap, rows) in runner.run(tokens.view(), &[])?.into_iter().enumerate() {
            let width = rows.shape().last().copied().unwrap_or(1).max(1);
            let rows = rows.to_shape((rows.len() / width, width)).map_err(|e| crate::err!(Bug, "{e}"))?;
            record(tap, rows.view())?;
        }
        Ok(())
    })
}

fn each_chunk(images: &Encoded, mut f: impl FnMut(&[usize], ArrayD<f32>) -> Result<()>) -> Result<()> {
    let indices: Vec<usize> = (0..images.len()).collect();
    indices.chunks(CHUNK).try_for_each(|chunk| f(chunk, images.tokens(chunk)))
}
