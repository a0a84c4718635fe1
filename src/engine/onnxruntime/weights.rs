//! One copy of the weights for every session of an engine.
//!
//! ONNX Runtime copies the weights of a model into every session, and packs them a second time. Here a session reads
//! the bytes that the [`Graph`] holds: trunk, prefix, suffix, training step and every batch size share one copy. Packing
//! is turned off, because packed copies are a session's own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ort::value::DynValue;

use super::{failed, native};
use crate::error::Result;
use crate::graph::{DType, Graph, Tensor};

/// Smaller constants are left to the session: they are operands of shapes and fusions.
const LEAST: usize = 1 << 14;

/// A tensor and the library's view of it. Fields are dropped in this order.
pub struct Weight {
    value: Arc<DynValue>,
    _bytes: Tensor,
}

/// Address, length and shape.
type Key = (usize, usize, Vec<usize>);

/// The weights that sessions of an engine hold.
#[derive(Default)]
pub struct Weights(Mutex<BTreeMap<Key, Weak<Weight>>>);

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weights")
    }
}

impl Weight {
    /// As a run takes it.
    pub fn view(&self) -> &DynValue {
        &self.value
    }

    /// As the session's options take it.
    pub fn value(&self) -> Arc<DynValue> {
        self.value.clone()
    }
}

impl Weights {
    /// The large constants of `graph` by name. Whoever holds them keeps the bytes.
    pub fn of(&self, graph: &Graph) -> Result<Vec<(String, Arc<Weight>)>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, weight| weight.strong_count() > 0);
        let large = |t: &&Tensor| t.dtype() == DType::F32 && t.bytes().len() >= LEAST && aligned(t);
        let mut weights = Vec::new();
        for (&v, tensor) in graph.constants().iter().filter(|(_, t)| large(t)) {
            let key = (tensor.bytes().as_ptr() as usize, tensor.len(), tensor.shape().to_vec());
            let weight = match held.get(&key).and_then(Weak::upgrade) {
                Some(weight) => weight,
                None => {
                    let value = native::view(tensor).map_err(failed("taking the weights"))?;
                    let weight = Arc::new(Weight { value: value.into(), _bytes: tensor.clone() });
                    held.insert(key, Arc::downgrade(&weight));
                    weight
                }
            };
            weights.push((graph.value(v).name.clone(), weight));
        }
        Ok(weights)
    }
}

fn aligned(tensor: &Tensor) -> bool {
    bytemuck::try_cast_slice::<u8, f32>(tensor.bytes()).is_ok()
}
