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
//! | `choice` | what a caller chooses to adapt |
//! | `named` | sites and boundary that the user names |
//! | `part` | sites in a part of the graph |
//! | `feature` | the value that a classifier reads |
//! | `tap` | what rows of A meet, as rows of an image |
//! | `inject` | A and B as graph inputs, one for all images or one an image |
//! | `fold` | `B A` as a change of a weight |
//! | `merge` | A and B folded into the weights, or set beside weights that are stored small |
//! | `picture` | a quantized graph as the walk wants to see it |
//! | `cut` | prefix and suffix around the first adapted block |
//!
//! Knows nothing about gradients, engines, or how A and B are trained.

#[cfg(feature = "std")]
mod attention;
mod choice;
#[cfg(feature = "std")]
mod columns;
#[cfg(feature = "std")]
pub mod cut;
#[cfg(feature = "std")]
mod feature;
mod fold;
#[cfg(feature = "std")]
mod inject;
#[cfg(feature = "std")]
mod linear;
#[cfg(feature = "std")]
mod meeting;
#[cfg(feature = "std")]
mod merge;
#[cfg(feature = "std")]
pub mod named;
#[cfg(feature = "std")]
mod part;
#[cfg(feature = "std")]
mod picture;
mod role;
#[cfg(feature = "std")]
mod site;
#[cfg(feature = "std")]
mod spine;
#[cfg(feature = "std")]
mod tap;
#[cfg(feature = "std")]
mod tokens;
#[cfg(feature = "std")]
mod trace;

pub use choice::{Blocks, Lora, Named};
#[cfg(feature = "std")]
pub use columns::Columns;
#[cfg(feature = "std")]
pub use feature::feature;
pub use fold::{delta, fold};
#[cfg(feature = "std")]
pub use inject::{Sharing, Slot, inject, widest};
#[cfg(feature = "std")]
pub use linear::{Form, Linear, linears};
#[cfg(feature = "std")]
pub use meeting::Meeting;
#[cfg(feature = "std")]
pub use merge::merge;
#[cfg(feature = "std")]
pub use part::in_part;
pub use role::{Mechanism, Role, Roles};
#[cfg(feature = "std")]
pub use site::{Anatomy, Block, Layer, Place, Site, anatomy, select};
#[cfg(feature = "std")]
pub use spine::Spine;
#[cfg(feature = "std")]
pub use tap::tap;
