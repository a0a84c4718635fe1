//! What every training step is told about its rows, whatever it minimises.

use crate::error::Result;
use crate::graph::{DType, Dim, Graph, Shape, ValueId};

/// Inputs of the graph.
pub struct Rows {
    /// Class of every row.
    pub labels: ValueId,
    /// Classes that take part.
    pub class_mask: ValueId,
    /// Weight of every row in the loss.
    pub sample_weights: ValueId,
    /// Rows of the head.
    pub capacity: usize,
}

impl Rows {
    /// Adds them for features `[batch, width]`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where the features are no rows.
    pub fn add(graph: &mut Graph, tokens: ValueId, features: ValueId, capacity: usize) -> Result<Self> {
        let float = graph.dtype(features)?;
        let shape = graph.shape(features)?.clone();
        let (Some(batch), Some(Dim::Known(_)), 2) =
            (graph.shape(tokens)?.first().cloned(), shape.last(), shape.rank())
        else {
            crate::bail!(Shape, "features must be [batch, width], they are {shape}");
        };
        let rows = Shape(vec![batch]);
        Ok(Self {
            labels: graph.add_input("labels", DType::I64, rows.clone()),
            class_mask: graph.add_input("class_mask", float, Shape::fixed(&[capacity])),
            sample_weights: graph.add_input("sample_weights", float, rows),
            capacity,
        })
    }
}
