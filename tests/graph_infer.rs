//! Shape rules: a table of calls with their results, and calls that must be refused.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use perennial::graph::{Attr, DType, Dim, Emit, Graph, Node, Shape, Tensor, ValueId, infer};

/// Parses "f32[N,197,2*N]".
fn parse(text: &str) -> (DType, Shape) {
    let (dtype, dims) = text.split_once('[').unwrap();
    let dtype = [DType::F32, DType::F16, DType::I64, DType::I32, DType::Bool, DType::U8, DType::I8]
        .into_iter()
        .find(|d| d.name() == dtype)
        .unwrap();
    let dims = dims.strip_suffix(']').unwrap();
    let dim = |d: &str| match (d.parse(), d.split_once('*')) {
        (Ok(n), _) => Dim::Known(n),
        (_, Some((k, s))) => Dim::symbol(s).times(&Dim::Known(k.parse().unwrap())),
        _ if d == "?" => Dim::Unknown,
        _ => Dim::symbol(d),
    };
    let dims: Vec<Dim> = dims.split(',').filter(|d| !d.is_empty()).map(dim).collect();
    (dtype, Shape(dims))
}

fn show(graph: &Graph, v: ValueId) -> String {
    let value = graph.value(v);
    let dtype = value.dtype.map_or("?", DType::name);
    value.shape.as_ref().map_or_else(|| format!("{dtype}[..]"), |s| format!("{dtype}{s}"))
}

/// An operand: "f32[2,3]" is an input, "=1,2" a list of constants, "=7s" a scalar, "-" is left out.
fn operand(graph: &mut Graph, text: &str) -> Option<ValueId> {
    if text == "-" {
        return None;
    }
    Some(match text.strip_prefix('=') {
        Some(list) if list.ends_with('s') => {
            let x: i64 = list.trim_end_matches('s').parse().unwrap();
            graph.add_constant("c", Tensor::scalar(DType::I64, x as f64))
        }
        Some(list) => {
            let ints: Vec<i64> =
                list.split(',').filter(|s| !s.is_empty()).map(|x| x.parse().unwrap()).collect();
            graph.add_constant("c", Tensor::ints(&ints))
        }
        None => {
            let (dtype, shape) = parse(text);
            graph.add_input("x", dtype, shape)
        }
    })
}

/// An attribute: "axis=1" an integer, "perm=0,2,1" a list, "auto_pad:SAME_UPPER" a string.
fn attr(text: &str) -> (String, Attr) {
    if let Some((k, v)) = text.split_once(':') {
        return (k.into(), v.into());
    }
    let (k, v) = text.split_once('=').unwrap();
    let ints = || v.split(',').filter(|s| !s.is_empty()).map(|x| x.parse().unwrap()).collect::<Vec<i64>>();
    match v.parse::<i64>() {
        Ok(x) if !["axes", "perm", "pads", "kernel_shape", "strides", "dilations"].contains(&k) => {
            (k.into(), x.into())
        }
        _ => (k.into(), ints().into()),
    }
}

fn run(opset: i64, op: &str, operands: &str, attrs: &str, results: usize) -> Result<String, String> {
    let mut graph = Graph::new("t", opset);
    let inputs: Vec<_> = operands.split_whitespace().map(|o| operand(&mut graph, o)).collect();
    let outputs: Vec<_> = (0..results).map(|i| Some(graph.add_value(&format!("y{i}"), None, None))).collect();
    let attrs = attrs.split_whitespace().map(attr).collect();
    let node = Node { name: "n".into(), domain: String::new(), op: op.into(), inputs, outputs, attrs };
    let id = graph.add_node(node);
    infer::node(&mut graph, id).map_err(|e| e.to_string())?;
    let shown: Vec<_> = graph.node(id).outputs.iter().flatten().map(|&v| show(&graph, v)).collect();
    Ok(shown.join(" "))
}

const RESULTS: &[(&str, &str, &str, &str)] = &[
    // operator, operands, attributes, results
    ("Add", "f32[N,197,192] f32[192]", "", "f32[N,197,192]"),
    ("Add", "f32[N,1,192] f32[1,197,1]", "", "f32[N,197,192]"),
    ("Mul", "f32[N] f32[8]", "", "f32[8]"),
    ("Sub", "f32[N] f32[M]", "", "f32[?]"),
    ("Div", "f32[] f32[2,3]", "", "f32[2,3]"),
    ("Pow", "f32[2,3] i64[]", "", "f32[2,3]"),
    ("Max", "f32[2,1] f32[3] f32[4,1,1]", "", "f32[4,2,3]"),
    ("Equal", "i64[N] i64[]", "", "bool[N]"),
    ("Where", "bool[N,1] f32[5] f32[]", "", "f32[N,5]"),
    ("Cast", "f32[2]", "to=10", "f16[2]"),
    ("Softmax", "f32[N,3,5,5]", "axis=-1", "f32[N,3,5,5]"),
    ("MatMul", "f32[N,197,192] f32[192,576]", "", "f32[N,197,576]"),
    ("MatMul", "f32[N,3,197,64] f32[N,3,64,197]", "", "f32[N,3,197,197]"),
    ("MatMul", "f32[5] f32[2,5,7]", "", "f32[2,7]"),
    ("MatMul", "f32[2,7,5] f32[5]", "", "f32[2,7]"),
    ("MatMul", "f32[5] f32[5]", "", "f32[]"),
    ("MatMulInteger", "u8[N,4] i8[4,6]", "", "i32[N,6]"),
    ("Gemm", "f32[N,192] f32[1000,192] f32[1000]", "transB=1", "f32[N,1000]"),
    ("Einsum", "f32[N,3,5,64] f32[N,3,7,64]", "equation:bhid,bhjd->bhij", "f32[N,3,5,7]"),
    ("Einsum", "f32[2,3] f32[3,4]", "equation:ij,jk", "f32[2,4]"),
    ("Reshape", "f32[N,197,576] =0,0,3,3,64", "", "f32[N,197,3,3,64]"),
    ("Reshape", "f32[N,192,14,14] =0,192,-1", "", "f32[N,192,196]"),
    ("Reshape", "f32[N,197,192] =-1,192", "", "f32[197*N,192]"),
    ("Reshape", "f32[197*N,192] =-1,197,192", "", "f32[N,197,192]"),
    ("Reshape", "f32[N,S,192] =0,0,3,-1", "", "f32[N,S,3,64]"),
    ("Reshape", "f32[N,4] =2,-1", "", "f32[2,2*N]"),
    ("Reshape", "f32[2,3] i64[3]", "", "f32[?,?,?]"),
    ("Reshape", "f32[0,3] =0,7", "allowzero=1", "f32[0,7]"),
    ("Flatten", "f32[N,3,4]", "axis=1", "f32[N,12]"),
    ("Flatten", "f32[N,3,4]", "axis=3", "f32[12*N,1]"),
    ("Transpose", "f32[N,2,3]", "perm=0,2,1", "f32[N,3,2]"),
    ("Transpose", "f32[N,2,3]", "", "f32[3,2,N]"),
    ("Squeeze", "f32[N,1,3] =1", "", "f32[N,3]"),
    ("Squeeze", "f32[1,2,1]", "", "f32[2]"),
    ("Squeeze", "f32[N,1,3]", "", "f32[..]"),
    ("Unsqueeze", "f32[N,3] =0,-1", "", "f32[1,N,3,1]"),
    ("Expand", "f32[1,1,192] =4,1,1", "", "f32[4,1,192]"),
    ("Concat", "f32[N,1,192] f32[N,196,192]", "axis=1", "f32[N,197,192]"),
    ("Concat", "f32[N,2] f32[2*N,2]", "axis=0", "f32[3*N,2]"),
    ("Concat", "f32[?,2] f32[N,2]", "axis=1", "f32[N,4]"),
    ("Split", "f32[N,576] =192,384", "axis=-1", "f32[N,192] f32[N,384]"),
    ("Split", "f32[6,N]", "axis=0 num_outputs=3", "f32[2,N] f32[2,N] f32[2,N]"),
    ("Split", "f32[7]", "axis=0 num_outputs=3", "f32[3] f32[3] f32[1]"),
    ("Slice", "f32[N,197,192] =0 =1 =1", "", "f32[N,1,192]"),
    ("Slice", "f32[N,197] =1 =9223372036854775807 =1", "", "f32[N,196]"),
    ("Slice", "f32[N,197] =0 =9223372036854775807 =0", "", "f32[N,197]"),
    ("Slice", "f32[N,5] =0 =1 =0", "", "f32[1,5]"),
    ("Slice", "f32[N,5] =1 =9223372036854775807 =0", "", "f32[?,5]"),
    ("Slice", "f32[10] =-1 =-9223372036854775807 =0 =-3", "", "f32[4]"),
    ("Slice", "f32[10] =7 =3 =0 =1", "", "f32[0]"),
    ("Gather", "f32[N,197,192] =0s", "axis=1", "f32[N,192]"),
    ("Gather", "f32[10,4] i64[N,3]", "axis=0", "f32[N,3,4]"),
    ("GatherElements", "f32[N,5] i64[N,2]", "axis=1", "f32[N,2]"),
    ("GatherND", "f32[2,3,4] i64[N,2]", "", "f32[N,4]"),
    ("ScatterND", "f32[5,4] i64[2,1] f32[2,4]", "", "f32[5,4]"),
    ("OneHot", "i64[N] =10s f32[2]", "", "f32[N,10]"),
    ("TopK", "f32[N,10] =5", "axis=-1", "f32[N,5] i64[N,5]"),
    ("Range", "=0s =7s =2s", "", "i64[4]"),
    ("Shape", "f32[N,3,4]", "start=1", "i64[2]"),
    ("Size", "f32[N,3]", "", "i64[]"),
    ("ConstantOfShape", "=2,3", "", "f32[2,3]"),
    ("Tile", "f32[1,1,192] =3,1,1", "", "f32[3,1,192]"),
    ("Pad", "f32[N,3,8,8] =0,0,1,2,0,0,3,4", "", "f32[N,3,12,14]"),
    ("Pad", "f32[N,3] =1,2 - =1", "", "f32[N,6]"),
    ("ReduceMean", "f32[N,197,192] =-1", "keepdims=1", "f32[N,197,1]"),
    ("ReduceMean", "f32[N,197,192] =1", "keepdims=0", "f32[N,192]"),
    ("ReduceSum", "f32[N,4]", "keepdims=0", "f32[]"),
    ("ReduceSum", "f32[N,4] =", "noop_with_empty_axes=1", "f32[N,4]"),
    ("ArgMax", "f32[N,10]", "axis=1 keepdims=0", "i64[N]"),
    (
        "Conv",
        "f32[N,3,224,224] f32[192,3,16,16] f32[192]",
        "strides=16,16 kernel_shape=16,16",
        "f32[N,192,14,14]",
    ),
    ("Conv", "f32[N,8,7,7] f32[8,1,3,3]", "group=8 pads=1,1,1,1 strides=2,2", "f32[N,8,4,4]"),
    ("Conv", "f32[N,8,H,7] f32[4,8,3,3]", "auto_pad:SAME_UPPER", "f32[N,4,H,7]"),
    ("MaxPool", "f32[N,8,7,7]", "kernel_shape=2,2 strides=2,2", "f32[N,8,3,3]"),
    ("AveragePool", "f32[N,8,7,7]", "kernel_shape=2,2 strides=2,2 ceil_mode=1", "f32[N,8,4,4]"),
    ("GlobalAveragePool", "f32[N,8,7,7]", "", "f32[N,8,1,1]"),
    ("DepthToSpace", "f32[N,12,2,3]", "blocksize=2", "f32[N,3,4,6]"),
    ("SpaceToDepth", "f32[N,3,4,6]", "blocksize=2", "f32[N,12,2,3]"),
    ("Resize", "f32[N,3,8,8] - - =1,3,16,4", "", "f32[1,3,16,4]"),
    (
        "LayerNormalization",
        "f32[N,197,192] f32[192] f32[192]",
        "axis=-1",
        "f32[N,197,192] f32[N,197,1] f32[N,197,1]",
    ),
    ("BatchNormalization", "f32[N,8,7,7] f32[8] f32[8] f32[8] f32[8]", "", "f32[N,8,7,7]"),
    ("Dropout", "f32[N,4]", "", "f32[N,4] bool[N,4]"),
    ("QuantizeLinear", "f32[N,4] f32[] i8[]", "", "i8[N,4]"),
    ("DequantizeLinear", "i8[N,4] f32[] i8[]", "", "f32[N,4]"),
    ("DynamicQuantizeLinear", "f32[N,4]", "", "u8[N,4] f32[] u8[]"),
];

#[test]
fn results_follow_from_operands() {
    let mut wrong = Vec::new();
    for (op, operands, attrs, want) in RESULTS {
        let got = run(20, op, operands, attrs, want.split_whitespace().count());
        if got.as_deref() != Ok(*want) {
            wrong.push(format!("{op}({operands}) {{{attrs}}}: want {want}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const REFUSED: &[(&str, &str, &str, &str)] = &[
    // operator, operands, attributes, what the message must say
    ("Add", "f32[N,197] f32[192]", "", "[N,197] and [192] do not broadcast"),
    ("Add", "f32[4] f16[4]", "", "f32 and f16"),
    ("MatMul", "f32[N,192] f32[191,4]", "", "192 where 191 would fit"),
    ("Gemm", "f32[2,3] f32[4,5]", "", "3 where 4"),
    ("Reshape", "f32[2,3] =4,2", "", "cannot be viewed"),
    ("Reshape", "f32[2,3] =4,-1", "", "cannot be viewed"),
    ("Reshape", "f32[6] =0,0,-1", "", "copies axis 1"),
    ("Transpose", "f32[2,3]", "perm=0,0", "twice"),
    ("Squeeze", "f32[2,3] =1", "", "length 3"),
    ("Concat", "f32[2,3] f32[3,3]", "axis=1", "axis 0 of operand 1"),
    ("Softmax", "f32[2,3]", "axis=2", "axis 2 does not exist in rank 2"),
    ("Conv", "f32[1,3,8,8] f32[4,2,3,3]", "", "channels"),
    ("Conv", "f32[1,3,2,2] f32[4,3,3,3]", "", "window of 3 over 2"),
    ("TopK", "f32[3] =5", "", "at most 3"),
    ("Slice", "f32[9] =0 =9 =0 =0", "", "step 0"),
    ("Split", "f32[9] =4,4", "axis=0", "sum of the parts"),
    ("LSTM", "f32[9]", "", "no shape rule"),
];

#[test]
fn errors_name_node_shapes_and_what_would_fit() {
    let mut wrong = Vec::new();
    for (op, operands, attrs, want) in REFUSED {
        match run(20, op, operands, attrs, 2) {
            Err(message) if message.contains(want) && message.contains(&format!("{op} \"n\"")) => {}
            got => wrong.push(format!("{op}({operands}): want an error with {want:?}, got {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_form_of_an_operator_follows_the_opset() {
    assert_eq!(run(13, "ReduceMean", "f32[2,3]", "axes=1", 1).unwrap(), "f32[2,1]");
    assert!(run(17, "ReduceMean", "f32[2,3] =1", "", 1).unwrap_err().contains("attribute at opset 17"));
    assert!(run(18, "ReduceMean", "f32[2,3]", "axes=1", 1).unwrap_err().contains("operand 1 at opset 18"));
    assert_eq!(run(13, "ReduceSum", "f32[2,3] =1", "", 1).unwrap(), "f32[2,1]");
    assert!(run(13, "Gelu", "f32[2,3]", "", 1).unwrap_err().contains("opset 13"));
    assert_eq!(run(20, "Gelu", "f32[2,3]", "", 1).unwrap(), "f32[2,3]");
}

/// The chain that a TorchScript export leaves: Shape -> Gather -> Unsqueeze -> Concat -> Reshape.
#[test]
fn integers_are_followed_from_shape_to_reshape() {
    let mut graph = Graph::new("t", 17);
    let x = graph.add_input("x", DType::F32, parse("f32[N,197,192]").1);
    let mut e = Emit::new(&mut graph, "t");
    let shape = e.op("Shape", &[x], &[]).unwrap();
    let pick = |e: &mut Emit, i: f64| {
        let i = e.constant(Tensor::scalar(DType::I64, i));
        e.op("Gather", &[shape, i], &[("axis", 0.into())]).unwrap()
    };
    let (n, t, c) = (pick(&mut e, 0.0), pick(&mut e, 1.0), pick(&mut e, 2.0));
    let heads = e.constant(Tensor::scalar(DType::I64, 3.0));
    let width = e.div(c, heads).unwrap();
    let parts: Vec<_> = [n, t, heads, width].iter().map(|&v| e.unsqueeze(v, &[0]).unwrap()).collect();
    let target = e.concat(&parts, 0).unwrap();
    let y = e.op("Reshape", &[x, target], &[]).unwrap();
    // A class token expanded to the batch, as `Tensor.expand` exports it: -1 keeps a dimension.
    let minus = e.constant(Tensor::scalar(DType::I64, -1.0));
    let minus = e.unsqueeze(minus, &[0]).unwrap();
    let batch = e.unsqueeze(n, &[0]).unwrap();
    let wanted = e.concat(&[batch, minus, minus], 0).unwrap();
    let three = e.constant(Tensor::ints(&[3]));
    let one = Attr::Tensor(Tensor::ints(&[1]));
    let ones = e.op("ConstantOfShape", &[three], &[("value", one)]).unwrap();
    let keep = e.op("Mul", &[ones, minus], &[]).unwrap();
    let kept = e.op("Equal", &[wanted, keep], &[]).unwrap();
    let dims = e.op("Where", &[kept, ones, wanted], &[]).unwrap();
    let token = e.constant(Tensor::f32(&[1, 1, 2], &[1.0, 2.0]).unwrap());
    let tokens = e.op("Expand", &[token, dims], &[]).unwrap();
    assert_eq!(show(&graph, y), "f32[N,197,3,64]", "the emitter follows shape arithmetic too");
    infer::all(&mut graph).unwrap();
    assert_eq!(show(&graph, y), "f32[N,197,3,64]");
    assert_eq!(show(&graph, tokens), "f32[N,1,2]");
}

/// Operators that vision transformers, their gradients and their preprocessing use.
const NEEDED: &str = "Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant \
    ConstantOfShape Conv Cos CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu \
    Equal Erf Exp Expand Flatten Floor Gather GatherElements Gemm GlobalAveragePool Greater GreaterOrEqual \
    HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log \
    LogSoftmax MatMul MatMulInteger Max MaxPool Min Mul Neg Not OneHot Or Pad Pow QuantizeLinear Range \
    Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum \
    ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice \
    Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Trilu Unsqueeze Where";

#[test]
fn every_needed_operator_has_a_rule_in_every_opset() {
    let mut missing = Vec::new();
    let newer = ["Gelu", "Mish", "GroupNormalization"];
    for op in NEEDED.split_whitespace().chain(newer) {
        for opset in 13..=22 {
            let absent = (newer.contains(&op) && opset < 20) || (op == "LayerNormalization" && opset < 17);
            let absent = absent || (["HardSwish", "Trilu"].contains(&op) && opset < 14);
            let mut graph = Graph::new("t", opset);
            let attrs = Default::default();
            let domain = String::new();
            let node =
                Node { name: op.into(), domain, op: op.into(), inputs: vec![], outputs: vec![], attrs };
            let id = graph.add_node(node);
            if !absent && !infer::supports(&graph, id) {
                missing.push(format!("{op} at {opset}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// `text` with every symbol replaced by `n`.
fn with_symbols(text: &str, n: usize) -> String {
    if !text.contains('[') {
        return text.into();
    }
    let (dtype, mut shape) = parse(text);
    for symbol in ["N", "M", "S", "H"] {
        shape = shape.bind(symbol, n);
    }
    format!("{}{shape}", dtype.name())
}

/// Inferring with a symbol and then fixing it says the same as fixing it first.
#[test]
fn symbols_stand_for_numbers() {
    let mut wrong = Vec::new();
    for n in [1, 8] {
        for (op, operands, attrs, open) in RESULTS {
            let fixed: Vec<_> = operands.split_whitespace().map(|o| with_symbols(o, n)).collect();
            let results: Vec<_> = open.split_whitespace().collect();
            let got = run(20, op, &fixed.join(" "), attrs, results.len()).unwrap();
            for (open, got) in results.iter().zip(got.split_whitespace()) {
                let want = with_symbols(open.replace("[..]", "[]").as_str(), n);
                let known = !want.contains('?') && !open.contains("[..]");
                if known && want != got {
                    wrong.push(format!("{op}({}): want {want}, got {got}", fixed.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
