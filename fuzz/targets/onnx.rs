//! ONNX bytes: decoded, written and read again, and understood as a backbone.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use perennial::adapter::{Blocks, Roles};
use perennial::backbone::Backbone;
use perennial::onnx;
use perennial_fuzz::{bounded, sound};

/// External data, so that a model of few bytes can have weights.
static WEIGHTS: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../tests/fixtures/fused_dynamo_op20_fixed_external.onnx.data");
    BTreeMap::from([("fused_dynamo_op20_fixed_external.onnx.data".into(), bytes.to_vec())])
});

/// Memory a byte of input, and what is free; `tests/onnx_hostile.rs` has the same.
const A_BYTE: usize = 80;
const FREE: usize = 1 << 20;
/// Memory to understand a small model: folding may make 128 MiB of constants, in f64 on the way.
const MOST: usize = 512 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let weights: usize = WEIGHTS.values().map(Vec::len).sum();
    let decoded = bounded(A_BYTE * bytes.len() + 2 * weights + FREE, || onnx::decode(bytes, &*WEIGHTS));
    let Some(graph) = sound(decoded) else { return };
    let first = onnx::encode(&graph).expect("what was read can be written");
    let again = onnx::from_bytes(&first).expect("what was written can be read");
    assert!(onnx::encode(&again).expect("twice") == first);
    let Some(backbone) = sound(bounded(MOST, || Backbone::from_bytes(&first))) else { return };
    let _ = (sound(backbone.width()), sound(backbone.image()), backbone.parameters());
    let _ = sound(bounded(MOST, || backbone.parts(Blocks::All, Roles::Q | Roles::V)));
});
