//! Values, nodes and the graph that owns them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attr, Attrs, DType, Shape, Tensor};
use crate::error::Result;

/// Index of a [`Value`] in its graph. A `u32` because a graph of four billion values is not a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) u32);

/// Index of a [`Node`] in its graph's execution order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl ValueId {
    /// As an array index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// As an array index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of a value before it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Unique in its graph.
    pub name: String,
    /// `None` until inferred.
    pub dtype: Option<DType>,
    /// `None` until inferred.
    pub shape: Option<Shape>,
}

/// One operator application.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// For messages; may be empty.
    pub name: String,
    /// Operator set; empty is the standard one.
    pub domain: String,
    /// Operator type, such as `MatMul`.
    pub op: String,
    /// Operands; `None` where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Results; `None` where an optional one is unused.
    pub outputs: Vec<Option<ValueId>>,
    /// Attributes by name.
    pub attrs: Attrs,
}

impl Node {
    /// `op "name"` for messages.
    pub fn label(&self) -> String {
        let domain = if self.domain.is_empty() { String::new() } else { format!("{}.", self.domain) };
        format!("{domain}{} {:?}", self.op, self.name)
    }

    /// Operand `i`, if present.
    pub fn input(&self, i: usize) -> Option<ValueId> {
        self.inputs.get(i).copied().flatten()
    }

    /// Operand `i`, or an error that names the node.
    pub fn need(&self, i: usize) -> Result<ValueId> {
        self.input(i).ok_or_else(|| crate::err!(Parse, "operand {i} is missing").at(self.label()))
    }

    /// First result. Every node has one after decoding.
    pub fn output(&self) -> Result<ValueId> {
        self.outputs
            .first()
            .copied()
            .flatten()
            .ok_or_else(|| crate::err!(Parse, "node has no first output").at(self.label()))
    }

    /// Whether it is the standard operator `op`.
    pub fn is(&self, op: &str) -> bool {
        self.op == op && (self.domain.is_empty() || self.domain == "ai.onnx")
    }

    /// Integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attrs.get(name) {
            Some(Attr::Int(x)) => *x,
            _ => default,
        }
    }

    /// Float attribute, or its default.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attrs.get(name) {
            Some(Attr::Float(x)) => *x,
            _ => default,
        }
    }

    /// String attribute, or its default.
    pub fn str<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attrs.get(name) {
            Some(Attr::Str(x)) => x,
            _ => default,
        }
    }

    /// Integer-list attribute, if present.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attrs.get(name) {
            Some(Attr::Ints(x)) => Some(x),
            _ => None,
        }
    }
}

/// A model: values, nodes in execution order, inputs, outputs and constants.
///
/// Invariants (checked by [`Graph::verify`]): every value has at most one producer, which is a node, a
/// graph input or an initializer; nodes stand after the producers of their operands; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Name of the graph.
    pub name: String,
    /// Operator-set versions by domain; the standard domain is `""`.
    pub opsets: BTreeMap<String, i64>,
    /// Free-form `metadata_props`.
    pub metadata: BTreeMap<String, String>,
    /// Graph inputs, without initializers.
    pub inputs: Vec<ValueId>,
    /// Graph outputs.
    pub outputs: Vec<ValueId>,
    values: Vec<Value>,
    nodes: Vec<Node>,
    constants: BTreeMap<ValueId, Tensor>,
    names: BTreeSet<String>,
}

/// Producers and consumers of every value, made once and read by a pass.
#[derive(Clone, Debug)]
pub struct Index {
    /// The node that computes a value.
    pub producer: Vec<Option<NodeId>>,
    /// The nodes that read a value, in execution order.
    pub consumers: Vec<Vec<NodeId>>,
}

impl Index {
    /// The node that computes `v`; `None` for inputs and constants.
    pub fn producer(&self, v: ValueId) -> Option<NodeId> {
        self.producer.get(v.index()).copied().flatten()
    }

    /// The nodes that read `v`.
    pub fn consumers(&self, v: ValueId) -> &[NodeId] {
        self.consumers.get(v.index()).map_or(&[], Vec::as_slice)
    }
}

impl Graph {
    /// An empty graph of the standard operator set, version `opset`.
    pub fn new(name: &str, opset: i64) -> Self {
        Self { name: name.into(), opsets: BTreeMap::from([(String::new(), opset)]), ..Self::default() }
    }

    /// Version of the standard operator set.
    pub fn opset(&self) -> i64 {
        self.opsets.get("").copied().unwrap_or(0)
    }

    /// All values; a [`ValueId`] indexes them.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// One value.
    pub fn value(&self, v: ValueId) -> &Value {
        &self.values[v.index()]
    }

    /// One value, to set what was inferred. Renaming goes through [`Graph::rename`].
    pub(crate) fn value_mut(&mut self, v: ValueId) -> &mut Value {
        &mut self.values[v.index()]
    }

    /// Shape, or an error that names the value.
    pub fn shape(&self, v: ValueId) -> Result<&Shape> {
        let value = self.value(v);
        value.shape.as_ref().ok_or_else(|| {
            crate::err!(
                Shape,
                "the shape of {:?} could not be inferred; fix the batch and fold first",
                value.name
            )
        })
    }

    /// Dtype, or an error that names the value.
    pub fn dtype(&self, v: ValueId) -> Result<DType> {
        let value = self.value(v);
        value.dtype.ok_or_else(|| crate::err!(Shape, "the dtype of {:?} could not be inferred", value.name))
    }

    /// Nodes in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, n: NodeId) -> &Node {
        &self.nodes[n.index()]
    }

    /// Nodes with their ids.
    pub fn enumerate(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Nodes to rewrite in place. The caller keeps the execution order.
    pub(crate) fn nodes_mut(&mut self) -> &mut Vec<Node> {
        &mut self.nodes
    }

    /// Constants (ONNX initializers) by value.
    pub fn constants(&self) -> &BTreeMap<ValueId, Tensor> {
        &self.constants
    }

    /// The constant behind `v`, if it is one.
    pub fn constant(&self, v: ValueId) -> Option<&Tensor> {
        self.constants.get(&v)
    }

    /// The value named `name`.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        if !self.names.contains(name) {
            return None;
        }
        self.values.iter().position(|v| v.name == name).map(|i| ValueId(i as u32))
    }

    /// A new value named `hint`, made unique if need be.
    pub fn add_value(&mut self, hint: &str, dtype: Option<DType>, shape: Option<Shape>) -> ValueId {
        let name = self.fresh_name(hint);
        self.names.insert(name.clone());
        self.values.push(Value { name, dtype, shape });
        ValueId((self.values.len() - 1) as u32)
    }

    /// A new graph input.
    pub fn add_input(&mut self, name: &str, dtype: DType, shape: Shape) -> ValueId {
        let v = self.add_value(name, Some(dtype), Some(shape));
        self.inputs.push(v);
        v
    }

    /// A new constant.
    pub fn add_constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let v = self.add_value(name, Some(tensor.dtype()), Some(Shape::fixed(tensor.shape())));
        self.constants.insert(v, tensor);
        v
    }

    /// Makes `v` a constant, or replaces the constant that it is. Dtype and shape follow the tensor.
    pub fn set_constant(&mut self, v: ValueId, tensor: Tensor) {
        let value = self.value_mut(v);
        value.dtype = Some(tensor.dtype());
        value.shape = Some(Shape::fixed(tensor.shape()));
        self.constants.insert(v, tensor);
    }

    /// Takes the constant behind `v` away and returns it; `v` stays a value.
    pub fn take_constant(&mut self, v: ValueId) -> Option<Tensor> {
        self.constants.remove(&v)
    }

    /// Appends a node.
    pub fn add_node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId((self.nodes.len() - 1) as u32)
    }

    /// Renames a value; the name is made unique if another value has it. Returns the name given.
    pub fn rename(&mut self, v: ValueId, name: &str) -> String {
        let old = std::mem::take(&mut self.value_mut(v).name);
        self.names.remove(&old);
        let name = self.fresh_name(name);
        self.names.insert(name.clone());
        self.value_mut(v).name.clone_from(&name);
        name
    }

    fn fresh_name(&self, hint: &str) -> String {
        if !hint.is_empty() && !self.names.contains(hint) {
            return hint.into();
        }
        // Counting from the number of values keeps this O(1) in practice and deterministic.
        let mut n = self.values.len();
        loop {
            let name = format!("{}_{n}", if hint.is_empty() { "v" } else { hint });
            if !self.names.contains(&name) {
                return name;
            }
            n += 1;
        }
    }

    /// Producers and consumers of every value.
    pub fn index(&self) -> Index {
        let mut producer = vec![None; self.values.len()];
        let mut consumers = vec![Vec::new(); self.values.len()];
        for (id, node) in self.enumerate() {
            for v in node.outputs.iter().flatten() {
                producer[v.index()] = Some(id);
            }
            for v in node.inputs.iter().flatten() {
                if consumers[v.index()].last() != Some(&id) {
                    consumers[v.index()].push(id);
                }
            }
        }
        Index { producer, consumers }
    }

    /// Checks the invariants above.
    pub fn verify(&self) -> Result<()> {
        let mut ready = vec![false; self.values.len()];
        let sources = self.inputs.iter().chain(self.constants.keys());
        for v in sources {
            ready[v.index()] = true;
        }
        for node in &self.nodes {
            for v in node.inputs.iter().flatten() {
                if !ready[v.index()] {
                    crate::bail!(
                        Parse,
                        "{} reads {:?} before it is computed",
                        node.label(),
                        self.value(*v).name
                    );
                }
            }
            for v in node.outputs.iter().flatten() {
                if std::mem::replace(&mut ready[v.index()], true) {
                    crate::bail!(Parse, "{} computes {:?} a second time", node.label(), self.value(*v).name);
                }
            }
        }
        match self.outputs.iter().find(|v| !ready[v.index()]) {
            Some(v) => Err(crate::err!(Parse, "output {:?} is never computed", self.value(*v).name)),
            None => Ok(()),
        }
    }
}
