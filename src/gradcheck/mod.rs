//! Gradients of a compiled training step against central differences, on the engine that will run it.
//!
//! Floor 4. For every trainable input `p` with gradient `g` and a direction `d` (half along `g`, half random),
//!
//! ```text
//! <g, d>  against  (4 D(h/2) - D(h)) / 3        D(h) = (loss(p + h d) - loss(p - h d)) / 2h
//! ```
//!
//! Richardson's combination removes the h^2 term, which lets `h` be large enough for the rounding of an f32
//! loss not to matter.

use ndarray::ArrayD;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::Serialize;

use crate::engine::{Data, Engine, Port, Session};
use crate::error::Result;
use crate::graph::{DType, Graph};

/// Largest relative error that passes for a step in f32.
pub const TOLERANCE: f64 = 1e-3;

/// The same in f16, whose loss has 11 bits: a central difference cannot see more.
pub const HALF_TOLERANCE: f64 = 5e-2;

/// The same where the step has kinks (`ReLU`, hard activations, a largest element): a central difference that steps
/// over one measures something between the slopes of its sides.
pub const KINKED_TOLERANCE: f64 = 2e-2;

/// Operators with kinks that networks compute with.
const KINKED: [&str; 9] = [
    "Clip",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "MaxPool",
    "PRelu",
    "ReduceMax",
    "Relu",
];

/// What passes for `step`.
pub fn tolerance(step: &Graph) -> f64 {
    let half = |v: &crate::graph::ValueId| step.value(*v).dtype == Some(DType::F16);
    let data = |n: &crate::graph::Node| n.input(0).is_some_and(|v| step.constant(v).is_none());
    let kinked =
        |n: &&crate::graph::Node| KINKED.iter().any(|op| n.is(op)) && data(n) && !n.name.starts_with("loss");
    match (step.outputs.iter().any(half), step.nodes().iter().find(kinked)) {
        (true, _) => HALF_TOLERANCE,
        (_, Some(_)) => KINKED_TOLERANCE,
        _ => TOLERANCE,
    }
}

/// One compared gradient.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The trainable input.
    pub input: String,
    /// Directional derivative by the graph.
    pub analytic: f64,
    /// Directional derivative by central differences.
    pub central: f64,
    /// Their difference over the larger one.
    pub relative_error: f64,
}

/// Compares every gradient output of `step` (named `<input>.grad`) for a random batch of `batch`.
///
/// # Errors
/// Whatever the engine refuses.
pub fn run(engine: &dyn Engine, step: &Graph, batch: usize, seed: u64) -> Result<Vec<Check>> {
    let session = engine.compile(step, batch)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs = session.inputs().iter().map(|p| sample(p, batch, &mut rng)).collect::<Result<Vec<_>>>()?;
    let outputs = session.run(&inputs)?;
    let mut checks = Vec::new();
    for (port, gradient) in session.outputs().iter().zip(outputs) {
        let Some(name) = port.name.strip_suffix(".grad") else { continue };
        let Some(at) = session.inputs().iter().position(|p| p.name == name) else { continue };
        checks.push(check(session.as_ref(), &inputs, at, &gradient.into_f32()?, &mut rng)?);
    }
    Ok(checks)
}

/// A plausible random value for an input of a training step.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where the port is open.
pub fn sample(port: &Port, batch: usize, rng: &mut ChaCha8Rng) -> Result<Data> {
    let shape = port.shape.known().ok_or_else(|| crate::err!(Shape, "input {:?} is open", port.name))?;
    let mut normal =
        |scale: f32| ArrayD::from_shape_fn(shape.clone(), |_| rng.sample::<f32, _>(StandardNormal) * scale);
    Ok(match port.name.as_str() {
        "labels" | "prototype_labels" => Data::I64(ArrayD::from_shape_fn(shape, |i| (i[0] % 3) as i64)),
        "places" => Data::I64(ArrayD::from_shape_fn(shape, |i| i[0] as i64)),
        "class_mask" => Data::F32(ArrayD::from_shape_fn(shape, |i| f32::from(i[0] < 5))),
        "sample_weights" => Data::F32(ArrayD::from_elem(shape, 1.0 / batch as f32)),
        name if name.ends_with(".lora_a") || name.ends_with(".lora_b") => {
            let width = shape.last().copied().unwrap_or(1) as f32;
            Data::F32(normal(width.powf(-0.5)))
        }
        // Rows of about length 1.
        "prototypes" => Data::F32(normal((shape.last().copied().unwrap_or(1) as f32).powf(-0.5))),
        name if name.starts_with("head_") || name.starts_with("fusion_") => Data::F32(normal(0.1)),
        _ => Data::F32(normal(1.0)),
    })
}

fn check(
    session: &dyn Session,
    inputs: &[Data],
    at: usize,
    gradient: &ArrayD<f32>,
    rng: &mut ChaCha8Rng,
) -> Result<Check> {
    let unit = |a: ArrayD<f64>| {
        let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        a / norm
    };
    let g = gradient.mapv(f64::from);
    let random = unit(ArrayD::from_shape_fn(g.shape(), |_| rng.sample::<f64, _>(StandardNormal)));
    let both = unit(g.clone()) + random;
    // Of a single number the two may point against each other, and nothing would be left.
    let direction = if both.iter().any(|x| x.abs() > 1e-3) { unit(both) } else { unit(g.clone()) };
    let analytic: f64 = (&g * &direction).sum();
    let loss = |h: f64| -> Result<f64> {
        let mut moved = inputs.to_vec();
        let x = inputs[at].as_f32()?.mapv(f64::from) + &direction * h;
        moved[at] = Data::F32(x.mapv(|x| x as f32));
        let first = session.run(&moved)?.swap_remove(0).into_f32()?;
        Ok(f64::from(first.sum()))
    };
    let slope = |h: f64| Ok::<_, crate::Error>((loss(h)? - loss(-h)?) / (2.0 * h));
    let input = session.inputs()[at].name.clone();
    // Too large a step leaves the series, too small a step drowns in the rounding of an f32 loss; where the valley
    // lies depends on the curvature, so several steps are tried, as is usual for central differences.
    let largest = (0.05 / analytic.abs().max(1e-3)).min(1.0);
    let mut best: Option<Check> = None;
    for h in [1.0, 0.3, 0.1, 0.03].map(|share| share * largest) {
        let central = (4.0 * slope(h / 2.0)? - slope(h)?) / 3.0;
        let scale = analytic.abs().max(central.abs()).max(f64::MIN_POSITIVE);
        let check = Check {
            input: input.clone(),
            analytic,
            central,
            relative_error: (analytic - central).abs() / scale,
        };
        if best.as_ref().is_none_or(|b| check.relative_error.total_cmp(&b.relative_error).is_lt()) {
            best = Some(check);
        }
    }
    best.ok_or_else(|| crate::err!(Bug, "no step was tried"))
}
