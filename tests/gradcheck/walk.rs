//! What the walk promises beside numbers: accumulation, refusals, names.

use perennial::autodiff::{differentiate, rules};
use perennial::error::ErrorKind;
use perennial::graph::{Attrs, DType, Emit, Graph, Node, Shape, Tensor, ValueId};

use crate::numeric::Problem;
use crate::reference::run;

#[test]
fn several_uses_of_a_value_are_summed() {
    let mut p = Problem::new(17, "N,3|3", 1);
    let x = p.inputs();
    let mut e = Emit::new(&mut p.graph, "case");
    let square = e.mul(x[0], x[0]).unwrap();
    let shifted = e.add(square, x[1]).unwrap();
    let back = e.mul(shifted, x[0]).unwrap();
    let mean = e.reduce_mean(back, &[0]).unwrap();
    let loss = p.loss(&[back, mean, x[0]]);
    println!("{:.1e}", p.compare(loss).unwrap());
}

#[test]
fn gradients_can_be_taken_at_computed_values_and_at_the_loss() {
    let mut p = Problem::new(17, "2,3", 2);
    let x = p.inputs()[0];
    let mut e = Emit::new(&mut p.graph, "case");
    let y = e.op("Exp", &[x], &[]).unwrap();
    let loss = p.loss(&[y]);
    let (joint, grads) = differentiate(p.graph.clone(), loss, &[x, y, loss, x]).unwrap();
    let out = run(&joint, &p.feeds, &[&grads[..], &[y]].concat());
    assert_eq!(out[2].sum(), 1.0);
    assert_eq!(out[0], &out[1] * &out[4]);
    assert_eq!(out[0], out[3]);
    let names: Vec<&str> = grads.iter().map(|g| joint.value(*g).name.as_str()).collect();
    assert_eq!(&names[..2], ["grad.x0", "grad.case.Exp"]);
    // Each gradient is a value of its own, computed by a node, so all can be outputs.
    let index = joint.index();
    assert!(grads.iter().all(|g| index.producer(*g).is_some()));
    assert_ne!(grads[0], grads[3]);
}

#[test]
fn the_given_nodes_stay_as_they_are() {
    let mut p = Problem::new(22, "N,3", 3);
    let x = p.inputs()[0];
    let y = Emit::new(&mut p.graph, "case").op("Relu", &[x], &[]).unwrap();
    let loss = p.loss(&[y]);
    let (joint, _) = differentiate(p.graph.clone(), loss, &[x]).unwrap();
    let given = p.graph.nodes().len();
    assert_eq!(&joint.nodes()[..given], p.graph.nodes());
    assert_eq!(joint.outputs, p.graph.outputs);
    assert_eq!(joint.inputs, p.graph.inputs);
}

#[test]
fn nothing_flows_through_operators_that_are_constant_almost_everywhere() {
    let mut p = Problem::new(17, "2,3", 4);
    let x = p.inputs()[0];
    let mut e = Emit::new(&mut p.graph, "case");
    let steps = e.op("Floor", &[x], &[]).unwrap();
    let y = e.mul(steps, x).unwrap();
    let only = p.loss(&[steps]);
    let both = {
        let mut e = Emit::new(&mut p.graph, "both");
        e.op("ReduceSum", &[y], &[("keepdims", 0.into())]).unwrap()
    };
    let error = differentiate(p.graph.clone(), only, &[x]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("\"x0\""), "{error}");
    p.compare(both).unwrap();
}

/// `loss = sum(op(x))` with an operator that inference does not know.
fn foreign(domain: &str, op: &str) -> (Graph, ValueId, ValueId) {
    let mut graph = Graph::new("foreign", 17);
    let shape = Shape::fixed(&[2]);
    let x = graph.add_input("x", DType::F32, shape.clone());
    let y = graph.add_value("y", Some(DType::F32), Some(shape));
    graph.add_node(Node {
        name: "the_node".into(),
        domain: domain.into(),
        op: op.into(),
        inputs: vec![Some(x)],
        outputs: vec![Some(y)],
        attrs: Attrs::new(),
    });
    let loss = Emit::new(&mut graph, "loss").op("ReduceSum", &[y], &[("keepdims", 0.into())]).unwrap();
    (graph, x, loss)
}

#[test]
fn an_operator_without_a_rule_is_named() {
    for (domain, op) in [("", "Det"), ("com.microsoft", "Relu")] {
        let (graph, x, loss) = foreign(domain, op);
        let error = differentiate(graph, loss, &[x]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!([op, domain, "opset 17", "the_node"].iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn an_operator_off_the_path_needs_no_rule() {
    let (mut graph, x, _) = foreign("", "Det");
    let loss = Emit::new(&mut graph, "loss").op("ReduceSum", &[x], &[("keepdims", 0.into())]).unwrap();
    assert!(differentiate(graph, loss, &[x]).is_ok());
}

#[test]
fn bad_questions_are_refused() {
    let mut p = Problem::new(17, "2,3|#4 2|3", 5);
    let x = p.inputs();
    let loss = p.loss(&[x[0]]);
    let kind = |loss, wrt: &[ValueId]| differentiate(p.graph.clone(), loss, wrt).unwrap_err().kind();
    assert_eq!(kind(x[0], &[x[0]]), ErrorKind::InvalidArgument, "a loss of six elements");
    assert_eq!(kind(loss, &[x[1]]), ErrorKind::InvalidArgument, "an integer");
    assert_eq!(kind(loss, &[x[2]]), ErrorKind::InvalidArgument, "not on the path");
    let p = Problem::new(12, "", 6);
    let x = p.inputs()[0];
    assert_eq!(differentiate(p.graph, x, &[x]).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_table_is_sorted_and_has_no_row_twice() {
    let rows: Vec<(&str, i64)> = rules::supported().map(|r| (r.op, r.since)).collect();
    assert!(rows.windows(2).all(|w| w[0] < w[1]), "{rows:?}");
}

#[test]
fn gradients_of_neighbouring_parts_are_put_side_by_side() {
    // q, k, v taken from one tensor, in any order: one Concat, no Pad. A part left out: one Pad. Overlaps: added.
    for (starts, pads, concats) in
        [(&[2, 0, 4][..], 0, 1), (&[2, 4], 1, 1), (&[0, 4], 2, 0), (&[0, 1, 3], 2, 1)]
    {
        let mut p = Problem::new(17, "N,6,2", 8);
        let x = p.inputs()[0];
        let mut e = Emit::new(&mut p.graph, "case");
        let mut take = |start: &i64| {
            let rows = e.constant(Tensor::ints(&[*start, start + 1]));
            e.op("Gather", &[x, rows], &[("axis", 1.into())]).unwrap()
        };
        let parts: Vec<ValueId> = starts.iter().map(&mut take).collect();
        let loss = p.loss(&parts);
        p.compare(loss).unwrap();
        let (joint, _) = differentiate(p.graph.clone(), loss, &[x]).unwrap();
        let count = |op: &str| joint.nodes().iter().filter(|n| n.is(op)).count();
        assert_eq!((count("Pad"), count("Concat")), (pads, concats), "{starts:?}");
    }
}
