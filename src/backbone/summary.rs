//! What tokens say on the way: mean and standard deviation of every channel over all places, at several depths.
//!
//! A feature is what the backbone was trained to tell apart; data far from that are told apart better by what earlier
//! blocks see: behind 1/2 and 2/3 of the blocks the mean and the standard deviation are taken. All of it comes from the
//! pass that makes the feature, and from before the blocks that are adapted, so it never drifts.
//!
//! Of the adapted network, means of the tokens before the last two blocks can be taken too.
//!
//! What the depths buy with nothing trained is in ARCHITECTURE.md, Several depths.

use crate::adapter::Anatomy;
use crate::error::Result;
use crate::graph::{Emit, Graph, Shape, ValueId};

/// Depths in sixths of the network.
const SIXTHS: [usize; 2] = [3, 4];

/// Blocks at the end of the network before which the mean is taken, too, where they are adapted.
const LATE: usize = 2;

/// Keeps a square root finite where a channel is constant.
const TINY: f64 = 1e-12;

/// The values behind blocks at these depths, where they hold places and channels; each once.
pub fn depths(graph: &Graph, anatomy: &Anatomy) -> Vec<ValueId> {
    let blocks = &anatomy.blocks;
    let mut found: Vec<ValueId> = Vec::new();
    for sixth in SIXTHS {
        let count = (blocks.len() * sixth).div_ceil(6);
        let behind = blocks.get(count).map(|next| next.input);
        let places = |v: &ValueId| graph.value(*v).shape.as_ref().is_some_and(|s| axes(s).is_some());
        found.extend(behind.filter(places).filter(|v| !found.contains(v)));
    }
    found
}

/// Axes of the places of `[batch, tokens, channels]` or of a map, whose channels are the longer one of its first and
/// its last axis; `None` where there are no places.
fn axes(shape: &Shape) -> Option<Vec<usize>> {
    match (shape.rank(), shape.get(1)?.known(), shape.last()?.known()) {
        (3, Some(_), Some(_)) => Some(vec![1]),
        (4, Some(first), Some(last)) => Some(if first > last { vec![2, 3] } else { vec![1, 2] }),
        _ => None,
    }
}

/// The values before the last [`LATE`] blocks in `suffix`, where they hold places and channels; not the boundary itself.
pub fn late(graph: &Graph, anatomy: &Anatomy, suffix: &Graph) -> Vec<ValueId> {
    let blocks = &anatomy.blocks[anatomy.blocks.len().saturating_sub(LATE)..];
    let inside = |v: &ValueId| !suffix.inputs.contains(v);
    let places = |v: &ValueId| suffix.value(*v).shape.as_ref().is_some_and(|s| axes(s).is_some());
    let found = blocks.iter().filter_map(|b| suffix.find(&graph.value(b.input).name));
    found.filter(inside).filter(places).collect()
}

/// What is said of the tokens at one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// The mean.
    Mean,
    /// The mean and the standard deviation.
    Spread,
}

/// Appends the summary of `values` to `graph`, the deepest first: one row an image, and the widths of its parts.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where a value has no places.
pub fn append(graph: &mut Graph, values: &[ValueId], say: Say) -> Result<(ValueId, Vec<usize>)> {
    let mut emit = Emit::new(graph, "summary");
    let (mut parts, mut widths) = (Vec::new(), Vec::new());
    for &x in values.iter().rev() {
        let shape = emit.shape(x)?;
        let axes = axes(&shape).ok_or_else(|| crate::err!(Unsupported, "{shape} has no places to sum up"))?;
        let channel = (1..shape.rank()).find(|a| !axes.contains(a)).unwrap_or(shape.rank() - 1);
        let width = shape.get(channel).and_then(|d| d.known()).unwrap_or(0);
        let rows = Shape(shape.first().cloned().into_iter().chain([width.into()]).collect());
        let mean = emit.reduce_mean(x, &axes)?;
        parts.push(emit.reshape(mean, &rows)?);
        widths.push(width);
        if say == Say::Mean {
            continue;
        }
        let centred = emit.sub(x, mean)?;
        let square = emit.mul(centred, centred)?;
        let variance = emit.reduce_mean(square, &axes)?;
        let tiny = emit.scalar_like(variance, TINY)?;
        let variance = emit.add(variance, tiny)?;
        let deviation = emit.op("Sqrt", &[variance], &[])?;
        parts.push(emit.reshape(deviation, &rows)?);
        widths.push(width);
    }
    Ok((emit.concat(&parts, 1)?, widths))
}
