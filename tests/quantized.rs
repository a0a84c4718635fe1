//! Backbones quantized by `onnxruntime.quantization`: they load, their blocks are found, weights stay int8, adapters learn
//! beside them, and the straight-through gradients are what they claim to be.
//!
//! Rounding has no derivative to compare with, so the gradients are compared with those of a *surrogate*: the same graph in
//! float, in which every quantizer is a clip plus a constant, and the constant is the rounding error that the quantizer
//! made at the point. There the surrogate equals the integer graph, and its derivative is an ordinary one.
#![cfg(feature = "tract")]

mod fixtures;
mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fixtures::{distance, floats, images, random, rng};
use ndarray::Array1;
use perennial::adapter::{self, Blocks, Lora, Role, Roles, Sharing, Site, inject, merge};
use perennial::autodiff::differentiate;
use perennial::backbone::Backbone;
use perennial::engine::{Data, Engine, Session, Tract, by_name};
use perennial::graph::{DType, Emit, Graph, Node, Shape, Tensor, ValueId, fold, infer, rewrite};
use perennial::joint::{Objective, joint, minimising};
use perennial::learner::{Learner, Settings};
use perennial::plan::Order;
use perennial::{gradcheck, plan, precision};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures_quantized")
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap()
}

struct Model {
    name: String,
    row: Value,
}

impl Model {
    fn backbone(&self) -> Backbone {
        Backbone::read(&folder().join(format!("{}.onnx", self.name))).unwrap()
    }

    /// What it was quantized from.
    fn float(&self) -> Backbone {
        fixtures::one(self.row["fixture"].as_str().unwrap()).backbone()
    }

    fn outputs(&self, which: &str, output: &str) -> Vec<f32> {
        let numbers = self.row[which][output].as_array().unwrap();
        numbers.iter().map(|x| x.as_f64().unwrap() as f32).collect()
    }
}

fn models() -> Vec<Model> {
    let rows = expected()["models"].as_object().unwrap().clone();
    assert!(rows.len() >= 7);
    rows.into_iter().map(|(name, row)| Model { name, row }).collect()
}

fn integer() -> Vec<Model> {
    models().into_iter().filter(|m| m.row["kind"] != "bf16").collect()
}

/// tract, and ONNX Runtime where it is at hand.
fn engines() -> Vec<Arc<dyn Engine>> {
    let mut engines = vec![by_name("tract", 1).unwrap()];
    match cfg!(feature = "onnxruntime") && std::env::var_os("ORT_DYLIB_PATH").is_some() {
        true => engines.push(by_name("onnxruntime", 2).unwrap()),
        false => skip::say("quantized backbones on ONNX Runtime; build with it and set ORT_DYLIB_PATH"),
    }
    engines
}

const ROLES: [&str; 6] = ["q", "k", "v", "o", "fc1", "fc2"];

fn roles() -> Roles {
    ROLES.join(",").parse().unwrap()
}

fn lora() -> Lora {
    Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles: roles() }
}

#[test]
fn the_blocks_and_sites_are_those_of_the_float_model() {
    for model in models() {
        let shape =
            |s: &Site| (s.name.clone(), s.inputs(), s.outputs(), s.layer().map(|l| l.columns.clone()));
        let sites = |b: &Backbone| -> Vec<_> {
            // Prompts pass float layers only.
            let all = b.anatomy().blocks.iter().flat_map(|b| &b.sites);
            all.filter(|s| s.role != Role::Prompt).map(shape).collect()
        };
        let (have, want) = (model.backbone(), model.float());
        assert_eq!(sites(&have), sites(&want), "{}", model.name);
        assert_eq!(have.width().unwrap(), want.width().unwrap(), "{}", model.name);
        let blocks = &have.anatomy().blocks;
        assert_eq!(blocks.len(), 2);
        // What an adapter reads is float and not a number of the grid.
        let graph = have.graph();
        let index = graph.index();
        for site in blocks.iter().flat_map(|b| &b.sites) {
            assert_eq!(graph.dtype(site.reads()).unwrap(), DType::F32);
            let made = index.producer(site.reads()).map(|id| graph.node(id).op.clone());
            assert_ne!(made.as_deref(), Some("DequantizeLinear"), "{} {}", model.name, site.name);
        }
    }
}

#[test]
fn tract_computes_what_the_operators_say_and_onnx_runtime_what_its_kernels_do() {
    let mut failures = Vec::new();
    for engine in engines() {
        let which = if engine.name() == "tract" { "standard" } else { "fused" };
        for model in models() {
            let session = engine.compile(model.backbone().graph(), 2).unwrap();
            let outputs = session.run(&[images(2).into()]).unwrap();
            for (port, output) in session.outputs().iter().zip(&outputs) {
                let (want, float) = (model.outputs(which, &port.name), model.outputs("float", &port.name));
                let (off, error) = (distance(&floats(output), &want), distance(&want, &float));
                let row = format!("{:<12} {:<28} {:<9}", engine.name(), model.name, port.name);
                println!("{row} off by {off:.1e}, quantization itself by {error:.1e}");
                if off > 1e-4 {
                    failures.push(format!("{row} {off}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Bytes of float matrices among the constants.
fn float_matrices(graph: &Graph) -> usize {
    let matrix = |t: &&Tensor| t.dtype() == DType::F32 && t.shape().len() == 2 && t.len() >= 256;
    graph.constants().values().filter(matrix).map(|t| t.bytes().len()).sum()
}

#[test]
fn weights_stay_as_small_as_they_are_stored_also_in_the_training_step() {
    for model in models() {
        let step = |backbone: &Backbone| {
            let (whole, sites) = backbone.whole(Blocks::All, roles()).unwrap();
            let (graph, slots) = inject(whole, &sites, &lora(), Sharing::Shared).unwrap();
            joint(graph, &slots, 16).unwrap().graph
        };
        let (small, large) = (model.backbone(), model.float());
        assert_eq!(float_matrices(small.graph()), 0, "{}", model.name);
        let (small, large) = (step(&small), step(&large));
        assert_eq!(float_matrices(&small), 0, "{}: the step holds float weights", model.name);
        let most = if model.row["kind"] == "bf16" { 0.62 } else { 0.45 };
        let share = plan::weights(&small) as f64 / plan::weights(&large) as f64;
        println!("{:<28} {share:.2} of the float step's constants", model.name);
        assert!(share < most, "{}: {share}", model.name);
    }
}

/// Inputs of a training step on the two stored images, by name.
fn inputs(session: &dyn Session, seed: u64) -> Vec<Data> {
    let value = |(i, port): (usize, &perennial::engine::Port)| match port.name.as_str() {
        "images" => images(2).into(),
        "boundary" => random(&port.shape.known().unwrap(), 1.0, &mut rng(seed)),
        "labels" => Array1::from(vec![0i64, 3]).into(),
        "class_mask" => Array1::from_shape_fn(16, |i| f32::from(i < 5)).into(),
        "sample_weights" => Array1::from(vec![0.6f32, 0.4]).into(),
        _ => random(&port.shape.known().unwrap(), 0.15, &mut rng(seed + 100 * i as u64)),
    };
    session.inputs().iter().enumerate().map(value).collect()
}

fn named(session: &dyn Session, inputs: &[Data]) -> BTreeMap<String, Vec<f32>> {
    let names = session.outputs().iter().map(|p| p.name.clone());
    names.zip(session.run(inputs).unwrap().iter().map(floats)).collect()
}

/// From the boundary before the first block.
fn training_step_behind_the_images(backbone: &Backbone) -> Graph {
    let parts = backbone.parts(Blocks::All, roles()).unwrap();
    let (graph, slots) = inject(parts.suffix, &parts.sites, &lora(), Sharing::Shared).unwrap();
    fold::bind(joint(graph, &slots, 16).unwrap().graph, "N", 2).unwrap()
}

fn training_step(backbone: &Backbone) -> Graph {
    let (whole, sites) = backbone.whole(Blocks::All, roles()).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora(), Sharing::Shared).unwrap();
    let graph = joint(graph, &slots, 16).unwrap().graph;
    match fold::batch_symbol(&graph).map(str::to_string) {
        Some(symbol) => fold::bind(graph, &symbol, 2).unwrap(),
        None => graph,
    }
}

fn norm(a: &[f32]) -> f64 {
    a.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

/// `|a - b| / |b|`.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let difference: Vec<f32> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    norm(&difference) / norm(b)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>() / (norm(a) * norm(b))
}

/// Scale and zero point of a quantizer, one of each, and the integers at its ends.
fn grid(graph: &Graph, node: &Node) -> (f32, f32, f32, f32) {
    let number = |i: usize| graph.constant(node.input(i).unwrap()).unwrap().to_f32()[0];
    let signed = graph.constant(node.input(2).unwrap()).unwrap().dtype() == DType::I8;
    let (low, high) = if signed { (-128.0, 127.0) } else { (0.0, 255.0) };
    (number(1), number(2), low, high)
}

/// `scale (q - zero)` of a stored weight.
fn unpacked(
    graph: &Graph,
    weight: ValueId,
    scale: Option<&Tensor>,
    zero: Option<ValueId>,
    axis: i64,
) -> Tensor {
    let weight = graph.constant(weight).unwrap();
    let shape = weight.shape().to_vec();
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
    let inner: usize = shape.iter().skip(axis + 1).product();
    let pick = |list: &[f64], at: usize| match list.len() {
        1 => list[0],
        n => list[at / inner % n],
    };
    let scales = scale.map_or(vec![1.0], Tensor::to_f64);
    let zeros = zero.map_or(vec![0.0], |z| graph.constant(z).unwrap().to_f64());
    let data = weight.to_f64();
    let data: Vec<f32> =
        data.iter().enumerate().map(|(i, q)| ((q - pick(&zeros, i)) * pick(&scales, i)) as f32).collect();
    Tensor::f32(&shape, &data).unwrap()
}

/// Number and rounding error of every element that a quantizer read: `(numbers, numbers - clip(x))`.
fn rounded(x: &[f32], (scale, zero, low, high): (f32, f32, f32, f32)) -> Vec<f32> {
    let number = |x: f32| ((x / scale).round_ties_even() + zero).clamp(low, high) - zero;
    x.iter().map(|&x| number(x) * scale).collect()
}

fn dynamic(x: &[f32]) -> (f32, f32, f32, f32) {
    let (low, high) = x.iter().fold((0.0f32, 0.0f32), |(l, h), &x| (l.min(x), h.max(x)));
    let scale = (high - low) / 255.0;
    (scale, (-low / scale).round_ties_even().clamp(0.0, 255.0), 0.0, 255.0)
}

/// The float graph whose quantizers add the rounding errors that `forward` makes for `given`.
struct Surrogate<'g> {
    from: &'g Graph,
    to: Graph,
    map: BTreeMap<ValueId, ValueId>,
    /// Float values that quantizers read, as the integer graph computed them.
    seen: BTreeMap<ValueId, Vec<f32>>,
    /// Scales of weights by the value that multiplies them with the scale of the data.
    scales: BTreeMap<ValueId, Tensor>,
    dynamic_scales: Vec<ValueId>,
    products: BTreeMap<ValueId, (ValueId, ValueId, Option<ValueId>)>,
    clipped: usize,
}

impl Surrogate<'_> {
    fn of(forward: &Graph, given: &[Data]) -> (Graph, usize) {
        let quantizer = |n: &Node| n.is("QuantizeLinear") || n.is("DynamicQuantizeLinear");
        let mut read: Vec<ValueId> =
            forward.nodes().iter().filter(|n| quantizer(n)).map(|n| n.input(0).unwrap()).collect();
        read.sort_unstable();
        read.dedup();
        read.retain(|v| !forward.inputs.contains(v));
        assert!(read.len() > 6, "nothing is quantized");
        let mut probe = forward.clone();
        probe.outputs = read.clone();
        let results = Tract::new(1).compile(&probe, 2).unwrap().run(given).unwrap();
        let mut seen: BTreeMap<ValueId, Vec<f32>> =
            read.into_iter().zip(results.iter().map(floats)).collect();
        seen.extend(
            forward.inputs.iter().zip(given).filter(|(_, d)| d.is_float()).map(|(&v, d)| (v, floats(d))),
        );
        let mut surrogate = Surrogate {
            from: forward,
            to: Graph::new("surrogate", forward.opset()),
            map: BTreeMap::new(),
            seen,
            scales: BTreeMap::new(),
            dynamic_scales: Vec::new(),
            products: BTreeMap::new(),
            clipped: 0,
        };
        for &v in &forward.inputs {
            let (dtype, shape) = (forward.dtype(v).unwrap(), forward.shape(v).unwrap().clone());
            let made = surrogate.to.add_input(&forward.value(v).name, dtype, shape);
            surrogate.map.insert(v, made);
        }
        for (&v, tensor) in forward.constants() {
            let made = surrogate.to.add_constant(&forward.value(v).name, tensor.clone());
            surrogate.map.insert(v, made);
        }
        forward.nodes().iter().for_each(|node| surrogate.visit(node));
        surrogate.to.outputs = forward.outputs.iter().map(|v| surrogate.map[v]).collect();
        (rewrite::prune(surrogate.to), surrogate.clipped)
    }

    /// `clip(x) + error`.
    fn hold(&mut self, x: ValueId, grid: (f32, f32, f32, f32)) -> ValueId {
        let (scale, zero, low, high) = grid;
        let seen = &self.seen[&x];
        let ends = [low - 0.5, high + 0.5].map(|q| scale * (q - zero));
        self.clipped += seen.iter().filter(|&&x| x < ends[0] || x > ends[1]).count();
        let shape = self.from.shape(x).unwrap().known().unwrap();
        let error: Vec<f32> = rounded(seen, grid)
            .iter()
            .zip(seen)
            .map(|(number, x)| number - x.clamp(ends[0], ends[1]))
            .collect();
        let x = self.map[&x];
        let mut emit = Emit::new(&mut self.to, "hold");
        let [low, high] = ends.map(|e| emit.constant(Tensor::f32(&[], &[e]).unwrap()));
        let error = emit.constant(Tensor::f32(&shape, &error).unwrap());
        let clipped = emit.op("Clip", &[x, low, high], &[]).unwrap();
        emit.add(clipped, error).unwrap()
    }

    fn visit(&mut self, node: &Node) {
        let (x, y) = (node.input(0).unwrap(), node.output().unwrap());
        let constant = |v: ValueId| self.from.constant(v);
        if node.is("QuantizeLinear") {
            let held = self.hold(x, grid(self.from, node));
            self.map.insert(y, held);
        } else if node.is("DequantizeLinear") && constant(x).is_some() {
            let scale = constant(node.input(1).unwrap());
            let weight = unpacked(self.from, x, scale, node.input(2), node.int("axis", 1));
            let made = self.to.add_constant("weight", weight);
            self.map.insert(y, made);
        } else if node.is("DequantizeLinear") {
            self.map.insert(y, self.map[&x]);
        } else if node.is("DynamicQuantizeLinear") {
            let held = self.hold(x, dynamic(&self.seen[&x]));
            self.map.insert(y, held);
            self.dynamic_scales.push(node.outputs[1].unwrap());
        } else if node.is("MatMulInteger") {
            self.products.insert(y, (self.map[&x], node.input(1).unwrap(), node.input(3)));
        } else if let (true, Some(&product)) = (node.is("Cast"), self.products.get(&x)) {
            self.products.insert(y, product);
        } else if node.is("Mul") && self.scaled(node) {
        } else {
            self.copy(node);
        }
    }

    /// Scales of a dynamically quantized layer: their product, or their product with the layer's.
    fn scaled(&mut self, node: &Node) -> bool {
        let operands = [node.input(0).unwrap(), node.input(1).unwrap()];
        let y = node.output().unwrap();
        let constant = operands.iter().find_map(|v| self.from.constant(*v));
        if let (Some(scale), true) = (constant, operands.iter().any(|v| self.dynamic_scales.contains(v))) {
            self.scales.insert(y, scale.clone());
            return true;
        }
        let product = operands.iter().find_map(|v| self.products.get(v)).copied();
        let scale = operands.iter().find_map(|v| self.scales.get(v)).cloned();
        let (Some((x, weight, zero)), Some(scale)) = (product, scale) else { return false };
        let weight = unpacked(self.from, weight, Some(&scale), zero, 1);
        let mut emit = Emit::new(&mut self.to, "layer");
        let weight = emit.constant(weight);
        let made = emit.matmul(x, weight).unwrap();
        self.map.insert(y, made);
        true
    }

    fn copy(&mut self, node: &Node) {
        let inputs: Option<Vec<_>> = node
            .inputs
            .iter()
            .map(|v| v.map_or(Some(None), |v| self.map.get(&v).map(|&m| Some(m))))
            .collect();
        // What computes from integers of a layer that is float here has no operands, and nobody reads it.
        let Some(inputs) = inputs else { return };
        let mut result = |v: ValueId| {
            let made = self.to.add_value(&self.from.value(v).name, None, None);
            self.map.insert(v, made);
            made
        };
        let outputs = node.outputs.iter().map(|v| v.map(&mut result)).collect();
        let id = self.to.add_node(Node { inputs, outputs, ..node.clone() });
        infer::node(&mut self.to, id).unwrap();
    }
}

/// Quantized activations are computed again like others, and what they take is freed.
#[test]
fn what_is_computed_again_is_what_was_kept_also_in_integers() {
    for model in models() {
        let (whole, sites) = model.backbone().whole(Blocks::All, roles()).unwrap();
        let (graph, slots) = inject(whole, &sites, &lora(), Sharing::Shared).unwrap();
        let steps = [false, true].map(|recompute| {
            let step = minimising(&Objective::Linear, graph.clone(), &slots, 16, recompute).unwrap().graph;
            match fold::batch_symbol(&step).map(str::to_string) {
                Some(symbol) => fold::bind(step, &symbol, 2).unwrap(),
                None => step,
            }
        });
        let [kept, again] = [0, 1].map(|i| plan::peak(&steps[i], 2, Order::LastOutputFirst).unwrap());
        assert!(again < kept, "{}: {again} of {kept} bytes", model.name);
        for engine in engines() {
            let [kept, again] = [0, 1].map(|i| {
                let session = engine.compile(&steps[i], 2).unwrap();
                named(session.as_ref(), &inputs(session.as_ref(), 3))
            });
            let off = kept.iter().map(|(name, values)| distance(&again[name], values)).fold(0.0, f32::max);
            let grads = kept.iter().filter(|(name, _)| name.ends_with(".grad"));
            let least = grads.map(|(name, values)| cosine(&again[name], values)).fold(1.0, f64::min);
            println!("{:<12} {:<28} off by {off:.1e}, least cosine {least:.6}", engine.name(), model.name);
            // ONNX Runtime merges a quantizer into its neighbour where only that one reads it. Copies have other
            // readers, so other layers round in integers: as far off as such a layer is anyway.
            let fuses = engine.name() == "onnxruntime" && model.row["kind"] == "static";
            assert!(off < 1e-4 || fuses && least > 0.97, "{} {}: {off:.1e}", engine.name(), model.name);
        }
    }
}

#[test]
fn gradients_are_those_of_the_float_surrogate_that_holds_every_rounding_error() {
    for model in integer() {
        let step = training_step_behind_the_images(&model.backbone());
        let session = Tract::new(1).compile(&step, 2).unwrap();
        let given = inputs(session.as_ref(), 3);
        let have = named(session.as_ref(), &given);
        let loss = step.find("loss").unwrap();
        let forward = rewrite::extract(&step, &step.inputs, &[loss]).unwrap();
        let (surrogate, clipped) = Surrogate::of(&forward, &given);
        assert_eq!(clipped > 0, model.row["kind"] == "static", "{}: {clipped} clipped", model.name);
        let wrt: Vec<ValueId> = step
            .outputs
            .iter()
            .filter_map(|&v| step.value(v).name.strip_suffix(".grad").map(|n| surrogate.find(n).unwrap()))
            .collect();
        assert_eq!(wrt.len(), 2 + 2 * 2 * ROLES.len());
        let loss = surrogate.outputs[0];
        let (mut surrogate, grads) = differentiate(surrogate, loss, &wrt).unwrap();
        surrogate.outputs = std::iter::once(loss).chain(grads).collect();
        let session = Tract::new(1).compile(&surrogate, 2).unwrap();
        let results: Vec<Vec<f32>> = session.run(&given).unwrap().iter().map(floats).collect();
        let off = (results[0][0] - have["loss"][0]).abs() / have["loss"][0];
        assert!(off < 1e-4, "{}: the surrogate's loss is off by {off:.1e}", model.name);
        let mut worst = 0.0f64;
        for (v, want) in wrt.iter().zip(&results[1..]) {
            let name = &surrogate.value(*v).name;
            assert!(norm(want) > 0.0, "{} {name} is zero", model.name);
            let error = relative(&have[&format!("{name}.grad")], want);
            assert!(error.is_finite(), "{} {name}", model.name);
            worst = worst.max(error);
        }
        println!(
            "{:<28} {} gradients, worst relative error {worst:.1e}, {clipped} clipped",
            model.name,
            wrt.len()
        );
        assert!(worst < 1e-3, "{}: {worst:.1e}", model.name);
    }
}

#[test]
fn they_point_where_those_of_the_float_model_point() {
    for engine in engines() {
        for model in integer() {
            let run = |backbone: &Backbone| {
                let session = engine.compile(&training_step(backbone), 2).unwrap();
                let given = inputs(session.as_ref(), 3);
                named(session.as_ref(), &given)
            };
            let (have, want) = (run(&model.backbone()), run(&model.float()));
            let grads = want.iter().filter(|(name, _)| name.ends_with(".grad"));
            let least = grads.map(|(name, want)| cosine(&have[name], want)).fold(1.0, f64::min);
            println!("{:<12} {:<28} least cosine {least:.4}", engine.name(), model.name);
            assert!(least > 0.9, "{} {}: {least}", engine.name(), model.name);
        }
    }
}

/// `dL/dx` through one pair, with PyTorch's numbers (tests/golden/quantize_fixtures.py).
#[test]
fn a_pair_has_the_gradient_of_fake_quantize() {
    for row in expected()["straight_through"].as_array().unwrap() {
        let numbers = |name: &str| {
            row[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect::<Vec<_>>()
        };
        let (x, up) = (numbers("x"), numbers("up"));
        let dtype = if row["dtype"] == "u8" { DType::U8 } else { DType::I8 };
        let mut graph = Graph::new("pair", 17);
        let input = graph.add_input("x", DType::F32, Shape::fixed(&[x.len()]));
        let mut emit = Emit::new(&mut graph, "pair");
        let scale = emit.constant(Tensor::f32(&[], &[row["scale"].as_f64().unwrap() as f32]).unwrap());
        let zero = emit.constant(Tensor::scalar(dtype, row["zero"].as_f64().unwrap()));
        let weight = emit.constant(Tensor::f32(&[up.len()], &up).unwrap());
        let q = emit.op("QuantizeLinear", &[input, scale, zero], &[]).unwrap();
        let y = emit.op("DequantizeLinear", &[q, scale, zero], &[]).unwrap();
        let weighted = emit.mul(y, weight).unwrap();
        let loss = emit.reduce_sum(weighted, &[0], false).unwrap();
        let (mut graph, grads) = differentiate(graph, loss, &[input]).unwrap();
        graph.outputs = vec![y, grads[0]];
        let outputs = fixtures::run(&graph, 1, &[Array1::from(x).into()]);
        assert!(distance(&floats(&outputs[0]), &numbers("y")) < 1e-6);
        assert_eq!(floats(&outputs[1]), numbers("grad"));
    }
}

#[test]
fn merging_sets_the_adapter_beside_weights_that_are_stored_small() {
    for model in models() {
        let (whole, sites) = model.backbone().whole(Blocks::All, roles()).unwrap();
        let (injected, slots) = inject(whole.clone(), &sites, &lora(), Sharing::Shared).unwrap();
        let mut given: Vec<Data> = vec![images(2).into()];
        let mut merged = whole.clone();
        for (i, slot) in slots.iter().enumerate() {
            let [a, b] = [(2, slot.inputs()), (slot.outputs(), 2)].map(|(r, c)| {
                let data = random(&[r, c], 0.2, &mut rng(100 + i as u64)).into_f32().unwrap();
                data.into_dimensionality::<ndarray::Ix2>().unwrap()
            });
            merged = merge(merged, &slot.site, a.view(), b.view(), lora().scaling()).unwrap();
            given.extend([Data::from(a), Data::from(b)]);
        }
        assert_eq!(float_matrices(&merged), 0, "{}: merging unpacked weights", model.name);
        let [plain, injected] = [(&whole, &given[..1]), (&injected, &given[..])]
            .map(|(graph, given)| floats(&fixtures::run(graph, 2, given)[0]));
        let merged = floats(&fixtures::run(&merged, 2, &given[..1])[0]);
        let moved = distance(&plain, &injected);
        assert!(moved > 0.05, "{}: the adapter changes nothing", model.name);
        assert!(distance(&merged, &injected) < 1e-4, "{}", model.name);
    }
}

#[test]
fn a_learner_learns_two_tasks_on_every_one_of_them() {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(1), roles: Roles::Q | Roles::V | Roles::FC1 };
    let settings = Settings { lora, batch: 8, micro: 4, random_features: 64, ..Settings::default() };
    for engine in engines() {
        for model in models() {
            let builder = Learner::builder(model.backbone()).strategy("pegp").engine(engine.clone());
            let mut learner = builder.settings(settings.clone()).build().unwrap();
            for (task, of, names) in [("a", [3, 4], ["ant", "bee"]), ("b", [5, 6], ["cat", "dog"])] {
                let (images, labels) = fixtures::pictures(1, of, names);
                learner.begin_task(task).unwrap();
                let mut steps = learner.observe(images.view(), &labels).unwrap();
                for _ in 0..6 {
                    steps.extend(learner.epoch().unwrap());
                }
                let (first, last) = (steps[0].loss, steps.last().unwrap().loss);
                assert!(last < first - 0.02, "{}: loss {first} to {last}", model.name);
                learner.end_task().unwrap();
                learner.commit_anyway().unwrap();
            }
            for (of, names) in [([3, 4], ["ant", "bee"]), ([5, 6], ["cat", "dog"])] {
                let (images, labels) = fixtures::pictures(2, of, names);
                let answers = learner.predict(images.view()).unwrap();
                let right = answers.iter().zip(&labels).filter(|(a, l)| a.name == **l).count();
                assert!(right >= 18, "{} {}: {right} of 20", engine.name(), model.name);
            }
        }
    }
}

#[test]
fn weights_in_bf16_train_like_others() {
    let model = models().into_iter().find(|m| m.name == "timm_bf16").unwrap();
    let graph = model.backbone().graph().clone();
    assert!(graph.constants().values().any(|t| t.dtype() == DType::BF16));
    for engine in engines() {
        let checks = gradcheck::run(engine.as_ref(), &training_step(&model.backbone()), 2, 7).unwrap();
        assert_eq!(checks.len(), 2 + 2 * 2 * ROLES.len());
        let worst = checks.iter().map(|c| c.relative_error).fold(0.0, f64::max);
        assert!(worst < gradcheck::TOLERANCE, "{}: {worst:.1e}", engine.name());
    }
}

/// The real ViT-Tiny as benches/quantized.sh quantizes it.
#[test]
fn the_real_one_is_found_too() {
    let Some(folder) = std::env::var_os("PERENNIAL_QUANTIZED").map(PathBuf::from) else {
        skip::say(
            "set PERENNIAL_QUANTIZED to the folder that benches/quantized.sh wrote, for the quantized ViT-Tiny",
        );
        return;
    };
    for name in ["vit_static.onnx", "vit_static_tensor.onnx", "vit_dynamic.onnx"] {
        let backbone = Backbone::read(&folder.join(name)).unwrap();
        assert_eq!(backbone.anatomy().blocks.len(), 12, "{name}");
        assert!(precision::is_quantized(backbone.graph()), "{name}");
        let sites = adapter::select(backbone.anatomy(), Blocks::All, roles()).unwrap();
        assert_eq!(sites.len(), 12 * ROLES.len(), "{name}");
        assert_eq!(backbone.width().unwrap(), 192);
        let parts = backbone.parts(Blocks::Last(4), roles()).unwrap();
        let (graph, slots) = inject(parts.suffix, &parts.sites, &lora(), Sharing::Shared).unwrap();
        let step = joint(graph, &slots, 16).unwrap().graph;
        for engine in engines() {
            let session = engine.compile(&step, 2).unwrap();
            let given: Vec<Data> = session
                .inputs()
                .iter()
                .enumerate()
                .map(|(i, port)| match port.name.as_str() {
                    "labels" => Array1::from(vec![0i64, 3]).into(),
                    "class_mask" => Array1::from_shape_fn(16, |i| f32::from(i < 5)).into(),
                    "sample_weights" => Array1::from(vec![0.6f32, 0.4]).into(),
                    _ => random(&port.shape.known().unwrap(), 0.15, &mut rng(i as u64)),
                })
                .collect();
            let outputs = named(session.as_ref(), &given);
            assert!(outputs.values().flatten().all(|x| x.is_finite()), "{name} on {}", engine.name());
            assert!(outputs.values().all(|g| norm(g) > 0.0), "{name} on {}", engine.name());
        }
    }
}
