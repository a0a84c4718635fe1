//! The training step as it runs: gradients against central differences and against PyTorch, and the properties that
//! the learner builds on.
#![cfg(feature = "tract")]

mod fixtures;
mod skip;

use std::collections::BTreeMap;

use fixtures::{Fixture, distance, floats, images, random, rng, session};
use ndarray::{Array1, Array2, Array4, ArrayD, Axis, concatenate};
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Data, Port, Session, Tract};
use perennial::graph::{DType, Dim, Emit, Graph, Node, Shape};
use perennial::joint::{Joint, Objective, Views, joint, minimising};
use perennial::optim::{AdamW, Optimizer};
use perennial::plan::{self, Order};
use perennial::{ErrorKind, gradcheck};
use serde_json::Value;

const CAPACITY: usize = 16;

fn all_roles() -> Roles {
    Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2
}

fn bottlenecks() -> Roles {
    Roles::PARALLEL | Roles::SERIES
}

/// Images to features with adapters of rank 2 and scaling 1.5, and head, loss and gradients behind them.
fn step(fixture: &Fixture, roles: Roles, sharing: Sharing) -> Joint {
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles };
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, sharing).unwrap();
    joint(graph, &slots, CAPACITY).unwrap()
}

fn worst(fixture: &Fixture, roles: Roles, sharing: Sharing) -> f64 {
    let step = step(fixture, roles, sharing);
    let checks = gradcheck::run(&Tract::new(1), &step.graph, *fixture.batches().last().unwrap(), 7).unwrap();
    assert_eq!(checks.len(), step.graph.inputs.len() - 4, "{}: not every input was checked", fixture.name);
    assert!(checks.iter().all(|c| c.analytic != 0.0), "{}: a gradient is zero", fixture.name);
    checks.iter().map(|c| c.relative_error).fold(0.0, f64::max)
}

#[test]
fn every_gradient_of_every_fixture_agrees_with_central_differences() {
    for fixture in fixtures::single() {
        let worst = worst(&fixture, all_roles(), Sharing::Shared);
        println!("{:<40} worst relative error {worst:.1e}", fixture.name);
        assert!(worst < gradcheck::TOLERANCE, "{}: {worst:.1e}", fixture.name);
    }
}

/// `relu` has kinks, and a hidden unit that is off for all rows has no gradient.
#[test]
fn so_do_the_gradients_of_bottlenecks() {
    for name in ["timm_legacy_op17_dynamic", "split_dynamo_op20_dynamic", "pooled_dynamo_op18_dynamic"] {
        let fixture = fixtures::one(name);
        let step = step(&fixture, bottlenecks(), Sharing::Shared);
        let checks = gradcheck::run(&Tract::new(1), &step.graph, 4, 7).unwrap();
        assert_eq!(gradcheck::tolerance(&step.graph), gradcheck::KINKED_TOLERANCE);
        assert_eq!(checks.len(), 2 + 2 * 2 * 2);
        assert!(checks.iter().filter(|c| c.analytic != 0.0).count() > 6, "{name}: all units are off");
        for check in checks {
            assert!(
                check.relative_error < gradcheck::KINKED_TOLERANCE || check.analytic == 0.0,
                "{name}: {check:?}"
            );
        }
    }
}

#[test]
fn so_do_the_gradients_of_tokens() {
    for fixture in fixtures::single() {
        for roles in [Roles::PREFIX, Roles::PROMPT] {
            if fixture.model == "pooled" && roles == Roles::PROMPT {
                continue;
            }
            let worst = worst(&fixture, roles, Sharing::Shared);
            println!("{:<40} {roles} worst relative error {worst:.1e}", fixture.name);
            assert!(worst < gradcheck::TOLERANCE, "{} {roles}: {worst:.1e}", fixture.name);
        }
    }
}

#[test]
fn so_do_the_gradients_of_an_adapter_an_image() {
    for name in ["timm_legacy_op17_dynamic", "split_dynamo_op20_dynamic"] {
        for roles in [Roles::Q | Roles::FC2, Roles::PREFIX, Roles::PROMPT] {
            let worst = worst(&fixtures::one(name), roles, Sharing::PerImage);
            assert!(worst < gradcheck::TOLERANCE, "{name} {roles}: {worst:.1e}");
        }
    }
}

/// Outputs of a step for the same inputs.
fn sampled(step: &Joint, batch: usize) -> Vec<ArrayD<f32>> {
    let session = session(&step.graph, batch);
    let inputs: Vec<Data> =
        session.inputs().iter().map(|port| gradcheck::sample(port, batch, &mut rng(3)).unwrap()).collect();
    session.run(&inputs).unwrap().into_iter().map(|data| data.into_f32().unwrap()).collect()
}

/// Gradient checkpointing changes what is kept; numbers differ by rounding at most, since an engine may fuse other nodes.
#[test]
fn what_is_computed_again_is_what_was_kept() {
    let mut steps = 0;
    for fixture in fixtures::single() {
        let lora = |roles| Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles };
        for lora in [lora(all_roles()), lora(bottlenecks()), lora(Roles::PREFIX)] {
            let Ok((whole, sites)) = fixture.backbone().whole(lora.blocks, lora.roles) else { continue };
            let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
            let kept = joint(graph.clone(), &slots, CAPACITY).unwrap();
            let again = minimising(&Objective::Linear, graph, &slots, CAPACITY, true).unwrap();
            let batch = *fixture.batches().last().unwrap();
            let name = format!("{} {}", fixture.name, lora.roles);
            for (kept, again) in sampled(&kept, batch).iter().zip(sampled(&again, batch)) {
                let size = kept.iter().fold(0.0f32, |m, x| m.max(x.abs())).max(1e-6);
                let apart = kept.iter().zip(&again).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(apart <= 1e-4 * size, "{name}: {apart:.1e} of {size:.1e}");
            }
            for order in [Order::Written, Order::LastOutputFirst] {
                let [kept, again] =
                    [&kept, &again].map(|step| plan::peak(&step.graph, batch, order).unwrap());
                println!("{name:<60} {order:?} {again} of {kept} bytes");
                assert!(again < kept, "{name}: {order:?} {again} of {kept} bytes");
            }
            steps += 1;
        }
    }
    assert!(steps > 20, "{steps} steps were compared");
}

#[test]
#[ignore = "differences of a half-precision loss are rounding: the loss itself is only good to 1e-3"]
fn the_half_precision_fixtures_too() {
    for fixture in fixtures::all().iter().filter(|f| f.half) {
        assert!(worst(fixture, all_roles(), Sharing::Shared) < 0.1, "{}", fixture.name);
    }
}

/// Inputs of `session`, random but for the ones given in `own`. A parameter is the same for every batch size.
fn inputs(session: &dyn Session, own: &BTreeMap<&str, Data>, seed: u64) -> Vec<Data> {
    let value = |(i, port): (usize, &Port)| {
        let sample = || random(&port.shape.known().unwrap(), 0.2, &mut rng(seed + 100 * i as u64));
        own.get(port.name.as_str()).cloned().unwrap_or_else(sample)
    };
    session.inputs().iter().enumerate().map(value).collect()
}

fn mask(classes: usize) -> Data {
    Array1::from_shape_fn(CAPACITY, |i| f32::from(i < classes)).into()
}

/// Four different images: the stored ones and their negatives.
fn four() -> Array4<f32> {
    let two = images(2);
    concatenate(Axis(0), &[two.view(), (-&two).view()]).unwrap()
}

fn rows(images: &Array4<f32>, labels: &[i64], weights: &[f32]) -> BTreeMap<&'static str, Data> {
    BTreeMap::from([
        ("images", images.clone().into()),
        ("labels", Array1::from(labels.to_vec()).into()),
        ("sample_weights", Array1::from(weights.to_vec()).into()),
        ("class_mask", mask(5)),
    ])
}

/// Outputs by name.
fn outputs(session: &dyn Session, inputs: &[Data]) -> BTreeMap<String, Data> {
    let names = session.outputs().iter().map(|p| p.name.clone());
    names.zip(session.run(inputs).unwrap()).collect()
}

#[test]
fn padded_rows_change_neither_loss_nor_gradients() {
    let graph = step(&fixtures::one("timm_legacy_op17_dynamic"), all_roles(), Sharing::Shared).graph;
    let (two, three) = (session(&graph, 2), session(&graph, 3));
    let run = |session: &dyn Session, images, labels: &[i64], weights: &[f32]| {
        outputs(session, &inputs(session, &rows(&images, labels, weights), 1))
    };
    let plain = run(two.as_ref(), images(2), &[0, 3], &[0.5, 0.5]);
    let mut filler = images(3);
    let padded = run(three.as_ref(), filler.clone(), &[0, 3, 0], &[0.5, 0.5, 0.0]);
    filler.index_axis_mut(Axis(0), 2).fill(0.0);
    let zeros = run(three.as_ref(), filler, &[0, 3, 4], &[0.5, 0.5, 0.0]);
    for (name, want) in plain.iter().filter(|(name, _)| *name != "logits") {
        let want = floats(want);
        let size = want.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        assert!(size > 0.0, "{name} is zero");
        for other in [&padded, &zeros] {
            let off = distance(&want, &floats(&other[name]));
            assert!(off <= 1e-5 * size, "{name}: off by {off} of {size}");
        }
    }
}

#[test]
fn masked_classes_get_no_gradient() {
    let graph = step(&fixtures::one("fused_dynamo_op18_dynamic"), Roles::Q, Sharing::Shared).graph;
    let session = session(&graph, 2);
    let own = rows(&images(2), &[0, 3], &[0.5, 0.5]);
    let outputs = outputs(session.as_ref(), &inputs(session.as_ref(), &own, 2));
    for name in ["head_weight.grad", "head_bias.grad"] {
        for (class, row) in outputs[name].as_f32().unwrap().outer_iter().enumerate() {
            let zero = row.iter().all(|&x| x == 0.0);
            assert_eq!(zero, class >= 5, "{name}, class {class}: {row}");
        }
    }
}

#[test]
fn micro_batches_add_up_to_the_batch() {
    let graph = step(&fixtures::one("split_legacy_op13_dynamic"), all_roles(), Sharing::Shared).graph;
    let (two, all) = (session(&graph, 2), session(&graph, 4));
    let (images, labels) = (four(), [0, 1, 2, 4]);
    let whole = outputs(all.as_ref(), &inputs(all.as_ref(), &rows(&images, &labels, &[0.25; 4]), 3));
    let part = |from: usize| {
        let images = images.slice_axis(Axis(0), (from..from + 2).into()).to_owned();
        let own = rows(&images, &labels[from..from + 2], &[0.25; 2]);
        outputs(two.as_ref(), &inputs(two.as_ref(), &own, 3))
    };
    let (first, second) = (part(0), part(2));
    for (name, want) in whole.iter().filter(|(name, _)| *name != "logits") {
        let sum: Vec<f32> =
            floats(&first[name]).iter().zip(floats(&second[name])).map(|(a, b)| a + b).collect();
        let want = floats(want);
        let size = want.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        let off = distance(&want, &sum);
        assert!(size > 0.0 && off <= 1e-5 * size, "{name}: off by {off} of {size}");
    }
}

#[test]
fn an_operator_without_a_rule_is_named() {
    let (whole, sites) =
        fixtures::one("fused_legacy_op17_dynamic").backbone().whole(Blocks::All, Roles::Q).unwrap();
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::All, roles: Roles::Q };
    let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
    let mut strange = graph;
    let feature = strange.value(strange.outputs[0]).clone();
    let y = strange.add_value("strange", feature.dtype, feature.shape);
    strange.add_node(Node {
        name: "the strange one".into(),
        domain: String::new(),
        op: "Mystery".into(),
        inputs: vec![Some(strange.outputs[0])],
        outputs: vec![Some(y)],
        attrs: Default::default(),
    });
    strange.outputs = vec![y];
    let error = joint(strange, &slots, CAPACITY).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains("Mystery") && text.contains("the strange one"), "{text}");
}

/// A golden tensor.
fn tensor(value: &Value) -> ArrayD<f32> {
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let shape: Vec<usize> = numbers(&value["shape"]).iter().map(|&x| x as usize).collect();
    let data = numbers(&value["data"]).iter().map(|&x| x as f32).collect();
    ArrayD::from_shape_vec(shape, data).unwrap()
}

fn as_matrix(a: ArrayD<f32>) -> Array2<f32> {
    let a = if a.ndim() == 1 { a.insert_axis(Axis(0)) } else { a };
    a.into_dimensionality().unwrap()
}

/// Gradients and ten AdamW steps of the same function in PyTorch, f64 (tests/golden/vit_golden.py).
#[test]
fn gradients_and_ten_losses_are_those_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/vit_golden.json")).unwrap();
    let fixture = fixtures::one(golden["fixture"].as_str().unwrap());
    pytorch(&fixture, &golden, all_roles() | bottlenecks(), 2 + 2 * 2 * 7);
    pytorch(&fixture, &golden["prefix"], Roles::Q | Roles::O | Roles::PREFIX, 2 + 2 * 2 * 3);
    // A prompt has no B.
    pytorch(&fixture, &golden["prompt"], Roles::Q | Roles::O | Roles::PROMPT, 2 + 2 * (2 * 2 + 1));
}

fn pytorch(fixture: &Fixture, golden: &Value, roles: Roles, count: usize) {
    let session = session(&step(fixture, roles, Sharing::Shared).graph, 4);
    let mut own = rows(&four(), &[0, 1, 2, 3], &[0.4, 0.3, 0.2, 0.1]);
    let initial = golden["initial"].as_object().unwrap();
    for (name, value) in initial {
        own.insert(name, Data::F32(tensor(value)));
    }
    let mut inputs = inputs(session.as_ref(), &own, 0);
    let trained: Vec<usize> =
        (0..inputs.len()).filter(|&i| initial.contains_key(&session.inputs()[i].name)).collect();
    assert_eq!(trained.len(), count);
    let mut optimizer = AdamW::new(0.01).with_weight_decay(0.01);
    for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let outputs = outputs(session.as_ref(), &inputs);
        let (loss, want) = (f64::from(floats(&outputs["loss"])[0]), want.as_f64().unwrap());
        println!("step {step}: loss {loss:.7}, PyTorch {want:.7}");
        assert!((loss - want).abs() <= 1e-4 * want, "step {step}: loss {loss}, PyTorch {want}");
        optimizer.begin_step();
        for (index, &at) in trained.iter().enumerate() {
            let name = &session.inputs()[at].name;
            let gradient = outputs[&format!("{name}.grad")].as_f32().unwrap().to_owned();
            if step == 0 {
                let want = tensor(&golden["gradients"][name]);
                let norm = want.iter().map(|x| x * x).sum::<f32>().sqrt();
                let off = (&gradient - &want).iter().map(|x| x * x).sum::<f32>().sqrt() / norm;
                assert!(norm > 0.0 && off < 1e-4, "{name}: gradient off by {off:.1e}");
            }
            let value = inputs[at].as_f32().unwrap().to_owned();
            let shape = value.raw_dim();
            let value = as_matrix(value);
            let delta = optimizer.step(index, value.view(), as_matrix(gradient).view()).unwrap();
            inputs[at] = Data::F32((value + delta).into_shape_with_order(shape).unwrap());
        }
    }
}

/// Against the formula, on the features that the graph without adapters gives.
#[test]
fn the_objective_of_given_vectors_is_cross_entropy_of_cosines() {
    const SCALE: f32 = 7.0;
    let fixture = fixtures::one("split_dynamo_op20_dynamic");
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles: Roles::V | Roles::FC2 };
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let (graph, slots) = inject(whole.clone(), &sites, &lora, Sharing::Shared).unwrap();
    let step = minimising(&Objective::Given { scale: SCALE }, graph, &slots, CAPACITY, false).unwrap();
    let checks = gradcheck::run(&Tract::new(1), &step.graph, 3, 7).unwrap();
    assert_eq!(checks.len(), 2 * 2 * 2, "adapters alone are trained");
    assert!(checks.iter().all(|c| c.relative_error < gradcheck::TOLERANCE), "{checks:?}");

    let session = session(&step.graph, 4);
    let labels = [0, 3, 1, 4];
    let mut own = rows(&four(), &labels, &[0.25; 4]);
    let mut vectors = random(&[CAPACITY, 32], 1.0, &mut rng(5)).into_f32().unwrap();
    vectors.outer_iter_mut().for_each(|mut v| v /= v.iter().map(|x| x * x).sum::<f32>().sqrt());
    own.insert("head_weight", vectors.clone().into());
    let names: Vec<String> = session.inputs().iter().map(|p| p.name.clone()).collect();
    for (name, port) in names.iter().zip(session.inputs()).filter(|(name, _)| name.ends_with(".lora_b")) {
        own.insert(name, Data::F32(ArrayD::zeros(port.shape.known().unwrap())));
    }
    let loss = f64::from(floats(&outputs(session.as_ref(), &inputs(session.as_ref(), &own, 2))["loss"])[0]);
    let features = fixtures::run(&whole, 4, &[four().into()]).remove(0);
    let features = as_matrix(features.into_f32().unwrap()).mapv(f64::from);
    let vectors = as_matrix(vectors).mapv(f64::from);
    let want: f64 = features
        .outer_iter()
        .zip(labels)
        .map(|(z, label)| {
            let logit = |c: usize| f64::from(SCALE) * z.dot(&vectors.row(c)) / z.dot(&z).sqrt();
            (0..5).map(|c| logit(c).exp()).sum::<f64>().ln() - logit(label as usize)
        })
        .sum();
    assert!((loss - want / 4.0).abs() < 1e-5 * want, "{loss}, by the formula {}", want / 4.0);
}

#[test]
fn so_do_the_gradients_of_the_distance_to_a_twin() {
    let fixture = fixtures::one("timm_legacy_op17_dynamic");
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::Last(1), roles: Roles::V | Roles::FC2 };
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let loss = |weight: f32, given: Option<f32>| {
        let (graph, slots) = inject(whole.clone(), &sites, &lora, Sharing::Shared).unwrap();
        let objective = Objective::Twin { weight, given };
        let step = minimising(&objective, graph, &slots, CAPACITY, false).unwrap();
        let checks = gradcheck::run(&Tract::new(1), &step.graph, 3, 7).unwrap();
        assert_eq!(checks.len(), if given.is_some() { 2 * 2 } else { 2 + 2 * 2 });
        assert!(checks.iter().all(|c| c.relative_error < gradcheck::TOLERANCE), "{checks:?}");
        let session = session(&step.graph, 4);
        let mut own = rows(&four(), &[0, 3, 1, 4], &[0.25; 4]);
        let names: Vec<String> = session.inputs().iter().map(|p| p.name.clone()).collect();
        for (name, port) in names.iter().zip(session.inputs()).filter(|(name, _)| name.ends_with(".lora_b")) {
            own.insert(name, Data::F32(ArrayD::zeros(port.shape.known().unwrap())));
        }
        let inputs = inputs(session.as_ref(), &own, 2);
        let beside = names.iter().position(|name| name == "beside").map(|i| floats(&inputs[i])).unwrap();
        (f64::from(floats(&outputs(session.as_ref(), &inputs)["loss"])[0]), beside)
    };
    for given in [None, Some(5.0)] {
        let ((with, beside), (without, _)) = (loss(30.0, given), loss(0.0, given));
        let features = as_matrix(fixtures::run(&whole, 4, &[four().into()]).remove(0).into_f32().unwrap());
        let apart: f64 = features
            .outer_iter()
            .zip(beside.chunks(32))
            .map(|(z, to)| {
                let length = z.dot(&z).sqrt();
                z.iter().zip(to).map(|(z, to)| f64::from(z / length - to).powi(2)).sum::<f64>() / 32.0
            })
            .sum();
        assert!((with - without - 30.0 * apart / 4.0).abs() < 1e-4 * with, "{with}, {without}, {apart}");
    }
}

#[test]
fn so_do_the_gradients_of_the_views_objective() {
    let views = Views {
        beside: 12,
        prototypes: 5,
        directions: 3,
        dissimilarity: 0.1,
        orthogonality: 0.05,
        temperature: 0.5,
    };
    let fixture = fixtures::one("split_dynamo_op20_dynamic");
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles: Roles::V | Roles::FC2 };
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
    let step = minimising(&Objective::Views(views), graph, &slots, CAPACITY, false).unwrap();
    let checks = gradcheck::run(&Tract::new(1), &step.graph, 3, 7).unwrap();
    assert_eq!(checks.len(), 3 + 2 * slots.len());
    for check in checks {
        assert!(check.analytic != 0.0 && check.relative_error < gradcheck::TOLERANCE, "{check:?}");
    }
}

/// NTK-CL's objective against PyTorch, f64 (tests/golden/views_golden.py), on features that are the input themselves.
#[test]
fn the_views_objective_is_that_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/views_golden.json")).unwrap();
    let weight = |i: usize| golden["weights"][i].as_f64().unwrap() as f32;
    let objective = Objective::Views(Views {
        beside: 6,
        prototypes: 4,
        directions: 2,
        dissimilarity: weight(0),
        orthogonality: weight(1),
        temperature: weight(2),
    });
    let mut graph = Graph::new("features", 17);
    let shape = Shape(vec![Dim::symbol("batch"), Dim::Known(5)]);
    let images = graph.add_input("images", DType::F32, shape);
    let features = Emit::new(&mut graph, "features").op("Identity", &[images], &[]).unwrap();
    graph.inputs = vec![images];
    graph.outputs = vec![features];
    let step = minimising(&objective, graph, &[], 8, false).unwrap();
    let session = session(&step.graph, 4);
    let labels: Vec<i64> = golden["labels"].as_array().unwrap().iter().map(|l| l.as_i64().unwrap()).collect();
    let classes = golden["classes"].as_u64().unwrap() as usize;
    let mask = Array1::from_shape_fn(8, |i| f32::from(i < classes));
    let value = |port: &Port| match port.name.as_str() {
        "labels" => Array1::from(labels.clone()).into(),
        "class_mask" => mask.clone().into(),
        name => Data::F32(tensor(&golden["inputs"][name])),
    };
    let inputs: Vec<Data> = session.inputs().iter().map(value).collect();
    let outputs = outputs(session.as_ref(), &inputs);
    let (loss, want) = (f64::from(floats(&outputs["loss"])[0]), golden["loss"].as_f64().unwrap());
    assert!((loss - want).abs() < 1e-5 * want, "loss {loss}, PyTorch {want}");
    for name in ["head_weight", "head_scale", "head_gate"] {
        let (have, want) = (floats(&outputs[&format!("{name}.grad")]), tensor(&golden["gradients"][name]));
        let want: Vec<f32> = want.iter().copied().collect();
        let size = want.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        assert!(size > 0.0 && distance(&want, &have) < 1e-4 * size, "{name}: {have:?}, PyTorch {want:?}");
    }
}

/// The real model, where it lies beside the repository.
#[cfg(feature = "eval")]
mod real {
    use super::*;
    use perennial::backbone::Backbone;

    const FILE: &str = "vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx";

    #[test]
    fn its_last_two_blocks_pass_the_gradient_check() {
        let Some(folder) = skip::real_vit() else { return };
        let lora = Lora { rank: 4, alpha: 4.0, blocks: Blocks::Last(2), roles: all_roles() };
        let parts = Backbone::read(&folder.join(FILE)).unwrap().parts(lora.blocks, lora.roles).unwrap();
        let (graph, slots) = inject(parts.suffix, &parts.sites, &lora, Sharing::Shared).unwrap();
        let step = joint(graph, &slots, CAPACITY).unwrap();
        for check in gradcheck::run(&Tract::new(1), &step.graph, 2, 1).unwrap() {
            assert!(check.relative_error < gradcheck::TOLERANCE, "{check:?}");
        }
    }
}
