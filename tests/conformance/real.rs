//! ViT-Tiny, where it lies beside the repository: outputs of ten pictures, every adapter gradient of all twelve blocks
//! and ten AdamW steps, against PyTorch.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2, Array4, ArrayD, Axis};
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::backbone::Backbone;
use perennial::data::Picture;
use perennial::engine::{Data, Session};
use perennial::joint::joint;
use perennial::optim::{AdamW, Optimizer};
use serde_json::Value;

use crate::fixtures::floats;
use crate::skip;
use crate::suite::{Case, Class, Subject, case, off};

const FILE: &str = "vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx";

/// The model.
pub fn backbone(folder: &Path) -> Backbone {
    Backbone::read(&folder.join(FILE)).unwrap()
}

pub fn cases() -> Vec<Case> {
    let Some(folder) = skip::real_vit() else { return Vec::new() };
    let again = folder.clone();
    vec![
        case("real/logits and features", Class::Network, move |s| outputs(s, &folder)),
        case("real/gradients and ten losses", Class::Network, move |s| training(s, &again)),
    ]
}

fn by_name(session: &dyn Session, inputs: &[Data]) -> Result<BTreeMap<String, Data>, String> {
    let names = session.outputs().iter().map(|p| p.name.clone());
    Ok(names.zip(session.run(inputs).map_err(|e| e.to_string())?).collect())
}

/// A picture as the network takes it.
fn picture(path: &Path) -> Array4<f32> {
    let rgb = Picture::open(path).unwrap().rgb;
    Array4::from_shape_fn((1, 3, 224, 224), |(_, c, y, x)| {
        (f32::from(rgb[3 * (224 * y + x) + c]) / 255.0 - 0.5) / 0.5
    })
}

fn numbers(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
}

fn outputs(subject: &Subject, folder: &Path) -> Result<f64, String> {
    let parity = folder.join("parity");
    let graph = backbone(folder).graph().clone();
    let session = subject.engine().compile(&graph, 1).map_err(|e| e.to_string())?;
    let text = std::fs::read_to_string(parity.join("expected.json")).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    let files = [("logits", "logits_10x1000.f32", 1000), ("features", "features_10x192.f32", 192)];
    let want = files.map(|(name, file, width)| (name, numbers(&parity.join(file)), width));
    let mut worst = 0f64;
    for (row, entry) in list.as_array().unwrap().iter().enumerate() {
        let image = picture(&parity.join(entry["file"].as_str().unwrap()));
        let outputs = by_name(session.as_ref(), &[image.into()])?;
        for (name, want, width) in &want {
            let want = want[row * width..(row + 1) * width].iter().copied();
            worst = worst.max(off(&floats(&outputs[*name]), want));
        }
    }
    Ok(worst)
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

/// Names of the trained inputs, in the order of the golden file.
fn trained() -> Vec<String> {
    let roles = ["q", "k", "v", "o", "fc1", "fc2"];
    let factors = |b: usize| roles.map(|r| ["a", "b"].map(|f| format!("block{b}.{r}.lora_{f}"))).concat();
    let head = ["head_weight".to_string(), "head_bias".to_string()];
    head.into_iter().chain((0..12).flat_map(factors)).collect()
}

/// The session of the golden step and its inputs; the trained ones stand where `trained` says.
fn step(subject: &Subject, folder: &Path, golden: &Value) -> Result<(Inputs, Vec<usize>), String> {
    let roles = Roles::Q | Roles::K | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    let lora = Lora { rank: 4, alpha: 4.0, blocks: Blocks::All, roles };
    let (whole, sites) = backbone(folder).whole(lora.blocks, roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
    let graph = joint(graph, &slots, 8).unwrap().graph;
    let session = subject.engine().compile(&graph, 4).map_err(|e| e.to_string())?;
    let names = golden["pictures"].as_array().unwrap().iter().map(|n| n.as_str().unwrap());
    let pictures: Vec<_> = names.map(|n| picture(&folder.join("parity").join(format!("{n}.png")))).collect();
    let views: Vec<_> = pictures.iter().map(|p| p.view()).collect();
    let trained = trained();
    let value = |port: &perennial::engine::Port| match port.name.as_str() {
        "labels" => Array1::from(vec![0i64, 1, 2, 3]).into(),
        "sample_weights" => Array1::from(vec![0.4f32, 0.3, 0.2, 0.1]).into(),
        "class_mask" => Array1::from_shape_fn(8, |i| f32::from(i < 4)).into(),
        name => match trained.iter().position(|t| t == name) {
            Some(i) => Data::F32(formula(i, &port.shape.known().unwrap(), 0.1)),
            None => ndarray::concatenate(Axis(0), &views).unwrap().into(),
        },
    };
    let inputs = session.inputs().iter().map(value).collect();
    let at = |name: &String| session.inputs().iter().position(|p| p.name == *name).unwrap();
    let places = trained.iter().map(at).collect();
    Ok((Inputs { session, inputs }, places))
}

struct Inputs {
    session: std::sync::Arc<dyn Session>,
    inputs: Vec<Data>,
}

/// The error of a gradient's norm and of two projections, relative to the norm.
fn gradient_error(gradient: &ArrayD<f32>, i: usize, want: &Value) -> f64 {
    let dot = |other: &ArrayD<f32>| {
        gradient.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let probe = |k: usize| dot(&formula(1000 * k + i, gradient.shape(), 2.0));
    let have = [dot(gradient).sqrt(), probe(1), probe(2)];
    let norm = want[0].as_f64().unwrap();
    let errors = have.iter().enumerate().map(|(k, have)| (have - want[k].as_f64().unwrap()).abs() / norm);
    errors.fold(0.0, f64::max)
}

fn training(subject: &Subject, folder: &Path) -> Result<f64, String> {
    let golden: Value = serde_json::from_str(include_str!("../golden/real_vit_golden.json")).unwrap();
    let (Inputs { session, mut inputs }, places) = step(subject, folder, &golden)?;
    let names = trained();
    let mut optimizer = AdamW::new(2e-4).with_weight_decay(0.01);
    let mut worst = 0f64;
    for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let outputs = by_name(session.as_ref(), &inputs)?;
        let (loss, want) = (floats(&outputs["loss"]).iter().sum::<f32>(), want.as_f64().unwrap());
        worst = worst.max((f64::from(loss) - want).abs() / want);
        optimizer.begin_step();
        for (i, (name, &at)) in names.iter().zip(&places).enumerate() {
            let gradient = outputs[&format!("{name}.grad")].as_f32().unwrap().to_owned();
            if step == 0 {
                worst = worst.max(gradient_error(&gradient, i, &golden["gradients"][name]));
            }
            let value = inputs[at].as_f32().unwrap().to_owned();
            let shape = value.raw_dim();
            let value = matrix(value);
            let delta = optimizer.step(i, value.view(), matrix(gradient).view()).unwrap();
            inputs[at] = Data::F32((value + delta).into_shape_with_order(shape).unwrap());
        }
    }
    Ok(worst)
}

fn matrix(a: ArrayD<f32>) -> Array2<f32> {
    let a = if a.ndim() == 1 { a.insert_axis(Axis(0)) } else { a };
    a.into_dimensionality().unwrap()
}
