//! Folding: what constant nodes compute, what shape arithmetic becomes, and that doing it twice changes nothing.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use perennial::graph::{Attr, DType, Dim, Emit, Graph, Shape, Tensor, ValueId, fold, infer, rewrite};

fn batch(dims: &[usize]) -> Shape {
    let mut shape = vec![Dim::symbol("N")];
    shape.extend(dims.iter().map(|&d| Dim::Known(d)));
    Shape(shape)
}

fn count(graph: &Graph, op: &str) -> usize {
    graph.nodes().iter().filter(|n| n.is(op)).count()
}

/// Folds `build`'s node, which reads constants, and returns what it computes.
fn evaluate(build: impl FnOnce(&mut Emit) -> ValueId) -> Tensor {
    let mut graph = Graph::new("t", 20);
    let x = graph.add_input("x", DType::F32, Shape::fixed(&[1]));
    let mut e = Emit::new(&mut graph, "t");
    let v = build(&mut e);
    let v = e.cast(v, DType::F32).unwrap();
    let sum = e.add(x, v).unwrap();
    graph.outputs.push(sum);
    let graph = fold::constants(graph).unwrap();
    assert_eq!(graph.nodes().len(), 1, "not folded:\n{graph}");
    graph.constant(graph.nodes()[0].input(1).unwrap()).unwrap().clone()
}

fn f32s(e: &mut Emit, shape: &[usize], data: &[f32]) -> ValueId {
    e.constant(Tensor::f32(shape, data).unwrap())
}

fn ints(e: &mut Emit, data: &[i64]) -> ValueId {
    e.constant(Tensor::ints(data))
}

type Build = fn(&mut Emit) -> ValueId;

/// A name, a constant node and what it must compute (numbers worked out by hand).
const CASES: &[(&str, Build, &[usize], &[f32])] = &[
    (
        "transpose",
        |e| {
            let x = f32s(e, &[2, 3], &[1., 2., 3., 4., 5., 6.]);
            e.transpose(x, &[1, 0]).unwrap()
        },
        &[3, 2],
        &[1., 4., 2., 5., 3., 6.],
    ),
    (
        "transpose of rank 3",
        |e| {
            let x = f32s(e, &[1, 2, 2], &[1., 2., 3., 4.]);
            e.transpose(x, &[2, 0, 1]).unwrap()
        },
        &[2, 1, 2],
        &[1., 3., 2., 4.],
    ),
    (
        "broadcast sum",
        |e| {
            let (x, y) = (f32s(e, &[2, 1], &[1., 2.]), f32s(e, &[3], &[10., 20., 30.]));
            e.add(x, y).unwrap()
        },
        &[2, 3],
        &[11., 21., 31., 12., 22., 32.],
    ),
    (
        "truncated quotient of integers",
        |e| {
            let (x, y) = (ints(e, &[7, -7]), ints(e, &[2]));
            e.div(x, y).unwrap()
        },
        &[2],
        &[3., -3.],
    ),
    (
        "product of matrices",
        |e| {
            let (x, y) = (f32s(e, &[2, 2], &[1., 2., 3., 4.]), f32s(e, &[2, 2], &[5., 6., 7., 8.]));
            e.matmul(x, y).unwrap()
        },
        &[2, 2],
        &[19., 22., 43., 50.],
    ),
    (
        "batched product",
        |e| {
            let (x, y) = (f32s(e, &[2, 1, 2], &[1., 2., 3., 4.]), f32s(e, &[2, 1], &[5., 6.]));
            e.matmul(x, y).unwrap()
        },
        &[2, 1, 1],
        &[17., 39.],
    ),
    (
        "slice with a negative step",
        |e| {
            let x = f32s(e, &[5], &[0., 1., 2., 3., 4.]);
            let (s, t, a, p) = (ints(e, &[-1]), ints(e, &[i64::MIN]), ints(e, &[0]), ints(e, &[-2]));
            e.op("Slice", &[x, s, t, a, p], &[]).unwrap()
        },
        &[3],
        &[4., 2., 0.],
    ),
    (
        "slice of the second axis",
        |e| {
            let x = f32s(e, &[2, 3], &[1., 2., 3., 4., 5., 6.]);
            let (s, t, a) = (ints(e, &[1]), ints(e, &[9]), ints(e, &[1]));
            e.op("Slice", &[x, s, t, a], &[]).unwrap()
        },
        &[2, 2],
        &[2., 3., 5., 6.],
    ),
    (
        "gather",
        |e| {
            let x = f32s(e, &[2, 3], &[1., 2., 3., 4., 5., 6.]);
            let i = ints(e, &[-1, 0]);
            e.op("Gather", &[x, i], &[("axis", 1.into())]).unwrap()
        },
        &[2, 2],
        &[3., 1., 6., 4.],
    ),
    (
        "concat along the last axis",
        |e| {
            let (x, y) = (f32s(e, &[2, 1], &[1., 2.]), f32s(e, &[2, 2], &[3., 4., 5., 6.]));
            e.concat(&[x, y], -1).unwrap()
        },
        &[2, 3],
        &[1., 3., 4., 2., 5., 6.],
    ),
    (
        "tile",
        |e| {
            let (x, r) = (f32s(e, &[1, 2], &[1., 2.]), ints(e, &[2, 2]));
            e.op("Tile", &[x, r], &[]).unwrap()
        },
        &[2, 4],
        &[1., 2., 1., 2., 1., 2., 1., 2.],
    ),
    (
        "expand",
        |e| {
            let (x, s) = (f32s(e, &[2, 1], &[1., 2.]), ints(e, &[2, 2]));
            e.op("Expand", &[x, s], &[]).unwrap()
        },
        &[2, 2],
        &[1., 1., 2., 2.],
    ),
    (
        "second part of a split",
        |e| {
            let x = f32s(e, &[2, 3], &[1., 2., 3., 4., 5., 6.]);
            let s = ints(e, &[1, 2]);
            e.op_n("Split", &[x, s], 2, &[("axis", 1.into())]).unwrap()[1]
        },
        &[2, 2],
        &[2., 3., 5., 6.],
    ),
    (
        "choice",
        |e| {
            let (x, y) = (f32s(e, &[3], &[1., 2., 3.]), f32s(e, &[], &[2.]));
            let c = e.op("Less", &[x, y], &[]).unwrap();
            e.op("Where", &[c, x, y], &[]).unwrap()
        },
        &[3],
        &[1., 2., 2.],
    ),
    (
        "mean over an axis",
        |e| {
            let x = f32s(e, &[2, 2], &[1., 2., 3., 5.]);
            e.reduce_mean(x, &[1]).unwrap()
        },
        &[2, 1],
        &[1.5, 4.],
    ),
    (
        "sum over the first axis",
        |e| {
            let x = f32s(e, &[2, 2], &[1., 2., 3., 5.]);
            e.reduce_sum(x, &[0], false).unwrap()
        },
        &[2],
        &[4., 7.],
    ),
    (
        "square root of an integer",
        |e| {
            let x = ints(e, &[64]);
            let x = e.cast(x, DType::F32).unwrap();
            e.op("Sqrt", &[x], &[]).unwrap()
        },
        &[1],
        &[8.],
    ),
    (
        "range",
        |e| {
            let [a, b, d] = [1.0, 2.0, 0.25].map(|x| e.constant(Tensor::scalar(DType::F32, x)));
            e.op("Range", &[a, b, d], &[]).unwrap()
        },
        &[4],
        &[1., 1.25, 1.5, 1.75],
    ),
    (
        "constant of shape",
        |e| {
            let s = ints(e, &[2]);
            let value = Attr::Tensor(Tensor::f32(&[1], &[3.0]).unwrap());
            e.op("ConstantOfShape", &[s], &[("value", value)]).unwrap()
        },
        &[2],
        &[3., 3.],
    ),
];

#[test]
fn constant_nodes_compute_what_their_operators_say() {
    let mut wrong = Vec::new();
    for (name, build, shape, want) in CASES {
        let got = evaluate(build);
        if got.shape() != *shape || got.to_f32() != *want {
            wrong.push(format!("{name}: want {shape:?} {want:?}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_folded_that_grows_beyond_the_limit() {
    let mut graph = Graph::new("t", 17);
    let x = graph.add_input("x", DType::F32, Shape::fixed(&[1]));
    let mut e = Emit::new(&mut graph, "t");
    let big = ints(&mut e, &[fold::LIMIT as i64]);
    let zeros = e.op("ConstantOfShape", &[big], &[]).unwrap();
    let y = e.add(x, zeros).unwrap();
    graph.outputs.push(y);
    let graph = fold::constants(graph).unwrap();
    assert_eq!(count(&graph, "ConstantOfShape"), 1, "{graph}");
}

/// Patches, class token expanded to the batch, and heads split off, in the manner of a TorchScript export.
fn exported() -> Graph {
    let mut graph = Graph::new("vit", 17);
    let x = graph.add_input("image", DType::F32, batch(&[3, 8, 8]));
    let mut e = Emit::new(&mut graph, "patch");
    let w = e.constant(Tensor::f32(&[6, 3, 4, 4], &[0.1; 288]).unwrap());
    let conv = e.op("Conv", &[x, w], &[("strides", vec![4, 4].into())]).unwrap();
    let dim = |e: &mut Emit, v, i| {
        let shape = e.op("Shape", &[v], &[]).unwrap();
        let i = e.constant(Tensor::scalar(DType::I64, f64::from(i)));
        let d = e.op("Gather", &[shape, i], &[("axis", 0.into())]).unwrap();
        e.unsqueeze(d, &[0]).unwrap()
    };
    let (n, c, minus) = (dim(&mut e, conv, 0), dim(&mut e, conv, 1), ints(&mut e, &[-1]));
    let target = e.concat(&[n, c, minus], 0).unwrap();
    let flat = e.op("Reshape", &[conv, target], &[]).unwrap();
    let tokens = e.transpose(flat, &[0, 2, 1]).unwrap();
    let wanted = e.concat(&[n, minus, minus], 0).unwrap();
    let three = ints(&mut e, &[3]);
    let ones = e.op("ConstantOfShape", &[three], &[("value", Attr::Tensor(Tensor::ints(&[1])))]).unwrap();
    let keep = e.mul(ones, minus).unwrap();
    let equal = e.op("Equal", &[wanted, keep], &[]).unwrap();
    let dims = e.op("Where", &[equal, ones, wanted], &[]).unwrap();
    let token = e.constant(Tensor::f32(&[1, 1, 6], &[1.0; 6]).unwrap());
    let token = e.op("Expand", &[token, dims], &[]).unwrap();
    let all = e.concat(&[token, tokens], 1).unwrap();
    let all = e.op("Dropout", &[all], &[]).unwrap();
    let (n, t, h) = (dim(&mut e, all, 0), dim(&mut e, all, 1), ints(&mut e, &[2]));
    let c = dim(&mut e, all, 2);
    let each = e.div(c, h).unwrap();
    let target = e.concat(&[n, t, h, each], 0).unwrap();
    let heads = e.op("Reshape", &[all, target], &[]).unwrap();
    let scale = e.cast(each, DType::F32).unwrap();
    let scale = e.op("Sqrt", &[scale], &[]).unwrap();
    let y = e.div(heads, scale).unwrap();
    let logits = e.op("Identity", &[y], &[]).unwrap();
    graph.rename(logits, "logits");
    graph.outputs.push(logits);
    infer::all(&mut graph).unwrap();
    graph
}

#[test]
fn shape_arithmetic_goes_but_for_the_expanded_token() {
    let graph = exported();
    assert_eq!(graph.shape(graph.outputs[0]).unwrap().to_string(), "[N,5,2,3]");
    let folded = fold::constants(graph).unwrap();
    folded.verify().unwrap();
    let ops: Vec<_> = folded.nodes().iter().map(|n| n.op.as_str()).collect();
    let want =
        ["Conv", "Reshape", "Transpose", "Shape", "Gather", "Concat", "Expand", "Concat", "Reshape", "Div"];
    assert_eq!(ops, want, "{folded}");
    assert_eq!(folded.value(folded.outputs[0]).name, "logits");
    let target = folded.nodes().last().unwrap().input(1).unwrap();
    assert!((folded.constant(target).unwrap().to_f32()[0] - 3f32.sqrt()).abs() < 1e-7);
}

#[test]
fn a_bound_batch_leaves_no_shape_arithmetic() {
    let graph = fold::bind(exported(), "N", 3).unwrap();
    let graph = fold::constants(graph).unwrap();
    assert_eq!(graph.shape(graph.outputs[0]).unwrap().to_string(), "[3,5,2,3]");
    for op in ["Shape", "Gather", "Expand", "Identity", "Dropout", "Cast", "Sqrt"] {
        assert_eq!(count(&graph, op), 0, "{op} in\n{graph}");
    }
}

#[test]
fn binding_and_folding_twice_changes_nothing() {
    let once = fold::constants(exported()).unwrap();
    let twice = fold::constants(once.clone()).unwrap();
    assert_eq!(once.to_string(), twice.to_string());
    let once = fold::bind(exported(), "N", 4).unwrap();
    let twice = fold::bind(once.clone(), "N", 4).unwrap();
    assert_eq!(once, twice);
    assert_eq!(fold::bind(once.clone(), "M", 7).unwrap(), once, "a symbol that is not there");
    let either = fold::constants(fold::bind(fold::constants(exported()).unwrap(), "N", 4).unwrap()).unwrap();
    let other = fold::constants(once).unwrap();
    let ops = |g: &Graph| g.nodes().iter().map(|n| n.op.clone()).collect::<Vec<_>>();
    assert_eq!(ops(&either), ops(&other), "fold then bind, or bind then fold");
}

#[test]
fn the_symbol_of_the_batch_is_that_of_the_images() {
    let mut graph = Graph::new("t", 17);
    graph.add_input("mask", DType::F32, Shape(vec![Dim::symbol("M")]));
    assert_eq!(fold::batch_symbol(&graph), Some("M"));
    graph.add_input("image", DType::F32, batch(&[3, 8, 8]));
    assert_eq!(fold::batch_symbol(&graph), Some("N"));
    let bound = fold::bind(graph, "N", 2).unwrap();
    assert_eq!(fold::batch_symbol(&bound), None);
    assert!(fold::bind(bound, "M", 0).is_err());
}

#[test]
fn a_dropout_whose_mask_is_read_stays() {
    let mut graph = Graph::new("t", 17);
    let x = graph.add_input("x", DType::F32, batch(&[4]));
    let mut e = Emit::new(&mut graph, "t");
    let both = e.op_n("Dropout", &[x], 2, &[]).unwrap();
    let y = e.op("Where", &[both[1], both[0], x], &[]).unwrap();
    graph.outputs.push(y);
    assert_eq!(fold::constants(graph).unwrap().nodes().len(), 2);
}

#[test]
fn an_output_that_is_an_input_stays_computed() {
    let mut graph = Graph::new("t", 17);
    let x = graph.add_input("x", DType::F32, batch(&[4]));
    let y = Emit::new(&mut graph, "t").op("Identity", &[x], &[]).unwrap();
    graph.outputs.push(y);
    let folded = rewrite::prune(fold::constants(graph).unwrap());
    assert_eq!(count(&folded, "Identity"), 1);
}
