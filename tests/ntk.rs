//! What methods.md 2.11 asks about NTK-CL's released modules, as graphs that are run and differentiated.
#![cfg(feature = "tract")]

mod fixtures;

use std::collections::BTreeMap;

use fixtures::{floats, random, rng, session};
use perennial::autodiff;
use perennial::engine::Data;
use perennial::graph::{DType, Dim, Emit, Graph, Shape, Tensor, ValueId};

const WIDTH: usize = 16;
const HEADS: usize = 8;
const TOKENS: usize = 9;
const PROMPTS: usize = 3;

/// A graph under construction, and its inputs.
struct Net {
    graph: Graph,
}

impl Net {
    fn new() -> Self {
        Self { graph: Graph::new("ntk", 17) }
    }

    fn rows(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let dims = [Dim::symbol("batch")].into_iter().chain(shape.iter().map(|&d| Dim::Known(d)));
        self.graph.add_input(name, DType::F32, Shape(dims.collect()))
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> ValueId {
        self.graph.add_input(name, DType::F32, Shape::fixed(shape))
    }

    fn emit(&mut self) -> Emit<'_> {
        Emit::new(&mut self.graph, "net")
    }

    /// Loss (the sum of the output against fixed weights) and gradients of `wrt`, by name.
    fn run(
        mut self,
        output: ValueId,
        wrt: &[ValueId],
        given: &BTreeMap<&str, Data>,
    ) -> BTreeMap<String, Vec<f32>> {
        let inputs = self.graph.inputs.clone();
        let shape = self.graph.shape(output).unwrap().clone();
        let width: usize = shape.iter().skip(1).map(|d| d.known().unwrap()).product();
        let mut emit = self.emit();
        let flat = emit.reshape(output, &Shape(vec![Dim::symbol("batch"), Dim::Known(width)])).unwrap();
        let weights: Vec<f64> = (0..width).map(|i| (i as f64 * 0.7).sin()).collect();
        let weights = emit.constant(Tensor::from_f64(DType::F32, &[width], &weights).unwrap());
        let weighted = emit.mul(flat, weights).unwrap();
        let loss = emit.reduce_sum(weighted, &[0, 1], false).unwrap();
        let (mut graph, gradients) = autodiff::differentiate(self.graph, loss, wrt).unwrap();
        let names: Vec<String> = wrt.iter().map(|&v| graph.value(v).name.clone()).collect();
        graph.inputs = inputs;
        graph.outputs = [flat].into_iter().chain(gradients).collect();
        let session = session(&graph, 4);
        let values: Vec<Data> = session.inputs().iter().map(|p| given[p.name.as_str()].clone()).collect();
        let outputs = session.run(&values).unwrap();
        let names = ["output".to_string()].into_iter().chain(names);
        names.zip(outputs.iter().map(floats)).collect()
    }
}

/// Attention of one query over one key is a linear map of the values: queries and keys get no gradient at all.
#[test]
fn methods_2_11_the_fusion_attention_is_linear() {
    let mut net = Net::new();
    let (z_c, z_p) = (net.rows("z_c", &[WIDTH]), net.rows("z_p", &[WIDTH]));
    let [wq, wk, wv] = ["wq", "wk", "wv"].map(|name| net.weight(name, &[WIDTH, WIDTH]));
    let heads =
        Shape(vec![Dim::symbol("batch"), Dim::Known(HEADS), Dim::Known(1), Dim::Known(WIDTH / HEADS)]);
    let mut emit = net.emit();
    let mut head = |x: ValueId, w: ValueId| {
        let y = emit.matmul(x, w).unwrap();
        emit.reshape(y, &heads).unwrap()
    };
    let (q, k, v) = (head(z_p, wq), head(z_c, wk), head(z_c, wv));
    let keys = emit.swap(k).unwrap();
    let scores = emit.matmul(q, keys).unwrap();
    let shares = emit.op("Softmax", &[scores], &[("axis", (-1i64).into())]).unwrap();
    let attended = emit.matmul(shares, v).unwrap();
    let mut rng = rng(1);
    let given: BTreeMap<&str, Data> = [("z_c", vec![4, WIDTH]), ("z_p", vec![4, WIDTH])]
        .into_iter()
        .chain(["wq", "wk", "wv"].map(|name| (name, vec![WIDTH, WIDTH])))
        .map(|(name, shape)| (name, random(&shape, 1.0, &mut rng)))
        .collect();
    let found = net.run(attended, &[wq, wk, wv], &given);

    let mut linear = Net::new();
    let (z_c, wv) = (linear.rows("z_c", &[WIDTH]), linear.weight("wv", &[WIDTH, WIDTH]));
    let value = linear.emit().matmul(z_c, wv).unwrap();
    let want = linear.run(value, &[wv], &given);
    for (a, b) in found["output"].iter().zip(&want["output"]).chain(found["wv"].iter().zip(&want["wv"])) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert!(want["wv"].iter().any(|g| g.abs() > 0.1));
    assert!(found["wq"].iter().chain(&found["wk"]).all(|g| *g == 0.0), "a softmax over one key moved");
}

/// `LN(W_tok x)` along the tokens, with the released start (both zero) or with ours (LN weight 1, `W_tok` random).
fn token_mixer(released: bool) -> BTreeMap<String, Vec<f32>> {
    let mut net = Net::new();
    let x = net.rows("x", &[TOKENS, WIDTH]);
    let (mix, scale, shift) = (
        net.weight("w_tok", &[PROMPTS, TOKENS]),
        net.weight("scale", &[WIDTH]),
        net.weight("shift", &[WIDTH]),
    );
    let mut emit = net.emit();
    let prompts = emit.matmul(mix, x).unwrap();
    let mean = emit.reduce_mean(prompts, &[2]).unwrap();
    let centred = emit.sub(prompts, mean).unwrap();
    let square = emit.mul(centred, centred).unwrap();
    let variance = emit.reduce_mean(square, &[2]).unwrap();
    let tiny = emit.scalar_like(variance, 1e-5).unwrap();
    let variance = emit.add(variance, tiny).unwrap();
    let deviation = emit.op("Sqrt", &[variance], &[]).unwrap();
    let normed = emit.div(centred, deviation).unwrap();
    let scaled = emit.mul(normed, scale).unwrap();
    let prompts = emit.add(scaled, shift).unwrap();
    let mut rng = rng(2);
    let zero = |shape: &[usize]| random(shape, 0.0, &mut fixtures::rng(0));
    let given = BTreeMap::from([
        ("x", random(&[4, TOKENS, WIDTH], 1.0, &mut rng)),
        (
            "w_tok",
            if released { zero(&[PROMPTS, TOKENS]) } else { random(&[PROMPTS, TOKENS], 0.3, &mut rng) },
        ),
        ("scale", if released { zero(&[WIDTH]) } else { ndarray::Array1::<f32>::ones(WIDTH).into() }),
        ("shift", zero(&[WIDTH])),
    ]);
    net.run(prompts, &[mix, scale, shift], &given)
}

/// As released the token mixer cannot learn: only the shift of its norm moves.
#[test]
fn methods_2_11_the_released_start_of_the_patch_branch_has_no_gradient() {
    let released = token_mixer(true);
    assert!(released["w_tok"].iter().chain(&released["scale"]).all(|g| *g == 0.0));
    assert!(released["shift"].iter().any(|g| g.abs() > 0.1));
    let ours = token_mixer(false);
    for name in ["w_tok", "scale", "shift"] {
        assert!(ours[name].iter().any(|g| g.abs() > 0.05), "{name}: {:?}", ours[name]);
    }
}
