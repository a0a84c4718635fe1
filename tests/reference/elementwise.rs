//! Operators that work element by element, with broadcasting.

use std::f64::consts::PI;

use ndarray::{IxDyn, Zip};
use perennial::graph::DType;

use super::{Array, Call, Evaluate};

pub(super) const FAMILY: &[(&str, Evaluate)] = &[
    ("Cast", cast),
    ("Clip", clip),
    ("Dropout", |c| c.x(0).clone()),
    ("Elu", |c| elu(c, c.node.float("alpha", 1.0), 1.0)),
    ("Gelu", gelu),
    ("HardSigmoid", hard_sigmoid),
    ("LeakyRelu", leaky_relu),
    ("Max", |c| fold(c, f64::max)),
    ("Mean", |c| fold(c, |a, b| a + b) / c.x.len() as f64),
    ("Min", |c| fold(c, f64::min)),
    ("Selu", |c| elu(c, c.node.float("alpha", 1.673_263_2), c.node.float("gamma", 1.050_701))),
    ("Sum", |c| fold(c, |a, b| a + b)),
    ("Where", choose),
];

/// An operator and what it computes of one number.
type Unary = (&'static str, fn(f64) -> f64);

const UNARY: &[Unary] = &[
    ("Abs", f64::abs),
    ("Ceil", f64::ceil),
    ("Cos", f64::cos),
    ("Erf", erf),
    ("Exp", f64::exp),
    ("Floor", f64::floor),
    ("HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    ("Identity", |x| x),
    ("Log", f64::ln),
    ("Neg", |x| -x),
    ("Not", |x| truth(x == 0.0)),
    ("Reciprocal", |x| 1.0 / x),
    ("Relu", |x| x.max(0.0)),
    ("Round", f64::round_ties_even),
    ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
    ("Sign", |x| if x == 0.0 { 0.0 } else { x.signum() }),
    ("Sin", f64::sin),
    ("Softplus", |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    ("Softsign", |x| x / (1.0 + x.abs())),
    ("Sqrt", f64::sqrt),
    ("Tanh", f64::tanh),
];

/// An operator and what it computes of two numbers.
type Binary = (&'static str, fn(f64, f64) -> f64);

const BINARY: &[Binary] = &[
    ("Add", |a, b| a + b),
    ("And", |a, b| truth(a != 0.0 && b != 0.0)),
    ("Div", |a, b| a / b),
    ("Equal", |a, b| truth(a == b)),
    ("Greater", |a, b| truth(a > b)),
    ("GreaterOrEqual", |a, b| truth(a >= b)),
    ("Less", |a, b| truth(a < b)),
    ("LessOrEqual", |a, b| truth(a <= b)),
    ("Mod", f64::rem_euclid),
    ("Mul", |a, b| a * b),
    ("Or", |a, b| truth(a != 0.0 || b != 0.0)),
    ("PRelu", |x, slope| if x > 0.0 { x } else { slope * x }),
    ("Pow", f64::powf),
    ("Sub", |a, b| a - b),
];

fn truth(b: bool) -> f64 {
    f64::from(u8::from(b))
}

/// One of the functions above, by name.
pub(super) fn simple(c: &Call) -> Option<Array> {
    let op = c.node.op.as_str();
    if let Some((_, f)) = UNARY.iter().find(|(name, _)| *name == op) {
        return Some(c.x(0).mapv(f));
    }
    BINARY.iter().find(|(name, _)| *name == op).map(|(_, f)| zip(c.x(0), c.x(1), f))
}

/// The shape to which both broadcast.
pub(super) fn common(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (1, n) | (n, 1) => n,
            (n, m) if n == m => n,
            (n, m) => panic!("{n} and {m} do not broadcast"),
        })
        .collect()
}

pub(super) fn zip(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    let shape = common(a.shape(), b.shape());
    let (a, b) = (a.broadcast(IxDyn(&shape)).unwrap(), b.broadcast(IxDyn(&shape)).unwrap());
    Zip::from(a).and(b).map_collect(|a, b| f(*a, *b))
}

fn fold(c: &Call, f: fn(f64, f64) -> f64) -> Array {
    (1..c.x.len()).fold(c.x(0).clone(), |a, i| zip(&a, c.x(i), f))
}

fn cast(c: &Call) -> Array {
    let to = DType::from_onnx(c.node.int("to", 0) as i32).unwrap();
    c.x(0).mapv(|x| match to {
        DType::Bool => truth(x != 0.0),
        d if d.is_float() => x,
        _ => x.trunc(),
    })
}

fn clip(c: &Call) -> Array {
    let low = c.has(1).map_or(f64::NEG_INFINITY, |a| a.sum());
    let high = c.has(2).map_or(f64::INFINITY, |a| a.sum());
    c.x(0).mapv(|x| x.max(low).min(high))
}

fn choose(c: &Call) -> Array {
    let shape = common(&common(c.x(0).shape(), c.x(1).shape()), c.x(2).shape());
    let [p, a, b] = [0, 1, 2].map(|i| c.x(i).broadcast(IxDyn(&shape)).unwrap());
    Zip::from(p).and(a).and(b).map_collect(|p, a, b| if *p != 0.0 { *a } else { *b })
}

fn elu(c: &Call, alpha: f32, gamma: f32) -> Array {
    let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
    c.x(0).mapv(|x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() })
}

fn leaky_relu(c: &Call) -> Array {
    let alpha = f64::from(c.node.float("alpha", 0.01));
    c.x(0).mapv(|x| if x > 0.0 { x } else { alpha * x })
}

fn hard_sigmoid(c: &Call) -> Array {
    let (alpha, beta) = (f64::from(c.node.float("alpha", 0.2)), f64::from(c.node.float("beta", 0.5)));
    c.x(0).mapv(|x| (alpha * x + beta).clamp(0.0, 1.0))
}

fn gelu(c: &Call) -> Array {
    let exact = c.node.str("approximate", "none") == "none";
    c.x(0).mapv(|x| {
        let inner = if exact {
            erf(x / 2f64.sqrt())
        } else {
            ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh()
        };
        0.5 * x * (1.0 + inner)
    })
}

/// `2/sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!`, whose terms have one sign.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-18 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}
