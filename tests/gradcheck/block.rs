//! A whole transformer block with patch embedding, class token and head, every weight an input: the gradient
//! along random directions, `(L(w + h d) - L(w - h d)) / 2h = <grad, d>`.

use perennial::autodiff::{differentiate, loss::cross_entropy};
use perennial::error::Result;
use perennial::graph::{Attr, DType, Dim, Emit, Shape, Tensor, ValueId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::numeric::{Draw, N, Problem, draw, parse};
use crate::reference::{Array, run};

const WIDTH: usize = 8;
const HEADS: usize = 2;
const STEP: f64 = 1e-6;

/// Images, then weights: patch kernel and bias, class token, positions; two norms; qkv, projection, fc1, fc2; head.
const INPUTS: &str = "N,3,4,6|8,3,2,2|8|1,1,8|1,7,8|8|8|8,24|24|8,8|8|8|8|8,16|16|16,8|8|8,5|5";

fn linear(e: &mut Emit, x: ValueId, w: ValueId, b: ValueId) -> Result<ValueId> {
    let y = e.matmul(x, w)?;
    e.add(y, b)
}

/// Layer norm as one operator, or decomposed before opset 17.
fn norm(e: &mut Emit, x: ValueId, scale: ValueId, bias: ValueId) -> Result<ValueId> {
    if e.graph().opset() >= 17 {
        return e.op("LayerNormalization", &[x, scale, bias], &[("axis", (-1).into())]);
    }
    let mean = e.reduce_mean(x, &[2])?;
    let centred = e.sub(x, mean)?;
    let two = e.scalar_like(x, 2.0)?;
    let square = e.op("Pow", &[centred, two], &[])?;
    let variance = e.reduce_mean(square, &[2])?;
    let epsilon = e.scalar_like(x, 1e-5)?;
    let variance = e.add(variance, epsilon)?;
    let sd = e.op("Sqrt", &[variance], &[])?;
    let z = e.div(centred, sd)?;
    let scaled = e.mul(z, scale)?;
    e.add(scaled, bias)
}

fn dims(n: &Dim, rest: &[usize]) -> Shape {
    Shape([n.clone()].into_iter().chain(rest.iter().map(|d| Dim::Known(*d))).collect())
}

/// Softmax attention over a fused qkv `[N, T, 3 D]`.
fn attention(e: &mut Emit, qkv: ValueId, tokens: usize) -> Result<ValueId> {
    let n = e.shape(qkv)?[0].clone();
    let apart = e.reshape(qkv, &dims(&n, &[tokens, 3, HEADS, WIDTH / HEADS]))?;
    let apart = e.transpose(apart, &[2, 0, 3, 1, 4])?;
    let mut parts = Vec::new();
    for i in 0..3 {
        let index = e.constant(Tensor::scalar(DType::I64, f64::from(i)));
        parts.push(e.op("Gather", &[apart, index], &[("axis", 0.into())])?);
    }
    let keys = e.swap(parts[1])?;
    let scores = e.matmul(parts[0], keys)?;
    let scores = e.scale(scores, 1.0 / (WIDTH as f64 / HEADS as f64).sqrt())?;
    let weights = e.op("Softmax", &[scores], &[("axis", (-1).into())])?;
    let mixed = e.matmul(weights, parts[2])?;
    let mixed = e.transpose(mixed, &[0, 2, 1, 3])?;
    e.reshape(mixed, &dims(&n, &[tokens, WIDTH]))
}

fn gelu(e: &mut Emit, x: ValueId) -> Result<ValueId> {
    let root = e.scalar_like(x, 2f64.sqrt())?;
    let narrow = e.div(x, root)?;
    let erf = e.op("Erf", &[narrow], &[])?;
    let one = e.scalar_like(x, 1.0)?;
    let area = e.add(erf, one)?;
    let y = e.mul(x, area)?;
    e.scale(y, 0.5)
}

fn logits(e: &mut Emit, x: &[ValueId]) -> Result<ValueId> {
    let n = e.shape(x[0])?[0].clone();
    let strides = ("strides", Attr::Ints(vec![2, 2]));
    let patches = e.op("Conv", &[x[0], x[1], x[2]], &[strides, ("kernel_shape", vec![2, 2].into())])?;
    let flat = e.reshape(patches, &dims(&n, &[WIDTH, 6]))?;
    let patches = e.transpose(flat, &[0, 2, 1])?;
    let shape = e.op("Shape", &[patches], &[])?;
    let (zero, one) = (e.constant(Tensor::ints(&[0])), e.constant(Tensor::ints(&[1])));
    let batch = e.op("Slice", &[shape, zero, one], &[])?;
    let rest = e.constant(Tensor::ints(&[1, WIDTH as i64]));
    let wanted = e.concat(&[batch, rest], 0)?;
    let token = e.op("Expand", &[x[3], wanted], &[])?;
    let tokens = e.concat(&[token, patches], 1)?;
    let tokens = e.add(tokens, x[4])?;
    let normed = norm(e, tokens, x[5], x[6])?;
    let qkv = linear(e, normed, x[7], x[8])?;
    let mixed = attention(e, qkv, 7)?;
    let mixed = linear(e, mixed, x[9], x[10])?;
    let tokens = e.add(tokens, mixed)?;
    let normed = norm(e, tokens, x[11], x[12])?;
    let hidden = linear(e, normed, x[13], x[14])?;
    let hidden = gelu(e, hidden)?;
    let hidden = linear(e, hidden, x[15], x[16])?;
    let tokens = e.add(tokens, hidden)?;
    let first = e.constant(Tensor::scalar(DType::I64, 0.0));
    let feature = e.op("Gather", &[tokens, first], &[("axis", 1.into())])?;
    linear(e, feature, x[17], x[18])
}

/// The loss of the block; labels, mask and weights are fed.
fn build(opset: i64) -> (Problem, ValueId) {
    let mut problem = Problem::new(opset, INPUTS, 7);
    let x = problem.inputs();
    let graph = &mut problem.graph;
    let feed = |data: &[f64]| Array::from_shape_vec(vec![data.len()], data.to_vec()).unwrap();
    let batch = Shape(vec![Dim::symbol("N")]);
    let labels = graph.add_input("labels", DType::I64, batch.clone());
    let mask = graph.add_input("class_mask", DType::F64, Shape::fixed(&[5]));
    let weights = graph.add_input("sample_weights", DType::F64, batch);
    let mut e = Emit::new(graph, "block");
    let logits = logits(&mut e, &x).unwrap();
    let loss = cross_entropy(&mut e, &[logits], labels, mask, weights).unwrap();
    problem.feeds.push((labels, feed(&[1.0, 3.0][..N])));
    problem.feeds.push((mask, feed(&[1.0, 1.0, 0.0, 1.0, 1.0])));
    problem.feeds.push((weights, feed(&[0.7, 0.3][..N])));
    (problem, loss)
}

fn along(problem: &Problem, loss: ValueId, directions: &[Array], h: f64) -> f64 {
    let mut feeds = problem.feeds.clone();
    for (feed, d) in feeds.iter_mut().zip(directions) {
        feed.1 = &feed.1 + &(d * h);
    }
    run(&problem.graph, &feeds, &[loss])[0].sum()
}

#[test]
fn a_transformer_block_agrees_along_random_directions() {
    for opset in [13, 17, 18, 22] {
        let (problem, loss) = build(opset);
        let (joint, grads) = differentiate(problem.graph.clone(), loss, &problem.wrt).unwrap();
        let grads = run(&joint, &problem.feeds, &grads);
        let mut rng = ChaCha8Rng::seed_from_u64(opset as u64);
        // Each input alone, then all together.
        for only in (0..problem.wrt.len()).map(Some).chain([None]) {
            let directions: Vec<Array> = INPUTS
                .split('|')
                .enumerate()
                .map(|(i, spec)| {
                    let d = draw(&mut rng, Draw::Normal, &parse(spec).1);
                    if only.is_none_or(|o| o == i) { d } else { d * 0.0 }
                })
                .collect();
            let given: f64 = grads.iter().zip(&directions).map(|(g, d)| (g * d).sum()).sum();
            let (high, low) =
                (along(&problem, loss, &directions, STEP), along(&problem, loss, &directions, -STEP));
            let numeric = (high - low) / (2.0 * STEP);
            let error = (given - numeric).abs() / numeric.abs().max(1e-2);
            assert!(error < 1e-6, "opset {opset}, input {only:?}: {given} and {numeric}");
        }
    }
}

#[test]
fn frozen_weights_cost_nothing() {
    let (problem, loss) = build(17);
    let count = |wrt: &[ValueId]| {
        let (joint, _) = differentiate(problem.graph.clone(), loss, wrt).unwrap();
        let added = &joint.nodes()[problem.graph.nodes().len()..];
        added.iter().filter(|n| n.is("MatMul") || n.is("Gemm")).count()
    };
    // The head alone: one product. fc2 alone: through the head, then its own. All: two for each of 6 linear
    // layers, 4 in attention, 2 in the patch embedding.
    assert_eq!(count(&problem.wrt[17..18]), 1);
    assert_eq!(count(&problem.wrt[15..16]), 2);
    assert_eq!(count(&problem.wrt), 2 * 5 + 4 + 2);
}
