//! The contents of small integer tensors, as far as they follow from shapes.
//!
//! A legacy export of a model with a dynamic batch computes `Shape -> Gather -> Unsqueeze -> Concat ->
//! Reshape`. Following the integers through such a chain gives the exact shape at its end. Kept in a table
//! beside the graph: they are true only while the shapes are, and a pass that rewrites makes them anew.
//!
//! Followed are rank 0 and 1, up to [`LIMIT`] elements, in i64, i32 and bool.

use std::collections::BTreeMap;

use super::context::Operands;
use super::index::reported;
use super::layout::Span;
use super::{Term, apply};
use crate::error::Result;
use crate::graph::{Attr, DType, Graph, NodeId, Tensor, ValueId};

/// Longest tensor that is followed. Shapes have few elements; index tables are not shapes.
const LIMIT: usize = 256;

/// Known integers by value.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    terms: BTreeMap<ValueId, Vec<Term>>,
}

type Follow = fn(&Operands) -> Option<Vec<Term>>;

static FOLLOW: &[(&str, Follow)] = &[
    ("Add", |o| pairwise(o, Term::add)),
    ("And", |o| pairwise(o, Term::mul)),
    ("Cast", cast),
    ("Concat", concat),
    ("Constant", constant),
    ("ConstantOfShape", constant_of_shape),
    ("Div", |o| pairwise(o, Term::div)),
    ("Equal", |o| pairwise(o, |a, b| truth(a.equals(b)))),
    ("Expand", |o| spread(o, &o.terms(0)?)),
    ("Gather", gather),
    ("Greater", |o| pairwise(o, |a, b| truth(a.compare(b).map(std::cmp::Ordering::is_gt)))),
    ("GreaterOrEqual", |o| pairwise(o, |a, b| truth(a.compare(b).map(std::cmp::Ordering::is_ge)))),
    ("Identity", |o| o.terms(0)),
    ("Less", |o| pairwise(o, |a, b| truth(a.compare(b).map(std::cmp::Ordering::is_lt)))),
    ("LessOrEqual", |o| pairwise(o, |a, b| truth(a.compare(b).map(std::cmp::Ordering::is_le)))),
    ("Max", |o| pairwise(o, |a, b| pick(a, b, std::cmp::Ordering::is_ge))),
    ("Min", |o| pairwise(o, |a, b| pick(a, b, std::cmp::Ordering::is_le))),
    ("Mod", |o| pairwise(o, Term::modulo)),
    ("Mul", |o| pairwise(o, Term::mul)),
    ("Neg", |o| Some(o.terms(0)?.iter().map(|t| Term::Number(0).sub(t)).collect())),
    ("Not", |o| Some(o.terms(0)?.iter().map(|t| Term::Number(1).sub(t)).collect())),
    ("Range", range),
    ("ReduceProd", |o| Some(vec![o.terms(0)?.iter().fold(Term::Number(1), |a, t| a.mul(t))])),
    ("ReduceSum", |o| Some(vec![o.terms(0)?.iter().fold(Term::Number(0), |a, t| a.add(t))])),
    ("Reshape", |o| o.terms(0)),
    ("Shape", shape),
    ("Size", |o| Some(vec![Term::from(&o.shape(0).ok()?.volume())])),
    ("Slice", slice),
    ("Squeeze", |o| o.terms(0)),
    ("Sub", |o| pairwise(o, Term::sub)),
    ("Unsqueeze", |o| o.terms(0)),
    ("Where", choose),
];

impl Facts {
    /// What is known of `v`: followed, or a small integer constant. The terms of a rank-0 value are one.
    pub fn of(&self, graph: &Graph, v: ValueId) -> Option<Vec<Term>> {
        match graph.constant(v) {
            Some(t) => numbers(t),
            None => self.terms.get(&v).cloned(),
        }
    }

    /// Infers one node, then follows its integers.
    ///
    /// # Errors
    /// As [`super::all`].
    pub fn step(&mut self, graph: &mut Graph, id: NodeId) -> Result<()> {
        apply(graph, id, self)?;
        let node = graph.node(id);
        let Some(&Some(out)) = node.outputs.first() else { return Ok(()) };
        self.terms.remove(&out);
        let Some((_, follow)) = FOLLOW.iter().find(|(op, _)| node.is(op)) else { return Ok(()) };
        let value = graph.value(out);
        let (Some(dtype), Some(shape)) = (value.dtype, &value.shape) else { return Ok(()) };
        let length = shape.volume().known().filter(|n| shape.rank() <= 1 && *n <= LIMIT);
        let operands = Operands::new(graph, node, self);
        if followed(dtype)
            && operands.known()
            && let Some(terms) = follow(&operands).filter(|t| Some(t.len()) == length)
        {
            self.terms.insert(out, terms);
        }
        Ok(())
    }
}

fn followed(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::I32 | DType::Bool)
}

fn numbers(t: &Tensor) -> Option<Vec<Term>> {
    if !followed(t.dtype()) || t.shape().len() > 1 || t.len() > LIMIT {
        return None;
    }
    Some(t.to_i64().ok()?.into_iter().map(Term::Number).collect())
}

fn truth(x: Option<bool>) -> Term {
    x.map_or(Term::Unknown, Term::from)
}

fn pick(a: &Term, b: &Term, first: fn(std::cmp::Ordering) -> bool) -> Term {
    a.compare(b).map_or(Term::Unknown, |order| if first(order) { a } else { b }.clone())
}

/// Element `i` of a list that a length of one repeats.
fn at(list: &[Term], i: usize) -> Option<&Term> {
    if list.len() == 1 { list.first() } else { list.get(i) }
}

/// All operands from left to right, broadcast.
fn pairwise(o: &Operands, f: impl Fn(&Term, &Term) -> Term) -> Option<Vec<Term>> {
    let mut acc = o.terms(0)?;
    for i in 1..o.node.inputs.len() {
        let other = o.terms(i)?;
        let n = if acc.len() == 1 { other.len() } else { acc.len() };
        acc = (0..n).map(|i| Some(f(at(&acc, i)?, at(&other, i)?))).collect::<Option<_>>()?;
    }
    Some(acc)
}

fn choose(o: &Operands) -> Option<Vec<Term>> {
    let lists = [o.terms(0)?, o.terms(1)?, o.terms(2)?];
    let longest = lists.iter().map(Vec::len).max()?;
    let n = if lists.iter().any(Vec::is_empty) { 0 } else { longest };
    (0..n)
        .map(|i| {
            let (yes, no) = (at(&lists[1], i)?, at(&lists[2], i)?);
            Some(match at(&lists[0], i)? {
                Term::Number(0) => no.clone(),
                Term::Number(_) => yes.clone(),
                _ if yes == no => yes.clone(),
                _ => Term::Unknown,
            })
        })
        .collect()
}

fn cast(o: &Operands) -> Option<Vec<Term>> {
    let one = |t: Term| match (o.node.int("to", 0), t) {
        (to, Term::Number(n)) if to == DType::Bool as i64 => Term::from(n != 0),
        (to, Term::Multiple { .. }) if to == DType::Bool as i64 => Term::Number(1),
        (to, Term::Number(n)) if to == DType::I32 as i64 && i32::try_from(n).is_err() => Term::Unknown,
        (_, t) => t,
    };
    Some(o.terms(0)?.into_iter().map(one).collect())
}

fn concat(o: &Operands) -> Option<Vec<Term>> {
    let parts: Option<Vec<_>> = (0..o.node.inputs.len())
        .map(|i| {
            let length = o.length(i).ok()??;
            (length <= LIMIT).then(|| o.terms(i).unwrap_or_else(|| vec![Term::Unknown; length]))
        })
        .collect();
    Some(parts?.concat())
}

fn shape(o: &Operands) -> Option<Vec<Term>> {
    Some(o.shape(0).ok()?[reported(o).ok()?].iter().map(Term::from).collect())
}

fn gather(o: &Operands) -> Option<Vec<Term>> {
    let data = o.terms(0)?;
    let n = data.len() as i64;
    let one = |i: i64| data.get(usize::try_from(if i < 0 { i + n } else { i }).ok()?).cloned();
    o.numbers(1)?.into_iter().map(one).collect()
}

fn slice(o: &Operands) -> Option<Vec<Term>> {
    let first = |i: usize| o.numbers(i)?.first().copied();
    let data = o.terms(0)?;
    let step = if o.has(4) { first(4)? } else { 1 };
    let span = Span::new(data.len(), first(1)?, first(2)?, step).ok()?;
    let index = |i: usize| usize::try_from(span.start + i as i64 * span.step).ok();
    (0..span.count).map(|i| data.get(index(i)?).cloned()).collect()
}

fn constant(o: &Operands) -> Option<Vec<Term>> {
    let node = o.node;
    match (node.attrs.get("value"), node.attrs.get("value_int"), node.ints("value_ints")) {
        (Some(Attr::Tensor(t)), ..) => numbers(t),
        (_, Some(Attr::Int(x)), _) => Some(vec![Term::Number(*x)]),
        (.., Some(xs)) => Some(xs.iter().copied().map(Term::Number).collect()),
        _ => None,
    }
}

/// `list` repeated to the length that the shape operand 1 names.
fn spread(o: &Operands, list: &[Term]) -> Option<Vec<Term>> {
    let n = o.terms(1)?.iter().fold(Term::Number(1), |a, t| a.mul(t)).number()?;
    let n = usize::try_from(n).ok().filter(|n| *n <= LIMIT)?.max(list.len());
    (0..n).map(|i| at(list, i).cloned()).collect()
}

fn constant_of_shape(o: &Operands) -> Option<Vec<Term>> {
    let Some(Attr::Tensor(value)) = o.node.attrs.get("value") else { return None };
    let n = o.terms(0)?.iter().fold(Term::Number(1), |a, t| a.mul(t)).number()?;
    let n = usize::try_from(n).ok().filter(|n| *n <= LIMIT)?;
    Some(vec![numbers(value)?.first()?.clone(); n])
}

fn range(o: &Operands) -> Option<Vec<Term>> {
    let one = |i| o.numbers(i)?.first().copied();
    let (start, limit, delta) = (one(0)?, one(1)?, one(2)?);
    let n =
        if delta == 0 { 0 } else { ((limit as f64 - start as f64) / delta as f64).ceil().max(0.0) as usize };
    (n <= LIMIT).then(|| {
        (0..n).map(|i| Term::Number(start.saturating_add((i as i64).saturating_mul(delta)))).collect()
    })
}
