//! Adapters: where a frozen transformer can be adapted, and how.
//!
//! Floor 2. A LoRA adapter changes a linear layer `y = x W + b` into
//!
//! ```text
//! y = x W + b + (alpha / rank) * (x A^T) B^T        A: [rank, in]   B: [out, rank]
//! ```
//!
//! (Hu et al., LoRA, arXiv 2106.09685). A bottleneck beside or behind the feed-forward part adds
//! `(alpha / rank) * relu(x A^T) B^T` (Houlsby et al., arXiv 1902.00751; in parallel: AdaptFormer, arXiv 2205.13535).
//! With `B = 0` nothing changes.
//!
//! | file | holds |
//! |---|---|
//! | `linear` | recognising linear layers, as `MatMul` + `Add`, `Gemm` or a convolution of one pixel |
//! | `spine` | the values through which everything passes: where a graph can be cut in two |
//! | `trace` | from a value back to the linear layer that made it |
//! | `columns` | which columns of a fused q-k-v layer are the queries, keys and values |
//! | `attention` | `softmax(q k^T) v` and its layers |
//! | `role`, `site` | blocks, roles and sites, found by structure and not by name |
//! | `named` | sites and boundary that the user names |
//! | `feature` | the value that a classifier reads |
//! | `tap` | what a layer reads, as rows of an image |
//! | `inject` | A and B as graph inputs, one for all images or one an image |
//! | `merge` | A and B folded into the weights, or set beside weights that are stored small |
//! | `picture` | a quantized graph as the walk wants to see it |
//! | `cut` | prefix and suffix around the first adapted block |
//!
//! Knows nothing about gradients, engines, or how A and B are trained.

mod attention;
mod columns;
pub mod cut;
mod feature;
mod inject;
mod linear;
mod merge;
pub mod named;
mod picture;
mod role;
mod site;
mod spine;
mod tap;
mod trace;

pub use columns::Columns;
pub use feature::feature;
pub use inject::{Lora, Sharing, Slot, inject};
pub use linear::{Form, Linear, linears};
pub use merge::merge;
pub use role::{Role, Roles};
pub use site::{Anatomy, Block, Blocks, Site, anatomy, select};
pub use spine::Spine;
pub use tap::tap;
