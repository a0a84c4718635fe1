//! The graph: an owned, ordered picture of an ONNX model that passes can rewrite.
//!
//! Floor 1. A [`Graph`] is an arena of [`Value`]s and a list of [`Node`]s in execution order. Graphs are
//! values: a pass takes one and returns one. Containers are ordered, so the same input gives the same bytes.
//!
//! | file | holds |
//! |---|---|
//! | `dtype`, `dim`, `tensor`, `attr` | what a value is made of |
//! | `ir` | [`Graph`], [`Node`], [`Value`] |
//! | `emit` | [`Emit`]: append operators, shapes inferred on the way |
//! | `infer` | shape and dtype rules, one per operator |
//! | `fold` | fixing a symbolic batch, folding constant and shape-computing subgraphs |
//! | `rewrite` | sub-graphs, dead code, replacing uses |
//! | `dump` | the text form |
//!
//! Knows nothing about files, protobuf, engines, adapters or gradients.

mod attr;
mod dim;
mod dtype;
mod dump;
mod emit;
pub mod fold;
pub mod infer;
mod ir;
pub mod rewrite;
mod tensor;

pub use attr::{Attr, Attrs};
pub use dim::{Dim, Shape};
pub use dtype::DType;
pub use emit::Emit;
pub use ir::{Graph, Index, Node, NodeId, Value, ValueId};
pub use tensor::Tensor;
