//! Appends operators to a graph, inferring shapes on the way.
//!
//! Everything that adds nodes (adapters, gradients, losses) goes through here, so every new value has a
//! dtype and a shape, and operators whose form changed between opset 13 and 22 are written in the form
//! that the graph's opset demands.

use super::{Attr, Attrs, DType, Graph, Node, NodeId, Shape, Tensor, ValueId, infer};
use crate::error::{Context, Result};

/// A cursor at the end of a graph.
pub struct Emit<'g> {
    graph: &'g mut Graph,
    scope: String,
    /// The integers of shape arithmetic that was appended here.
    facts: infer::Facts,
}

impl<'g> Emit<'g> {
    /// Appends to `graph`; new values are named `scope.op`.
    pub fn new(graph: &'g mut Graph, scope: &str) -> Self {
        Self { graph, scope: scope.into(), facts: infer::Facts::default() }
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        self.graph
    }

    /// Names what follows after `scope`.
    pub fn set_scope(&mut self, scope: &str) {
        self.scope = scope.into();
    }

    /// Any operator with one result.
    pub fn op(&mut self, op: &str, inputs: &[ValueId], attrs: &[(&str, Attr)]) -> Result<ValueId> {
        Ok(self.op_n(op, inputs, 1, attrs)?[0])
    }

    /// Any operator with `n` results.
    pub fn op_n(
        &mut self,
        op: &str,
        inputs: &[ValueId],
        n: usize,
        attrs: &[(&str, Attr)],
    ) -> Result<Vec<ValueId>> {
        let hint = format!("{}.{op}", self.scope);
        let outputs: Vec<ValueId> = (0..n).map(|_| self.graph.add_value(&hint, None, None)).collect();
        let attrs: Attrs = attrs.iter().map(|(k, v)| ((*k).to_string(), v.clone())).collect();
        let id = self.graph.add_node(Node {
            name: self.graph.value(outputs[0]).name.clone(),
            domain: String::new(),
            op: op.into(),
            inputs: inputs.iter().map(|&v| Some(v)).collect(),
            outputs: outputs.iter().map(|&v| Some(v)).collect(),
            attrs,
        });
        self.infer(id)?;
        Ok(outputs)
    }

    fn infer(&mut self, id: NodeId) -> Result<()> {
        let label = self.graph.node(id).label();
        if !infer::supports(self.graph, id) {
            crate::bail!(Unsupported, "{label} has no shape rule; add one to graph/infer");
        }
        self.facts.step(self.graph, id).at(|| format!("while adding {label}"))
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        let hint = format!("{}.const", self.scope);
        self.graph.add_constant(&hint, tensor)
    }

    /// A rank-0 constant in the dtype of `like`.
    pub fn scalar_like(&mut self, like: ValueId, x: f64) -> Result<ValueId> {
        let dtype = self.graph.dtype(like)?;
        Ok(self.constant(Tensor::scalar(dtype, x)))
    }

    /// Shape of `v`.
    pub fn shape(&self, v: ValueId) -> Result<Shape> {
        self.graph.shape(v).cloned()
    }

    /// `a + b`, broadcast.
    pub fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op("Add", &[a, b], &[])
    }

    /// `a - b`, broadcast.
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op("Sub", &[a, b], &[])
    }

    /// `a * b`, broadcast.
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op("Mul", &[a, b], &[])
    }

    /// `a / b`, broadcast.
    pub fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op("Div", &[a, b], &[])
    }

    /// `-a`.
    pub fn neg(&mut self, a: ValueId) -> Result<ValueId> {
        self.op("Neg", &[a], &[])
    }

    /// `a * x` for a number `x`.
    pub fn scale(&mut self, a: ValueId, x: f64) -> Result<ValueId> {
        if x == 1.0 {
            return Ok(a);
        }
        let s = self.scalar_like(a, x)?;
        self.mul(a, s)
    }

    /// Batched matrix product.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op("MatMul", &[a, b], &[])
    }

    /// Axes permuted by `perm`.
    pub fn transpose(&mut self, a: ValueId, perm: &[usize]) -> Result<ValueId> {
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(a);
        }
        let perm: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        // Two turns in a row that cancel are none.
        let producer = self.graph.nodes().iter().rev().find(|n| n.outputs.contains(&Some(a)));
        let turn = producer.filter(|n| n.is("Transpose"));
        if let Some((before, first)) = turn.and_then(|n| n.input(0).zip(n.ints("perm")))
            && first.iter().enumerate().all(|(i, &p)| perm.get(p as usize) == Some(&(i as i64)))
        {
            return Ok(before);
        }
        self.op("Transpose", &[a], &[("perm", perm.into())])
    }

    /// The last two axes swapped.
    pub fn swap(&mut self, a: ValueId) -> Result<ValueId> {
        let rank = self.graph.shape(a)?.rank();
        if rank < 2 {
            crate::bail!(Shape, "a value of rank {rank} has no last two axes to swap");
        }
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 1, rank - 2);
        self.transpose(a, &perm)
    }

    /// Viewed as `shape`, in which at most one dimension may be symbolic.
    pub fn reshape(&mut self, a: ValueId, shape: &Shape) -> Result<ValueId> {
        if self.graph.shape(a)? == shape {
            return Ok(a);
        }
        let dims = shape.as_reshape().ok_or_else(|| {
            crate::err!(Unsupported, "cannot reshape to {shape}: more than one open dimension")
        })?;
        let dims = self.constant(Tensor::ints(&dims));
        let out = self.op("Reshape", &[a, dims], &[])?;
        // Inference turns -1 into an exact dimension; the caller's symbol is at least as exact.
        self.graph.value_mut(out).shape = Some(shape.clone());
        Ok(out)
    }

    /// Sum over `axes`.
    pub fn reduce_sum(&mut self, a: ValueId, axes: &[usize], keepdims: bool) -> Result<ValueId> {
        let axes: Vec<i64> = axes.iter().map(|&x| x as i64).collect();
        let axes = self.constant(Tensor::ints(&axes));
        self.op("ReduceSum", &[a, axes], &[("keepdims", i64::from(keepdims).into())])
    }

    /// Mean over `axes`, kept with length one.
    pub fn reduce_mean(&mut self, a: ValueId, axes: &[usize]) -> Result<ValueId> {
        self.reduce("ReduceMean", a, axes)
    }

    /// Maximum over `axes`, kept with length one.
    pub fn reduce_max(&mut self, a: ValueId, axes: &[usize]) -> Result<ValueId> {
        self.reduce("ReduceMax", a, axes)
    }

    /// A reduction that keeps its axes with length one. Before opset 18 the axes are an attribute.
    fn reduce(&mut self, op: &str, a: ValueId, axes: &[usize]) -> Result<ValueId> {
        let axes: Vec<i64> = axes.iter().map(|&x| x as i64).collect();
        let keep = ("keepdims", Attr::Int(1));
        if self.graph.opset() < 18 {
            return self.op(op, &[a], &[("axes", axes.into()), keep]);
        }
        let axes = self.constant(Tensor::ints(&axes));
        self.op(op, &[a, axes], &[keep])
    }

    /// Elements converted to `dtype`.
    pub fn cast(&mut self, a: ValueId, dtype: DType) -> Result<ValueId> {
        if self.graph.dtype(a)? == dtype {
            return Ok(a);
        }
        self.op("Cast", &[a], &[("to", Attr::Int(dtype as i64))])
    }

    /// New axes of length one at `axes` (positions in the result).
    pub fn unsqueeze(&mut self, a: ValueId, axes: &[i64]) -> Result<ValueId> {
        let axes = self.constant(Tensor::ints(axes));
        self.op("Unsqueeze", &[a, axes], &[])
    }

    /// Columns `start..end`: of the last axis.
    pub fn columns(&mut self, a: ValueId, start: usize, end: usize) -> Result<ValueId> {
        let axis = self.shape(a)?.rank() - 1;
        let [start, end, axis] = [start, end, axis].map(|x| self.constant(Tensor::ints(&[x as i64])));
        self.op("Slice", &[a, start, end, axis], &[])
    }

    /// Joined along `axis`.
    pub fn concat(&mut self, parts: &[ValueId], axis: i64) -> Result<ValueId> {
        self.op("Concat", parts, &[("axis", axis.into())])
    }
}
