//! What follows `onnxruntime:`.
//!
//! ```text
//! PROVIDER[+cpu][,KEY=VALUE]..        openvino+cpu,device_type=GPU,precision=FP16
//! ```
//!
//! `weights` is ours; every other option goes to the provider. A piece without `=` belongs to the value before it, so
//! that `device_type=HETERO:GPU,CPU` is one option.

use std::str::FromStr;

use super::Provider;
use crate::error::{Error, Result};

/// Where sessions have their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each its own, packed: fastest, largest.
    Own,
    /// One copy, told as initializers; the model is read with them once more.
    Shared,
    /// One copy, given as inputs to every run: smallest, also while a session is made, but nothing is folded.
    Inputs,
}

/// Provider, fallback and options of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Who computes.
    pub provider: Provider,
    /// Whether the CPU may compute what the provider cannot.
    pub fallback: bool,
    /// Where sessions have their weights.
    pub weights: Placement,
    /// For the provider, in the order given.
    pub options: Vec<(String, String)>,
}

impl From<Provider> for Choice {
    fn from(provider: Provider) -> Self {
        // Another provider compiles the weights into its own form.
        let weights = if provider == Provider::Cpu { Placement::Shared } else { Placement::Own };
        Self { provider, fallback: false, weights, options: Vec::new() }
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (head, rest) = text.split_once(',').unwrap_or((text, ""));
        let (name, fallback) = head.strip_suffix("+cpu").map_or((head, false), |name| (name, true));
        let mut choice = Self { fallback, ..Self::from(name.parse::<Provider>()?) };
        for (key, value) in pairs(rest)? {
            match key.as_str() {
                "weights" => choice.weights = placement(&value, choice.provider)?,
                _ => {
                    choice.provider.check(&key)?;
                    choice.options.push((key, value));
                }
            }
        }
        Ok(choice)
    }
}

fn placement(text: &str, provider: Provider) -> Result<Placement> {
    let placement = match text {
        "own" => Placement::Own,
        "shared" => Placement::Shared,
        "inputs" => Placement::Inputs,
        _ => crate::bail!(InvalidArgument, "weights={text}; use own, shared or inputs"),
    };
    if placement != Placement::Own && provider != Provider::Cpu {
        crate::bail!(InvalidArgument, "weights={text}: only the CPU provider reads weights where they lie");
    }
    Ok(placement)
}

fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in text.split(',').filter(|p| !p.is_empty()) {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) => pairs.push((key.trim().into(), value.trim().into())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(piece);
            }
            (None, None) => {
                crate::bail!(InvalidArgument, "{piece:?} is no option of a provider; write KEY=VALUE")
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_text_is_read() {
        let text = "openvino+cpu,device_type=HETERO:GPU,CPU,precision=FP16";
        let choice: Choice = text.parse().unwrap();
        assert_eq!((choice.provider, choice.fallback), (Provider::OpenVino, true));
        assert_eq!(choice.weights, Placement::Own);
        let want = [("device_type", "HETERO:GPU,CPU"), ("precision", "FP16")];
        assert_eq!(choice.options, want.map(|(k, v)| (k.to_string(), v.to_string())));
        let placed = |text: &str| text.parse::<Choice>().unwrap().weights;
        assert_eq!(placed("cpu"), Placement::Shared);
        assert_eq!(placed("cpu,weights=own"), Placement::Own);
        assert_eq!(placed("cpu,weights=inputs"), Placement::Inputs);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in
            ["cpu,arena=1", "xnnpack,device_id=0", "cuda,weights=shared", "cpu,weights=1", "cuda,fast"]
        {
            let error = text.parse::<Choice>().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{text}: {error}");
        }
    }
}
