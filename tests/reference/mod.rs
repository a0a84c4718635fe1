//! A slow and obvious evaluator of [`Graph`] in f64, written from the ONNX operator pages.
//!
//! Every element of every dtype is an f64 (integers are exact up to 2^53), casts to float change nothing, so a
//! graph declared in f32 is differentiated here without rounding. Each computed shape is compared with the
//! inferred one. An operator or a form that is missing panics: the tests that use this decide what exists.

mod elementwise;
mod layout;
mod linear;
mod reduce;
mod window;

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use perennial::graph::{Dim, Graph, Node, Tensor, ValueId};

/// A value while it is computed.
pub type Array = ArrayD<f64>;

/// A node with its operands.
struct Call<'a> {
    node: &'a Node,
    opset: i64,
    x: Vec<Option<&'a Array>>,
}

impl Call<'_> {
    fn x(&self, i: usize) -> &Array {
        self.has(i).unwrap_or_else(|| panic!("{}: operand {i} is missing", self.node.label()))
    }

    fn has(&self, i: usize) -> Option<&Array> {
        self.x.get(i).copied().flatten()
    }

    fn ints(&self, i: usize) -> Option<Vec<i64>> {
        self.has(i).map(|x| x.iter().map(|v| *v as i64).collect())
    }

    /// The attribute `name` before opset `moved`, operand `i` from then on.
    fn axes(&self, name: &str, moved: i64, i: usize) -> Option<Vec<i64>> {
        let (attribute, operand) = (self.node.ints(name).map(<[i64]>::to_vec), self.ints(i));
        if self.opset < moved {
            assert!(operand.is_none(), "{}: {name} is an attribute here", self.node.label());
            return attribute;
        }
        assert!(attribute.is_none(), "{}: {name} is an operand here", self.node.label());
        operand
    }
}

type Evaluate = fn(&Call) -> Array;

fn axis(a: i64, rank: usize) -> usize {
    let counted = if a < 0 { a + rank as i64 } else { a };
    assert!((0..rank as i64).contains(&counted), "axis {a} of rank {rank}");
    counted as usize
}

/// Evaluates `graph` on `feeds` and returns the values `want`.
pub fn run(graph: &Graph, feeds: &[(ValueId, Array)], want: &[ValueId]) -> Vec<Array> {
    graph.verify().expect("a valid graph");
    let mut values: BTreeMap<ValueId, Array> = feeds.iter().cloned().collect();
    let mut symbols = BTreeMap::new();
    for (v, t) in graph.constants() {
        values.entry(*v).or_insert_with(|| array(t));
    }
    for v in values.keys() {
        check(graph, *v, &values[v], &mut symbols);
    }
    for node in graph.nodes() {
        let x = node.inputs.iter().map(|v| v.map(|v| &values[&v])).collect();
        let results = evaluate(&Call { node, opset: graph.opset(), x });
        for (v, result) in node.outputs.iter().zip(results) {
            if let Some(v) = v {
                check(graph, *v, &result, &mut symbols);
                values.insert(*v, result);
            }
        }
    }
    want.iter().map(|v| values[v].clone()).collect()
}

fn evaluate(call: &Call) -> Vec<Array> {
    let op = call.node.op.as_str();
    if op == "Split" {
        return layout::split(call);
    }
    let families = [elementwise::FAMILY, linear::FAMILY, reduce::FAMILY, layout::FAMILY, window::FAMILY];
    let found = families.iter().flat_map(|f| f.iter()).find(|(name, _)| *name == op);
    if let Some((_, f)) = found {
        return vec![f(call)];
    }
    match elementwise::simple(call) {
        Some(result) => vec![result],
        None => panic!("the reference evaluator lacks {}", call.node.label()),
    }
}

/// The elements of a constant.
pub fn array(t: &Tensor) -> Array {
    Array::from_shape_vec(IxDyn(t.shape()), t.to_f64()).expect("as many elements as the shape says")
}

fn check(graph: &Graph, v: ValueId, got: &Array, symbols: &mut BTreeMap<String, usize>) {
    let value = graph.value(v);
    let shape = value.shape.as_ref().unwrap_or_else(|| panic!("no shape was inferred for {:?}", value.name));
    let fits = shape.rank() == got.ndim()
        && shape.iter().zip(got.shape()).all(|(d, n)| match d {
            Dim::Known(k) => k == n,
            Dim::Symbolic { symbol, times } => {
                *symbols.entry(symbol.to_string()).or_insert(n / times) * times == *n
            }
            Dim::Unknown => true,
        });
    assert!(fits, "{:?} was inferred as {shape} and computed as {:?}", value.name, got.shape());
}
