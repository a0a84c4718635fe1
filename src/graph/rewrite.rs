//! Moves on graphs: replace uses, drop what is dead, cut a sub-graph out, put nodes in, sort.
//!
//! Value ids and names survive every move but [`extract`], which makes a new, compact graph and keeps the
//! names; look values up in it with [`Graph::find`]. Node ids are positions and do not survive.
//!
//! Does *not* infer (except [`splice`], where a shape changes) and does not judge what an operator computes.

use std::collections::{BTreeMap, BTreeSet};

use super::{DType, Emit, Graph, Node, NodeId, ValueId, infer};
use crate::error::{Context as _, Result};

/// Lets everything that read `from`, graph outputs included, read `to`.
///
/// A graph output keeps its name: `to` takes the name of `from` over, unless `to` is a graph input, a
/// constant or another output, whose names are fixed.
pub fn replace_uses(graph: &mut Graph, from: ValueId, to: ValueId) {
    let nodes = graph.nodes().len();
    replace_in(graph, nodes, from, to);
}

/// As [`replace_uses`], in the first `nodes` nodes.
fn replace_in(graph: &mut Graph, nodes: usize, from: ValueId, to: ValueId) {
    if from == to {
        return;
    }
    for node in graph.nodes_mut().iter_mut().take(nodes) {
        node.inputs.iter_mut().flatten().filter(|v| **v == from).for_each(|v| *v = to);
    }
    if !graph.outputs.contains(&from) {
        return;
    }
    if renameable(graph, to) {
        let name = graph.value(from).name.clone();
        let aside = format!("{name}.before");
        graph.rename(from, &aside);
        graph.rename(to, &name);
    }
    graph.outputs.iter_mut().filter(|v| **v == from).for_each(|v| *v = to);
}

/// Whether nobody outside the graph knows `v` by name.
pub(super) fn renameable(graph: &Graph, v: ValueId) -> bool {
    !graph.inputs.contains(&v) && !graph.outputs.contains(&v) && graph.constant(v).is_none()
}

/// The nodes and values that `outputs` need, stopping at the values in `stop`.
struct Needed {
    nodes: Vec<bool>,
    values: Vec<bool>,
}

impl Needed {
    fn new(graph: &Graph, outputs: &[ValueId], stop: &BTreeSet<ValueId>) -> Self {
        let mut needed =
            Self { nodes: vec![false; graph.nodes().len()], values: vec![false; graph.values().len()] };
        outputs.iter().for_each(|v| needed.values[v.index()] = true);
        for (id, node) in graph.enumerate().rev() {
            let mut results = node.outputs.iter().flatten();
            if results.any(|v| needed.values[v.index()] && !stop.contains(v)) {
                needed.nodes[id.index()] = true;
                node.inputs.iter().flatten().for_each(|v| needed.values[v.index()] = true);
            }
        }
        needed
    }
}

/// Drops nodes and constants that no output needs. Value ids stay; the dropped values stay in the arena
/// without a producer.
#[must_use]
pub fn prune(mut graph: Graph) -> Graph {
    let needed = Needed::new(&graph, &graph.outputs, &BTreeSet::new());
    let mut keep = needed.nodes.iter();
    graph.nodes_mut().retain(|_| keep.next().copied().unwrap_or(true));
    let dead: Vec<ValueId> =
        graph.constants().keys().copied().filter(|v| !needed.values[v.index()]).collect();
    for v in dead {
        graph.take_constant(v);
    }
    graph
}

/// The sub-graph that computes `outputs` from `inputs`, as a new graph. Weights are shared, names kept.
///
/// A value in `inputs` becomes a graph input whatever it was: a graph input, a result or a constant.
///
/// # Errors
/// `InvalidArgument` if a graph input that is not listed is still needed, with its name; `Shape` if dtype or
/// shape of a listed input are unknown.
pub fn extract(graph: &Graph, inputs: &[ValueId], outputs: &[ValueId]) -> Result<Graph> {
    let stop: BTreeSet<ValueId> = inputs.iter().copied().collect();
    let needed = Needed::new(graph, outputs, &stop);
    if let Some(v) = graph.inputs.iter().find(|v| needed.values[v.index()] && !stop.contains(v)) {
        let name = &graph.value(*v).name;
        crate::bail!(
            InvalidArgument,
            "the cut still needs graph input {name:?}; list it as an input, or cut later"
        );
    }
    let mut new = Graph::new(&graph.name, graph.opset());
    new.opsets.clone_from(&graph.opsets);
    new.metadata.clone_from(&graph.metadata);
    let mut map = BTreeMap::new();
    for &v in inputs {
        let made = new.add_input(&graph.value(v).name, graph.dtype(v)?, graph.shape(v)?.clone());
        map.insert(v, made);
    }
    for (&v, tensor) in
        graph.constants().iter().filter(|(v, _)| needed.values[v.index()] && !stop.contains(v))
    {
        map.insert(v, new.add_constant(&graph.value(v).name, tensor.clone()));
    }
    for node in graph.nodes().iter().zip(&needed.nodes).filter(|(_, needed)| **needed).map(|(n, _)| n) {
        copy(graph, node, &mut new, &mut map)?;
    }
    for v in outputs {
        new.outputs.push(found(graph, &map, *v)?);
    }
    Ok(new)
}

fn found(graph: &Graph, map: &BTreeMap<ValueId, ValueId>, v: ValueId) -> Result<ValueId> {
    let name = || &graph.value(v).name;
    map.get(&v).copied().ok_or_else(|| crate::err!(NotFound, "nothing computes {:?} after the cut", name()))
}

/// Copies one node. A result that the cut made an input gets a value of its own, which nobody reads.
fn copy(graph: &Graph, node: &Node, new: &mut Graph, map: &mut BTreeMap<ValueId, ValueId>) -> Result<()> {
    let operand = |v: &Option<ValueId>| v.map(|v| found(graph, map, v)).transpose();
    let inputs = node.inputs.iter().map(operand).collect::<Result<_>>().at(|| node.label())?;
    let mut result = |v: ValueId| {
        let value = graph.value(v);
        let made = new.add_value(&value.name, value.dtype, value.shape.clone());
        map.entry(v).or_insert(made);
        made
    };
    let outputs = node.outputs.iter().map(|v| v.map(&mut result)).collect();
    new.add_node(Node { inputs, outputs, ..node.clone() });
    Ok(())
}

/// Puts `other` beside what `graph` computes and returns where its values are now. Inputs of one name become one input, constants
/// of one name one constant; other values get names of their own. The outputs of `graph` stay.
///
/// # Errors
/// `Shape` if dtype or shape of an input of `other` are unknown.
pub fn beside(graph: &mut Graph, other: &Graph) -> Result<BTreeMap<ValueId, ValueId>> {
    let mut map = BTreeMap::new();
    for &v in &other.inputs {
        let name = &other.value(v).name;
        let known = graph.find(name).filter(|v| graph.inputs.contains(v));
        let here = match known {
            Some(here) => here,
            None => graph.add_input(name, other.dtype(v)?, other.shape(v)?.clone()),
        };
        map.insert(v, here);
    }
    for (&v, tensor) in other.constants() {
        let name = &other.value(v).name;
        let known = graph.find(name).filter(|&v| graph.constant(v) == Some(tensor));
        map.insert(v, known.unwrap_or_else(|| graph.add_constant(name, tensor.clone())));
    }
    for node in other.nodes() {
        copy(other, node, graph, &mut map)?;
        // Engines want names of nodes to be unique, too; those of values are.
        let name = node.output().ok().and_then(|v| map.get(&v)).map(|&v| graph.value(v).name.clone());
        if let (Some(copied), Some(name)) = (graph.nodes_mut().last_mut(), name) {
            copied.name = name;
        }
    }
    Ok(map)
}

/// Sorts the nodes so that each stands after the producers of its operands. What is in order stays as it
/// is; a node that stands too late moves directly before the first that needs it.
///
/// # Errors
/// `InvalidArgument` if nodes need each other in a circle, naming one of them.
pub fn order(mut graph: Graph) -> Result<Graph> {
    let index = graph.index();
    let count = graph.nodes().len();
    let (mut sorted, mut done, mut open) =
        (Vec::with_capacity(count), vec![false; count], vec![false; count]);
    for root in (0..count).map(|i| NodeId(i as u32)) {
        let mut stack = vec![(root, 0)];
        while let Some((id, next)) = stack.pop() {
            if done[id.index()] {
                continue;
            }
            open[id.index()] = true;
            let node = graph.node(id);
            let before = node.inputs.iter().enumerate().skip(next);
            let missing = before.filter_map(|(i, v)| Some((i, index.producer((*v)?)?)));
            match missing.into_iter().find(|(_, p)| !done[p.index()]) {
                Some((_, p)) if open[p.index()] => {
                    crate::bail!(
                        InvalidArgument,
                        "{} needs its own result; the nodes form a circle",
                        node.label()
                    );
                }
                Some((i, p)) => stack.extend([(id, i), (p, 0)]),
                None => {
                    done[id.index()] = true;
                    sorted.push(id);
                }
            }
        }
    }
    let mut nodes: Vec<Option<Node>> = std::mem::take(graph.nodes_mut()).into_iter().map(Some).collect();
    let taken = sorted.iter().filter_map(|id| nodes[id.index()].take());
    *graph.nodes_mut() = taken.collect();
    Ok(graph)
}

/// Whether `node` makes floats of a constant that is stored in fewer bytes: a weight in int8, f16 or bf16.
pub fn unpacks(graph: &Graph, node: &Node) -> bool {
    let (Some(x), Ok(y)) = (node.input(0), node.output()) else { return false };
    let constant = node.inputs.iter().flatten().all(|&v| graph.constant(v).is_some());
    let smaller = graph.constant(x).is_some_and(|t| {
        t.dtype() != DType::Bool
            && graph.value(y).dtype.is_some_and(|d| d.is_float() && d.size() > t.dtype().size())
    });
    constant && smaller && (node.is("DequantizeLinear") || node.is("Cast"))
}

/// Moves every node that unpacks a weight directly before the first that reads it, so that few unpacked weights are alive
/// at once. Exporters write them all at the top.
#[must_use]
pub fn unpack_late(mut graph: Graph) -> Graph {
    let late: Vec<bool> = graph.nodes().iter().map(|n| unpacks(&graph, n)).collect();
    let mut waiting: BTreeMap<ValueId, Node> = BTreeMap::new();
    let mut sorted = Vec::with_capacity(late.len());
    for (node, late) in std::mem::take(graph.nodes_mut()).into_iter().zip(late) {
        match node.output() {
            Ok(y) if late => drop(waiting.insert(y, node)),
            _ => {
                sorted.extend(node.inputs.iter().flatten().filter_map(|v| waiting.remove(v)));
                sorted.push(node);
            }
        }
    }
    // What only graph outputs read.
    sorted.extend(waiting.into_values());
    *graph.nodes_mut() = sorted;
    graph
}

/// Puts nodes behind `at`: `build` emits them and returns the value that all former readers of `at`, graph
/// outputs included, read instead. The new nodes themselves may read any value that does not depend on `at`.
///
/// # Errors
/// Those of `build`; `Shape` if the readers cannot take the new shape.
pub fn splice(
    mut graph: Graph,
    at: ValueId,
    build: impl FnOnce(&mut Emit, ValueId) -> Result<ValueId>,
) -> Result<Graph> {
    let former = graph.nodes().len();
    let scope = graph.value(at).name.clone();
    let new = build(&mut Emit::new(&mut graph, &scope), at)?;
    let same =
        graph.value(new).dtype == graph.value(at).dtype && graph.value(new).shape == graph.value(at).shape;
    replace_in(&mut graph, former, at, new);
    let mut graph = order(graph)?;
    if !same {
        infer::all(&mut graph)?;
    }
    Ok(graph)
}
