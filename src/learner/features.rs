//! From images to features: once through the frozen trunk, then through the adapted suffix.

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayView4, Axis, Ix2, Slice, concatenate};

use super::runner::Runner;
use super::{Encoded, State};
use crate::adapter::{Site, merge};
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::Graph;
use crate::strategy::View;

/// Images decoded to f32 at a time, which bounds the working memory.
const CHUNK: usize = 64;

/// Feature rows of a set of images.
pub struct Features {
    /// Of the frozen backbone, `[n, width]`.
    pub frozen: Array2<f32>,
    /// Of the adapted network, `[n, width]`; `None` where nothing was adapted.
    pub adapted: Option<Array2<f32>>,
    /// Mean of the boundary tokens, `[n, token width]`.
    pub pooled: Array2<f32>,
}

impl Features {
    /// What a classifier reads.
    pub fn view(&self, view: View, scales: &[Scale]) -> Result<Array2<f32>> {
        match view {
            View::Frozen => Ok(self.frozen.clone()),
            View::Adapted => Ok(self.adapted.as_ref().unwrap_or(&self.frozen).clone()),
            View::Beside => {
                let blocks: Vec<_> = self.blocks().into_iter().zip(scales).map(|(b, s)| s.apply(b)).collect();
                let views: Vec<_> = blocks.iter().map(Array2::view).collect();
                concatenate(Axis(1), &views)
                    .map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))
            }
        }
    }

    /// The blocks of [`View::Beside`].
    pub fn blocks(&self) -> Vec<&Array2<f32>> {
        [&self.frozen, &self.pooled].into_iter().chain(&self.adapted).collect()
    }
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

/// Encoded images through the adapted suffix.
pub fn extract(adapted: Option<&Runner>, images: &Encoded) -> Result<Features> {
    let (frozen, pooled) = (images.frozen(), images.pooled());
    let Some(runner) = adapted else { return Ok(Features { frozen, adapted: None, pooled }) };
    let mut out = Array2::zeros(frozen.raw_dim());
    each_chunk(images, |indices, tokens| {
        let mut outputs = runner.run(tokens.view(), &[])?;
        let features: Array2<f32> = cast::<Ix2>(outputs.remove(0))?;
        out.slice_axis_mut(Axis(0), Slice::from(indices[0]..indices[0] + indices.len())).assign(&features);
        Ok(())
    })?;
    Ok(Features { frozen, adapted: Some(out), pooled })
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

/// The suffix with the settled and, if `all`, the current adapters folded into its weights.
pub fn merged(suffix: &Graph, sites: &[Site], state: &State, all: bool) -> Result<Graph> {
    let mut graph = suffix.clone();
    let scaling = state.settings.lora.scaling();
    for (slot, site) in sites.iter().enumerate() {
        let memory = &state.memory;
        let pair = if all { Some(memory.sum(slot)?) } else { memory.settled[slot].clone() };
        if let Some(pair) = pair {
            graph = merge(graph, site, pair.a.view(), pair.b.view(), scaling)?;
        }
    }
    Ok(graph)
}

/// The adapted suffix as predictions use it; `None` where nothing was adapted.
pub fn adapted(engine: &dyn Engine, suffix: &Graph, sites: &[Site], state: &State) -> Result<Option<Runner>> {
    if !state.adapted {
        return Ok(None);
    }
    let graph = merged(suffix, sites, state, true)?;
    Runner::new(engine, &graph, state.settings.micro).map(Some)
}
