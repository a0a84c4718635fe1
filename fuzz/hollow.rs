//! An engine that computes nothing: numbers of the right shape, the same for the same session.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use perennial::Result;
use perennial::engine::{Data, Engine, Ports, Session, check};
use perennial::graph::{DType, Graph};

/// Lets a learner be built and asked where only what surrounds the engine is looked at.
pub struct Hollow;

struct Shell {
    ports: Ports,
}

impl Engine for Hollow {
    fn name(&self) -> &'static str {
        "hollow"
    }

    fn compile(&self, graph: &Graph, batch: usize) -> Result<Arc<dyn Session>> {
        Ok(Arc::new(Shell { ports: Ports::new(graph, batch)? }))
    }
}

impl Session for Shell {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        check(&self.ports.inputs, inputs)?;
        let output = |port: &perennial::engine::Port| {
            let shape = port.shape.known().unwrap_or_default();
            let mut seed = 1u32;
            let mut next = || {
                seed = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            match port.dtype {
                DType::I64 => Data::I64(ArrayD::zeros(IxDyn(&shape))),
                _ => Data::F32(ArrayD::from_shape_simple_fn(IxDyn(&shape), &mut next)),
            }
        };
        Ok(self.ports.outputs.iter().map(output).collect())
    }
}
