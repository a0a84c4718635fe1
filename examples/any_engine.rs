//! Training without this library's learner: the training step is an ONNX graph, and any engine runs it.
//!
//! ```text
//! cargo run --release --example any_engine
//! ```
//!
//! The same graph, written by `perennial compile`, runs on ONNX Runtime or on a vendor's engine: inputs and outputs
//! go by the names that `manifest.json` explains.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2, ArrayD};
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::backbone::Backbone;
use perennial::engine::{self, Data};
use perennial::joint::joint;

const BATCH: usize = 2;
const RATE: f32 = 0.1;

fn main() -> perennial::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx");
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(1), roles: Roles::Q | Roles::V };
    let backbone = Backbone::read(&model)?;
    let parts = backbone.parts(lora.blocks, lora.roles)?;
    let (graph, slots) = inject(parts.suffix, &parts.sites, &lora, Sharing::Shared)?;
    let step = joint(graph, &slots, 4)?;
    for port in step.manifest.inputs.iter().chain(&step.manifest.outputs) {
        println!("{:<22} {:<7} {:<14} {}", port.name, port.dtype, port.shape.join(" x "), port.meaning);
    }

    let engine = engine::by_name("tract", 1)?;
    let prefix = engine.compile(&parts.prefix, BATCH)?;
    let pixels =
        ArrayD::from_shape_fn(vec![BATCH, 3, 32, 32], |i| ((7 * i[0] + i[1] + i[2] * i[3]) % 5) as f32 - 2.0);
    let tokens = prefix.run(&[Data::F32(pixels)])?.remove(0);

    // The inputs by name; adapters start with B = 0, the head with zeros.
    let mut values: BTreeMap<String, Data> = BTreeMap::from([
        ("boundary".into(), tokens),
        ("labels".into(), Array1::from(vec![0i64, 1]).into()),
        ("class_mask".into(), Array1::from(vec![1.0f32, 1.0, 0.0, 0.0]).into()),
        ("sample_weights".into(), Array1::from_elem(BATCH, 1.0 / BATCH as f32).into()),
        (
            "head_weight".into(),
            Array2::from_shape_fn((4, 32), |(i, j)| ((i + j) % 3) as f32 * 0.1 - 0.1).into(),
        ),
        ("head_bias".into(), Array1::<f32>::zeros(4).into()),
    ]);
    for slot in &slots {
        let a = Array2::from_shape_fn((lora.rank, slot.inputs()), |(i, j)| {
            ((3 * i + j) % 7) as f32 * 0.05 - 0.15
        });
        values.insert(format!("{}.lora_a", slot.name), a.into());
        values.insert(
            format!("{}.lora_b", slot.name),
            Array2::<f32>::zeros((slot.outputs(), lora.rank)).into(),
        );
    }

    let session = engine.compile(&step.graph, BATCH)?;
    for round in 0..5 {
        let inputs: Vec<Data> = session.inputs().iter().map(|p| values[&p.name].clone()).collect();
        for (port, output) in session.outputs().iter().zip(session.run(&inputs)?) {
            if port.name == "loss" {
                println!("step {round}: loss {:.4}", output.as_f32()?.sum());
            }
            let Some(name) = port.name.strip_suffix(".grad") else { continue };
            let moved = &values[name].as_f32()? - &(output.into_f32()? * RATE);
            values.insert(name.into(), Data::F32(moved));
        }
    }
    Ok(())
}
