//! `adapter_model.safetensors`: A and B by module.

use std::borrow::Cow;
use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::Array2;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::Adapter;
use crate::error::{Context, Result};
use crate::strategy::Pair;

const BEFORE: &str = "base_model.model.";
const A: &str = ".lora_A.weight";
const B: &str = ".lora_B.weight";

/// A and B of every module. The library has checked every length against the file before anything is made.
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Pair>> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| crate::err!(Parse, "no safetensors file; write it anew with save_pretrained: {e}"))?;
    let mut halves: BTreeMap<String, [Option<Array2<f32>>; 2]> = BTreeMap::new();
    for (name, tensor) in file.iter() {
        let module = name.strip_prefix(BEFORE).unwrap_or(name);
        let (module, half) = match (module.strip_suffix(A), module.strip_suffix(B)) {
            (Some(module), _) => (module, 0),
            (_, Some(module)) => (module, 1),
            _ => crate::bail!(
                Unsupported,
                "tensor {name:.80} is neither A nor B of a linear layer; only plain LoRA is read"
            ),
        };
        let matrix = matrix(&tensor).at(|| format!("{name:.80}"))?;
        halves.entry(module.into()).or_default()[half] = Some(matrix);
    }
    halves.into_iter().map(paired).collect()
}

fn paired((module, halves): (String, [Option<Array2<f32>>; 2])) -> Result<(String, Pair)> {
    match halves {
        [Some(a), Some(b)] if a.nrows() == b.ncols() && a.nrows() > 0 => Ok((module, Pair { a, b })),
        [Some(a), Some(b)] => {
            Err(crate::err!(Shape, "{module:.80}: A {:?} and B {:?} are no pair", a.shape(), b.shape()))
        }
        _ => Err(crate::err!(Parse, "{module:.80} has only one of A and B; write the file anew")),
    }
}

fn matrix(tensor: &TensorView<'_>) -> Result<Array2<f32>> {
    let &[rows, columns] = tensor.shape() else {
        crate::bail!(Unsupported, "shape {:?}; only adapters of linear layers are read", tensor.shape());
    };
    let data = tensor.data();
    let numbers: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        other => crate::bail!(Unsupported, "numbers in {other:?}; save the adapter in f32, f16 or bf16"),
    };
    if numbers.iter().any(|x| !x.is_finite()) {
        crate::bail!(Numeric, "a number is NaN or infinite; the adapter's training failed");
    }
    Array2::from_shape_vec((rows, columns), numbers).map_err(|e| crate::err!(Parse, "a tensor's length: {e}"))
}

/// The file for `adapter`, in f32.
pub(super) fn encode(adapter: &Adapter) -> Result<Vec<u8>> {
    let mut tensors: BTreeMap<String, Whole> = BTreeMap::new();
    for (module, own) in &adapter.modules {
        tensors.insert(format!("{BEFORE}{module}{A}"), Whole::of(&own.pair.a));
        tensors.insert(format!("{BEFORE}{module}{B}"), Whole::of(&own.pair.b));
    }
    safetensors::serialize(&tensors, None).map_err(|e| crate::err!(Bug, "safetensors: {e}"))
}

/// A matrix in f32, row-major.
struct Whole {
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl Whole {
    fn of(m: &Array2<f32>) -> Self {
        let (rows, columns) = m.dim();
        Self { shape: [rows, columns], bytes: m.iter().flat_map(|x| x.to_le_bytes()).collect() }
    }
}

impl safetensors::View for &Whole {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
