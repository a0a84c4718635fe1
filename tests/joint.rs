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
use perennial::graph::Node;
use perennial::joint::{Joint, joint};
use perennial::optim::{AdamW, Optimizer};
use perennial::{ErrorKind, gradcheck};
use serde_json::Value;

const CAPACITY: usize = 16;

fn all_roles() -> Roles {
    Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2
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

#[test]
fn so_do_the_gradients_of_an_adapter_an_image() {
    for name in ["timm_legacy_op17_dynamic", "split_dynamo_op20_dynamic"] {
        let worst = worst(&fixtures::one(name), Roles::Q | Roles::FC2, Sharing::PerImage);
        assert!(worst < gradcheck::TOLERANCE, "{name}: {worst:.1e}");
    }
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
    let session = session(&step(&fixture, all_roles(), Sharing::Shared).graph, 4);
    let mut own = rows(&four(), &[0, 1, 2, 3], &[0.4, 0.3, 0.2, 0.1]);
    let initial = golden["initial"].as_object().unwrap();
    for (name, value) in initial {
        own.insert(name, Data::F32(tensor(value)));
    }
    let mut inputs = inputs(session.as_ref(), &own, 0);
    let trained: Vec<usize> =
        (0..inputs.len()).filter(|&i| initial.contains_key(&session.inputs()[i].name)).collect();
    assert_eq!(trained.len(), 2 + 2 * 2 * 5);
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

/// The real model, where it lies beside the repository.
#[cfg(feature = "eval")]
mod real {
    use super::*;
    use perennial::backbone::Backbone;
    use perennial::data::Picture;
    use std::path::PathBuf;

    fn model() -> Option<PathBuf> {
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let data = std::env::var_os("PERENNIAL_DATA").map_or(beside, PathBuf::from);
        let folder = data.join("vit_tiny_patch16_224");
        if folder.is_dir() {
            return Some(folder);
        }
        skip::say(&format!("no {}; set PERENNIAL_DATA to test the real ViT-Tiny", folder.display()));
        None
    }

    const FILE: &str = "vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx";

    fn numbers(path: PathBuf) -> Vec<f32> {
        std::fs::read(path)
            .unwrap()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn logits_and_features_are_those_of_onnx_runtime() {
        let Some(folder) = model() else { return };
        let parity = folder.join("parity");
        let graph = Backbone::read(&folder.join(FILE)).unwrap().graph().clone();
        let session = session(&graph, 1);
        let text = std::fs::read_to_string(parity.join("expected.json")).unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let files = [("logits", "logits_10x1000.f32", 1000), ("features", "features_10x192.f32", 192)];
        let want = files.map(|(name, file, width)| (name, numbers(parity.join(file)), width));
        for (row, entry) in list.as_array().unwrap().iter().enumerate() {
            let picture = Picture::open(&parity.join(entry["file"].as_str().unwrap())).unwrap();
            let rgb = picture.rgb;
            let image = Array4::from_shape_fn((1, 3, 224, 224), |(_, c, y, x)| {
                (f32::from(rgb[3 * (224 * y + x) + c]) / 255.0 - 0.5) / 0.5
            });
            let outputs = outputs(session.as_ref(), &[image.into()]);
            for (name, want, width) in &want {
                let off = distance(&floats(&outputs[*name]), &want[row * width..(row + 1) * width]);
                assert!(off < 1e-3, "{name}, row {row}: off by {off}");
            }
        }
    }

    /// Four pictures as the network takes them.
    fn pictures(parity: &std::path::Path, names: &Value) -> Array4<f32> {
        let names = names.as_array().unwrap();
        let mut images = Array4::zeros((names.len(), 3, 224, 224));
        for (name, mut image) in names.iter().zip(images.outer_iter_mut()) {
            let rgb = Picture::open(&parity.join(format!("{}.png", name.as_str().unwrap()))).unwrap().rgb;
            image.indexed_iter_mut().for_each(|((c, y, x), v)| {
                *v = (f32::from(rgb[3 * (224 * y + x) + c]) / 255.0 - 0.5) / 0.5;
            });
        }
        images
    }

    /// The tensors of tests/golden/real_vit_golden.py: the fraction of a large multiple of a sine.
    fn formula(index: usize, shape: &[usize], scale: f64) -> ArrayD<f32> {
        let columns = *shape.last().unwrap();
        let value = |at: usize| {
            let (i, j) = ((at / columns) as f64, (at % columns) as f64);
            let x = (12.9898 * i + 78.233 * j + 37.719 * index as f64).sin() * 43758.5453;
            (scale * (x - x.floor() - 0.5)) as f32
        };
        ArrayD::from_shape_vec(shape, (0..shape.iter().product()).map(value).collect()).unwrap()
    }

    /// Every adapter gradient of all twelve blocks and ten AdamW steps, against PyTorch in f64.
    #[test]
    fn gradients_and_ten_losses_are_those_of_pytorch() {
        let Some(folder) = model() else { return };
        let golden: Value = serde_json::from_str(include_str!("golden/real_vit_golden.json")).unwrap();
        let roles = all_roles() | Roles::K;
        let lora = Lora { rank: 4, alpha: 4.0, blocks: Blocks::All, roles };
        let (whole, sites) = Backbone::read(&folder.join(FILE)).unwrap().whole(lora.blocks, roles).unwrap();
        let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
        let session = session(&joint(graph, &slots, 8).unwrap().graph, 4);
        let order = ["q", "k", "v", "o", "fc1", "fc2"].iter().flat_map(|r| [(*r, "a"), (*r, "b")]);
        let order: Vec<_> = order.collect();
        let sites = (0..12).flat_map(|b| order.iter().map(move |(r, f)| format!("block{b}.{r}.lora_{f}")));
        let names: Vec<String> =
            ["head_weight".to_string(), "head_bias".to_string()].into_iter().chain(sites).collect();
        let port = |name: &str| session.inputs().iter().position(|p| p.name == name).unwrap();
        let images = pictures(&folder.join("parity"), &golden["pictures"]);
        let mut own = rows(&images, &[0, 1, 2, 3], &[0.4, 0.3, 0.2, 0.1]);
        own.insert("class_mask", Array1::from_shape_fn(8, |i| f32::from(i < 4)).into());
        let mut inputs = inputs(session.as_ref(), &own, 0);
        for (i, name) in names.iter().enumerate() {
            let shape = session.inputs()[port(name)].shape.known().unwrap();
            inputs[port(name)] = Data::F32(formula(i, &shape, 0.1));
        }
        let mut optimizer = AdamW::new(2e-4).with_weight_decay(0.01);
        let (mut worst_gradient, mut worst_loss) = (0.0f64, 0.0f64);
        for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
            let outputs = outputs(session.as_ref(), &inputs);
            let (loss, want) = (floats(&outputs["loss"]).iter().sum::<f32>(), want.as_f64().unwrap());
            worst_loss = worst_loss.max((f64::from(loss) - want).abs() / want);
            optimizer.begin_step();
            for (i, name) in names.iter().enumerate() {
                let gradient = outputs[&format!("{name}.grad")].as_f32().unwrap().to_owned();
                if step == 0 {
                    let dot = |other: &ArrayD<f32>| {
                        let products = gradient.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b));
                        products.sum::<f64>()
                    };
                    let probe = |k: usize| dot(&formula(1000 * k + i, gradient.shape(), 2.0));
                    let have = [dot(&gradient).sqrt(), probe(1), probe(2)];
                    let want = &golden["gradients"][name];
                    for (k, have) in have.iter().enumerate() {
                        let off = (have - want[k].as_f64().unwrap()).abs() / want[0].as_f64().unwrap();
                        worst_gradient = worst_gradient.max(off);
                    }
                }
                let value = inputs[port(name)].as_f32().unwrap().to_owned();
                let shape = value.raw_dim();
                let value = as_matrix(value);
                let delta = optimizer.step(i, value.view(), as_matrix(gradient).view()).unwrap();
                inputs[port(name)] = Data::F32((value + delta).into_shape_with_order(shape).unwrap());
            }
        }
        println!("{} gradients off by {worst_gradient:.1e}, ten losses by {worst_loss:.1e}", names.len());
        assert!(worst_gradient < 1e-3, "{worst_gradient:.1e}");
        assert!(worst_loss < 1e-3, "{worst_loss:.1e}");
    }

    #[test]
    fn its_last_two_blocks_pass_the_gradient_check() {
        let Some(folder) = model() else { return };
        let lora = Lora { rank: 4, alpha: 4.0, blocks: Blocks::Last(2), roles: all_roles() };
        let parts = Backbone::read(&folder.join(FILE)).unwrap().parts(lora.blocks, lora.roles).unwrap();
        let (graph, slots) = inject(parts.suffix, &parts.sites, &lora, Sharing::Shared).unwrap();
        let step = joint(graph, &slots, CAPACITY).unwrap();
        for check in gradcheck::run(&Tract::new(1), &step.graph, 2, 1).unwrap() {
            assert!(check.relative_error < gradcheck::TOLERANCE, "{check:?}");
        }
    }
}
