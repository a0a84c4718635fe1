//! `perennial latency`: what a camera notices of learning.
//!
//! The same predictor answers the same frames, in turns while nothing is learned and while tasks are learned in the background one
//! after the other, each of which is taken back. A ratio is the median of ratios within rounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use ndarray::Array4;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use super::options::{Adapt, Train};
use super::{Global, options, show};
use crate::background::{Background, Options, Ticket};
use crate::engine;
use crate::error::{ErrorKind, Result};
use crate::learner::{Labelled, Learner};
use crate::measure::{Seen, Spread};

/// Options of `latency`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long, default_value = "default")]
    backbone: PathBuf,
    /// How to learn; see `perennial learn --help`
    #[arg(long, default_value = "perennial", value_name = "NAME")]
    strategy: String,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    /// Frames a second, one or several
    #[arg(long, value_delimiter = ',', default_value = "10,15,30", value_name = "LIST")]
    fps: Vec<f64>,
    /// Length of a look
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    look: Duration,
    /// Looks at each, idle and learning in turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Niceness of the threads that learn, -20 to 19
    #[arg(long)]
    nice: Option<i32>,
    /// Pictures of a task
    #[arg(long, default_value_t = 64)]
    pictures: usize,
}

const EXAMPLES: &str = "\
One thread learns and the caller's predicts, unless --threads says otherwise of the first. For the figures of one core, start it under
`taskset -c 0`.

Examples:
  perennial latency --backbone vit_tiny.onnx --engine onnxruntime
  perennial latency --backbone vit_tiny.onnx --fps 15 --look 60s --nice 10 --json
  taskset -c 0 perennial latency --backbone vit_tiny.onnx --nice 19";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    if args.fps.iter().any(|fps| !(*fps > 0.0 && fps.is_finite())) || args.rounds == 0 || args.pictures < 2 {
        crate::bail!(InvalidArgument, "--fps and --rounds must be above zero, --pictures 2 or more");
    }
    let threads = global.threads.unwrap_or(1).max(1);
    let backbone = options::backbone(global, &args.backbone)?;
    let builder = Learner::builder(backbone.clone())
        .engine(engine::by_name(&global.engine, 1)?)
        .strategy(&args.strategy)
        .settings(args.train.settings(&args.adapt, &backbone, global.seed)?);
    let builder = args.train.fitted(global, args.train.with_vectors(builder)?)?.0;
    let (mut learner, images) = (builder.build()?, noise(backbone.image()?, args.pictures, global.seed));
    teach(&mut learner, &images, 1, |_| {})?;
    learner.commit_anyway()?;

    let options = Options { threads, nice: args.nice, paused: true, ..Options::default() };
    let background = Background::new(learner, options)?;
    let (images, lessons) = (Arc::new(images), Arc::new(Lessons::default()));
    let done = lessons.start(&background, images.clone(), args.train.epochs)?;
    let looks = 2 * args.fps.len() * args.rounds;
    let bar = show::bar(global, looks, "frames");
    let watched = args.fps.iter().map(|&fps| watch(args, &background, &images, fps, &bar)).collect();
    bar.finish_and_clear();
    lessons.stop(&background, done)?;
    tell(global, args, threads, watched, &lessons)
}

/// One row of the table.
#[derive(Serialize)]
struct Row {
    fps: f64,
    idle: Times,
    learning: Times,
    /// Of p99 while learning over p99 while idle, a round each.
    ratio: Spread,
}

#[derive(Serialize)]
struct Times {
    frames: usize,
    dropped: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Times {
    fn of(seen: &Seen) -> Self {
        let [p50_ms, p99_ms, max_ms] = [0.5, 0.99, 1.0].map(|q| 1e3 * seen.quantile(q));
        Self { frames: seen.frames(), dropped: seen.dropped, p50_ms, p99_ms, max_ms }
    }
}

fn watch(
    args: &Args,
    background: &Background,
    images: &Array4<f32>,
    fps: f64,
    bar: &ProgressBar,
) -> Result<Row> {
    let predictor = background.predictor();
    let (mut all, mut ratios) = ([Seen::default(), Seen::default()], Vec::new());
    for _ in 0..args.rounds {
        let mut p99 = [0.0; 2];
        for (learns, all) in all.iter_mut().enumerate() {
            bar.set_message(format!("{fps} fps, {}", ["idle", "learning"][learns]));
            match learns {
                0 => background.pause(),
                _ => background.run(),
            }
            let seen = Seen::watch(&predictor, images.view(), fps, args.look)?;
            p99[learns] = seen.quantile(0.99);
            all.extend(&seen);
            bar.inc(1);
        }
        ratios.push(p99[1] / p99[0]);
    }
    background.pause();
    Ok(Row { fps, idle: Times::of(&all[0]), learning: Times::of(&all[1]), ratio: Spread::of(&ratios) })
}

/// Images of noise, `[n, channels, height, width]`, of two classes in turns, the second lighter.
fn noise([c, h, w]: [usize; 3], n: usize, seed: u64) -> Array4<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array4::from_shape_fn((n, c, h, w), |(i, ..)| rng.gen_range(-1.0..1.0) + (i % 2) as f32)
}

/// Learns `images` as one task, up to the decision; says how many were shown.
fn teach(learner: &mut Learner, images: &Array4<f32>, epochs: usize, shown: impl Fn(usize)) -> Result<()> {
    let labels: Vec<&str> = (0..images.shape()[0]).map(|i| ["dark", "light"][i % 2]).collect();
    let (batch, images) = (learner.settings().batch, images.view());
    let batches = Labelled::batches(&images, &labels, batch);
    learner.learn("noise", epochs, batches, |_, n| shown(n)).map(drop)
}

/// Tasks that are learned and taken back until somebody says stop.
#[derive(Default)]
struct Lessons {
    stop: AtomicBool,
    shown: AtomicUsize,
}

impl Lessons {
    fn start(
        self: &Arc<Self>,
        background: &Background,
        images: Arc<Array4<f32>>,
        epochs: usize,
    ) -> Result<Ticket<Result<()>>> {
        let lessons = self.clone();
        background.submit(move |learner| {
            while !lessons.stop.load(Ordering::Relaxed) {
                teach(learner, &images, epochs, |n| {
                    lessons.shown.fetch_add(n, Ordering::Relaxed);
                })?;
                learner.rollback()?;
            }
            Ok(())
        })
    }

    fn stop(&self, background: &Background, done: Ticket<Result<()>>) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        background.interrupt();
        background.run();
        match done.wait()? {
            Err(e) if e.kind() != ErrorKind::Interrupted => Err(e),
            _ => Ok(()),
        }
    }
}

fn tell(
    global: &Global,
    args: &Args,
    threads: usize,
    rows: Result<Vec<Row>>,
    lessons: &Lessons,
) -> Result<()> {
    let (rows, shown) = (rows?, lessons.shown.load(Ordering::Relaxed));
    if global.json {
        return show::json(&json!({
            "version": engine::version(&global.engine), "engine": global.engine, "threads": threads,
            "nice": args.nice, "pictures": args.pictures, "shown": shown, "rows": rows,
        }));
    }
    println!(
        "{:>5}  {:<9} {:>7} {:>8} {:>8} {:>8} {:>8}  {:>9}",
        "fps", "", "frames", "dropped", "p50 ms", "p99 ms", "max ms", "p99 ratio"
    );
    for Row { fps, idle, learning, ratio } in &rows {
        let line = |name: &str, t: &Times| {
            format!(
                "{fps:>5}  {name:<9} {:>7} {:>8} {:>8.1} {:>8.1} {:>8.1}",
                t.frames, t.dropped, t.p50_ms, t.p99_ms, t.max_ms
            )
        };
        println!("{}", line("idle", idle));
        println!("{}  {:>9.2}", line("learning", learning), ratio.median);
    }
    println!(
        "\n{shown} pictures were learned from meanwhile, once more counted in every pass, in tasks of {}.",
        args.pictures
    );
    Ok(())
}
