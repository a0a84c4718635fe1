//! GELU written out, as exporters below opset 20 write it: `y = x (1 + erf(x / sqrt 2)) / 2` in five nodes.
//!
//! Node by node its gradient takes nine passes over the widest values of a transformer. As one function it takes
//! seven, and two of the forward values are used again:
//!
//! ```text
//! dx = g/2 ((1 + erf n) + x 2 phi(x)),    n = x / sqrt 2,    2 phi(x) = e^(ln 2 - ln(2 pi)/2 - n^2)
//! ```
//!
//! The gradient goes straight to `x`. The nodes between get none, unless somebody else reads them.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, SQRT_2};

use super::forms;
use crate::error::Result;
use crate::graph::{Emit, Graph, Index, Node, ValueId};

/// Relative error of a constant, for weights in f16.
const CLOSE: f64 = 1e-3;

/// The values of a GELU that its gradient reads.
pub(super) struct Gelu {
    /// The operand.
    pub x: ValueId,
    /// `x / sqrt 2`.
    narrow: ValueId,
    /// `1 + erf(x / sqrt 2)`.
    area: ValueId,
}

/// The GELU that ends in `node`, if one does.
pub(super) fn find(graph: &Graph, index: &Index, node: &Node) -> Option<Gelu> {
    if !node.is("Mul") {
        return None;
    }
    let look = Look { graph, index };
    let (a, b) = (node.input(0)?, node.input(1)?);
    look.product(a, b).or_else(|| look.product(b, a))
}

/// `g dy/dx`.
pub(super) fn gradient(e: &mut Emit, gelu: &Gelu, g: ValueId) -> Result<ValueId> {
    let square = forms::square(e, gelu.narrow)?;
    let exponent = forms::complement(e, LN_2 - 0.5 * (2.0 * PI).ln(), square)?;
    let bell = e.op("Exp", &[exponent], &[])?;
    let tail = e.mul(gelu.x, bell)?;
    let slope = e.add(gelu.area, tail)?;
    let twice = e.mul(g, slope)?;
    e.scale(twice, 0.5)
}

/// Reads patterns backwards.
struct Look<'a> {
    graph: &'a Graph,
    index: &'a Index,
}

impl Look<'_> {
    fn node(&self, v: ValueId, op: &str) -> Option<&Node> {
        self.index.producer(v).map(|n| self.graph.node(n)).filter(|n| n.is(op))
    }

    /// Whether `v` is the number `x`.
    fn number(&self, v: ValueId, x: f64) -> bool {
        let constant = self.graph.constant(v).filter(|t| t.len() == 1 && t.dtype().is_float());
        constant.is_some_and(|t| (t.to_f64()[0] - x).abs() <= CLOSE * x)
    }

    /// `single` times a product of two: one of the three is 1/2, one is `1 + erf(x / sqrt 2)`, one is `x`.
    fn product(&self, single: ValueId, pair: ValueId) -> Option<Gelu> {
        let pair = self.node(pair, "Mul")?;
        let three = [single, pair.input(0)?, pair.input(1)?];
        let half = three.iter().position(|&v| self.number(v, 0.5))?;
        let [p, q] = [three[(half + 1) % 3], three[(half + 2) % 3]];
        self.area(p, q).or_else(|| self.area(q, p))
    }

    fn area(&self, x: ValueId, area: ValueId) -> Option<Gelu> {
        let sum = self.node(area, "Add")?;
        let (a, b) = (sum.input(0)?, sum.input(1)?);
        let erf = if self.number(b, 1.0) { a } else { b };
        if !self.number(a, 1.0) && !self.number(b, 1.0) {
            return None;
        }
        let narrow = self.node(erf, "Erf")?.input(0)?;
        let (n, root) = match (self.node(narrow, "Div"), self.node(narrow, "Mul")) {
            (Some(n), _) => (n, SQRT_2),
            (_, Some(n)) => (n, FRAC_1_SQRT_2),
            _ => return None,
        };
        (n.input(0)? == x && self.number(n.input(1)?, root)).then_some(Gelu { x, narrow, area })
    }
}
