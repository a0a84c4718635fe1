//! The folding pass: nodes are taken off the graph and put back one by one, unless something replaces them.

use std::collections::{BTreeMap, BTreeSet};

use super::lengths::Lengths;
use super::{LIMIT, MOST, eval};
use crate::error::Result;
use crate::graph::infer::{Facts, Term};
use crate::graph::{Dim, Graph, Node, NodeId, Shape, Tensor, ValueId, rewrite};

/// How many times as large as the constants of a graph all results together may be, beyond [`MOST`].
const FOLDED: usize = 4;

struct Pass {
    graph: Graph,
    facts: Facts,
    lengths: Lengths,
    /// What stands for a value whose node went away.
    alias: BTreeMap<ValueId, ValueId>,
    /// Values that something reads.
    read: BTreeSet<ValueId>,
    /// Bytes that results may still take.
    left: usize,
}

pub(super) fn run(mut graph: Graph) -> Result<Graph> {
    let nodes = std::mem::take(graph.nodes_mut());
    let operands = nodes.iter().flat_map(|n| n.inputs.iter().flatten());
    let read = operands.chain(&graph.outputs).copied().collect();
    let lengths = Lengths::new(&graph);
    let given: usize = graph.constants().values().map(|tensor| tensor.bytes().len()).sum();
    let left = MOST.saturating_add(given.saturating_mul(FOLDED));
    let mut pass = Pass { graph, facts: Facts::default(), lengths, alias: BTreeMap::new(), read, left };
    for node in nodes {
        pass.visit(node)?;
    }
    Ok(pass.graph)
}

impl Pass {
    fn visit(&mut self, mut node: Node) -> Result<()> {
        for v in node.inputs.iter_mut().flatten() {
            *v = self.alias.get(v).copied().unwrap_or(*v);
        }
        let id = self.graph.add_node(node);
        self.facts.step(&mut self.graph, id)?;
        if self.replace_by_operand(id) || self.replace_by_constants(id) {
            self.graph.nodes_mut().pop();
            return Ok(());
        }
        self.fix_operands(id)
    }

    /// A node that changes nothing gives way to its operand. A graph output keeps its name.
    fn replace_by_operand(&mut self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let (Some(x), Ok(out)) = (unchanged(&self.graph, node, &self.read), node.output()) else {
            return false;
        };
        if self.graph.outputs.contains(&out) && !rewrite::renameable(&self.graph, x) {
            return false;
        }
        rewrite::replace_uses(&mut self.graph, out, x);
        self.alias.insert(out, x);
        true
    }

    fn replace_by_constants(&mut self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        // A matrix stays as small as it is stored.
        let matrix =
            node.output().is_ok_and(|y| self.graph.value(y).shape.as_ref().is_some_and(|s| s.rank() > 1));
        if matrix && rewrite::unpacks(&self.graph, node) {
            return false;
        }
        let outputs: Vec<ValueId> = node.outputs.iter().flatten().copied().collect();
        if outputs.iter().any(|v| self.graph.outputs.contains(v)) {
            return false;
        }
        let computed =
            eval::node(&self.graph, node, LIMIT, self.left).or_else(|| Some(vec![self.followed(&outputs)?]));
        let Some(tensors) = computed else { return false };
        for (v, tensor) in outputs.into_iter().zip(tensors) {
            self.left = self.left.saturating_sub(tensor.bytes().len());
            self.graph.set_constant(v, tensor);
        }
        true
    }

    /// The one result as a constant, if all its integers are numbers.
    fn followed(&self, outputs: &[ValueId]) -> Option<Tensor> {
        let &[v] = outputs else { return None };
        let value = self.graph.value(v);
        let shape = value.shape.as_ref()?.known()?;
        let terms = self.facts.of(&self.graph, v)?;
        let numbers: Vec<i64> = terms.iter().map(Term::number).collect::<Option<_>>()?;
        Some(Tensor::i64(&shape, &numbers).ok()?.cast(value.dtype?))
    }

    /// Gives the node shape operands that need no shape arithmetic, or as little as there can be.
    fn fix_operands(&mut self, id: NodeId) -> Result<()> {
        let node = self.graph.node(id);
        if node.is("Reshape")
            && let Some(target) = reshape_target(&self.graph, node)
        {
            let name = format!("{}.shape", self.graph.value(node.output()?).name);
            let target = self.graph.add_constant(&name, Tensor::ints(&target));
            self.graph.nodes_mut()[id.index()].inputs[1] = Some(target);
            return Ok(());
        }
        // Shape arithmetic itself is left: what needs its result is fixed instead.
        let within = node.outputs.iter().flatten().all(|&v| self.complete(v).is_some());
        let wanted: Vec<usize> = (0..node.inputs.len())
            .filter(|&i| node.input(i).is_some_and(|v| self.symbolic(v).is_some()))
            .collect();
        if within || wanted.is_empty() {
            return Ok(());
        }
        let mut node =
            self.graph.nodes_mut().pop().ok_or_else(|| crate::err!(Bug, "the pass lost a node"))?;
        for i in wanted {
            if let Some(v) = node.input(i)
                && let Some(terms) = self.symbolic(v)
            {
                node.inputs[i] = Some(self.lengths.make(&mut self.graph, v, &terms)?);
            }
        }
        let id = self.graph.add_node(node);
        self.facts.step(&mut self.graph, id)
    }

    fn complete(&self, v: ValueId) -> Option<Vec<Term>> {
        self.facts.of(&self.graph, v).filter(|t| !t.contains(&Term::Unknown))
    }

    /// The terms of `v` if all are known and a symbol is among them.
    fn symbolic(&self, v: ValueId) -> Option<Vec<Term>> {
        self.complete(v).filter(|t| t.iter().any(|t| t.number().is_none()))
    }
}

/// The operand that the first result equals for every input, if there is one.
fn unchanged(graph: &Graph, node: &Node, read: &BTreeSet<ValueId>) -> Option<ValueId> {
    if node.outputs.iter().skip(1).flatten().any(|v| read.contains(v)) {
        return None;
    }
    let (x, out) = (node.input(0)?, node.output().ok()?);
    let constant = |i: usize| node.input(i).map(|v| graph.constant(v).map(Tensor::to_f64));
    let all =
        |i: usize, want: f64| constant(i).is_none_or(|t| t.is_some_and(|t| t.iter().all(|&x| x == want)));
    let shape = |v| graph.value(v).shape.as_ref().filter(|s: &&Shape| !s.contains(&Dim::Unknown));
    let same_shape = || shape(x).is_some() && shape(x) == shape(out);
    let dtype = |v| graph.value(v).dtype;
    let identity = match node.op.as_str() {
        "Identity" => true,
        "Dropout" => all(2, 0.0),
        "Cast" | "CastLike" => dtype(x).is_some() && dtype(x) == dtype(out),
        "Reshape" | "Flatten" | "Expand" | "Tile" | "Squeeze" | "Unsqueeze" => same_shape(),
        "Slice" => same_shape() && all(4, 1.0),
        "Transpose" => node.ints("perm").is_some_and(|p| p.iter().enumerate().all(|(i, &p)| p == i as i64)),
        "Concat" | "Sum" | "Max" | "Min" | "Mean" => node.inputs.len() == 1,
        _ => false,
    };
    (identity && node.is(&node.op)).then_some(x)
}

/// A constant operand for a `Reshape` whose operand is computed: numbers, 0 where a dimension is copied and
/// at most one -1. Only where no dimension is 0, since 0 would copy.
fn reshape_target(graph: &Graph, node: &Node) -> Option<Vec<i64>> {
    let (x, target, out) = (node.input(0)?, node.input(1)?, node.output().ok()?);
    let shape = graph.value(out).shape.as_ref()?;
    if graph.constant(target).is_some() || shape.contains(&Dim::Known(0)) {
        return None;
    }
    if let Some(target) = shape.as_reshape() {
        return Some(target);
    }
    let from = graph.value(x).shape.as_ref()?;
    let copied = |i: usize, d: &Dim| *d != Dim::Unknown && from.get(i) == Some(d);
    let entry = |(i, d): (usize, &Dim)| match d.known() {
        Some(n) => i64::try_from(n).ok(),
        None if copied(i, d) && node.int("allowzero", 0) == 0 => Some(0),
        None => Some(-1),
    };
    let target: Vec<i64> = shape.iter().enumerate().map(entry).collect::<Option<_>>()?;
    (target.iter().filter(|&&d| d == -1).count() <= 1).then_some(target)
}
