//! Makes `models/perennial-tiny.onnx` with the library's own means: the graph is built by [`vit`], differentiated with
//! respect to every weight, run by tract, and stepped by AdamW on drawn pictures that are never seen twice.
//!
//! `cargo run --release --example pretrain -- [--steps N] [--out FILE]`
//!
//! Each step draws its pictures from the step number alone and sums the gradients of the two halves of a batch in a
//! fixed order, so the same machine gives the same file whatever its threads do.

mod judge;
mod objective;
mod vit;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use ndarray::{Array1, ArrayD, ArrayView2};
use perennial::data::draw::Family;
use perennial::engine::{Data, Engine, Session, Tract};
use perennial::graph::Dim;
use perennial::optim::{AdamW, Optimizer, Schedule, clip};
use perennial::{Result, err, onnx};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use vit::{Form, Sizes, Vit, Weight};

/// Halves of a batch, each on its own thread.
const HALVES: usize = 2;
/// Pictures in a half.
const HALF: usize = 16;
/// Peak learning rate, memory of the squared gradient, weight decay, warm-up steps.
const RATE: f32 = 2e-3;
const BETA2: f32 = 0.98;
const DECAY: f32 = 0.05;
const WARMUP: u32 = 200;
/// Largest norm of a step's gradient.
const CLIP: f32 = 1.0;
/// Seed of the weights and of the pictures.
const SEED: u64 = 20;

fn main() -> Result<()> {
    let options = Options::read()?;
    let lessons = Family::lessons();
    let classes = lessons.classes();
    let sizes = Sizes { image: 64, patch: 8, width: 96, depth: 6, heads: 3, hidden: 384, classes };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut weights = sizes.untrained(&mut rng);
    let helpers = objective::helpers(&sizes, &mut rng);
    let (own, count) = (weights.len(), weights.iter().map(|w| w.data.len()).sum::<usize>());
    println!("{count} weights, {classes} classes, {} steps of {} pictures", options.steps, HALVES * HALF);
    let session = Tract::new(1).compile(&objective::step(&sizes, HALF, &weights, &helpers)?, HALF)?;
    weights.extend(helpers);
    Trainer { session, sizes, lessons }.train(options.steps, &mut weights)?;
    weights.truncate(own);
    ship(sizes, &weights, &options.out)
}

struct Options {
    steps: u32,
    out: PathBuf,
}

impl Options {
    fn read() -> Result<Self> {
        let usage = || err!(InvalidArgument, "usage: pretrain [--steps N] [--out FILE]");
        let mut options = Self { steps: 5000, out: "models/perennial-tiny.onnx".into() };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(usage)?;
            match flag.as_str() {
                "--steps" => options.steps = value.parse().map_err(|_| usage())?,
                "--out" => options.out = value.into(),
                _ => return Err(usage()),
            }
        }
        Ok(options)
    }
}

/// The compiled training step.
struct Trainer {
    session: Arc<dyn Session>,
    sizes: Sizes,
    lessons: Family,
}

impl Trainer {
    fn train(&self, steps: u32, weights: &mut [Weight]) -> Result<()> {
        let schedule = Schedule::WarmupCosine { warmup: WARMUP, total: steps };
        let mut optimizer = AdamW::new(RATE);
        optimizer.beta2 = BETA2;
        let (clock, mut seen, mut loss, mut right) = (Instant::now(), 0, 0.0, 0);
        for step in 0..steps {
            let mut sum = self.gradients(step, weights)?;
            clip(&mut sum.gradients, CLIP);
            *optimizer.lr_mut() = RATE * schedule.factor(step);
            optimizer.begin_step();
            for (i, (w, g)) in weights.iter_mut().zip(&sum.gradients).enumerate() {
                optimizer.weight_decay = if w.decay { DECAY } else { 0.0 };
                let now = matrix(w)?;
                let delta = optimizer.step(i, now, g.view())?;
                w.data.iter_mut().zip(&delta).for_each(|(x, d)| *x += d);
            }
            (seen, loss, right) = (seen + 1, loss + sum.loss, right + sum.right);
            if (step + 1) % 100 == 0 || step + 1 == steps {
                let accuracy = 100.0 * right as f32 / (seen * HALVES * HALF) as f32;
                let seconds = clock.elapsed().as_secs();
                println!(
                    "step {:5}  loss {:.3}  accuracy {accuracy:4.1} %  {seconds} s",
                    step + 1,
                    loss / seen as f32
                );
                (seen, loss, right) = (0, 0.0, 0);
            }
        }
        Ok(())
    }

    /// Both halves of a batch side by side, summed in order.
    fn gradients(&self, step: u32, weights: &[Weight]) -> Result<Sum> {
        let parameters: Vec<Data> =
            weights.iter().map(|w| Data::floats(&w.shape, w.data.clone())).collect::<Result<_>>()?;
        let parts: Vec<Result<Sum>> = thread::scope(|scope| {
            let start = |half| {
                let parameters = &parameters;
                scope.spawn(move || self.half(step, half, parameters))
            };
            let running: Vec<_> = (0..HALVES).map(start).collect();
            let joined = running.into_iter().map(|t| t.join());
            joined.map(|r| r.unwrap_or_else(|_| Err(err!(Bug, "a thread panicked")))).collect()
        });
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_else(|| Err(err!(Bug, "no half")))?;
        for part in parts {
            let part = part?;
            sum.loss += part.loss;
            sum.right += part.right;
            sum.gradients.iter_mut().zip(&part.gradients).for_each(|(a, b)| *a += b);
        }
        Ok(sum)
    }

    fn half(&self, step: u32, half: usize, parameters: &[Data]) -> Result<Sum> {
        // The classes of a half are random; the picture index is unique to step, half and row.
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(u64::from(step) * HALVES as u64 + half as u64 + 1);
        let labels: Vec<usize> = (0..HALF).map(|_| rng.next_u32() as usize % self.sizes.classes).collect();
        let index = |row: usize| (u64::from(step) * HALVES as u64 + half as u64) * HALF as u64 + row as u64;
        let side = self.sizes.image;
        let (mut patches, mut sketches) = (Vec::new(), Vec::new());
        for (row, &class) in labels.iter().enumerate() {
            let (rgb, shown) = self.lessons.draw_labelled(class, SEED, index(row), side);
            patches.extend(judge::patches(&rgb, &self.sizes));
            sketches.extend(objective::sketch(&shown, &self.sizes));
        }
        let shares = Array1::from_elem(HALF, 1.0 / (HALVES * HALF) as f32);
        let count = self.sizes.patches();
        let own = [
            Data::floats(&[HALF, count, patches.len() / HALF / count], patches)?,
            Data::floats(&[HALF, count, objective::ASKED], sketches)?,
            labels.iter().map(|&c| c as i64).collect::<Array1<i64>>().into(),
            Array1::<f32>::ones(self.sizes.classes).into(),
            shares.into(),
        ];
        let inputs: Vec<Data> = own.into_iter().chain(parameters.iter().cloned()).collect();
        let mut outputs = self.session.run(&inputs)?.into_iter().map(Data::into_f32);
        let mut next = || outputs.next().unwrap_or_else(|| Err(err!(Bug, "an output is missing")));
        let (loss, logits) = (next()?.sum(), next()?);
        let right = logits.outer_iter().zip(&labels).filter(|(row, c)| best(row.iter()) == **c).count();
        let gradients = outputs.map(|g| flat(g?)).collect::<Result<_>>()?;
        Ok(Sum { loss, right, gradients })
    }
}

/// What a batch, or a half of one, gives.
struct Sum {
    loss: f32,
    right: usize,
    gradients: Vec<ndarray::Array2<f32>>,
}

/// Index of the largest.
fn best<'a>(row: impl Iterator<Item = &'a f32>) -> usize {
    row.enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

/// One row: AdamW is elementwise and does not care.
fn flat(g: ArrayD<f32>) -> Result<ndarray::Array2<f32>> {
    let n = g.len();
    g.into_shape_with_order((1, n)).map_err(|e| err!(Bug, "{e}"))
}

fn matrix(w: &Weight) -> Result<ArrayView2<'_, f32>> {
    ArrayView2::from_shape((1, w.data.len()), &w.data).map_err(|e| err!(Bug, "{e}"))
}

/// Writes the model, reads it back, and reports hash and accuracy.
fn ship(sizes: Sizes, weights: &[Weight], out: &Path) -> Result<()> {
    let Vit { mut graph, features, logits, .. } = sizes.graph(Form::Shipping, &Dim::symbol("N"), weights)?;
    graph.outputs = vec![features, logits];
    let facts = [
        ("produced_by", "perennial, models/pretrain.rs"),
        ("license", "MIT OR Apache-2.0"),
        ("training_data", "drawn by perennial::data::draw::Family::lessons"),
        ("input_size", "[3, 64, 64]"),
        ("crop_pct", "1.0"),
        ("interpolation", "bicubic"),
        ("mean", "[0.5, 0.5, 0.5]"),
        ("std", "[0.5, 0.5, 0.5]"),
    ];
    graph.metadata = facts.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
    graph.verify()?;
    onnx::write(&graph, out)?;
    let bytes = std::fs::read(out)?;
    let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    println!("{} ({} bytes)\nsha256 {hash}", out.display(), bytes.len());
    judge::report(&onnx::from_bytes(&bytes)?)
}
