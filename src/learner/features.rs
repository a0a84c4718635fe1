//! Feature rows of images, and what of them a classifier reads.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::strategy::View;

/// Parts of the summary that [`View::Near`] reads: mean and deviation at the boundary, and the mean before it.
pub const NEAR: usize = 3;

/// Feature rows of a set of images: all that a state answers from. In postcard they are what a chip that runs the network sends to one that
/// holds the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Refuses what is not of `view`'s networks, of which there are some where the state is `adapted`; `parts` are the widths of both summaries'.
    pub(super) fn check(&self, view: View, adapted: bool, [parts, late]: [&[usize]; 2]) -> Result<()> {
        let fixed = [&self.frozen, &self.pooled, &self.summary, &self.late];
        let all = || fixed.into_iter().chain(&self.adapted);
        let rows = self.frozen.nrows();
        if let Some(other) = all().find(|part| part.nrows() != rows) {
            crate::bail!(Shape, "features of {rows} and of {} images side by side", other.nrows());
        }
        if all().any(|part| part.iter().any(|x| !x.is_finite())) {
            crate::bail!(Numeric, "a feature is NaN or infinite; check how it was sent");
        }
        if adapted == self.adapted.is_empty() {
            let said = if adapted { "adapted networks and there are none" } else { "no adapted network" };
            crate::bail!(Mismatch, "the state asks for features of {said}; send what its own networks give");
        }
        let late = if adapted { late } else { &[] };
        let other = |(said, parts): &(&Array2<f32>, &[usize])| said.ncols() != parts.iter().sum::<usize>();
        match [(&self.summary, parts), (&self.late, late)]
            .into_iter()
            .find(|pair| view.is_deep() && other(pair))
        {
            Some((said, parts)) => Err(crate::err!(
                Mismatch,
                "a summary of {} columns where the state was learned with {}; send what its own networks give",
                said.ncols(),
                parts.iter().sum::<usize>()
            )),
            None => Ok(()),
        }
    }

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Mean row.
    pub mean: Array1<f32>,
    /// Mean standard deviation over the columns.
    pub deviation: f32,
}

impl Scale {
    fn apply(&self, rows: &ArrayView2<'_, f32>) -> Array2<f32> {
        (rows - &self.mean) / self.deviation
    }
}
