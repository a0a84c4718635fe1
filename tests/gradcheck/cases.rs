//! The cases: per rule several shapes (broadcast, symbolic batch `N`) and every form between opset 13 and 22.

use perennial::error::Result;
use perennial::graph::{Attr, DType, Emit, Tensor, ValueId};

/// Builds the results of a case from its inputs.
pub type Build = Box<dyn Fn(&mut Emit, &[ValueId]) -> Result<Vec<ValueId>>>;

/// One row: the operator under test, its inputs (see [`crate::numeric::parse`]), the graph.
pub struct Case {
    pub op: &'static str,
    pub opsets: &'static [i64],
    pub inputs: &'static str,
    pub build: Build,
}

const ENDS: &[i64] = &[13, 22];
/// Axes moved from an attribute to an operand at 18.
const AXES: &[i64] = &[17, 18];

fn case(
    op: &'static str,
    opsets: &'static [i64],
    inputs: &'static str,
    build: impl Fn(&mut Emit, &[ValueId]) -> Result<ValueId> + 'static,
) -> Case {
    Case { op, opsets, inputs, build: Box::new(move |e, x| Ok(vec![build(e, x)?])) }
}

/// The operator alone, with attributes.
fn plain(
    op: &'static str,
    opsets: &'static [i64],
    inputs: &'static str,
    attrs: &[(&'static str, Attr)],
) -> Case {
    let attrs = attrs.to_vec();
    case(op, opsets, inputs, move |e, x| e.op(op, x, &attrs))
}

/// The operator with constant integer operands after its inputs.
fn with(
    op: &'static str,
    inputs: &'static str,
    operands: &[&'static [i64]],
    attrs: &[(&'static str, Attr)],
) -> Case {
    let (attrs, operands) = (attrs.to_vec(), operands.to_vec());
    case(op, ENDS, inputs, move |e, x| {
        let constants = operands.iter().map(|o| e.constant(Tensor::ints(o)));
        let all: Vec<ValueId> = constants.collect();
        e.op(op, &[x, &all].concat(), &attrs)
    })
}

/// A reduction over `axes` in the form of the opset.
fn reduction(op: &'static str, inputs: &'static str, axes: &'static [i64], keep: i64) -> Case {
    let opsets = if op == "ReduceSum" { ENDS } else { AXES };
    case(op, opsets, inputs, move |e, x| {
        let keep = ("keepdims", Attr::Int(keep));
        if axes.is_empty() {
            return e.op(op, x, &[keep]);
        }
        if e.graph().opset() < 18 && op != "ReduceSum" {
            return e.op(op, x, &[("axes", axes.into()), keep]);
        }
        let axes = e.constant(Tensor::ints(axes));
        e.op(op, &[x[0], axes], &[keep])
    })
}

fn scalar(e: &mut Emit, x: f64) -> ValueId {
    e.constant(Tensor::scalar(DType::F64, x))
}

pub fn cases() -> Vec<Case> {
    [
        arithmetic(),
        functions(),
        activations(),
        products(),
        windows(),
        scattered(),
        normalization(),
        reductions(),
        layout(),
        picking(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn arithmetic() -> Vec<Case> {
    let mut rows = Vec::new();
    for op in ["Add", "Sub", "Mul", "Div"] {
        for inputs in ["2,3|+2,3", "2,1,3|+4,1", "|+2,3", "N,3|+3", "3|+N,1,3", "N,4,1|+1,1,3", "1|+N,2"] {
            rows.push(plain(op, ENDS, inputs, &[]));
        }
    }
    for op in ["Sum", "Mean", "Max", "Min"] {
        rows.push(plain(op, ENDS, "N,3|3|N,1", &[]));
        rows.push(plain(op, ENDS, "2,3", &[]));
    }
    rows.push(case("Mul", ENDS, "N,3", |e, x| e.mul(x[0], x[0])));
    rows.push(case("Div", ENDS, "N,3", |e, x| {
        let b = scalar(e, 8.0);
        e.div(x[0], b)
    }));
    rows.push(plain("Pow", ENDS, "+N,3|3", &[]));
    rows.push(plain("Pow", ENDS, "+3|N,1", &[]));
    for p in [0.0, 0.5, 1.0, 2.0, 3.0, -1.0] {
        rows.push(case("Pow", ENDS, "+2,3", move |e, x| {
            let p = scalar(e, p);
            e.op("Pow", &[x[0], p], &[])
        }));
    }
    rows.push(case("Pow", ENDS, "2,3", |e, x| {
        let p = e.constant(Tensor::f32(&[3], &[0.0, 2.0, 3.0])?);
        e.op("Pow", &[x[0], p], &[])
    }));
    rows.push(plain("Where", ENDS, "?2,3|2,3|2,3", &[]));
    rows.push(plain("Where", ENDS, "?N,1|3|N,2,1", &[]));
    rows.push(case("Clip", ENDS, "N,5", |e, x| {
        let (low, high) = (scalar(e, -0.5), scalar(e, 0.5));
        e.op("Clip", &[x[0], low, high], &[])
    }));
    rows.push(case("Clip", ENDS, "2,5|", |e, x| e.op("Clip", &[x[0], x[1]], &[])));
    rows.push(case("Clip", ENDS, "2,5||+", |e, x| e.op("Clip", x, &[])));
    rows.push(plain("Clip", ENDS, "2,5", &[]));
    rows
}

fn functions() -> Vec<Case> {
    let mut rows = Vec::new();
    for op in ["Abs", "Neg", "Exp", "Erf", "Tanh", "Sigmoid", "Sin", "Cos", "Identity", "Dropout"] {
        rows.push(plain(op, ENDS, "N,3", &[]));
        rows.push(plain(op, ENDS, "", &[]));
    }
    for op in ["Sqrt", "Log", "Reciprocal"] {
        rows.push(plain(op, ENDS, "+N,3", &[]));
    }
    rows.push(case("Cast", ENDS, "N,3", |e, x| {
        let narrow = e.cast(x[0], DType::F32)?;
        e.cast(narrow, DType::F64)
    }));
    rows.push(case("Dropout", ENDS, "2,3", |e, x| {
        let ratio = scalar(e, 0.5);
        let training = e.constant(Tensor::scalar(DType::Bool, 0.0));
        e.op("Dropout", &[x[0], ratio, training], &[])
    }));
    rows
}

fn activations() -> Vec<Case> {
    let mut rows = Vec::new();
    for op in ["Relu", "Softplus", "Softsign", "LeakyRelu", "Elu", "Selu", "HardSigmoid"] {
        rows.push(plain(op, ENDS, "N,7", &[]));
    }
    rows.push(plain("LeakyRelu", ENDS, "2,7", &[("alpha", 0.3.into())]));
    rows.push(plain("Elu", ENDS, "2,7", &[("alpha", 0.3.into())]));
    rows.push(plain("Selu", ENDS, "2,7", &[("alpha", 1.5.into()), ("gamma", 2.0.into())]));
    rows.push(plain("PRelu", ENDS, "N,3,4|3,1", &[]));
    for scale in [1.0, 5.0] {
        rows.push(case("HardSwish", &[14, 22], "N,7", move |e, x| {
            let wide = e.scale(x[0], scale)?;
            e.op("HardSwish", &[wide], &[])
        }));
        rows.push(case("HardSigmoid", ENDS, "N,7", move |e, x| {
            let wide = e.scale(x[0], scale)?;
            e.op("HardSigmoid", &[wide], &[("alpha", 0.25.into()), ("beta", 0.4.into())])
        }));
    }
    for kind in ["none", "tanh"] {
        rows.push(plain("Gelu", &[20, 22], "N,7", &[("approximate", kind.into())]));
    }
    rows.push(plain("Gelu", &[20], "2,3", &[]));
    rows
}

fn products() -> Vec<Case> {
    let mut rows = Vec::new();
    for inputs in [
        "2,3|3,4",
        "3|3,4",
        "2,3|3",
        "3|3",
        "N,2,3|3,4",
        "N,2,3|3",
        "3|N,3,4",
        "2,3|N,3,4",
        "N,2,3|N,3,2",
        "N,2,2,3|2,3,2",
        "1,2,3|N,3,2",
        "N,1,2,3|4,3,2",
        "N,3|3,2",
        "N,1,3|N,3,2",
    ] {
        rows.push(plain("MatMul", ENDS, inputs, &[]));
    }
    for (ta, tb, inputs) in [
        (0, 0, "N,4|4,3|3"),
        (0, 1, "N,4|3,4|1,3"),
        (1, 0, "4,2|4,3|2,1"),
        (1, 1, "4,2|3,4|"),
        (0, 1, "2,4|3,4"),
        (1, 0, "4,N|4,3|N,3"),
    ] {
        let attrs =
            [("transA", ta.into()), ("transB", tb.into()), ("alpha", 0.5.into()), ("beta", 2.0.into())];
        rows.push(plain("Gemm", ENDS, inputs, &attrs));
    }
    let patch: [(&str, Attr); 2] = [("kernel_shape", vec![2, 3].into()), ("strides", vec![2, 3].into())];
    rows.push(plain("Conv", ENDS, "N,2,4,6|3,2,2,3|3", &patch));
    rows.push(plain("Conv", ENDS, "1,1,2,3|2,1,2,3", &patch));
    for (equation, inputs) in [
        ("nij,njk->nik", "N,2,3|N,3,4"),
        ("bhqd,bhkd->bhqk", "N,2,3,2|N,2,3,2"),
        ("nij,jk->nik", "N,2,3|3,4"),
        ("ij,ij->i", "2,3|2,3"),
    ] {
        rows.push(plain("Einsum", ENDS, inputs, &[("equation", equation.into())]));
    }
    rows
}

/// `op` of input 0 with fixed further operands, which are not trained.
fn frozen(
    op: &'static str,
    inputs: &'static str,
    operands: &[&'static [usize]],
    attrs: &[(&'static str, Attr)],
) -> Case {
    let (attrs, operands) = (attrs.to_vec(), operands.to_vec());
    case(op, ENDS, inputs, move |e, x| {
        let mut all = vec![x[0]];
        for (i, shape) in operands.iter().enumerate() {
            let n: usize = shape.iter().product();
            let numbers: Vec<f64> = (0..n).map(|k| 0.4 + ((7 * k + 3 * i) % 11) as f64 / 9.0).collect();
            all.push(e.constant(Tensor::f64(shape, &numbers)?));
        }
        e.op(op, &all, &attrs)
    })
}

fn scattered() -> Vec<Case> {
    let build = |e: &mut Emit, x: &[ValueId]| {
        let at = e.constant(Tensor::i64(&[2, 2], &[1, 0, 0, 2])?);
        e.op("ScatterND", &[x[0], at, x[1]], &[])
    };
    // Along an axis whose length is a symbol, by rows that are computed.
    let computed = |e: &mut Emit, x: &[ValueId]| {
        let lengths = e.op("Shape", &[x[0]], &[])?;
        let first = e.constant(Tensor::ints(&[0]).reshape(&[])?);
        let n = e.op("Gather", &[lengths, first], &[])?;
        let one = e.constant(Tensor::ints(&[1]).reshape(&[])?);
        let rows = e.op("Range", &[first, n, one], &[])?;
        e.op("Gather", &[x[0], rows], &[])
    };
    vec![
        case("Gather", ENDS, "N,3", computed),
        case("ScatterND", ENDS, "2,3|2", build),
        case("ScatterND", ENDS, "2,3,2|2,2", build),
    ]
}

fn windows() -> Vec<Case> {
    let ints = |list: &[i64]| Attr::from(list.to_vec());
    let conv = |inputs, weight: &'static [usize], attrs: &[(&'static str, Attr)]| {
        frozen("Conv", inputs, &[weight], attrs)
    };
    let pool = |inputs, attrs: &[(&'static str, Attr)]| plain("AveragePool", ENDS, inputs, attrs);
    vec![
        conv("N,2,5,4", &[3, 2, 3, 3], &[("pads", ints(&[1, 1, 1, 1]))]),
        conv("N,2,6,5", &[3, 2, 3, 2], &[("strides", ints(&[2, 2])), ("pads", ints(&[1, 0, 1, 1]))]),
        conv("N,4,5,5", &[4, 1, 3, 3], &[("group", 4.into()), ("pads", ints(&[1, 1, 1, 1]))]),
        conv(
            "N,4,7,7",
            &[6, 2, 3, 3],
            &[("group", 2.into()), ("dilations", ints(&[2, 2])), ("strides", ints(&[2, 1]))],
        ),
        conv("N,3,4,4", &[2, 3, 1, 1], &[]),
        case("Conv", ENDS, "1,2,4,4|3", |e, x| {
            let numbers: Vec<f64> = (0..54).map(|k| f64::from(k % 7) / 5.0 - 0.5).collect();
            let w = e.constant(Tensor::f64(&[3, 2, 3, 3], &numbers)?);
            e.op("Conv", &[x[0], w, x[1]], &[])
        }),
        pool("N,2,4,4", &[("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))]),
        pool(
            "N,2,5,5",
            &[("kernel_shape", ints(&[3, 3])), ("pads", ints(&[1, 1, 1, 1])), ("strides", ints(&[2, 2]))],
        ),
        pool(
            "N,2,4,5",
            &[
                ("kernel_shape", ints(&[3, 3])),
                ("pads", ints(&[1, 1, 1, 1])),
                ("count_include_pad", 1.into()),
            ],
        ),
        plain("MaxPool", ENDS, "N,2,4,4", &[("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))]),
        plain(
            "MaxPool",
            ENDS,
            "N,2,5,4",
            &[("kernel_shape", ints(&[3, 3])), ("pads", ints(&[1, 1, 1, 1])), ("strides", ints(&[2, 1]))],
        ),
        case("GroupNormalization", &[18, 20], "N,4,3", |e, x| {
            let scale = e.constant(Tensor::f64(&[2], &[0.5, -1.5])?);
            e.op("GroupNormalization", &[x[0], scale, scale], &[("num_groups", 2.into())])
        }),
        case("GroupNormalization", &[21, 22], "N,4,2,2", |e, x| {
            let scale = e.constant(Tensor::f64(&[4], &[0.5, -1.5, 1.0, 2.0])?);
            e.op("GroupNormalization", &[x[0], scale, scale], &[("num_groups", 2.into())])
        }),
        plain("GlobalMaxPool", ENDS, "N,2,3,2", &[]),
        frozen("BatchNormalization", "N,3,2,2", &[&[3], &[3], &[3], &[3]], &[("epsilon", 0.1.into())]),
        frozen("BatchNormalization", "N,3", &[&[3], &[3], &[3], &[3]], &[]),
        frozen("InstanceNormalization", "N,2,3,2", &[&[2], &[2]], &[("epsilon", 0.01.into())]),
        plain("LpNormalization", ENDS, "N,3,4", &[]),
        plain("LpNormalization", ENDS, "N,3,4", &[("axis", 1.into())]),
    ]
}

fn normalization() -> Vec<Case> {
    let mut rows = Vec::new();
    for op in ["Softmax", "LogSoftmax"] {
        rows.push(plain(op, ENDS, "N,3,4", &[]));
        rows.push(plain(op, ENDS, "N,3,4", &[("axis", 1.into())]));
        rows.push(plain(op, ENDS, "5", &[("axis", 0.into())]));
    }
    let ln: &[i64] = &[17, 18, 22];
    rows.push(plain("LayerNormalization", ln, "N,3,4|4|4", &[]));
    rows.push(plain("LayerNormalization", ln, "N,4|4", &[("epsilon", 0.1.into())]));
    rows.push(plain("LayerNormalization", ln, "N,3,4|3,4|3,4", &[("axis", 1.into())]));
    rows.push(case("LayerNormalization", ln, "N,3,4|4", |e, x| {
        let scale = e.constant(Tensor::f64(&[4], &[1.0, 2.0, 0.5, -1.0])?);
        e.op("LayerNormalization", &[x[0], scale, x[1]], &[])
    }));
    rows.push(case("ReduceMean", AXES, "N,3,4", |e, x| {
        // Normalization as exporters decompose it.
        let mean = e.reduce_mean(x[0], &[2])?;
        let centred = e.sub(x[0], mean)?;
        let two = scalar(e, 2.0);
        let square = e.op("Pow", &[centred, two], &[])?;
        let variance = e.reduce_mean(square, &[2])?;
        let epsilon = scalar(e, 1e-5);
        let variance = e.add(variance, epsilon)?;
        let sd = e.op("Sqrt", &[variance], &[])?;
        e.div(centred, sd)
    }));
    rows
}

fn reductions() -> Vec<Case> {
    let mut rows = Vec::new();
    for op in [
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ] {
        rows.push(reduction(op, "2,3,4", &[1], 1));
        rows.push(reduction(op, "N,3,4", &[-1, 1], 0));
        rows.push(reduction(op, "N,3,4", &[0], 0));
        rows.push(reduction(op, "N,3", &[], 1));
        rows.push(reduction(op, "N,3", &[], 0));
        rows.push(reduction(op, "", &[], 1));
    }
    rows.push(plain("GlobalAveragePool", ENDS, "N,3,2,4", &[]));
    rows
}

fn layout() -> Vec<Case> {
    let mut rows = vec![
        with("Reshape", "2,3,4", &[&[4, -1]], &[]),
        with("Reshape", "N,3,4", &[&[-1, 12]], &[]),
        with("Reshape", "N,3,4", &[&[-1, 4]], &[]),
        with("Reshape", "N,6", &[&[0, 2, 3]], &[]),
        plain("Flatten", ENDS, "N,3,4", &[]),
        plain("Flatten", ENDS, "N,3,4", &[("axis", 2.into())]),
        plain("Flatten", ENDS, "2,3", &[("axis", 0.into())]),
        with("Squeeze", "N,1,4,1", &[&[1, -1]], &[]),
        plain("Squeeze", ENDS, "2,1,4", &[]),
        with("Unsqueeze", "N,4", &[&[0, -1]], &[]),
        plain("Transpose", ENDS, "N,3,4", &[("perm", vec![2, 0, 1].into())]),
        plain("Transpose", ENDS, "2,3,4", &[]),
        with("Expand", "3,1", &[&[2, 1, 4]], &[]),
        with("Expand", "1,3", &[&[4, 1]], &[]),
        with("Tile", "2,3", &[&[2, 2]], &[]),
        with("Tile", "N,3,2", &[&[1, 2, 1]], &[]),
        with("Tile", "1,3", &[&[4, 1]], &[]),
        plain("Concat", ENDS, "2,3|2,1|2,2", &[("axis", 1.into())]),
        plain("Concat", ENDS, "N,1,3|N,4,3", &[("axis", (-2).into())]),
    ];
    rows.push(case("Expand", ENDS, "1,1,3|N,2,3", |e, x| {
        let dims = e.op("Shape", &[x[1]], &[])?;
        let tokens = e.op("Expand", &[x[0], dims], &[])?;
        e.mul(tokens, x[1])
    }));
    rows.push(case("Concat", ENDS, "N,4,3", |e, x| {
        let token = e.constant(Tensor::from_f64(DType::F64, &[1, 2, 3], &[1.0; 6])?);
        let doubled = e.concat(&[x[0], x[0]], 1)?;
        let sum = e.reduce_sum(doubled, &[0], true)?;
        e.concat(&[token, sum], 1)
    }));
    for used in [vec![0, 1, 2], vec![1], vec![0, 2]] {
        rows.push(Case {
            op: "Split",
            opsets: AXES,
            inputs: "N,6",
            build: Box::new(move |e, x| {
                let sizes = e.constant(Tensor::ints(&[1, 3, 2]));
                let parts = e.op_n("Split", &[x[0], sizes], 3, &[("axis", 1.into())])?;
                Ok(used.iter().map(|i| parts[*i]).collect())
            }),
        });
    }
    rows.push(Case {
        op: "Split",
        opsets: AXES,
        inputs: "N,6",
        build: Box::new(|e, x| {
            let count = if e.graph().opset() < 18 { vec![] } else { vec![("num_outputs", Attr::Int(2))] };
            e.op_n("Split", x, 2, &[&[("axis", Attr::Int(-1))], &count[..]].concat())
        }),
    });
    rows
}

fn picking() -> Vec<Case> {
    let mut rows = vec![
        with("Slice", "3,6", &[&[1], &[-1], &[1]], &[]),
        with("Slice", "N,6", &[&[0, 2], &[i64::MAX, 5], &[0, 1]], &[]),
        with("Slice", "4,6", &[&[1, 1], &[3, 4]], &[]),
        with("Slice", "N,7", &[&[1], &[i64::MAX], &[1], &[2]], &[]),
        with("Slice", "5,7", &[&[-1, 6], &[-100, 0], &[0, 1], &[-1, -2]], &[]),
        with("Slice", "N,4,4,3", &[&[0, 1], &[i64::MAX, i64::MAX], &[1, 2], &[2, 2]], &[]),
        with("Pad", "2,3", &[&[0, 1, 2, 3]], &[]),
        with("Pad", "N,4", &[&[0, -1, 0, 2]], &[]),
        with("Pad", "N,4", &[&[0, -1, 0, -2]], &[("mode", "constant".into())]),
    ];
    rows.push(case("Pad", &[18, 22], "N,4,2", |e, x| {
        let (pads, fill) = (e.constant(Tensor::ints(&[1, 2])), scalar(e, 3.0));
        let axes = e.constant(Tensor::ints(&[-2]));
        e.op("Pad", &[x[0], pads, fill, axes], &[])
    }));
    for (inputs, axis, index) in [
        ("4,3", 0, Tensor::ints(&[0, 2, -1, 2])),
        ("N,4,3", 1, Tensor::ints(&[1, 2])),
        ("N,4,3", -1, Tensor::ints(&[2, 0, 1])),
        ("N,4,3", 1, Tensor::scalar(DType::I64, 0.0)),
        ("3,N,2", 0, Tensor::scalar(DType::I64, -1.0)),
        ("5,2", 0, Tensor::i64(&[2, 3], &[0, 4, 1, 1, -5, 0]).unwrap()),
    ] {
        rows.push(case("Gather", ENDS, inputs, move |e, x| {
            let index = e.constant(index.clone());
            e.op("Gather", &[x[0], index], &[("axis", axis.into())])
        }));
    }
    for (inputs, axis) in [("4,3|#4 2,3", 0), ("N,4|#4 5", 1), ("N,4,2|#4 ", 1), ("4,3|#4 N,2", 0)] {
        rows.push(plain("Gather", ENDS, inputs, &[("axis", axis.into())]));
    }
    rows
}
