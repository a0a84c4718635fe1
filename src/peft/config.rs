//! `adapter_config.json`: rank and alpha, for all layers and for those that differ.
//!
//! PEFT takes the keys of its patterns for regular expressions over the end of a module's name. Plain names are understood
//! here; anything else is refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Adapter, Module};
use crate::error::Result;

/// What decides the scaling of a layer.
pub(super) struct Config {
    /// `lora_alpha` of layers that are not listed.
    alpha: f64,
    /// `lora_alpha` by module.
    alphas: BTreeMap<String, f64>,
    /// `alpha / sqrt(rank)` instead of `alpha / rank`.
    stabilised: bool,
}

/// Fields that change what an adapter computes, with the values under which they do not.
const PLAIN: [(&str, &[&str]); 13] = [
    ("peft_type", &["\"LORA\""]),
    // Other starts (PiSSA, OLoRA, LoftQ, CorDA) change the model's own weights, too.
    ("init_lora_weights", &["true", "false", "\"gaussian\"", "\"orthogonal\"", "\"eva\"", "null"]),
    ("use_dora", &["false", "null"]),
    ("use_qalora", &["false", "null"]),
    ("use_bdlora", &["false", "null"]),
    ("alora_invocation_tokens", &["null"]),
    ("kasa_config", &["null"]),
    ("arrow_config", &["null"]),
    ("bias", &["\"none\"", "null"]),
    ("lora_bias", &["false", "null"]),
    ("modules_to_save", &["null", "[]"]),
    ("trainable_token_indices", &["null"]),
    ("layer_replication", &["null"]),
];

/// What makes a key more than a name.
const EXPRESSION: [char; 13] = ['\\', '^', '$', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|'];

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|e| crate::err!(Parse, "no JSON").caused_by(e))?;
        for (field, plain) in PLAIN {
            let value = document.get(field).map_or_else(|| "null".to_string(), Value::to_string);
            if !plain.contains(&value.as_str()) {
                crate::bail!(
                    Unsupported,
                    "{field} is {value:.60}; only plain LoRA is read, with {field} {}",
                    plain.join(" or ")
                );
            }
        }
        let number = |value: Option<&Value>, name: &str| {
            let number = value.and_then(Value::as_f64).filter(|x| x.is_finite());
            number.ok_or_else(|| crate::err!(Parse, "{name:.60} is no number"))
        };
        let mut alphas = BTreeMap::new();
        for (key, value) in document.get("alpha_pattern").and_then(Value::as_object).into_iter().flatten() {
            if key.contains(EXPRESSION) {
                crate::bail!(
                    Unsupported,
                    "alpha_pattern {key:.60} is a regular expression; list the modules"
                );
            }
            alphas.insert(key.clone(), number(Some(value), key)?);
        }
        let stabilised = document.get("use_rslora").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { alpha: number(document.get("lora_alpha"), "lora_alpha")?, alphas, stabilised })
    }

    /// Factor on `B A` of a module.
    pub(super) fn scaling(&self, module: &str, rank: usize) -> f32 {
        let ends =
            |key: &str| module.strip_suffix(key).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let own = self.alphas.iter().find(|(key, _)| ends(key)).map(|(_, alpha)| *alpha);
        let rank = rank as f64;
        (own.unwrap_or(self.alpha) / if self.stabilised { rank.sqrt() } else { rank }) as f32
    }
}

/// The file for `adapter`. Where one module differs, all are listed.
pub(super) fn encode(adapter: &Adapter) -> Result<Vec<u8>> {
    let of = |m: &Module| (m.pair.rank(), f64::from(m.scaling) * m.pair.rank() as f64);
    let (rank, alpha) = adapter.modules.values().next().map_or((1, 1.0), of);
    let alike = adapter.modules.values().all(|m| of(m) == (rank, alpha));
    let listed = || adapter.modules.iter().filter(|_| !alike);
    let ranks: BTreeMap<_, _> = listed().map(|(name, m)| (name, of(m).0)).collect();
    let alphas: BTreeMap<_, _> = listed().map(|(name, m)| (name, of(m).1)).collect();
    let document = json!({
        "peft_type": "LORA", "task_type": null, "base_model_name_or_path": null, "inference_mode": true,
        "r": rank, "lora_alpha": alpha, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false,
        "init_lora_weights": true, "use_rslora": false, "use_dora": false, "modules_to_save": null,
        "target_modules": adapter.modules.keys().collect::<Vec<_>>(),
        "rank_pattern": ranks, "alpha_pattern": alphas,
    });
    serde_json::to_vec_pretty(&document).map_err(|e| crate::err!(Bug, "JSON: {e}"))
}
