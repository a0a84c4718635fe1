//! The graph of every gradient rule's cases, and its gradients, against the evaluator in f64.
//!
//! The cases are those of `tests/gradcheck`, declared in f32: a new rule is tested on every engine without another line.

use std::collections::BTreeMap;

use perennial::autodiff::differentiate;
use perennial::engine::Data;
use perennial::graph::{Attr, Attrs, DType, Emit, Graph, Node, Tensor, ValueId, fold, infer};

use crate::cases;
use crate::numeric::{N, Problem};
use crate::reference::{self, Array};
use crate::suite::{Case, Class, Subject, case, off};

pub fn cases() -> Vec<Case> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (index, row) in cases::cases().into_iter().enumerate() {
        for &opset in row.opsets {
            let name = format!("operators/{}({}) opset {opset}", row.op, row.inputs);
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            let name = if *times == 1 { name } else { format!("{name} #{times}") };
            rows.push(case(name, Class::Accumulated, move |subject| check(subject, index, opset)));
        }
    }
    rows
}

/// Results, loss and gradients of case `index`.
fn check(subject: &Subject, index: usize, opset: i64) -> Result<f64, String> {
    let row = &cases::cases()[index];
    let mut problem = Problem::new(opset, row.inputs, index as u64);
    let inputs = problem.inputs();
    let results = (row.build)(&mut Emit::new(&mut problem.graph, "case"), &inputs).unwrap();
    let loss = problem.loss(&results);
    let (mut graph, gradients) = differentiate(problem.graph.clone(), loss, &problem.wrt).unwrap();
    graph.outputs = results.into_iter().chain([loss]).chain(gradients).collect();
    let mut listed = std::collections::BTreeSet::new();
    graph.outputs.retain(|v| listed.insert(*v));
    let graph = single(&graph);
    let feeds: Vec<(ValueId, Array)> = problem
        .feeds
        .iter()
        .map(|(v, x)| (graph.find(&problem.graph.value(*v).name).unwrap(), x.mapv(|x| f64::from(x as f32))))
        .collect();
    let want = reference::run(&graph, &feeds, &graph.outputs);
    let data: Vec<Data> = feeds.iter().map(|(v, x)| data(graph.dtype(*v).unwrap(), x)).collect();
    // Engines bind the symbol of the batch; where the first input has none, it is bound for them.
    let graph = match fold::batch_symbol(&graph) {
        Some(_) => graph,
        None => fold::bind(graph, "N", N).unwrap(),
    };
    let session = subject.engine().compile(&graph, N).map_err(|e| e.to_string())?;
    let have = session.run(&data).map_err(|e| e.to_string())?;
    let mut worst = 0f64;
    for ((have, want), port) in have.iter().zip(&want).zip(session.outputs()) {
        if have.shape() != want.shape() {
            return Err(format!("{} has shape {:?}, not {:?}", port.name, have.shape(), want.shape()));
        }
        worst = worst.max(off(have.as_f32().unwrap().iter(), want.iter().copied()));
    }
    Ok(worst)
}

fn data(dtype: DType, x: &Array) -> Data {
    match dtype {
        DType::I64 => Data::I64(x.mapv(|x| x as i64)),
        _ => Data::F32(x.mapv(|x| x as f32)),
    }
}

/// `graph` in f32: engines need not have f64. A truth value, which no session takes, is cast from a float.
fn single(graph: &Graph) -> Graph {
    let narrow = |t: DType| if t == DType::F64 { DType::F32 } else { t };
    let mut new = Graph::new(&graph.name, graph.opset());
    let mut ids: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let node = |op: &str, inputs, outputs, attrs| Node {
        name: op.into(),
        domain: String::new(),
        op: op.into(),
        inputs,
        outputs,
        attrs,
    };
    for &v in &graph.inputs {
        let (name, dtype) = (&graph.value(v).name, graph.dtype(v).unwrap());
        let shape = graph.shape(v).unwrap().clone();
        if dtype != DType::Bool {
            ids.insert(v, new.add_input(name, narrow(dtype), shape));
            continue;
        }
        let x = new.add_input(name, DType::F32, shape);
        let truth = new.add_value("truth", None, None);
        let attrs = Attrs::from([("to".to_string(), Attr::Int(DType::Bool as i64))]);
        new.add_node(node("Cast", vec![Some(x)], vec![Some(truth)], attrs));
        ids.insert(v, truth);
    }
    for (&v, tensor) in graph.constants() {
        let tensor: Tensor = tensor.cast(narrow(tensor.dtype()));
        ids.insert(v, new.add_constant(&graph.value(v).name, tensor));
    }
    for old in graph.nodes() {
        let mut made = old.clone();
        for v in old.outputs.iter().flatten() {
            ids.insert(*v, new.add_value(&graph.value(*v).name, None, None));
        }
        let mapped = |list: &[Option<ValueId>]| list.iter().map(|v| v.map(|v| ids[&v])).collect();
        (made.inputs, made.outputs) = (mapped(&old.inputs), mapped(&old.outputs));
        if old.is("Cast") && old.int("to", 0) == DType::F64 as i64 {
            made.attrs.insert("to".into(), Attr::Int(DType::F32 as i64));
        }
        new.add_node(made);
    }
    new.outputs = graph.outputs.iter().map(|v| ids[v]).collect();
    infer::all(&mut new).unwrap();
    new
}
