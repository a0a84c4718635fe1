//! One suite for every engine: what a graph must give, how close, and what is known not to work.
//!
//! Engines are the ones of the build, or those that `PERENNIAL_ENGINES` names, separated by spaces:
//!
//! ```text
//! cargo test --release --features rten --test conformance
//! ORT_DYLIB_PATH=.. PERENNIAL_ENGINES=onnxruntime:openvino cargo test --release --features onnxruntime --test conformance
//! ```
//!
//! A new engine is one file in `src/engine/`, one row in `engine::by_name`, and what it cannot do in [`ignored`].
//!
//! | file | asks |
//! |---|---|
//! | `operators` | every gradient rule's graph and its gradients, against an evaluator in f64 |
//! | `outputs` | fixtures against PyTorch, cut graphs against whole ones, files against what was written |
//! | `steps` | training steps against central differences; an adapter an image against one by one |
//! | `real` | ViT-Tiny: outputs, gradients and ten losses against PyTorch |
//! | `learner` | a learner on it and one on tract |
//! | `manners` | the same bits, any batch, any threads, errors that name the input |
//! | `onnxruntime` | what only that engine has: a library, providers, options |
//! | `memory` | peak memory of a training step |
#![cfg(feature = "tract")] // Fixtures are read with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests may fail like tests.

#[path = "../fixtures/mod.rs"]
mod fixtures;
#[path = "../reference/mod.rs"]
mod reference;
#[path = "../skip/mod.rs"]
mod skip;

#[path = "../gradcheck/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "../gradcheck/numeric.rs"]
mod numeric;

mod ignored;
mod learner;
mod manners;
mod memory;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
mod operators;
mod outputs;
#[cfg(feature = "eval")]
mod real;
mod steps;
mod suite;

use suite::{Case, conform};

#[test]
fn operators_and_their_gradients() {
    conform(operators::cases());
}

#[test]
fn outputs() {
    conform(outputs::cases());
}

#[test]
fn training_steps() {
    conform(steps::cases());
}

#[cfg(feature = "eval")]
#[test]
fn the_real_vit() {
    conform(real::cases());
}

#[test]
fn learning() {
    conform(learner::cases());
}

#[test]
fn manners() {
    conform(manners::cases());
}

fn all() -> Vec<Case> {
    let mut cases = operators::cases();
    cases.extend(outputs::cases());
    cases.extend(steps::cases());
    cases.extend(manners::cases());
    cases.extend(learner::cases());
    #[cfg(feature = "eval")]
    cases.extend(real::cases());
    cases
}

#[test]
fn every_name_is_one_case_and_every_ignored_one_exists() {
    let names: Vec<String> = all().into_iter().map(|c| c.name).collect();
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(names.len(), distinct.len());
    for row in ignored::IGNORED {
        // Without the feature that reads pictures, the real model has no cases.
        let absent = !cfg!(feature = "eval") && row.case.starts_with("real/");
        let known = absent || names.iter().any(|name| ignored::matches(row.case, name));
        assert!(known, "{:?} names no case", row.case);
        assert!(row.reason.len() > 10, "{:?} has no reason", row.case);
    }
}
