//! The command line.
//!
//! Floor 10. One file a command; each parses its options, calls the library and prints. Errors go to stderr
//! and make the exit status 1; `--json` replaces the text on stdout by one JSON document.

mod bench;
mod bundle;
mod compile;
mod convert;
mod demo;
mod draw;
mod embedded;
mod eval;
mod export;
#[cfg(feature = "fleet")]
mod fleet;
mod forget;
mod format;
mod heap;
mod import;
mod inspect;
mod latency;
mod learn;
mod options;
mod predict;
mod replay;
#[cfg(all(feature = "serve", unix))]
mod serve;
mod show;
mod soak;
mod state;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;

/// Learn on the device, without forgetting, without old images, inside a promised memory budget.
#[derive(Parser)]
#[command(name = "perennial", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(clap::Args, Clone, Debug)]
pub struct Global {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Seed of everything random; the same seed gives the same bytes
    #[arg(long, global = true, default_value_t = 0)]
    seed: u64,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, global = true)]
    threads: Option<usize>,
    /// Who runs the graphs: tract, in builds with them rten or onnxruntime[:PROVIDER[+cpu][,KEY=VALUE]..], such as
    /// `onnxruntime:openvino+cpu,device_type=GPU` (`+cpu` lets the CPU compute what the provider cannot)
    #[arg(long, global = true, default_value = "tract", value_name = "NAME")]
    engine: String,
    /// Height and width of an image where the model leaves them open, such as 224 or 224x320
    #[arg(long, global = true, value_name = "SIZE", value_parser = options::size)]
    image_size: Option<[usize; 2]>,
}

#[derive(Subcommand)]
enum Command {
    /// Learn five tasks of drawn pictures and write perennial-report.html (what happens without a command)
    Demo(demo::Args),
    /// Draw pictures to try things with
    Draw(draw::Args),
    /// Show what a model consists of and what could be adapted
    Inspect(inspect::Args),
    /// Write the training step of a model as ONNX files that any ONNX runtime can run
    Compile(compile::Args),
    /// Store a model's weights in f16 or bf16: half the file
    Convert(convert::Args),
    /// Learn a folder of pictures as one task; the state is made if there is none, and replaced only when all went well
    Learn(Box<learn::Args>),
    /// Classify pictures
    Predict(predict::Args),
    /// Show what a state holds; encrypt it
    State(state::Args),
    /// Learn a task again, to see whether the same comes of it
    Replay(replay::Args),
    /// Forget classes or a task
    Forget(forget::Args),
    /// Exchange tasks with other devices as signed files
    Bundle(Box<bundle::Args>),
    /// Exchange tasks with other devices over a network
    #[cfg(feature = "fleet")]
    Fleet(Box<fleet::Args>),
    /// Make a raw partition, or an image of one, ready for a state
    Format(format::Args),
    /// Write learned adapters for PyTorch (PEFT), or the adapted model as ONNX
    Export(export::Args),
    /// Fold adapters of PyTorch (PEFT) into a model; several versions of one adapter become one
    Import(import::Args),
    /// Measure strategies on a data set, task after task
    Eval(Box<eval::Args>),
    /// One page and one table of finished runs
    Compare(eval::CompareArgs),
    /// Measure speed and memory of engines
    Bench(bench::Args),
    /// Measure what a camera notices of learning: time of answers and dropped frames, idle and while it learns
    Latency(latency::Args),
    /// Learn and answer for other processes, over a Unix socket or HTTP on loopback, with a live page
    #[cfg(all(feature = "serve", unix))]
    Serve(Box<serve::Args>),
    /// Lead a long life in a short time: hundreds of lessons, restarts and power cuts inside a promise
    Soak(soak::Args),
}

const EXAMPLES: &str = "\
Examples:
  perennial                                     the demonstration; two minutes, no files needed
  perennial inspect vit_tiny.onnx
  perennial compile vit_tiny.onnx --blocks 4 --rank 8 --out step/ --gradcheck
  perennial learn --backbone vit_tiny.onnx --data kitchen/ --task kitchen --state robot.state
  perennial predict --backbone vit_tiny.onnx --state robot.state cup.jpg
  perennial forget --state robot.state --class Anna
  perennial state keygen robot.key              then --state-key robot.key wherever --state stands
  perennial bundle import cups.bundle --trust keys/ --backbone vit_tiny.onnx --state robot.state --dry-run
  perennial eval --backbone vit_tiny.onnx --data cifar100:cifar/ --tasks 10 --strategy pegp
  perennial bench --backbone vit_tiny.onnx --threads 2
  perennial latency --backbone vit_tiny.onnx --fps 15";

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    let promised = match &command {
        Some(Command::Learn(args)) => args.is_promised(),
        Some(Command::Soak(args)) => args.is_promised(),
        #[cfg(all(feature = "serve", unix))]
        Some(Command::Serve(args)) => args.is_promised(),
        _ => false,
    };
    if promised {
        heap::share();
    }
    if let Some(threads) = global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .build_global()
            .map_err(|e| crate::err!(InvalidArgument, "--threads {threads}: {e}"))?;
    }
    // A reader that stops reading (`| head`) ends the program quietly, but where it talks to processes that may end first.
    let talks = match &command {
        #[cfg(all(feature = "serve", unix))]
        Some(Command::Serve(_)) => true,
        command => matches!(command, Some(Command::Eval(_) | Command::Bench(_))),
    };
    if !talks {
        sigpipe::reset();
    }
    match command {
        None => demo::run(&global, &demo::Args::default()),
        Some(Command::Demo(args)) => demo::run(&global, &args),
        Some(Command::Draw(args)) => draw::run(&global, &args),
        Some(Command::Inspect(args)) => inspect::run(&global, &args),
        Some(Command::Compile(args)) => compile::run(&global, &args),
        Some(Command::Convert(args)) => convert::run(&global, &args),
        Some(Command::Learn(args)) => learn::run(&global, &args),
        Some(Command::Predict(args)) => predict::run(&global, &args),
        Some(Command::State(args)) => state::run(&global, &args),
        Some(Command::Replay(args)) => replay::run(&global, &args),
        Some(Command::Forget(args)) => forget::run(&global, &args),
        Some(Command::Bundle(args)) => bundle::run(&global, &args),
        #[cfg(feature = "fleet")]
        Some(Command::Fleet(args)) => fleet::run(&global, &args),
        Some(Command::Format(args)) => format::run(&global, &args),
        Some(Command::Export(args)) => export::run(&global, &args),
        Some(Command::Import(args)) => import::run(&global, &args),
        Some(Command::Eval(args)) => eval::run(&global, &args),
        Some(Command::Compare(args)) => eval::compare(&global, &args),
        Some(Command::Bench(args)) => bench::run(&global, &args),
        Some(Command::Latency(args)) => latency::run(&global, &args),
        #[cfg(all(feature = "serve", unix))]
        Some(Command::Serve(args)) => serve::run(&global, &args),
        Some(Command::Soak(args)) => soak::run(&global, &args),
    }
}
