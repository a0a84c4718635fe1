//! Adapters: where a frozen transformer can be adapted, and how.
//!
//! Floor 2. A LoRA adapter changes a linear layer `y = x W + b` into
//!
//! ```text
//! y = x W + b + (alpha / rank) * (x A^T) B^T        A: [rank, in]   B: [out, rank]
//! ```
//!
//! (Hu et al., LoRA, arXiv 2106.09685). With `B = 0` nothing changes.
//!
//! | file | holds |
//! |---|---|
//! | `linear` | recognising linear layers, as `MatMul` + `Add` or `Gemm` |
//! | `site` | blocks, roles and sites, found by structure and not by name |
//! | `columns` | which columns of a fused q-k-v layer are the queries, keys and values |
//! | `feature` | the value that a classifier reads |
//! | `inject` | A and B as graph inputs, one for all images or one an image |
//! | `merge` | A and B folded into the weights, or set beside weights that are stored small |
//! | `picture` | a quantized graph as the walk wants to see it |
//! | `cut` | prefix and suffix around the first adapted block |
//!
//! Knows nothing about gradients, engines, or how A and B are trained.

mod columns;
pub mod cut;
mod feature;
mod inject;
mod linear;
mod merge;
mod picture;
mod site;

pub use feature::feature;
pub use inject::{Lora, Sharing, Slot, inject};
pub use linear::Linear;
pub use merge::merge;
pub use site::{Anatomy, Block, Blocks, Role, Roles, Site, anatomy, select};
