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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Mechanism;
    use crate::linalg::gaussian;
    use crate::strategy::SlotShape;

    #[test]
    fn gradients_pulled_back_are_central_differences() -> Result<()> {
        let slot = SlotShape { name: "q".into(), inputs: 5, outputs: 4, tap: 0, mechanism: Mechanism::Lora };
        let mut memory = Memory::new(vec![slot], 2);
        for seed in [1, 2] {
            memory.current[0] = Pair { a: gaussian(seed, 2, 5), b: gaussian(seed + 10, 4, 2) };
            memory.keep_apart()?;
        }
        memory.current[0] = Pair { a: gaussian(3, 2, 5), b: gaussian(13, 4, 2) };
        memory.mixing[0] = Array1::from(vec![0.5, -0.2, 0.0, 1.0]);
        // Any function of B' A' will do: the sum of its elements times C.
        let (c, alpha) = (gaussian(7, 4, 5), Some(0.3));
        let loss = |memory: &Memory| -> Result<f64> {
            let fed = fed(memory, 0, alpha)?;
            Ok((fed.b.dot(&fed.a) * &c).iter().map(|x| f64::from(*x)).sum())
        };
        let fed = fed(&memory, 0, alpha)?;
        let found = pull(&memory, 0, &fed.b.t().dot(&c), &c.dot(&fed.a.t()), alpha);
        let slope = |change: &dyn Fn(&mut Memory, f32)| -> Result<f64> {
            let (mut up, mut down) = (memory.clone(), memory.clone());
            change(&mut up, 1e-2);
            change(&mut down, -1e-2);
            Ok((loss(&up)? - loss(&down)?) / 2e-2)
        };
        for unit in 0..4 {
            let want = slope(&|memory, h| memory.mixing[0][unit] += h)?;
            assert!(
                (f64::from(found.mixing[unit]) - want).abs() < 1e-3,
                "{unit}: {} {want}",
                found.mixing[unit]
            );
        }
        let (a, b) =
            (slope(&|m, h| m.current[0].a[[1, 2]] += h)?, slope(&|m, h| m.current[0].b[[3, 0]] += h)?);
        assert!(
            (f64::from(found.pair.a[[1, 2]]) - a).abs() < 1e-3
                && (f64::from(found.pair.b[[3, 0]]) - b).abs() < 1e-3
        );
        Ok(())
    }
}
