//! `perennial bench`: speed and memory of engines on the learner's own work, and of peers that do the same.
//!
//! Every (engine, work, batch) is a process of its own ([`process`]), so its peak memory is its own. Processes that are
//! compared are alive together and take turns, A B C A B C: a neighbour on a shared machine slows a round, not an
//! engine, and a ratio is the median of ratios within rounds ([`rounds`]).

mod process;
mod profile;
mod rounds;
mod table;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::json;

use super::{Global, options, show};
use crate::adapter::{Blocks, Lora, Roles};
use crate::engine;
use crate::error::{Error, Result};
use crate::measure::{Case, Subject, Work, multiply_adds, sgemm_peak};

/// Options of `bench`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long, default_value = "default")]
    backbone: PathBuf,
    /// Engines as `--engine` takes them [default: those of this build]. The learner gives tract one thread a micro-batch
    /// and others all threads; NAME@T runs whole batches on T threads inside the engine
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    engines: Vec<String>,
    /// Some of forward, step-all, step-last, step-cached, merged, inputs, per-image [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    work: Vec<Work>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_value = "1,8,16", value_name = "SIZES")]
    batch: Vec<usize>,
    /// Blocks that step-last and step-cached adapt; the other works adapt all
    #[arg(long, default_value_t = 4)]
    blocks: usize,
    /// Rank of every adapter
    #[arg(long, default_value_t = 8)]
    rank: usize,
    /// Which linear layers: a list of q, k, v, qkv, o, fc1, fc2
    #[arg(long, default_value = "qkv")]
    roles: Roles,
    /// Pictures a pass through the engine, at most
    #[arg(long, default_value_t = 4)]
    micro: usize,
    /// Timed rounds
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// Shared library of one engine, NAME=PATH: two builds of ONNX Runtime in one run
    #[arg(long, value_name = "NAME=PATH")]
    library: Vec<Named>,
    /// A program that does the same work and speaks the same protocol, NAME=COMMAND; see benches/peers
    #[arg(long, value_name = "NAME=COMMAND")]
    peer: Vec<Named>,
    /// Who counts as 1 [default: the first peer, or the first engine]
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Print the table in Markdown
    #[arg(long)]
    markdown: bool,
    /// Print the time by operator of one micro-batch instead
    #[arg(long)]
    profile: bool,
    /// Measure the case on standard input
    #[arg(long, hide = true)]
    worker: bool,
}

/// `NAME=VALUE`.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    value: String,
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| crate::err!(InvalidArgument, "{text:?} is not NAME=VALUE"))?;
        Ok(Self { name: name.into(), value: value.into() })
    }
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    if args.worker {
        return worker::serve(global);
    }
    let engines = match args.engines.is_empty() {
        true => engine::names().into_iter().map(str::to_string).collect(),
        false => whole(&args.engines),
    };
    engines.iter().try_for_each(|name| engine::known(name.split('@').next().unwrap_or(name)))?;
    if args.profile {
        return profile::run(global, &cases(global, args, &engines));
    }
    let threads = rayon::current_num_threads();
    let peak = sgemm_peak(threads)?;
    let names: Vec<String> = args.peer.iter().map(|p| p.name.clone()).chain(engines).collect();
    let cases = cases(global, args, &names);
    let operations = operations(global, args, &cases)?;
    let baseline = args.baseline.as_ref().or(names.first()).cloned().unwrap_or_default();
    let mut rows = rounds::measure(global, args, &cases, &baseline)?;
    rounds::compare(&mut rows, &baseline, peak, &operations);
    if global.json {
        return show::json(&json!({
            "threads": threads, "sgemm_gflops": peak, "sgemm": "faer, 512 x 512", "baseline": baseline, "rows": rows,
        }));
    }
    println!("sgemm peak {peak:.0} GFLOP/s (faer, 512 x 512, {threads} threads); {baseline} = 1\n");
    match args.markdown {
        true => print!("{}", table::markdown(&names, &baseline, &rows)),
        false => print!("{}", table::text(&rows)),
    }
    Ok(())
}

/// Engines whose options stand behind commas (`onnxruntime:cpu,weights=inputs`) put together again.
fn whole(pieces: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces {
        match names.last_mut().filter(|_| piece.contains('=')) {
            Some(name) => *name = format!("{name},{piece}"),
            None => names.push(piece.clone()),
        }
    }
    names
}

/// Every measurement, batch by batch.
fn cases(global: &Global, args: &Args, names: &[String]) -> Vec<Case> {
    let works = if args.work.is_empty() { Work::ALL.to_vec() } else { args.work.clone() };
    let lora = Lora {
        rank: args.rank,
        alpha: args.rank as f32,
        blocks: Blocks::Last(args.blocks),
        roles: args.roles,
    };
    let mut cases = Vec::new();
    for &batch in &args.batch {
        for &work in &works {
            cases.extend(names.iter().map(|name| Case {
                engine: name.clone(),
                work,
                batch,
                micro: if name.contains('@') { batch } else { args.micro },
                threads: rayon::current_num_threads(),
                lora,
                classes: 16,
                backbone: args.backbone.clone(),
                image_size: global.image_size,
            }));
        }
    }
    cases
}

/// Multiply-adds by work and batch: those of one image, times the batch.
fn operations(global: &Global, args: &Args, cases: &[Case]) -> Result<BTreeMap<(Work, usize), u64>> {
    let backbone = options::backbone(global, &args.backbone)?;
    let mut counts = BTreeMap::new();
    for case in cases {
        if let std::collections::btree_map::Entry::Vacant(entry) = counts.entry((case.work, case.batch)) {
            let graph = Subject::graph(case, &backbone)?;
            let images = backbone.fixed_batch().unwrap_or(1);
            entry.insert(multiply_adds(&graph, images)? / images as u64 * case.batch as u64);
        }
    }
    Ok(counts)
}
