//! Messages made by hand: forms that the exporters of the fixtures do not write, and what is refused.
//!
//! Compiled under `#[cfg(test)]` only.

use half::{bf16, f16};
use prost::Message;
use prost::bytes::Bytes;

use super::schema::*;
use super::{NoExternal, decode, encode, from_bytes};
use crate::ErrorKind;
use crate::error::Result;
use crate::graph::{Attr, DType, Dim, Graph, Shape, Tensor};

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: "ai.onnx".into(), version: 17 }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn read(graph: GraphProto) -> Result<Graph> {
    from_bytes(&model(graph).encode_to_vec())
}

fn dim(value: Option<i64>, name: Option<&str>) -> DimensionProto {
    DimensionProto { dim_value: value, dim_param: name.map(Into::into) }
}

fn info(name: &str, elem_type: i32, dims: &[DimensionProto]) -> ValueInfoProto {
    let shape = Some(TensorShapeProto { dim: dims.to_vec() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, input: &[&str], output: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let own = |s: &[&str]| s.iter().map(ToString::to_string).collect();
    let name = format!("the_{}", op.to_lowercase());
    NodeProto {
        name,
        op_type: op.into(),
        input: own(input),
        output: own(output),
        attribute,
        ..NodeProto::default()
    }
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type, ..AttributeProto::default() }
}

/// One `Add` of input "x" and constant "w".
fn add() -> GraphProto {
    GraphProto {
        name: "g".into(),
        node: vec![node("Add", &["x", "w"], &["y"], Vec::new())],
        initializer: vec![TensorProto {
            data_type: 1,
            float_data: vec![2.5],
            name: "w".into(),
            ..TensorProto::default()
        }],
        input: vec![info("x", 1, &[dim(None, None), dim(Some(3), None)])],
        output: vec![info("y", 1, &[])],
        ..GraphProto::default()
    }
}

fn constant(proto: TensorProto) -> Result<Tensor> {
    super::parts::tensor(&proto, &NoExternal)
}

#[test]
fn lists_and_raw_bytes_hold_the_same_tensors() {
    let list = |data_type: DType| TensorProto {
        data_type: data_type as i32,
        dims: vec![2],
        ..TensorProto::default()
    };
    let ints = |dtype, x: [i32; 2]| TensorProto { int32_data: x.to_vec(), ..list(dtype) };
    let longs = |dtype, x: [u64; 2]| TensorProto { uint64_data: x.to_vec(), ..list(dtype) };
    let bits = |x: [u16; 2]| x.map(i32::from);
    let table: Vec<(TensorProto, Vec<u8>)> = vec![
        (
            TensorProto { float_data: vec![1.5, f32::MIN], ..list(DType::F32) },
            [1.5, f32::MIN].map(f32::to_le_bytes).concat(),
        ),
        (
            TensorProto { double_data: vec![0.1, -2.0], ..list(DType::F64) },
            [0.1, -2f64].map(f64::to_le_bytes).concat(),
        ),
        (
            TensorProto { int64_data: vec![i64::MIN, 7], ..list(DType::I64) },
            [i64::MIN, 7].map(i64::to_le_bytes).concat(),
        ),
        (longs(DType::U64, [u64::MAX, 7]), [u64::MAX, 7].map(u64::to_le_bytes).concat()),
        (longs(DType::U32, [u32::MAX.into(), 7]), [u32::MAX, 7].map(u32::to_le_bytes).concat()),
        (ints(DType::I32, [i32::MIN, 7]), [i32::MIN, 7].map(i32::to_le_bytes).concat()),
        (ints(DType::I16, [-32768, 7]), [i16::MIN, 7].map(i16::to_le_bytes).concat()),
        (ints(DType::I8, [-128, 7]), vec![0x80, 7]),
        (ints(DType::U16, [65535, 7]), vec![255, 255, 7, 0]),
        (ints(DType::U8, [255, 7]), vec![255, 7]),
        (ints(DType::Bool, [1, 0]), vec![1, 0]),
        (
            ints(DType::F16, bits([1.5, -0.1].map(|x| f16::from_f32(x).to_bits()))),
            [1.5, -0.1].map(|x| f16::from_f32(x).to_le_bytes()).concat(),
        ),
        (
            ints(DType::BF16, bits([1.5, -0.1].map(|x| bf16::from_f32(x).to_bits()))),
            [1.5, -0.1].map(|x| bf16::from_f32(x).to_le_bytes()).concat(),
        ),
    ];
    assert_eq!(table.len(), 13, "one row for each dtype");
    for (proto, bytes) in table {
        let raw = TensorProto {
            raw_data: Some(Bytes::from(bytes.clone())),
            ..list(DType::from_onnx(proto.data_type).unwrap())
        };
        let typed = constant(proto.clone()).unwrap();
        assert_eq!(typed.bytes(), bytes, "{:?}", typed.dtype());
        assert_eq!(typed, constant(raw.clone()).unwrap());
        assert_eq!(constant(super::parts::tensor_proto("", &typed)).unwrap(), typed);

        let short = TensorProto { dims: vec![3], ..proto.clone() };
        let both = TensorProto { raw_data: raw.raw_data, ..proto };
        for bad in [short, both] {
            assert_eq!(constant(bad).unwrap_err().kind(), ErrorKind::Parse, "{:?}", typed.dtype());
        }
    }
}

#[test]
fn tensors_that_do_not_hold_together_are_refused() {
    let f32s = |dims: &[i64]| TensorProto { data_type: 1, dims: dims.to_vec(), ..TensorProto::default() };
    let raw = |n: usize| Some(Bytes::from(vec![2; n]));
    let table = [
        (TensorProto { raw_data: raw(7), ..f32s(&[2]) }, "7 bytes given"),
        (TensorProto { raw_data: raw(2), data_type: 9, ..f32s(&[2]) }, "only 0 and 1"),
        (TensorProto { int32_data: vec![256], data_type: 2, ..f32s(&[1]) }, "does not fit"),
        (TensorProto { int32_data: vec![-1], data_type: 10, ..f32s(&[1]) }, "does not fit"),
        (TensorProto { float_data: vec![1.0], int32_data: vec![1], ..f32s(&[1]) }, "given twice"),
        (TensorProto { raw_data: raw(4), data_location: EXTERNAL, ..f32s(&[1]) }, "given twice"),
        (TensorProto { raw_data: raw(4), data_location: 2, ..f32s(&[1]) }, "location 2"),
        (TensorProto { data_location: EXTERNAL, ..f32s(&[1]) }, "no location"),
        (TensorProto { segment: Some(Present {}), ..f32s(&[1]) }, "segments"),
        (TensorProto { data_type: 8, ..f32s(&[1]) }, "element type 8"),
        (f32s(&[-1]), "not the shape"),
        (f32s(&[i64::MAX, 2]), "not the shape"),
    ];
    for (proto, want) in table {
        let e = constant(proto).expect_err(want).to_string();
        assert!(e.contains(want), "{e:?} should contain {want:?}");
    }
    assert!(constant(f32s(&[0, 5])).unwrap().is_empty(), "an empty tensor needs no data");
}

#[test]
fn all_forms_of_constant_nodes() {
    let t = Some(Box::new(TensorProto { data_type: 6, int32_data: vec![-4], ..TensorProto::default() }));
    let table = [
        (AttributeProto { t, ..attribute("value", 4) }, Tensor::from_f64(DType::I32, &[], &[-4.0]).unwrap()),
        (AttributeProto { f: Some(0.5), ..attribute("value_float", 1) }, Tensor::f32(&[], &[0.5]).unwrap()),
        (attribute("value_int", 2), Tensor::i64(&[], &[0]).unwrap()),
        (
            AttributeProto { floats: vec![1.0, 2.0], ..attribute("value_floats", 6) },
            Tensor::f32(&[2], &[1.0, 2.0]).unwrap(),
        ),
        (AttributeProto { ints: vec![3, -1], ..attribute("value_ints", 7) }, Tensor::ints(&[3, -1])),
    ];
    for (attr, want) in table {
        let mut graph = add();
        // After its reader: order matters as little for constants as for other nodes.
        graph.node.push(node("Constant", &[], &["c"], vec![attr]));
        graph.node[0].input[1] = "c".into();
        let graph = read(graph).unwrap();
        let c = graph.find("c").unwrap();
        assert_eq!(graph.constant(c), Some(&want));
        assert_eq!((graph.nodes().len(), graph.value(c).dtype), (1, Some(want.dtype())));
        assert_eq!(from_bytes(&encode(&graph).unwrap()).unwrap().constant(c), Some(&want));
    }
}

#[test]
fn dimensions_inputs_and_hints() {
    let mut graph = add();
    graph.input = vec![
        info("w", 1, &[]),
        info(
            "x",
            1,
            &[
                dim(None, None),
                dim(None, Some("197*N")),
                dim(Some(-1), None),
                dim(None, Some("?")),
                dim(Some(3), None),
            ],
        ),
    ];
    graph.output = vec![info("y", 1, &[dim(None, Some("2*N")), dim(None, Some("M")), dim(None, None)])];
    let graph = read(graph).unwrap();
    assert_eq!(graph.inputs.len(), 1, "an initializer that is listed as an input is a constant");
    let x = Shape(vec![
        Dim::symbol("x_0"),
        Dim::symbol("N").times(&Dim::Known(197)),
        Dim::symbol("x_2"),
        Dim::symbol("x_3"),
        Dim::Known(3),
    ]);
    assert_eq!(graph.value(graph.inputs[0]).shape, Some(x));
    let y = Shape(vec![Dim::symbol("N").times(&Dim::Known(2)), Dim::Unknown, Dim::Unknown]);
    assert_eq!(graph.value(graph.outputs[0]).shape, Some(y), "only symbols of inputs are believed");
    assert_eq!(from_bytes(&encode(&graph).unwrap()).unwrap(), graph);
}

#[test]
fn ints_are_written_unpacked_and_read_in_both_forms() {
    let attr = AttributeProto { ints: vec![1, 2], ..attribute("axes", 7) };
    let bytes = attr.encode_to_vec();
    assert!(bytes.windows(4).any(|w| w == [0x40, 1, 0x40, 2]), "one key for each number: {bytes:?}");
    let packed = [&b"\x0a\x04axes"[..], &[0x42, 2, 1, 2], &[0xa0, 1, 7]].concat();
    assert_eq!(AttributeProto::decode(&packed[..]).unwrap(), attr);
}

/// A way to spoil a model.
type Spoil = fn(&mut ModelProto);

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn set_attribute(model: &mut ModelProto, attr: AttributeProto) {
    graph(model).node[0].attribute.push(attr);
}

#[test]
fn refusals_name_the_place_and_the_next_move() {
    use ErrorKind::{Parse, Unsupported};
    let table: Vec<(Spoil, ErrorKind, &str)> = vec![
        (|m| m.opset_import[0].version = 11, Unsupported, "opset 11 is not in 13..=22; export again"),
        (|m| m.opset_import[0].version = 23, Unsupported, "opset 23"),
        (|m| m.opset_import.clear(), Parse, "standard operator set"),
        (
            |m| m.opset_import.push(OperatorSetIdProto { domain: String::new(), version: 18 }),
            Parse,
            "two versions",
        ),
        (|m| m.functions.push(Present {}), Unsupported, "inline_local_functions"),
        (|m| m.training_info.push(Present {}), Unsupported, "training_info"),
        (|m| m.graph = None, Parse, "not an ONNX model"),
        (|m| graph(m).sparse_initializer.push(Present {}), Unsupported, "sparse"),
        (|m| graph(m).output.clear(), Parse, "no output"),
        (|m| graph(m).output[0].name = "z".into(), Parse, r#"output "z""#),
        (
            |m| {
                let o = graph(m).output[0].clone();
                graph(m).output.push(o)
            },
            Parse,
            r#"output "y" is listed twice"#,
        ),
        (|m| graph(m).input[0].r#type = None, Unsupported, r#"input "x": only tensors"#),
        (|m| graph(m).input[0] = info("x", 14, &[]), Unsupported, r#"input "x": tensor element type 14"#),
        (
            |m| {
                let i = graph(m).input[0].clone();
                graph(m).input.push(i)
            },
            Parse,
            r#"input "x": "x" is defined twice"#,
        ),
        (
            |m| {
                let w = graph(m).initializer[0].clone();
                graph(m).initializer.push(w)
            },
            Parse,
            r#"initializer "w": "w""#,
        ),
        (|m| graph(m).initializer[0].dims.push(2), Parse, r#"initializer "w": 1 numbers"#),
        (|m| graph(m).node[0].input[0] = "z".into(), Parse, r#"Add "the_add": operand "z""#),
        (|m| graph(m).node[0].input[0] = "y".into(), Parse, "a cycle of 1 nodes"),
        (|m| graph(m).node[0].output[0] = "x".into(), Parse, r#"Add "the_add": "x" is also an input"#),
        (
            |m| graph(m).node[0].output = vec!["y".into(), "y".into()],
            Parse,
            r#""y" is also computed by Add "the_add""#,
        ),
        (|m| graph(m).node[0].output[0] = String::new(), Parse, "computes nothing"),
        (|m| graph(m).node[0].op_type = String::new(), Parse, r#"node "the_add": the node has no operator"#),
        (
            |m| set_attribute(m, attribute("body", 5)),
            Unsupported,
            r#"Add "the_add": attribute "body": the attribute is a GRAPH"#,
        ),
        (|m| set_attribute(m, attribute("tensors", 9)), Unsupported, "TENSORS"),
        (|m| set_attribute(m, attribute("t", 4)), Parse, "does not hold the TENSOR"),
        (|m| set_attribute(m, attribute("t", 0)), Parse, "UNDEFINED"),
        (
            |m| (0..2).for_each(|_| set_attribute(m, attribute("a", 2))),
            Parse,
            r#"attribute "a" is given twice"#,
        ),
        (
            |m| {
                set_attribute(m, AttributeProto { s: Some(Bytes::from_static(b"\xff")), ..attribute("s", 3) })
            },
            Unsupported,
            "not UTF-8",
        ),
        (
            |m| graph(m).node.push(node("Constant", &[], &["c"], vec![attribute("value_string", 3)])),
            Unsupported,
            r#"Constant "the_constant": "value_string""#,
        ),
        (|m| graph(m).node.push(node("Constant", &[], &["c"], Vec::new())), Parse, "one attribute"),
    ];
    assert!(read(add()).is_ok());
    for (spoil, kind, want) in table {
        let mut bad = model(add());
        spoil(&mut bad);
        let e = decode(&bad.encode_to_vec(), &NoExternal).expect_err(want);
        assert!(e.to_string().contains(want), "{e} should contain {want:?}");
        assert_eq!(e.kind(), kind, "{e}");
    }
}

#[test]
fn malformed_bytes_say_at_which_byte() {
    let bytes = model(add()).encode_to_vec();
    let e = from_bytes(&bytes[..bytes.len() - 1]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Parse);
    assert!(
        e.to_string().contains(&format!(" of {}", bytes.len() - 1)) && e.to_string().starts_with("byte "),
        "{e}"
    );
}

#[test]
fn attributes_survive() {
    let attrs = vec![
        AttributeProto { floats: vec![0.5, -1.0], ..attribute("floats", 6) },
        AttributeProto { strings: vec![Bytes::from_static(b"a")], ..attribute("strings", 8) },
        AttributeProto { s: Some(Bytes::from_static("é".as_bytes())), ..attribute("string", 3) },
    ];
    let mut graph = add();
    graph.node[0].attribute = attrs;
    let graph = read(graph).unwrap();
    let got: Vec<_> = graph.nodes()[0].attrs.values().cloned().collect();
    assert_eq!(got, [Attr::Floats(vec![0.5, -1.0]), Attr::Str("é".into()), Attr::Strings(vec!["a".into()])]);
}
