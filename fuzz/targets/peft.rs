//! A PEFT adapter: `[length of the config, 2 bytes] config, tensors`, read, written and read again, folded into a model.
#![no_main]

use std::sync::LazyLock;

use perennial::backbone::Backbone;
use perennial::peft::Adapter;
use perennial_fuzz::{WORKSPACE, bounded, number, sound, take};

static BACKBONE: LazyLock<Backbone> = LazyLock::new(|| {
    Backbone::from_bytes(include_bytes!("../../tests/fixtures/timm_legacy_op17_dynamic.onnx"))
        .expect("a fixture")
});

/// Memory a byte of input, and what is free.
const A_BYTE: usize = 80;
const FREE: usize = 4 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let backbone = &*BACKBONE;
    let mut rest = bytes;
    let length = number::<2>(&mut rest) as usize;
    let config = take(&mut rest, length);
    let most = A_BYTE * bytes.len() + FREE;
    let Some(adapter) = sound(bounded(most, || Adapter::from_bytes(config, rest))) else { return };
    let finite = adapter
        .modules
        .values()
        .all(|m| m.scaling.is_finite() && m.pair.a.iter().chain(&m.pair.b).all(|x| x.is_finite()));
    assert!(finite, "an adapter that is read is finite");
    let _ = sound(bounded(most, || adapter.fold(backbone)));
    let two = [adapter.clone(), adapter];
    let _ = sound(bounded(WORKSPACE + most, || Adapter::merge(&two, &[2.0, 1.0], 4)));
});
