//! Prefix and suffix around the first adapted block.
//!
//! The prefix maps images to boundary tokens and is never trained, so an image crosses it once. The suffix
//! maps boundary tokens to features.

use crate::error::{Context, Result};
use crate::graph::{Graph, ValueId, rewrite};

/// Name of the value at which the graph is cut.
pub const BOUNDARY: &str = "boundary";

/// Name of the feature output.
pub const FEATURES: &str = "features";

/// Cuts at `boundary`. The suffix ends at `feature`.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the suffix would need more than the boundary.
pub fn cut(graph: &Graph, boundary: ValueId, feature: ValueId) -> Result<(Graph, Graph)> {
    let mut prefix =
        rewrite::extract(graph, &graph.inputs, &[boundary]).at(|| "cutting the prefix".into())?;
    let mut suffix = rewrite::extract(graph, &[boundary], &[feature]).at(|| "cutting the suffix".into())?;
    let (out, start, end) = (prefix.outputs[0], suffix.inputs[0], suffix.outputs[0]);
    prefix.rename(out, BOUNDARY);
    suffix.rename(start, BOUNDARY);
    suffix.rename(end, FEATURES);
    Ok((prefix, suffix))
}
