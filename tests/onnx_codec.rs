//! Fixtures of two exporters: what is read is written again, in one file or two, and reads back equal.
#![allow(clippy::unwrap_used)]

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use perennial::graph::{Attr, DType, Dim, Graph, Node, Shape, Tensor, Value, ValueId};
use perennial::onnx;
use perennial::{ErrorKind, Result};
use serde_json::Value as Json;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn expected() -> Vec<(String, Json)> {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let json: Json = serde_json::from_str(&text).unwrap();
    json["fixtures"].as_object().unwrap().clone().into_iter().collect()
}

fn path(name: &str) -> PathBuf {
    fixtures().join(format!("{name}.onnx"))
}

/// The graph with the dtypes and shapes that the file does not carry left out: a difference names its part.
fn assert_same(a: &Graph, b: &Graph, what: &str) {
    let shown = |g: &Graph, v: ValueId| -> Value { g.value(v).clone() };
    let names = |g: &Graph| g.values().iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b), "{what}: values");
    assert_eq!(a.nodes(), b.nodes(), "{what}: nodes");
    assert_eq!((&a.inputs, &a.outputs), (&b.inputs, &b.outputs), "{what}: inputs and outputs");
    for &v in a.inputs.iter().chain(&a.outputs).chain(a.constants().keys()) {
        assert_eq!(shown(a, v), shown(b, v), "{what}: declared types");
    }
    assert!(a.constants() == b.constants(), "{what}: constants");
    assert_eq!((&a.name, &a.opsets, &a.metadata), (&b.name, &b.opsets, &b.metadata), "{what}: header");
}

#[test]
fn every_fixture_round_trips() {
    let rows = expected();
    assert_eq!(rows.len(), 15);
    for (name, row) in rows {
        let graph = onnx::read(path(&name)).unwrap();
        let bytes = onnx::encode(&graph).unwrap();
        let again = onnx::from_bytes(&bytes).unwrap();
        assert_same(&graph, &again, &name);
        assert_eq!(again, onnx::from_bytes(&onnx::encode(&again).unwrap()).unwrap(), "{name}: a fixed point");
        assert!(onnx::encode(&again).unwrap() == bytes, "{name}: same graph, same bytes");

        let batch = match row["batch"].as_str().unwrap() {
            "fixed" => Dim::Known(1),
            _ => Dim::symbol("N"),
        };
        let float = if row["dtype"] == "f16" { DType::F16 } else { DType::F32 };
        let images = graph.value(graph.inputs[0]);
        assert_eq!(graph.inputs.len(), 1, "{name}: initializers are not inputs");
        assert_eq!(images.name, "images");
        assert_eq!(images.dtype, Some(float));
        assert_eq!(images.shape, Some(Shape(vec![batch, 3.into(), 32.into(), 32.into()])), "{name}");
        assert_eq!(graph.opset(), row["opset"].as_i64().unwrap(), "{name}");
        let outputs: Vec<_> = graph.outputs.iter().map(|&v| graph.value(v).name.as_str()).collect();
        assert!(outputs.iter().all(|o| row["outputs"].get(o).is_some()), "{name}: {outputs:?}");
        assert!(!graph.nodes().iter().any(|n| n.is("Constant")), "{name}: Constant nodes are constants");
    }
}

/// The exporters store one model: legacy and dynamo, raw, typed and external hold the same numbers.
#[test]
fn storage_does_not_change_the_numbers() {
    let weights = |name: &str| -> Vec<Vec<u8>> {
        let graph = onnx::read(path(name)).unwrap();
        let mut all: Vec<_> =
            graph.constants().values().filter(|t| t.dtype().is_float() && t.len() > 64).collect();
        all.retain(|t| t.shape().len() == 4 || t.shape() == [1, 17, 32]);
        let mut bytes: Vec<_> = all.iter().map(|t| t.bytes().to_vec()).collect();
        bytes.sort();
        bytes
    };
    let groups = [
        vec!["fused_legacy_op13_fixed", "fused_dynamo_op18_dynamic", "fused_dynamo_op20_fixed_external"],
        vec!["fused_legacy_op17_dynamic_f16", "fused_dynamo_op18_dynamic_f16_typed"],
        vec!["split_legacy_op13_dynamic", "split_legacy_op20_fixed", "split_dynamo_op20_dynamic"],
    ];
    for group in groups {
        assert_eq!(weights(group[0]).len(), 2, "patch kernel and position table");
        for name in &group[1..] {
            assert!(weights(group[0]) == weights(name), "{name} differs from {}", group[0]);
        }
    }
}

#[test]
fn files_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let graph = onnx::read(path("fused_dynamo_op20_fixed_external")).unwrap();
    let other = onnx::read(path("timm_dynamo_op18_dynamic")).unwrap();
    let target = folder.path().join("m.onnx");

    onnx::write(&other, &target).unwrap();
    onnx::write(&graph, &target).unwrap();
    assert_same(&graph, &onnx::read(&target).unwrap(), "one file");
    onnx::write_external(&other, &target).unwrap();
    std::fs::write(folder.path().join(".m.onnx.part"), b"left by a crash").unwrap();
    onnx::write_external(&graph, &target).unwrap();
    assert_same(&graph, &onnx::read(&target).unwrap(), "two files");

    let listing =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut listing: Vec<_> = listing.collect();
    listing.sort();
    assert_eq!(listing, ["m.onnx", "m.onnx.data"], "no temporary file is left");
    let model = std::fs::read(&target).unwrap();
    assert!(model.len() < 16_000, "weights lie outside: {} bytes", model.len());

    // In memory, and refused where there is no second file.
    let data = std::fs::read(folder.path().join("m.onnx.data")).unwrap();
    let mut source = BTreeMap::from([("m.onnx.data".to_string(), data)]);
    assert_same(&graph, &onnx::decode(&model, &source).unwrap(), "from memory");
    let e = onnx::from_bytes(&model).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().starts_with("initializer \"") && e.to_string().contains("onnx::read"), "{e}");
    source.get_mut("m.onnx.data").unwrap().truncate(5000);
    let e = onnx::decode(&model, &source).unwrap_err().to_string();
    assert!(e.starts_with("initializer \"") && e.contains("is the file complete"), "{e}");
    std::fs::remove_file(folder.path().join("m.onnx.data")).unwrap();
    assert_eq!(onnx::read(&target).unwrap_err().kind(), ErrorKind::NotFound);

    let e = onnx::write(&graph, folder.path().join("absent/m.onnx")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
}

/// A graph made by hand keeps what the fixtures do not have.
#[test]
fn what_passes_make_is_kept() -> Result<()> {
    let mut g = Graph::new("g", 19);
    g.opsets.insert("com.microsoft".into(), 1);
    g.metadata.insert("std".into(), "0.5".into());
    let symbol = Dim::symbol("N").times(&Dim::Known(17));
    let x = g.add_input("x", DType::F16, Shape(vec![symbol, 4.into()]));
    let w = g.add_constant("w", Tensor::from_f64(DType::BF16, &[0, 3], &[])?);
    let (y, z) = (g.add_value("y", None, None), g.add_value("z", None, None));
    let attrs = [
        ("int", Attr::Int(0)),
        ("float", Attr::Float(-0.0)),
        ("text", Attr::Str(String::new())),
        ("tensor", Attr::Tensor(Tensor::ints(&[i64::MIN, 1 << 60]))),
        ("ints", Attr::Ints(vec![0, -1])),
        ("floats", Attr::Floats(Vec::new())),
        ("texts", Attr::Strings(vec!["a".into(), String::new()])),
    ];
    g.add_node(Node {
        name: "n".into(),
        domain: "com.microsoft".into(),
        op: "Op".into(),
        inputs: vec![Some(x), None, Some(w)],
        outputs: vec![None, Some(y), Some(z)],
        attrs: attrs.map(|(k, v)| (k.to_string(), v)).into(),
    });
    g.outputs = vec![y, x];
    assert_eq!(onnx::from_bytes(&onnx::encode(&g)?)?, g);

    g.outputs = vec![y, y];
    assert_eq!(onnx::encode(&g).unwrap_err().kind(), ErrorKind::InvalidArgument);
    g.outputs = vec![y];
    g.opsets.insert(String::new(), 12);
    assert_eq!(onnx::encode(&g).unwrap_err().kind(), ErrorKind::Unsupported);
    Ok(())
}

/// The real backbone, where it is present.
#[test]
fn the_real_model_round_trips() {
    let Some(folder) = skip::real_vit() else { return };
    let model = folder.join("vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx");
    let graph = onnx::read(&model).unwrap();
    assert_eq!((graph.opset(), graph.inputs.len(), graph.outputs.len()), (17, 1, 2));
    let parameters: usize =
        graph.constants().values().filter(|t| t.dtype().is_float()).map(Tensor::len).sum();
    assert!((5_700_000..5_800_000).contains(&parameters), "{parameters} parameters");
    assert_same(&graph, &onnx::from_bytes(&onnx::encode(&graph).unwrap()).unwrap(), "ViT-Ti");
}
