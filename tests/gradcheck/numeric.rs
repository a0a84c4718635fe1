//! Central differences: `dL/dx_i ~ (L(x + h e_i) - L(x - h e_i)) / 2h` with `h = 1e-6`, in f64.

use ndarray::{Array1, IxDyn};
use perennial::autodiff::differentiate;
use perennial::graph::{DType, Dim, Emit, Graph, Shape, ValueId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::reference::{Array, run};

/// What the symbolic batch `N` is while graphs are evaluated.
pub const N: usize = 2;
const STEP: f64 = 1e-6;
const TOLERANCE: f64 = 1e-6;

/// How an input is drawn, and whether it is differentiated.
#[derive(Clone, Copy, PartialEq)]
pub enum Draw {
    /// Standard normal.
    Normal,
    /// Uniform in 0.5..2.
    Positive,
    /// Integer in -k..k; has no gradient.
    Index(i64),
    /// False or true; has no gradient.
    Truth,
}

/// `"N,3"`: normal; `"+2,3"`: positive; `"#4 2,3"`: indices; `"?2,3"`: truth values; `""`: rank 0.
pub fn parse(spec: &str) -> (Draw, Shape) {
    let spec = spec.trim();
    let (draw, dims) = match spec.chars().next() {
        Some('+') => (Draw::Positive, &spec[1..]),
        Some('?') => (Draw::Truth, &spec[1..]),
        Some('#') => {
            let (k, dims) = spec[1..].split_once(' ').unwrap_or((&spec[1..], ""));
            (Draw::Index(k.parse().unwrap()), dims)
        }
        _ => (Draw::Normal, spec),
    };
    let dim = |d: &str| match d {
        "N" => Dim::symbol("N"),
        n => Dim::Known(n.parse().unwrap()),
    };
    (draw, Shape(dims.split(',').filter(|d| !d.is_empty()).map(dim).collect()))
}

/// Random elements for `shape` with `N` bound.
pub fn draw(rng: &mut ChaCha8Rng, draw: Draw, shape: &Shape) -> Array {
    let dims = shape.bind("N", N).known().unwrap();
    let count = dims.iter().product();
    let one = |_| match draw {
        Draw::Normal => rng.sample(StandardNormal),
        Draw::Positive => rng.gen_range(0.5..2.0),
        Draw::Index(k) => rng.gen_range(-k..k) as f64,
        Draw::Truth => f64::from(u8::from(rng.r#gen::<bool>())),
    };
    let elements: Array1<f64> = (0..count).map(one).collect();
    elements.into_shape_with_order(IxDyn(&dims)).unwrap()
}

/// A forward graph with its inputs drawn, ready to be differentiated.
pub struct Problem {
    pub graph: Graph,
    pub feeds: Vec<(ValueId, Array)>,
    pub wrt: Vec<ValueId>,
    rng: ChaCha8Rng,
}

impl Problem {
    /// A graph with one input per spec, separated by `|`.
    pub fn new(opset: i64, inputs: &str, seed: u64) -> Self {
        let mut graph = Graph::new("case", opset);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut feeds, mut wrt) = (Vec::new(), Vec::new());
        for (i, spec) in inputs.split('|').enumerate() {
            let (kind, shape) = parse(spec);
            let dtype = match kind {
                Draw::Normal | Draw::Positive => DType::F64,
                Draw::Index(_) => DType::I64,
                Draw::Truth => DType::Bool,
            };
            let x = draw(&mut rng, kind, &shape);
            let v = graph.add_input(&format!("x{i}"), dtype, shape);
            feeds.push((v, x));
            if dtype == DType::F64 {
                wrt.push(v);
            }
        }
        Self { graph, feeds, wrt, rng }
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> Vec<ValueId> {
        self.feeds.iter().map(|f| f.0).collect()
    }

    /// `loss = sum(weight * y)` over all `ys`, with random weights.
    pub fn loss(&mut self, ys: &[ValueId]) -> ValueId {
        let mut total = None;
        for (i, y) in ys.iter().enumerate() {
            let shape = self.graph.shape(*y).unwrap().clone();
            let weight = draw(&mut self.rng, Draw::Normal, &shape);
            let w = self.graph.add_input(&format!("weight{i}"), DType::F64, shape);
            self.feeds.push((w, weight));
            let mut e = Emit::new(&mut self.graph, "loss");
            let product = e.mul(*y, w).unwrap();
            let sum = e.op("ReduceSum", &[product], &[("keepdims", 0.into())]).unwrap();
            total = Some(total.map_or(sum, |t| e.add(t, sum).unwrap()));
        }
        total.unwrap()
    }

    /// Largest error of any gradient element, relative to the larger of 1 and the element; or what is wrong.
    pub fn compare(&self, loss: ValueId) -> Result<f64, String> {
        let (joint, grads) =
            differentiate(self.graph.clone(), loss, &self.wrt).map_err(|e| format!("differentiate: {e}"))?;
        let analytic = run(&joint, &self.feeds, &grads);
        let mut worst: f64 = 0.0;
        for ((v, grad), given) in self.wrt.iter().zip(&analytic).zip(&grads) {
            let at = self.feeds.iter().position(|f| f.0 == *v).unwrap();
            if self.feeds[at].1.shape() != grad.shape()
                || joint.shape(*given).ok() != self.graph.shape(*v).ok()
            {
                return Err(format!("gradient of shape {:?}", grad.shape()));
            }
            for (i, a) in grad.iter().enumerate() {
                let n = self.difference(loss, at, i);
                let error = (a - n).abs() / a.abs().max(n.abs()).max(1.0);
                if error.is_nan() || error > TOLERANCE {
                    let name = &self.graph.value(*v).name;
                    return Err(format!("d/d{name}[{i}]: rule {a}, central difference {n}"));
                }
                worst = worst.max(error);
            }
        }
        Ok(worst)
    }

    fn difference(&self, loss: ValueId, at: usize, i: usize) -> f64 {
        let shifted = |h: f64| {
            let mut feeds = self.feeds.clone();
            *feeds[at].1.iter_mut().nth(i).unwrap() += h;
            run(&self.graph, &feeds, &[loss])[0].sum()
        };
        (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP)
    }
}
