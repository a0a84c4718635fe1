//! ONNX Runtime's operators, written out when a model is read, against ONNX Runtime (`tests/golden/contrib_golden.py`).

mod reference;

use std::collections::BTreeSet;

use base64::Engine as _;
use ndarray::{ArrayD, IxDyn};
use perennial::graph::{Graph, infer};
use perennial::{ErrorKind, onnx};
use serde_json::Value;

/// ONNX Runtime computes in f32, and its GELUs and sigmoids are approximations.
const TOLERANCE: f64 = 2e-5;

fn rows() -> Vec<Value> {
    serde_json::from_str(include_str!("golden/contrib_golden.json")).unwrap()
}

fn array(j: &Value) -> ArrayD<f64> {
    let numbers = |j: &Value| j.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let shape: Vec<usize> = numbers(&j["shape"]).iter().map(|&n| n as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), numbers(&j["data"])).unwrap()
}

fn model(row: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(row["model"].as_str().unwrap()).unwrap()
}

fn read(row: &Value) -> Graph {
    let mut graph = onnx::from_bytes(&model(row)).unwrap();
    infer::all(&mut graph).unwrap();
    graph
}

#[test]
fn every_operator_computes_what_onnx_runtime_does() {
    let mut worst = 0f64;
    for row in rows() {
        let graph = read(&row);
        assert!(graph.nodes().iter().all(|n| n.is(&n.op)), "{}: a foreign operator is left", row["op"]);
        let feed = |j: &Value| (graph.find(j["name"].as_str().unwrap()).unwrap(), array(j));
        let feeds: Vec<_> = row["inputs"].as_array().unwrap().iter().map(feed).collect();
        let outputs = reference::run(&graph, &feeds, &graph.outputs);
        for (got, want) in outputs.iter().zip(row["outputs"].as_array().unwrap()) {
            let want = array(want);
            assert_eq!(got.shape(), want.shape(), "{}", row["op"]);
            let scale = want.iter().fold(1f64, |m, x| m.max(x.abs()));
            let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max);
            assert!(off < TOLERANCE, "{}: off by {off:.1e}", row["op"]);
            worst = worst.max(off);
        }
    }
    println!("{} rows, largest relative error {worst:.1e}", rows().len());
}

#[test]
fn every_operator_of_the_table_has_a_row() {
    let have: BTreeSet<String> = rows().iter().map(|r| r["op"].as_str().unwrap().to_string()).collect();
    let missing: Vec<_> = onnx::written_out().filter(|op| !have.contains(*op)).collect();
    assert!(missing.is_empty(), "no golden row for {missing:?}");
}

/// A mask cannot be written out: the error names the node and says what to do.
#[test]
fn a_form_that_is_not_covered_is_refused() {
    let row = rows().into_iter().find(|r| r["op"] == "Attention").unwrap();
    let (bytes, plain, causal) = (model(&row), b"num_heads", b"do_rotary");
    let at = bytes.windows(plain.len()).position(|w| w == plain).unwrap();
    let mut changed = bytes.clone();
    changed[at..at + plain.len()].copy_from_slice(causal);
    let error = onnx::from_bytes(&changed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("Attention"), "{error}");
}
