//! What a rule sees of its node, and the algebra of dimensions that rules share.

use super::{Facts, Info, Term};
use crate::error::Result;
use crate::graph::{DType, Dim, Graph, Node, Shape, Tensor};

/// Longest list of axes or lengths. A file may claim any rank for what is not known until it runs.
const MAX_LENGTH: usize = 1 << 16;

/// The operands and attributes of one node. A rule runs only when every operand has a dtype and a shape.
pub(super) struct Operands<'a> {
    pub graph: &'a Graph,
    pub node: &'a Node,
    facts: &'a Facts,
}

impl<'a> Operands<'a> {
    pub fn new(graph: &'a Graph, node: &'a Node, facts: &'a Facts) -> Self {
        Self { graph, node, facts }
    }

    /// Whether every operand that is there has a dtype and a shape.
    pub fn known(&self) -> bool {
        self.node.inputs.iter().flatten().all(|&v| {
            let value = self.graph.value(v);
            value.dtype.is_some() && value.shape.is_some()
        })
    }

    /// The node and what it reads, for messages.
    pub fn describe(&self) -> String {
        let operands = self.node.inputs.iter().map(|v| match v {
            Some(v) => {
                let value = self.graph.value(*v);
                let dtype = value.dtype.map_or("?", DType::name);
                value.shape.as_ref().map_or_else(|| format!("{dtype}[..]"), |s| format!("{dtype}{s}"))
            }
            None => "-".into(),
        });
        let operands = operands.collect::<Vec<_>>().join(", ");
        format!("{} of ({operands})", self.node.label())
    }

    pub fn has(&self, i: usize) -> bool {
        self.node.input(i).is_some()
    }

    pub fn shape(&self, i: usize) -> Result<&'a Shape> {
        self.graph.shape(self.node.need(i)?)
    }

    pub fn dtype(&self, i: usize) -> Result<DType> {
        self.graph.dtype(self.node.need(i)?)
    }

    /// The constant behind operand `i`.
    pub fn tensor(&self, i: usize) -> Option<&'a Tensor> {
        self.graph.constant(self.node.input(i)?)
    }

    /// The integers in operand `i`, as far as they are known.
    pub fn terms(&self, i: usize) -> Option<Vec<Term>> {
        self.facts.of(self.graph, self.node.input(i)?)
    }

    /// The integers in operand `i`, if all are numbers.
    pub fn numbers(&self, i: usize) -> Option<Vec<i64>> {
        self.terms(i)?.iter().map(Term::number).collect()
    }

    /// The number of elements of rank-1 operand `i`, a list of axes or of their lengths.
    pub fn length(&self, i: usize) -> Result<Option<usize>> {
        let shape = self.shape(i)?;
        match shape.as_slice() {
            [Dim::Known(n)] if *n > MAX_LENGTH => Err(crate::err!(
                Shape,
                "operand {i} is a list of {n} integers; at most {MAX_LENGTH} are axes or lengths"
            )),
            [n] => Ok(n.known()),
            _ => Err(crate::err!(Shape, "operand {i} is {shape}; a list of integers, rank 1, would fit")),
        }
    }

    /// `axis`, counted from the end if negative.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        resolve(axis, rank)
    }

    /// Axes from attribute `axes`, the form of old opsets.
    pub fn axes_attr(&self) -> Result<Axes> {
        if self.has(1) {
            crate::bail!(Unsupported, "axes are an attribute at opset {}, not operand 1", self.graph.opset());
        }
        Ok(self.node.ints("axes").map_or(Axes::Absent, |axes| Axes::Given(axes.to_vec())))
    }

    /// Axes from operand 1, the form of new opsets.
    pub fn axes_operand(&self) -> Result<Axes> {
        if self.node.ints("axes").is_some() {
            crate::bail!(Unsupported, "axes are operand 1 at opset {}, not an attribute", self.graph.opset());
        }
        Ok(match (self.has(1), self.numbers(1)) {
            (false, _) => Axes::Absent,
            (true, axes) => axes.map_or(Axes::Unknown, Axes::Given),
        })
    }

    /// The one result: dtype and shape of operand 0 unless said otherwise.
    pub fn one(&self, shape: Shape) -> Result<Vec<Info>> {
        one(self.dtype(0)?, shape)
    }
}

/// A list of axes that a node was given, or was not.
pub(super) enum Axes {
    Given(Vec<i64>),
    Absent,
    Unknown,
}

pub(super) fn one(dtype: DType, shape: Shape) -> Result<Vec<Info>> {
    Ok(vec![Info { dtype, shape: Some(shape) }])
}

/// `axis` in `0..rank`, counted from the end if negative.
pub(in crate::graph) fn resolve(axis: i64, rank: usize) -> Result<usize> {
    let r = rank as i64;
    if (-r..r).contains(&axis) {
        return Ok((if axis < 0 { axis + r } else { axis }) as usize);
    }
    Err(crate::err!(Shape, "axis {axis} does not exist in rank {rank}; -{rank} to {} would fit", r - 1))
}

/// All of `axes` in `0..rank`, sorted; an axis named twice is an error.
pub(super) fn resolve_all(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut axes = axes.iter().map(|&a| resolve(a, rank)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|w| w[0] == w[1]) {
        crate::bail!(Shape, "axes {axes:?} name one axis twice");
    }
    Ok(axes)
}

/// Two dimensions under numpy broadcasting; see the module page for symbols.
fn broadcast_dim(a: &Dim, b: &Dim) -> Option<Dim> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Dim::Known(1), d) | (d, Dim::Known(1)) => Some(d.clone()),
        (Dim::Known(_), Dim::Known(_)) => None,
        (d @ Dim::Known(_), _) | (_, d @ Dim::Known(_)) => Some(d.clone()),
        _ => Some(Dim::Unknown),
    }
}

/// The shape that both broadcast to.
pub(super) fn broadcast(a: &[Dim], b: &[Dim]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let at = |s: &[Dim], i: usize| match (i + s.len()).checked_sub(rank) {
        Some(j) => s[j].clone(),
        None => Dim::Known(1),
    };
    let dims: Option<Vec<Dim>> = (0..rank).map(|i| broadcast_dim(&at(a, i), &at(b, i))).collect();
    dims.map(Shape).ok_or_else(|| {
        let (a, b) = (Shape(a.to_vec()), Shape(b.to_vec()));
        crate::err!(Shape, "{a} and {b} do not broadcast; from the right, dimensions must be equal or 1")
    })
}

/// Two dimensions that must be the same number; the better known of them.
pub(super) fn agree(a: &Dim, b: &Dim) -> Result<Dim> {
    match (a, b) {
        (Dim::Known(x), Dim::Known(y)) if x != y => Err(crate::err!(Shape, "{x} where {y} would fit")),
        (Dim::Known(_), _) | (_, Dim::Unknown) => Ok(a.clone()),
        (_, Dim::Known(_)) | (Dim::Unknown, _) => Ok(b.clone()),
        (a, b) if a == b => Ok(a.clone()),
        _ => Ok(Dim::Unknown),
    }
}

/// Sum of dimensions; unknown unless all are numbers or multiples of one symbol.
pub(super) fn sum<'d>(dims: impl Iterator<Item = &'d Dim>) -> Dim {
    dims.fold(Term::Number(0), |a, d| a.add(&Term::from(d))).dim()
}
