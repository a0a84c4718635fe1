//! ONNX Runtime as it ships: the same outputs as PyTorch, the gradients of central differences, a learner that learns,
//! and errors that say what to install. Without `ORT_DYLIB_PATH` these tests say that they were skipped.
#![cfg(all(feature = "onnxruntime", feature = "tract"))]

mod fixtures;
mod skip;

use std::sync::Arc;

use fixtures::{distance, floats, images, rng};
use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Engine, OnnxRuntime, Provider, by_name};
use perennial::joint::joint;
use perennial::learner::{Learner, Settings};
use perennial::{ErrorKind, gradcheck};
use rand::Rng;

fn engine(threads: usize) -> Option<OnnxRuntime> {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        skip::say("set ORT_DYLIB_PATH to libonnxruntime (pip install onnxruntime) to test it");
        return None;
    }
    Some(OnnxRuntime::new(Provider::Cpu, threads).unwrap())
}

#[test]
fn every_fixture_gives_the_outputs_of_pytorch_at_every_batch_size() {
    let Some(engine) = engine(2) else { return };
    for fixture in fixtures::all() {
        let first = engine.compile(&fixture.graph(), fixture.batches()[0]).unwrap();
        for &batch in fixture.batches() {
            let session = first.resize(batch).unwrap();
            let outputs = session.run(&[images(batch).into()]).unwrap();
            for (port, output) in session.outputs().iter().zip(&outputs) {
                let (all, width) = (floats(output), output.shape()[1]);
                for row in 0..batch {
                    let want = fixture.expected(&port.name, row);
                    let off = distance(&all[row * width..(row + 1) * width], &want);
                    assert!(
                        off < fixture.tolerance,
                        "{} {} row {row}: off by {off}",
                        fixture.name,
                        port.name
                    );
                }
            }
        }
    }
}

#[test]
fn training_steps_pass_the_gradient_check() {
    let Some(engine) = engine(2) else { return };
    let roles = Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles };
    for fixture in fixtures::single() {
        for sharing in [Sharing::Shared, Sharing::PerImage] {
            let (whole, sites) = fixture.backbone().whole(lora.blocks, roles).unwrap();
            let (graph, slots) = inject(whole, &sites, &lora, sharing).unwrap();
            let step = joint(graph, &slots, 16).unwrap();
            let checks = gradcheck::run(&engine, &step.graph, *fixture.batches().last().unwrap(), 7).unwrap();
            assert_eq!(checks.len(), step.graph.inputs.len() - 4, "{}", fixture.name);
            let worst = checks.iter().map(|c| c.relative_error).fold(0.0, f64::max);
            assert!(worst < gradcheck::TOLERANCE, "{}: {worst:.1e}", fixture.name);
        }
    }
}

/// Two patterns with noise.
fn pictures(seed: u64) -> (Array4<f32>, Vec<&'static str>) {
    let patterns = [3, 4].map(|s| {
        let mut rng = rng(s);
        let coarse: Vec<f32> = (0..192).map(|_| rng.gen_range(-1.5..1.5)).collect();
        Array4::from_shape_fn((1, 3, 32, 32), |(_, c, y, x)| coarse[64 * c + 8 * (y / 4) + x / 4])
    });
    let mut rng = rng(seed);
    let mut images = Array4::zeros((20, 3, 32, 32));
    for (i, mut row) in images.axis_iter_mut(Axis(0)).enumerate() {
        row.assign(&patterns[i % 2].index_axis(Axis(0), 0));
        row.mapv_inplace(|x| x + rng.gen_range(-0.7f32..0.7));
    }
    (images, (0..20).map(|i| ["ant", "bee"][i % 2]).collect())
}

#[test]
fn a_learner_on_it_learns_what_a_learner_on_tract_learns() {
    let Some(engine) = engine(2) else { return };
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(1), roles: Roles::Q | Roles::V };
    let settings = Settings { lora, batch: 8, micro: 4, random_features: 64, ..Settings::default() };
    let learned = |engine: Arc<dyn Engine>| {
        let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let mut learner =
            Learner::builder(backbone).engine(engine).settings(settings.clone()).build().unwrap();
        let (images, labels) = pictures(1);
        learner.begin_task("a").unwrap();
        let steps = learner.observe(images.view(), &labels).unwrap();
        learner.end_task().unwrap();
        learner.commit().unwrap();
        (steps, learner.predict(pictures(2).0.view()).unwrap())
    };
    let (steps, answers) = learned(Arc::new(engine));
    let (other_steps, other_answers) = learned(by_name("tract", 1).unwrap());
    for (a, b) in steps.iter().zip(&other_steps) {
        assert!((a.loss - b.loss).abs() < 1e-3, "{a:?} and {b:?}");
    }
    let names = |answers: &[perennial::learner::Prediction]| -> Vec<String> {
        answers.iter().map(|a| a.name.clone()).collect()
    };
    assert_eq!(names(&answers), names(&other_answers));
    assert_eq!(names(&answers), pictures(2).1);
}

#[test]
fn the_same_inputs_give_the_same_bits_from_many_threads() {
    let Some(engine) = engine(2) else { return };
    let session = engine.compile(&fixtures::one("fused_dynamo_op18_dynamic").graph(), 2).unwrap();
    let input = [images(2).into()];
    let want = session.run(&input).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(session.run(&input).unwrap(), want));
        }
    });
}

/// In a process of its own: the first library that is asked for stays.
#[cfg(feature = "cli")]
#[test]
fn a_missing_or_wrong_library_is_an_error_that_says_what_to_install() {
    let not_it = std::env::temp_dir().join("perennial-not-onnxruntime.so");
    std::fs::write(&not_it, "no library").unwrap();
    for path in [std::path::Path::new("/nowhere/libonnxruntime.so"), &not_it] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_perennial"))
            .args(["--engine", "onnxruntime"])
            .env("ORT_DYLIB_PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.contains("pip install onnxruntime") && text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_provider_that_is_not_there_is_an_error_and_not_a_slow_success() {
    let Some(_) = engine(1) else { return };
    let graph = fixtures::one("fused_dynamo_op18_dynamic").graph();
    // The wheel called `onnxruntime` holds the CPU alone.
    let error = by_name("onnxruntime:qnn", 1).unwrap().compile(&graph, 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Engine, "{error}");
    let error = by_name("onnxruntime:abacus", 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("cuda"), "{error}");
}
