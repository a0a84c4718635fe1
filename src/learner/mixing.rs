//! Units of the pool beside the adapter that is trained, in one adapter of the joint graph.
//!
//! ```text
//! fed to the graph     A' = [A_pool; A]    B' = [alpha B_pool diag(s) | B]
//! pulled back          ds_u = alpha B_pool[:, u] . dB'[:, u]
//! ```
//!
//! The graph knows nothing of weights and pools: it sees a wider adapter, and the chain rule's last step is taken here.

use ndarray::{Array1, Array2, Axis, s};

use crate::error::Result;
use crate::strategy::{Memory, Pair, Trained};

/// The adapter of `slot` that the graph is fed; `alpha` where the pool is mixed in.
pub fn fed(memory: &Memory, slot: usize, alpha: Option<f32>) -> Result<Pair> {
    let own = &memory.current[slot];
    let (Some(alpha), Some(units)) = (alpha, memory.pool.units(slot)) else { return Ok(own.clone()) };
    let weights = memory.mixing[slot].mapv(|s| alpha * s);
    Pair { a: units.a.clone(), b: &units.b * &weights }.join(own)
}

/// From the gradients of what was fed to those of what is trained.
pub fn pull(memory: &Memory, slot: usize, a: &Array2<f32>, b: &Array2<f32>, alpha: Option<f32>) -> Trained {
    let (Some(alpha), Some(units)) = (alpha, memory.pool.units(slot)) else {
        return Trained { pair: Pair { a: a.clone(), b: b.clone() }, mixing: Array1::zeros(0) };
    };
    let mixed = units.rank();
    let pair = Pair { a: a.slice(s![mixed.., ..]).to_owned(), b: b.slice(s![.., mixed..]).to_owned() };
    let mixing = (&b.slice(s![.., ..mixed]) * &units.b).sum_axis(Axis(0)) * alpha;
    Trained { pair, mixing }
}
