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
//! With `B = 0` nothing changes. A prefix or a prompt adds tokens to an attention, which changes it whatever they say:
//!
//! ```text
//! softmax(s [q K^T, q P_K^T]) [V; P_V]      prefix: P_K = A, P_V = B^T            (Li and Liang, arXiv 2101.00190)
//!                                           prompt: P_K, P_V = A through the key and value layers  (VPT-deep, arXiv 2203.12119)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `linear` | recognising linear layers, as `MatMul` + `Add`, `Gemm` or a convolution of one pixel |
//! | `spine` | the values through which everything passes: where a graph can be cut in two |
//! | `trace` | from a value back to the linear layer that made it |
//! | `columns` | which columns of a fused q-k-v layer are the queries, keys and values |
//! | `attention` | `softmax(q k^T) v` and its layers |
//! | `meeting` | where queries meet keys, and tokens can join them |
//! | `tokens` | prefixes and prompts as part of the graph |
//! | `role`, `site` | blocks, roles and sites, found by structure and not by name |
//! | `named` | sites and boundary that the user names |
//! | `part` | sites in a part of the graph |
//! | `feature` | the value that a classifier reads |
//! | `tap` | what rows of A meet, as rows of an image |
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
mod meeting;
mod merge;
pub mod named;
mod part;
mod picture;
mod role;
mod site;
mod spine;
mod tap;
mod tokens;
mod trace;

pub use columns::Columns;
pub use feature::feature;
pub use inject::{Lora, Sharing, Slot, inject, widest};
pub use linear::{Form, Linear, linears};
pub use meeting::Meeting;
pub use merge::merge;
pub use part::in_part;
pub use role::{Mechanism, Role, Roles};
pub use site::{Anatomy, Block, Blocks, Layer, Place, Site, anatomy, select};
pub use spine::Spine;
pub use tap::tap;
