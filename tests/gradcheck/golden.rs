//! Results and gradients of single operators against PyTorch (`tests/golden/rules_golden.py`).

use perennial::autodiff::{differentiate, rules};
use perennial::graph::{Attr, Attrs, DType, Emit, Graph, Node, Shape, Tensor, ValueId, infer};
use serde_json::Value as Json;

use crate::reference::{Array, array, run};

const TOLERANCE: f64 = 1e-10;

fn rows() -> Vec<Json> {
    serde_json::from_str(include_str!("../golden/rules_golden.json")).unwrap()
}

fn numbers(j: &Json) -> Vec<f64> {
    j.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn tensor(j: &Json, dtype: DType, data: &str) -> Tensor {
    let shape: Vec<usize> = numbers(&j["shape"]).iter().map(|n| *n as usize).collect();
    Tensor::from_f64(dtype, &shape, &numbers(&j[data])).unwrap()
}

fn attrs(j: &Json) -> Attrs {
    let value = |v: &Json| match v {
        Json::String(s) => Attr::Str(s.clone()),
        Json::Array(_) => Attr::Ints(numbers(v).iter().map(|n| *n as i64).collect()),
        Json::Number(n) if n.is_f64() => Attr::Float(n.as_f64().unwrap() as f32),
        other => Attr::Int(other.as_i64().unwrap()),
    };
    j.as_object().unwrap().iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

/// A graph of the one node, its results, its differentiable operands with what is fed and expected.
struct Built {
    graph: Graph,
    results: Vec<ValueId>,
    operands: Vec<(ValueId, Array, Vec<f64>)>,
}

fn build(row: &Json) -> Built {
    let mut graph = Graph::new("golden", row["opset"].as_i64().unwrap());
    let (mut operands, mut inputs) = (Vec::new(), Vec::new());
    for (i, j) in row["operands"].as_array().unwrap().iter().enumerate() {
        let dtype = match j["kind"].as_str() {
            Some("f64") => DType::F64,
            Some("i64") => DType::I64,
            Some("bool") => DType::Bool,
            _ => {
                inputs.push(None);
                continue;
            }
        };
        let t = tensor(j, dtype, "data");
        let v = if j["grad"].is_null() {
            graph.add_constant(&format!("c{i}"), t)
        } else {
            let v = graph.add_input(&format!("x{i}"), dtype, Shape::fixed(t.shape()));
            operands.push((v, array(&t), numbers(&j["grad"])));
            v
        };
        inputs.push(Some(v));
    }
    let count = row["results"].as_array().unwrap().len();
    let results: Vec<ValueId> = (0..count).map(|i| graph.add_value(&format!("y{i}"), None, None)).collect();
    let node = graph.add_node(Node {
        name: "node".into(),
        domain: String::new(),
        op: row["op"].as_str().unwrap().into(),
        inputs,
        outputs: results.iter().map(|v| Some(*v)).collect(),
        attrs: attrs(&row["attrs"]),
    });
    infer::node(&mut graph, node).unwrap();
    Built { graph, results, operands }
}

fn distance(a: &Array, b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// Largest relative error of results and gradients.
fn error(row: &Json) -> f64 {
    let Built { mut graph, results, operands } = build(row);
    let expected = row["results"].as_array().unwrap();
    let mut e = Emit::new(&mut graph, "loss");
    let mut loss = None;
    for (y, j) in results.iter().zip(expected) {
        let weight = e.constant(tensor(j, DType::F64, "weight"));
        let product = e.mul(*y, weight).unwrap();
        let sum = e.op("ReduceSum", &[product], &[("keepdims", 0.into())]).unwrap();
        loss = Some(loss.map_or(sum, |l| e.add(l, sum).unwrap()));
    }
    let wrt: Vec<ValueId> = operands.iter().map(|o| o.0).collect();
    let (joint, grads) = differentiate(graph, loss.unwrap(), &wrt).unwrap();
    let feeds: Vec<(ValueId, Array)> = operands.iter().map(|o| (o.0, o.1.clone())).collect();
    let computed = run(&joint, &feeds, &[results, grads].concat());
    let truth = expected.iter().map(|j| numbers(&j["data"])).chain(operands.into_iter().map(|o| o.2));
    computed.iter().zip(truth).map(|(a, b)| distance(a, &b)).fold(0.0, f64::max)
}

#[test]
fn results_and_gradients_agree_with_pytorch() {
    let (mut failures, mut worst) = (Vec::new(), 0f64);
    for (i, row) in rows().iter().enumerate() {
        match std::panic::catch_unwind(|| error(row)) {
            Ok(e) if e < TOLERANCE => worst = worst.max(e),
            Ok(e) => failures.push(format!("row {i}, {}: {e:.1e}", row["op"])),
            Err(_) => failures.push(format!("row {i}, {}: panic, see above", row["op"])),
        }
    }
    println!("{} rows, largest relative error {worst:.1e}", rows().len());
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_has_a_golden_row() {
    let rows = rows();
    let missing: Vec<&str> = rules::supported()
        .filter(|r| r.differentiable() && !r.straight_through() && !rows.iter().any(|g| g["op"] == r.op))
        .map(|r| r.op)
        .collect();
    assert!(missing.is_empty(), "rules without a PyTorch row: {missing:?}");
}
