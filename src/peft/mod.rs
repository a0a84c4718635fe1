//! LoRA in the files of Hugging Face's PEFT library: `adapter_model.safetensors` and `adapter_config.json`.
//!
//! Floor 7. What a learner has trained can go on in PyTorch, and what was trained there can be folded into an ONNX model.
//!
//! ```text
//! y = x W + b + (lora_alpha / r) (x A^T) B^T        base_model.model.<module>.lora_A.weight  [r, in]
//!                                                   base_model.model.<module>.lora_B.weight  [out, r]
//! ```
//!
//! A module is named as the exporter of the ONNX file named it ([`module`](crate::adapter::named::module)). PEFT adapts
//! whole layers. Where queries and values are columns of one layer, their adapters become one of that layer, exactly: A below A,
//! and B placed at its columns beside B, with the ranks added up.
//!
//! | file | holds |
//! |---|---|
//! | `config` | `adapter_config.json` |
//! | `tensors` | `adapter_model.safetensors` |
//! | `fold` | from a state, and into a model |
//!
//! What is not taken: bottlenecks, prefixes and prompts on the way out; DoRA, biases, whole saved layers, embeddings and
//! convolutions on the way in. Each is refused by name.

mod config;
mod fold;
mod tensors;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Context, Result};
use crate::store::read_limited;
use crate::strategy::Pair;

/// Files are refused beyond these many bytes.
const MAX_TENSORS: u64 = 1 << 30;
const MAX_CONFIG: u64 = 1 << 20;

const TENSORS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// LoRA of some linear layers, by module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    /// By the module's name, such as `blocks.0.attn.qkv`.
    pub modules: BTreeMap<String, Module>,
}

/// LoRA of one layer: `scaling * B A` is added to its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `A [rank, in]` and `B [out, rank]`.
    pub pair: Pair,
    /// Factor on their product.
    pub scaling: f32,
}

impl Adapter {
    /// Reads a folder as PEFT's `save_pretrained` leaves it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without the files, [`Parse`](crate::ErrorKind::Parse) for damaged ones,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for more than LoRA of linear layers,
    /// [`Numeric`](crate::ErrorKind::Numeric) for values that are not finite.
    pub fn read(folder: &Path) -> Result<Self> {
        let config = read_limited(&folder.join(CONFIG), MAX_CONFIG)?;
        let tensors = read_limited(&folder.join(TENSORS), MAX_TENSORS)?;
        Self::from_bytes(&config, &tensors).at(|| folder.display().to_string())
    }

    /// From the bytes of `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// As [`Adapter::read`].
    pub fn from_bytes(config: &[u8], tensors: &[u8]) -> Result<Self> {
        let config = config::Config::parse(config).at(|| CONFIG.into())?;
        let pairs = tensors::parse(tensors).at(|| TENSORS.into())?;
        let scaled = |(name, pair): (String, Pair)| {
            let scaling = config.scaling(&name, pair.rank());
            if !scaling.is_finite() {
                crate::bail!(Numeric, "the scaling of {name:.80} is beyond f32; check lora_alpha");
            }
            Ok((name, Module { pair, scaling }))
        };
        Ok(Self { modules: pairs.into_iter().map(scaled).collect::<Result<_>>()? })
    }

    /// Writes both files into `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).at(|| folder.display().to_string())?;
        let files = [(TENSORS, tensors::encode(self)?), (CONFIG, config::encode(self)?)];
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).at(|| folder.join(name).display().to_string())?;
        }
        Ok(())
    }

    /// Versions of one adapter, from several devices, as one: `sum_i share_i scaling_i B_i A_i`, by setting A below A and B
    /// beside B, cut to at most `rank` a layer by the best approximation. Shares are `weights` over their sum. Second is the largest
    /// share of a layer's energy (squared Frobenius norm) that the cut gave up.
    ///
    /// The mean of A times the mean of B would be another matrix: it has the products of strangers in it.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for weights that are no shares,
    /// [`Shape`](crate::ErrorKind::Shape) for layers of different widths.
    pub fn merge(versions: &[Self], weights: &[f32], rank: usize) -> Result<(Self, f64)> {
        let total: f32 = weights.iter().sum();
        let shares = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && total > 0.0;
        if versions.len() != weights.len() || !shares || rank == 0 {
            crate::bail!(
                InvalidArgument,
                "{} versions with weights {weights:?} and rank {rank}; give one weight for each, none below 0, and a rank",
                versions.len()
            );
        }
        let mut joined: BTreeMap<String, Pair> = BTreeMap::new();
        for (version, weight) in versions.iter().zip(weights) {
            for (name, Module { pair, scaling }) in &version.modules {
                let scaled = Pair { a: pair.a.clone(), b: &pair.b * (weight / total * scaling) };
                let sum = match joined.get(name) {
                    Some(before) if widths(before) != widths(&scaled) => crate::bail!(
                        Shape,
                        "{name} is {:?} in one version and {:?} in another; they are of different models",
                        widths(before),
                        widths(&scaled)
                    ),
                    Some(before) => before.join(&scaled)?,
                    None => scaled,
                };
                joined.insert(name.clone(), sum);
            }
        }
        let mut most = 0.0f64;
        let mut cut = |(name, pair): (String, Pair)| {
            let (pair, lost) = pair.compress(rank)?;
            most = most.max(lost);
            Ok((name, Module { pair, scaling: 1.0 }))
        };
        let modules = joined.into_iter().map(&mut cut).collect::<Result<_>>()?;
        Ok((Self { modules }, most))
    }
}

fn widths(pair: &Pair) -> (usize, usize) {
    (pair.a.ncols(), pair.b.nrows())
}
