//! Weights at rest in f16 and bf16, and training steps that compute in f16.
#![cfg(feature = "tract")]

mod fixtures;
mod skip;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fixtures::{distance, floats, images, random, rng};
use ndarray::Array1;
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::backbone::Backbone;
use perennial::engine::{Data, Engine, Port, Ports, Session, Tract, by_name};
use perennial::graph::{DType, Graph, Tensor, fold};
use perennial::joint::joint;
use perennial::learner::{Learner, Settings};
use perennial::optim::LossScale;
use perennial::{ErrorKind, gradcheck, onnx, plan, precision};

fn engines() -> Vec<Arc<dyn Engine>> {
    let mut engines = vec![by_name("tract", 1).unwrap()];
    match cfg!(feature = "onnxruntime") && std::env::var_os("ORT_DYLIB_PATH").is_some() {
        true => engines.push(by_name("onnxruntime", 2).unwrap()),
        false => skip::say("half precision on ONNX Runtime; build with it and set ORT_DYLIB_PATH"),
    }
    engines
}

fn step(backbone: &Backbone, batch: usize) -> Graph {
    let roles = Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles };
    let parts = backbone.parts(Blocks::All, roles).unwrap();
    let (graph, slots) = inject(parts.suffix, &parts.sites, &lora, Sharing::Shared).unwrap();
    let graph = joint(graph, &slots, 16).unwrap().graph;
    let symbol = fold::batch_symbol(&graph).map(str::to_string);
    symbol.map_or(graph.clone(), |s| fold::bind(graph, &s, batch).unwrap())
}

#[test]
fn stored_weights_are_half_and_outputs_those_of_the_rounded_weights() {
    for (dtype, tolerance) in [(DType::F16, 5e-3), (DType::BF16, 5e-2)] {
        for name in ["timm_legacy_op17_dynamic", "fused_dynamo_op18_dynamic", "pooled_dynamo_op18_dynamic"] {
            let float = fixtures::one(name).backbone();
            let (before, sha256) = (plan::weights(float.graph()), float.sha256());
            let sites = |b: &Backbone| -> Vec<_> {
                b.anatomy()
                    .blocks
                    .iter()
                    .flat_map(|b| {
                        b.sites.iter().map(|s| (s.name.clone(), s.layer().map(|l| l.columns.clone())))
                    })
                    .collect()
            };
            let wanted = sites(&float);
            let stored = float.with_weights(dtype).unwrap();
            assert_eq!(sites(&stored), wanted, "{name}");
            assert_ne!(stored.sha256(), sha256);
            let share = plan::weights(stored.graph()) as f64 / before as f64;
            assert!(share < 0.56, "{name}: {share}");
            // Written and read again it is the same graph: nothing unpacks it on the way.
            let again = Backbone::from_bytes(&onnx::encode(stored.graph()).unwrap()).unwrap();
            assert_eq!(plan::weights(again.graph()), plan::weights(stored.graph()), "{name}");
            for engine in engines() {
                let session = engine.compile(again.graph(), 2).unwrap();
                let outputs = session.run(&[images(2).into()]).unwrap();
                for (port, output) in session.outputs().iter().zip(&outputs) {
                    let width = output.shape()[1];
                    let want = fixtures::one(name).expected(&port.name, 1);
                    let off = distance(&floats(output)[width..], &want);
                    assert!(off > 0.0 && off < tolerance, "{} {name} {dtype:?}: {off}", engine.name());
                }
            }
        }
    }
}

#[test]
fn they_train_and_pass_the_gradient_check() {
    for dtype in [DType::F16, DType::BF16] {
        let backbone = fixtures::one("split_dynamo_op20_dynamic").backbone().with_weights(dtype).unwrap();
        let step = step(&backbone, 2);
        let large = |t: &&Tensor| t.dtype() == DType::F32 && t.len() >= 256;
        assert_eq!(step.constants().values().filter(large).count(), 0, "the step holds unpacked weights");
        for engine in engines() {
            for check in gradcheck::run(engine.as_ref(), &step, 2, 7).unwrap() {
                assert!(
                    check.relative_error < gradcheck::TOLERANCE,
                    "{} {dtype:?}: {check:?}",
                    engine.name()
                );
            }
        }
    }
}

#[test]
fn a_weight_that_f16_cannot_hold_is_an_error_that_names_bf16() {
    let mut graph = fixtures::one("timm_legacy_op17_dynamic").graph();
    let (v, t) =
        graph.constants().iter().find(|(_, t)| t.shape().len() == 2).map(|(&v, t)| (v, t.clone())).unwrap();
    let mut data = t.to_f32();
    data[5] = 1e5;
    graph.set_constant(v, Tensor::f32(t.shape(), &data).unwrap());
    let error = precision::store(graph.clone(), DType::F16).unwrap_err();
    assert!(error.kind() == ErrorKind::Numeric && error.to_string().contains("bf16"), "{error}");
    precision::store(graph.clone(), DType::BF16).unwrap();
    assert_eq!(precision::store(graph, DType::I8).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn only_graphs_that_compute_in_f16_say_so() {
    for fixture in fixtures::all() {
        assert_eq!(precision::computes_in_f16(&fixture.graph()), fixture.half, "{}", fixture.name);
    }
    let stored = fixtures::one("timm_legacy_op17_dynamic").backbone().with_weights(DType::F16).unwrap();
    assert!(!precision::computes_in_f16(stored.graph()));
}

#[test]
fn the_scale_halves_on_overflow_doubles_after_good_steps_and_stays_one_in_f32() {
    let mut scale = LossScale::dynamic();
    let first = scale.factor();
    assert!(scale.overflowed());
    assert_eq!(scale.factor(), first / 2.0);
    (0..100).for_each(|_| scale.succeeded());
    assert_eq!(scale.factor(), first);
    (0..10_000).for_each(|_| scale.succeeded());
    assert_eq!(scale.factor(), 32768.0, "the weight of a row must stay a number of f16");
    while scale.overflowed() {}
    assert_eq!(scale.factor(), 1.0);
    let mut one = LossScale::one();
    (0..1000).for_each(|_| one.succeeded());
    assert_eq!(one.factor(), 1.0);
    assert!(!one.overflowed());
}

/// Outputs of a training step whose two rows have `weight`, by name.
fn gradients(session: &dyn Session, weight: f32) -> BTreeMap<String, Vec<f32>> {
    let value = |(i, port): (usize, &Port)| match port.name.as_str() {
        "labels" => Array1::from(vec![0i64, 3]).into(),
        "class_mask" => Array1::from_shape_fn(16, |i| f32::from(i < 5)).into(),
        "sample_weights" => Array1::from_elem(2, weight).into(),
        _ => random(&port.shape.known().unwrap(), 0.2, &mut rng(100 + i as u64)),
    };
    let inputs: Vec<Data> = session.inputs().iter().enumerate().map(value).collect();
    let names = session.outputs().iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    names.into_iter().zip(session.run(&inputs).unwrap().iter().map(floats)).collect()
}

/// Rows of little weight, as those of a well-learned batch are: their gradient is too small for f16.
#[test]
fn gradients_that_vanish_in_f16_are_there_when_the_loss_is_scaled() {
    let weight = 1e-6;
    let factor = LossScale::dynamic().factor();
    let [half, float] = ["fused_legacy_op17_dynamic_f16", "fused_legacy_op17_dynamic"]
        .map(|name| step(&fixtures::one(name).backbone(), 2));
    let want = gradients(Tract::new(1).compile(&float, 2).unwrap().as_ref(), weight);
    for engine in engines() {
        let session = engine.compile(&half, 2).unwrap();
        let (plain, scaled) =
            (gradients(session.as_ref(), weight), gradients(session.as_ref(), weight * factor));
        let (mut lost, mut worst_plain, mut worst) = (0, 0.0f32, 0.0f32);
        for (name, want) in want.iter().filter(|(n, _)| n.ends_with(".grad")) {
            let size = want.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            let back: Vec<f32> = scaled[name].iter().map(|x| x / factor).collect();
            lost += plain[name].iter().zip(want).filter(|(p, w)| **p == 0.0 && **w != 0.0).count();
            worst_plain = worst_plain.max(distance(&plain[name], want) / size);
            worst = worst.max(distance(&back, want) / size);
        }
        println!(
            "{}: {lost} gradients are zero without scaling; largest error {worst_plain:.2} without, {worst:.3} with",
            engine.name()
        );
        assert!(lost > 100, "{}: nothing vanishes, so nothing is tested", engine.name());
        assert!(worst < 0.05 && worst < worst_plain / 2.0, "{}: {worst} and {worst_plain}", engine.name());
    }
}

/// tract, which notes the weights of training rows and gives infinite gradients the first `failing` times.
struct Overflowing {
    inner: Tract,
    failing: Arc<AtomicUsize>,
    weights: Arc<Mutex<Vec<f32>>>,
}

struct Wrapped {
    inner: Arc<dyn Session>,
    failing: Arc<AtomicUsize>,
    weights: Arc<Mutex<Vec<f32>>>,
}

impl Engine for Overflowing {
    fn name(&self) -> &'static str {
        "overflowing"
    }

    fn compile(&self, graph: &Graph, batch: usize) -> perennial::Result<Arc<dyn Session>> {
        let inner = self.inner.compile(graph, batch)?;
        Ok(Arc::new(Wrapped { inner, failing: self.failing.clone(), weights: self.weights.clone() }))
    }
}

impl Session for Wrapped {
    fn ports(&self) -> &Ports {
        self.inner.ports()
    }

    fn run(&self, inputs: &[Data]) -> perennial::Result<Vec<Data>> {
        let mut outputs = self.inner.run(inputs)?;
        let Some(at) = self.inputs().iter().position(|p| p.name == "sample_weights") else {
            return Ok(outputs);
        };
        self.weights.lock().unwrap().push(floats(&inputs[at])[0]);
        let fail =
            self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if fail {
            let shape = outputs[2].shape().to_vec();
            outputs[2] = Data::floats(&shape, vec![f32::INFINITY; shape.iter().product()])?;
        }
        Ok(outputs)
    }
}

/// Losses of the steps of one task, answers right of twenty, and the weights that training rows had.
fn learned(fixture: &str, failing: usize) -> perennial::Result<(Vec<f32>, usize, Vec<f32>)> {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(1), roles: Roles::Q | Roles::V };
    let settings = Settings { lora, batch: 4, micro: 4, random_features: 64, ..Settings::default() };
    let (failing, weights) = (Arc::new(AtomicUsize::new(failing)), Arc::new(Mutex::new(Vec::new())));
    let engine = Overflowing { inner: Tract::new(1), failing, weights: weights.clone() };
    let builder =
        Learner::builder(fixtures::one(fixture).backbone()).strategy("pegp").engine(Arc::new(engine));
    let mut learner = builder.settings(settings).build()?;
    let (images, labels) = fixtures::pictures(1, [3, 4], ["ant", "bee"]);
    learner.begin_task("a")?;
    let mut steps = learner.observe(images.view(), &labels)?;
    for _ in 0..3 {
        steps.extend(learner.epoch()?);
    }
    learner.end_task()?;
    learner.commit_anyway()?;
    let (images, labels) = fixtures::pictures(2, [3, 4], ["ant", "bee"]);
    let answers = learner.predict(images.view())?;
    let right = answers.iter().zip(&labels).filter(|(a, l)| a.name == **l).count();
    let weights = weights.lock().unwrap().clone();
    Ok((steps.iter().map(|s| s.loss).collect(), right, weights))
}

const HALF: &str = "fused_legacy_op17_dynamic_f16";
const FLOAT: &str = "fused_legacy_op17_dynamic";

#[test]
fn a_learner_in_f16_learns_what_a_learner_in_f32_learns() {
    let (losses, right, weights) = learned(HALF, 0).unwrap();
    let (want, _, plain) = learned(FLOAT, 0).unwrap();
    for (a, b) in losses.iter().zip(&want) {
        assert!((a - b).abs() < 0.02 * b.max(0.1), "{losses:?} and {want:?}");
    }
    assert!(right >= 18, "{right} of 20");
    assert!(
        weights.iter().all(|&w| w == LossScale::dynamic().factor() / 4.0),
        "the loss is not scaled: {weights:?}"
    );
    assert!(plain.iter().all(|&w| w == 0.25), "the loss of an f32 graph is scaled: {plain:?}");
}

#[test]
fn overflow_in_f16_is_recovered_from_and_in_f32_an_error() {
    let (losses, right, weights) = learned(HALF, 3).unwrap();
    let (want, _, _) = learned(HALF, 0).unwrap();
    let first = LossScale::dynamic().factor() / 4.0;
    assert_eq!(weights[..5], [first, first / 2.0, first / 4.0, first / 8.0, first / 8.0]);
    assert_eq!(losses.len(), want.len(), "a batch was lost");
    assert!(
        losses.iter().zip(&want).all(|(a, b)| (a - b).abs() < 0.02 * b.max(0.1)),
        "{losses:?} and {want:?}"
    );
    assert!(right >= 18, "{right} of 20");
    let error = learned(FLOAT, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Numeric, "{error}");
    let error = learned(HALF, 1000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Numeric, "{error}");
}
