//! The table of gradient rules, keyed by operator and since-version.
//!
//! A row holds for graphs of opset `since` and later, until a later row of the same operator. Versions that
//! only added element types need no row of their own. The oldest row of an operator that is older than
//! opset 13 carries 13, the oldest opset that can be differentiated.
//!
//! A rule is local: from the gradients of a node's results it appends those of its operands. It may answer
//! with a gradient in the *broadcast* shape of an operand, or in one that broadcasts to it; the walk settles
//! that. It must not read anything but the node and the graph; the graph's end is what was appended last, in which a
//! rule may find a shorter way (softmax, transposed parts).

mod activation;
mod conv;
mod elementwise;
mod index;
mod matmul;
mod norm;
mod quantize;
mod reduce;
mod shape;
mod softmax;
mod window;

use super::slabs::Part;
use crate::error::{Error, Result};
use crate::graph::{Emit, Node, ValueId};

/// Gradients of the operands of a node, in order; `None` where none is needed.
pub(super) type Grads = Vec<Option<ValueId>>;

/// Appends the gradients of a node's operands.
pub(super) type Rule = fn(&mut Emit, &Step) -> Result<Grads>;

/// Appends the gradient of operand 0, of which the node picked a part.
pub(super) type Pick = fn(&mut Emit, &Step) -> Result<Part>;

/// What the table says about an operator.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    /// Its gradient.
    Rule(Rule),
    /// Its gradient, which may be zero outside a run of one axis.
    Pick(Pick),
    /// Its gradient, although it rounds: of its first result, which is an integer that stands for a float, or was one.
    Straight(Rule),
    /// It is constant almost everywhere, or its result is no number: nothing flows through it.
    NoGradient,
}

/// One row of the table.
pub struct Row {
    /// Operator of the standard domain.
    pub op: &'static str,
    /// First opset of the form that the row was written for.
    pub since: i64,
    pub(super) entry: Entry,
}

impl Row {
    /// Whether a gradient flows through the operator.
    pub fn differentiable(&self) -> bool {
        !matches!(self.entry, Entry::NoGradient)
    }

    /// Whether its gradient takes rounding for the identity, so that central differences are no judge of it.
    pub fn straight_through(&self) -> bool {
        matches!(self.entry, Entry::Straight(_))
    }
}

/// A node on its way through a rule.
pub(super) struct Step<'a> {
    /// The node.
    pub node: &'a Node,
    /// `since` of its row, for operators whose operands moved between versions.
    pub since: i64,
    /// Gradients of its results, each of exactly the shape of the result.
    pub grads: &'a [Option<ValueId>],
    /// Which operands need a gradient.
    pub needs: &'a [bool],
}

impl Step<'_> {
    /// Operand `i`.
    pub fn x(&self, i: usize) -> Result<ValueId> {
        self.node.need(i)
    }

    /// The first result.
    pub fn y(&self) -> Result<ValueId> {
        self.node.output()
    }

    /// Gradient of the first result. Refuses a gradient that arrives at any other result.
    pub fn grad(&self) -> Result<ValueId> {
        if let Some(i) = (1..self.grads.len()).find(|i| self.grads[*i].is_some()) {
            crate::bail!(Unsupported, "the loss depends on result {i}, which has no gradient");
        }
        let first = self.grads.first().copied().flatten();
        first.ok_or_else(|| crate::err!(Bug, "visited without a gradient"))
    }

    /// Whether operand `i` needs a gradient.
    pub fn needs(&self, i: usize) -> bool {
        self.needs.get(i).copied().unwrap_or(false)
    }

    /// `make()` if operand `i` needs a gradient.
    pub fn when(&self, i: usize, make: impl FnOnce() -> Result<ValueId>) -> Result<Option<ValueId>> {
        if self.needs(i) { make().map(Some) } else { Ok(None) }
    }
}

const fn rule(op: &'static str, since: i64, rule: Rule) -> Row {
    Row { op, since, entry: Entry::Rule(rule) }
}

const fn pick(op: &'static str, since: i64, pick: Pick) -> Row {
    Row { op, since, entry: Entry::Pick(pick) }
}

const fn straight(op: &'static str, since: i64, rule: Rule) -> Row {
    Row { op, since, entry: Entry::Straight(rule) }
}

const fn none(op: &'static str, since: i64) -> Row {
    Row { op, since, entry: Entry::NoGradient }
}

/// The table, in alphabetical order.
static TABLE: &[Row] = &[
    rule("Abs", 13, elementwise::abs),
    rule("Add", 13, elementwise::add),
    none("And", 13),
    none("ArgMax", 13),
    none("ArgMin", 13),
    rule("AveragePool", 13, window::average_pool),
    rule("BatchNormalization", 13, norm::batch_norm),
    rule("Cast", 13, elementwise::cast),
    none("Ceil", 13),
    rule("Clip", 13, elementwise::clip),
    rule("Concat", 13, shape::concat),
    none("ConstantOfShape", 13),
    rule("Conv", 13, conv::conv),
    rule("Cos", 13, elementwise::cos),
    straight("DequantizeLinear", 13, quantize::dequantize),
    rule("Div", 13, elementwise::div),
    rule("Dropout", 13, elementwise::dropout),
    straight("DynamicQuantizeLinear", 13, quantize::dynamic),
    rule("Einsum", 13, matmul::einsum),
    rule("Elu", 13, activation::elu),
    none("Equal", 13),
    rule("Erf", 13, elementwise::erf),
    rule("Exp", 13, elementwise::exp),
    rule("Expand", 13, shape::expand),
    rule("Flatten", 13, shape::view),
    none("Floor", 13),
    pick("Gather", 13, index::gather),
    rule("Gelu", 20, activation::gelu),
    rule("Gemm", 13, matmul::gemm),
    rule("GlobalAveragePool", 13, reduce::global_average),
    rule("GlobalMaxPool", 13, reduce::global_max),
    none("Greater", 13),
    none("GreaterOrEqual", 13),
    rule("GroupNormalization", 18, norm::group_norm),
    rule("HardSigmoid", 13, activation::hard_sigmoid),
    rule("HardSwish", 14, activation::hard_swish),
    rule("Identity", 13, elementwise::identity),
    rule("InstanceNormalization", 13, norm::instance_norm),
    none("IsInf", 13),
    none("IsNaN", 13),
    rule("LayerNormalization", 17, norm::layer_norm),
    rule("LeakyRelu", 13, activation::leaky_relu),
    none("Less", 13),
    none("LessOrEqual", 13),
    rule("Log", 13, elementwise::log),
    rule("LogSoftmax", 13, softmax::log_softmax),
    rule("LpNormalization", 13, norm::lp_norm),
    rule("MatMul", 13, matmul::matmul),
    straight("MatMulInteger", 13, quantize::matmul_integer),
    rule("Max", 13, elementwise::extreme),
    rule("MaxPool", 13, window::max_pool),
    rule("Mean", 13, elementwise::mean),
    rule("Min", 13, elementwise::extreme),
    rule("Mul", 13, elementwise::mul),
    rule("Neg", 13, elementwise::neg),
    none("NonZero", 13),
    none("Not", 13),
    none("OneHot", 13),
    none("Or", 13),
    rule("PRelu", 13, activation::prelu),
    rule("Pad", 13, index::pad),
    rule("Pad", 18, index::pad),
    rule("Pow", 13, elementwise::pow),
    straight("QuantizeLinear", 13, quantize::quantize),
    none("Range", 13),
    rule("Reciprocal", 13, elementwise::reciprocal),
    rule("ReduceL1", 13, reduce::l1),
    rule("ReduceL1", 18, reduce::l1),
    rule("ReduceL2", 13, reduce::l2),
    rule("ReduceL2", 18, reduce::l2),
    rule("ReduceLogSumExp", 13, reduce::log_sum_exp),
    rule("ReduceLogSumExp", 18, reduce::log_sum_exp),
    rule("ReduceMax", 13, reduce::extreme),
    rule("ReduceMax", 18, reduce::extreme),
    rule("ReduceMean", 13, reduce::mean),
    rule("ReduceMean", 18, reduce::mean),
    rule("ReduceMin", 13, reduce::extreme),
    rule("ReduceMin", 18, reduce::extreme),
    rule("ReduceSum", 13, reduce::sum),
    rule("ReduceSumSquare", 13, reduce::sum_square),
    rule("ReduceSumSquare", 18, reduce::sum_square),
    rule("Relu", 13, activation::relu),
    rule("Reshape", 13, shape::view),
    none("Round", 13),
    rule("ScatterND", 13, index::scatter_nd),
    rule("Selu", 13, activation::selu),
    none("Shape", 13),
    rule("Sigmoid", 13, elementwise::sigmoid),
    none("Sign", 13),
    rule("Sin", 13, elementwise::sin),
    none("Size", 13),
    pick("Slice", 13, index::slice),
    rule("Softmax", 13, softmax::softmax),
    rule("Softplus", 13, activation::softplus),
    rule("Softsign", 13, activation::softsign),
    rule("Split", 13, shape::split),
    rule("Sqrt", 13, elementwise::sqrt),
    rule("Squeeze", 13, shape::view),
    rule("Sub", 13, elementwise::sub),
    rule("Sum", 13, elementwise::sum),
    rule("Tanh", 13, elementwise::tanh),
    rule("Tile", 13, shape::tile),
    rule("Transpose", 13, shape::transpose),
    rule("Unsqueeze", 13, shape::view),
    rule("Where", 13, elementwise::select),
    none("Xor", 13),
];

/// Every row of the table.
pub fn supported() -> impl Iterator<Item = &'static Row> {
    TABLE.iter()
}

/// The row for `node` in a graph of opset `opset`.
pub(super) fn find(node: &Node, opset: i64) -> Option<&'static Row> {
    let rows = TABLE.iter().filter(|row| node.is(row.op) && row.since <= opset);
    rows.max_by_key(|row| row.since)
}

/// Whether the table says that no gradient flows through `node`.
pub(super) fn blocks(node: &Node, opset: i64) -> bool {
    find(node, opset).is_some_and(|row| !row.differentiable())
}

/// Whether a gradient goes straight through the integers of its first result, and through no other result.
pub(super) fn goes_straight(node: &Node, opset: i64) -> bool {
    find(node, opset).is_some_and(|row| matches!(row.entry, Entry::Straight(_)))
}

/// The error for a node without a row.
pub(super) fn missing(node: &Node, opset: i64) -> Error {
    let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
    crate::err!(
        Unsupported,
        "operator {} (domain {domain}, opset {opset}) has no gradient rule, and node {:?} lies between the \
         trained values and the loss; export the model with standard operators, or train only what follows it",
        node.op,
        node.name
    )
}

/// The error for an operand through which a rule passes nothing.
pub(super) fn missing_operand(node: &Node, i: usize) -> Error {
    crate::err!(Unsupported, "{} passes no gradient to its operand {i}, which is trained", node.op)
}
