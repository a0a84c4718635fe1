//! Cutting, splicing, pruning, sorting and the text form.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use perennial::graph::{DType, Dim, Emit, Graph, Shape, Tensor, ValueId, rewrite};

fn ops(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(|n| n.op.as_str()).collect()
}

/// x -> MatMul(w) "h" -> Relu -> Tanh "y"; the sum of h and Relu is output "z". One node is dead.
fn chain() -> (Graph, ValueId) {
    let mut graph = Graph::new("chain", 17);
    let x = graph.add_input("x", DType::F32, Shape(vec![Dim::symbol("N"), Dim::Known(2)]));
    let w = graph.add_constant("w", Tensor::f32(&[2, 2], &[1., 2., 3., 4.]).unwrap());
    let dead = graph.add_constant("dead", Tensor::f32(&[2], &[1., 2.]).unwrap());
    let mut e = Emit::new(&mut graph, "c");
    let h = e.matmul(x, w).unwrap();
    e.add(h, dead).unwrap();
    let r = e.op("Relu", &[h], &[]).unwrap();
    let y = e.op("Tanh", &[r], &[]).unwrap();
    let z = e.add(h, r).unwrap();
    for (v, name) in [(h, "h"), (r, "r"), (y, "y"), (z, "z")] {
        graph.rename(v, name);
    }
    graph.outputs = vec![y, z];
    (graph, h)
}

#[test]
fn prune_drops_what_no_output_needs_and_keeps_ids() {
    let (graph, h) = chain();
    let graph = rewrite::prune(graph);
    assert_eq!(ops(&graph), ["MatMul", "Relu", "Tanh", "Add"]);
    assert_eq!(graph.constants().len(), 1);
    assert_eq!(graph.value(h).name, "h");
    graph.verify().unwrap();
}

#[test]
fn extract_takes_what_lies_between() {
    let (graph, h) = chain();
    let y = graph.find("y").unwrap();
    let suffix = rewrite::extract(&graph, &[h], &[y]).unwrap();
    suffix.verify().unwrap();
    assert_eq!(ops(&suffix), ["Relu", "Tanh"]);
    assert!(suffix.constants().is_empty());
    assert_eq!(suffix.inputs, [suffix.find("h").unwrap()]);
    assert_eq!(suffix.outputs, [suffix.find("y").unwrap()]);
    assert_eq!(suffix.shape(suffix.inputs[0]).unwrap().to_string(), "[N,2]");
    let prefix = rewrite::extract(&graph, &graph.inputs, &[h]).unwrap();
    assert_eq!(ops(&prefix), ["MatMul"]);
    let (w, w2) = (graph.find("w").unwrap(), prefix.find("w").unwrap());
    let bytes = |g: &Graph, v| g.constant(v).unwrap().bytes().as_ptr();
    assert_eq!(bytes(&graph, w), bytes(&prefix, w2), "weights are shared, not copied");
}

#[test]
fn extract_names_an_input_that_is_still_needed() {
    let (graph, _) = chain();
    let (r, z) = (graph.find("r").unwrap(), graph.find("z").unwrap());
    let error = rewrite::extract(&graph, &[r], &[z]).unwrap_err().to_string();
    assert!(error.contains("\"x\""), "{error}");
    let mut listed = graph.inputs.clone();
    listed.push(r);
    assert_eq!(ops(&rewrite::extract(&graph, &listed, &[z]).unwrap()), ["MatMul", "Add"]);
}

#[test]
fn a_constant_can_become_an_input() {
    let (graph, h) = chain();
    let w = graph.find("w").unwrap();
    let cut = rewrite::extract(&graph, &[graph.inputs[0], w], &[h]).unwrap();
    assert_eq!(cut.inputs.len(), 2);
    assert!(cut.constants().is_empty());
}

#[test]
fn a_boundary_beside_a_needed_result_of_the_same_node() {
    let mut graph = Graph::new("t", 17);
    let x = graph.add_input("x", DType::F32, Shape::fixed(&[4]));
    let mut e = Emit::new(&mut graph, "t");
    let sizes = e.constant(Tensor::ints(&[2, 2]));
    let parts = e.op_n("Split", &[x, sizes], 2, &[("axis", 0.into())]).unwrap();
    let y = e.add(parts[0], parts[1]).unwrap();
    let cut = rewrite::extract(&graph, &[x, parts[0]], &[y]).unwrap();
    cut.verify().unwrap();
    let add = cut.nodes().last().unwrap();
    assert_eq!(add.input(0), Some(cut.inputs[1]));
}

#[test]
fn splice_stands_between_a_value_and_its_former_readers() {
    let (graph, h) = chain();
    let graph = rewrite::splice(rewrite::prune(graph), h, |e, h| {
        let two = e.scale(h, 2.0)?;
        e.add(h, two)
    })
    .unwrap();
    graph.verify().unwrap();
    assert_eq!(ops(&graph), ["MatMul", "Mul", "Add", "Relu", "Tanh", "Add"]);
    let add = graph.nodes()[2].output().unwrap();
    assert_eq!(graph.nodes()[1].input(0), Some(h));
    assert_eq!(graph.nodes()[3].input(0), Some(add));
    assert_eq!(graph.nodes()[5].input(0), Some(add));
}

#[test]
fn splice_at_an_output_keeps_its_name_and_infers_a_new_shape() {
    let (graph, _) = chain();
    let y = graph.find("y").unwrap();
    let graph = rewrite::splice(graph, y, |e, y| e.unsqueeze(y, &[0])).unwrap();
    graph.verify().unwrap();
    let out = graph.outputs[0];
    assert_eq!(graph.value(out).name, "y");
    assert_eq!(graph.shape(out).unwrap().to_string(), "[1,N,2]");
}

#[test]
fn splice_re_infers_readers_of_a_new_shape() {
    let (graph, h) = chain();
    let z = graph.find("z").unwrap();
    let graph = rewrite::splice(rewrite::prune(graph), h, |e, h| e.concat(&[h, h], 1)).unwrap();
    assert_eq!(graph.shape(z).unwrap().to_string(), "[N,4]");
}

#[test]
fn order_refuses_a_circle() {
    let (graph, h) = chain();
    let r = graph.find("r").unwrap();
    // h reads from what h feeds: the new node reads Relu, and Relu comes to read the new node.
    let error = rewrite::splice(graph, h, |e, h| e.add(h, r)).unwrap_err().to_string();
    assert!(error.contains("circle"), "{error}");
}

#[test]
fn order_leaves_an_ordered_graph_as_it_is() {
    let (graph, _) = chain();
    assert_eq!(rewrite::order(graph.clone()).unwrap(), graph);
}

#[test]
fn the_text_form_has_one_line_a_node() {
    let (graph, _) = chain();
    let text = rewrite::prune(graph).to_string();
    let want = "graph \"chain\" {opset 17}
input %x: f32[N,2]
const %w: f32[2,2]
%h: f32[N,2] = MatMul(%x, %w)
%r: f32[N,2] = Relu(%h)
%y: f32[N,2] = Tanh(%r)
%z: f32[N,2] = Add(%h, %r)
output %y: f32[N,2]
output %z: f32[N,2]
";
    assert_eq!(text, want);
}
