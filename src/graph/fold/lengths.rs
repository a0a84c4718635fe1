//! Lists of integers that need a symbol, computed from the graph input that carries it.
//!
//! `[N, 197, 2*N]` becomes `Concat(n, [197], n * [2])` with `n = Gather(Shape(input), [axis])`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::graph::infer::Term;
use crate::graph::{DType, Dim, Emit, Graph, Tensor, ValueId};

pub(super) struct Lengths {
    /// Graph input and axis whose length a symbol is.
    source: BTreeMap<Arc<str>, (ValueId, usize)>,
    /// Symbols already gathered, as rank-1 tensors of one element.
    symbols: BTreeMap<Arc<str>, ValueId>,
    /// Lists already made, by content, rank and dtype.
    lists: BTreeMap<(Vec<Term>, usize, DType), ValueId>,
}

impl Lengths {
    pub fn new(graph: &Graph) -> Self {
        let mut source = BTreeMap::new();
        for &v in &graph.inputs {
            for (axis, dim) in graph.value(v).shape.iter().flat_map(|s| s.iter().enumerate()) {
                if let Dim::Symbolic { symbol, times: 1 } = dim {
                    source.entry(symbol.clone()).or_insert((v, axis));
                }
            }
        }
        Self { source, symbols: BTreeMap::new(), lists: BTreeMap::new() }
    }

    /// Emits `terms` as a value like `v`, or returns `v` if it is already of that form or a symbol has no input.
    pub fn make(&mut self, graph: &mut Graph, v: ValueId, terms: &[Term]) -> Result<ValueId> {
        let (dtype, rank) = (graph.dtype(v)?, graph.shape(v)?.rank());
        let sourced = |t: &Term| match t {
            Term::Multiple { symbol, .. } => self.source.contains_key(symbol),
            t => t.number().is_some(),
        };
        if !terms.iter().all(sourced) || !matches!(dtype, DType::I64 | DType::I32) {
            return Ok(v);
        }
        let key = (terms.to_vec(), rank, dtype);
        if let Some(&made) = self.lists.get(&key) {
            return Ok(made);
        }
        let made = if canonical(graph, v, DEPTH) { v } else { self.emit(graph, terms, rank, dtype)? };
        self.lists.insert(key, made);
        Ok(made)
    }

    fn emit(&mut self, graph: &mut Graph, terms: &[Term], rank: usize, dtype: DType) -> Result<ValueId> {
        let mut parts = Vec::new();
        for run in terms.chunk_by(|a, b| a.number().is_some() && b.number().is_some()) {
            let part = match &run[0] {
                Term::Multiple { symbol, times } => self.multiple(graph, symbol, *times)?,
                _ => {
                    let numbers: Vec<i64> = run.iter().filter_map(Term::number).collect();
                    Emit::new(graph, "shape").constant(Tensor::ints(&numbers))
                }
            };
            parts.push(part);
        }
        let mut emit = Emit::new(graph, "shape");
        let mut list = if let [one] = parts[..] { one } else { emit.concat(&parts, 0)? };
        if rank == 0 {
            let axis = emit.constant(Tensor::ints(&[0]));
            list = emit.op("Squeeze", &[list, axis], &[])?;
        }
        emit.cast(list, dtype)
    }

    fn multiple(&mut self, graph: &mut Graph, symbol: &Arc<str>, times: i64) -> Result<ValueId> {
        let n = match self.symbols.get(symbol) {
            Some(&n) => n,
            None => {
                let &(input, axis) = self
                    .source
                    .get(symbol)
                    .ok_or_else(|| crate::err!(Bug, "no input carries the symbol {symbol}"))?;
                let mut emit = Emit::new(graph, &format!("shape.{symbol}"));
                let shape = emit.op("Shape", &[input], &[])?;
                let axis = emit.constant(Tensor::ints(&[axis as i64]));
                let n = emit.op("Gather", &[shape, axis], &[("axis", 0.into())])?;
                self.symbols.insert(symbol.clone(), n);
                n
            }
        };
        if times == 1 {
            return Ok(n);
        }
        let mut emit = Emit::new(graph, &format!("shape.{symbol}"));
        let times = emit.constant(Tensor::ints(&[times]));
        emit.mul(n, times)
    }
}

/// Longest chain of nodes from a `Shape` to a list that [`Lengths`] emits.
const DEPTH: usize = 6;

/// Whether `v` is made from the shape of a graph input by nothing but what [`Lengths`] emits.
fn canonical(graph: &Graph, v: ValueId, depth: usize) -> bool {
    if graph.constant(v).is_some() {
        return true;
    }
    if depth == 0 {
        return false;
    }
    let made_by = graph.nodes().iter().rev().find(|n| n.outputs.contains(&Some(v)));
    made_by.is_some_and(|node| match node.op.as_str() {
        "Shape" => node.input(0).is_some_and(|x| graph.inputs.contains(&x)),
        "Gather" | "Mul" | "Concat" | "Squeeze" | "Cast" => {
            node.inputs.iter().flatten().all(|&x| canonical(graph, x, depth - 1))
        }
        _ => false,
    })
}
