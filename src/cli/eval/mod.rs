//! `perennial eval`: strategies measured on a data set, task after task.
//!
//! ```text
//! strategies x orders x seeds = jobs     each a process of its own (worker), --jobs of them beside each other (pool)
//! pictures -> frozen network             once, into a cache on disk that all processes read (encode)
//! job -> OUT/<name>.json                 whole or not at all; a job whose file is there is not run again
//!        OUT/<name>.part                 after every task: where a run that is cut off goes on
//! all jobs -> OUT/report.html, table.md  also by `perennial compare OUT` (compare)
//! ```

mod compare;
mod encode;
mod job;
mod pool;
mod progress;
mod setup;
mod worker;

use std::path::PathBuf;

use super::options::{Adapt, Pixels, Train};
use super::{Global, show};
use crate::data::DataSpec;
use crate::error::{Context, Result};
use crate::eval::EvalResult;
use crate::strategy;

pub use compare::{Args as CompareArgs, run as compare};
use job::{Job, Record};
use setup::Setup;

/// Options of `eval`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long)]
    backbone: PathBuf,
    /// cifar100:DIR (binary files or WebP sheets) or folder:DIR ({train,test}/<class>/)
    #[arg(long)]
    data: DataSpec,
    /// What changes from task to task
    #[arg(long, value_enum, default_value_t = Setting::Class)]
    scenario: Setting,
    /// Number of tasks, or `folders` for {train,test}/<task>/<class>/
    #[arg(long, default_value = "10")]
    tasks: String,
    /// First pictures of a class, in file order
    #[arg(long, value_name = "N")]
    train_per_class: Option<usize>,
    /// First test pictures of a class, in file order
    #[arg(long, value_name = "N")]
    test_per_class: Option<usize>,
    /// Orders, separated by commas: a file (one class or task folder a line, by name or index), a seed that shuffles, or
    /// `listed` [default: --seed shuffles classes; folders as listed]
    #[arg(long, alias = "order", value_delimiter = ',', value_name = "ORDERS")]
    orders: Vec<String>,
    /// Seeds of everything else that is random, separated by commas [default: --seed]
    #[arg(long, value_delimiter = ',', value_name = "SEEDS")]
    seeds: Vec<u64>,
    /// Strategies, separated by commas, or `all`
    #[arg(long, default_value = "perennial")]
    strategy: String,
    /// One pass over the training pictures, in batches of ten
    #[arg(long)]
    online: bool,
    /// Do not tell the learner where one task ends and the next begins: it finds out; measured at the end
    #[arg(long)]
    task_free: bool,
    /// Move this share of every task's training pictures into other tasks
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    blur: f64,
    /// Learn from all but this share of the training pictures of a class and measure on the rest: for tuning
    #[arg(long, value_name = "SHARE")]
    validate: Option<f64>,
    /// Name of the stream in tables, such as P-small [default: that of the data]
    #[arg(long, value_name = "NAME")]
    title: Option<String>,
    /// One JSON file a run, report.html and table.md go here; runs whose file is there are not run again
    #[arg(long, default_value = "perennial-eval", value_name = "DIR")]
    out: PathBuf,
    /// Run again what is there
    #[arg(long)]
    fresh: bool,
    /// Runs at a time, each a process [default: one for every two cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Keep the frozen encodings of pictures here, for later runs [default: perennial/ in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Keep the encodings in the memory of one process, which then runs everything in turn
    #[arg(long, conflicts_with = "cache_dir")]
    no_cache_dir: bool,
    /// Write the figures here as JSON, too; one object, or a list of several runs
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Write the report with pictures here [default: report.html in --out]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    #[command(flatten)]
    pixels: Pixels,
    /// Run the jobs on standard input
    #[arg(long, hide = true)]
    worker: bool,
}

const EXAMPLES: &str = "\
Examples:
  perennial eval --backbone vit_tiny.onnx --data cifar100:cifar/ --strategy pegp,best-frozen
  perennial eval --backbone vit_tiny.onnx --data cifar100:cifar/ --train-per-class 100 --test-per-class 20 \\
      --strategy all --orders order_1993.txt,0,1 --out p-small/        three orders; start it again to go on
  perennial eval --backbone vit_tiny.onnx --data folder:omniglot/ --tasks folders
  perennial eval --backbone vit_tiny.onnx --data folder:pacs/ --tasks folders --scenario domain
  perennial eval .. --online                                           one pass, batches of ten
  perennial eval .. --task-free --blur 0.1                             boundaries are found, and blurred
  perennial eval .. --blur 0.1                                         a tenth of every task comes with others
  perennial eval .. --validate 0.2                                     tune without a look at the test pictures
  perennial compare p-small/ omniglot/ pacs/ --out all/                one page and one table of everything";

/// The setting of continual learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Setting {
    /// New classes in every task
    Class,
    /// The same classes in other surroundings
    Domain,
    /// New classes, and the task is known when a picture is asked about
    Task,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    if args.worker {
        return worker::serve(global, args);
    }
    let setup = Setup::open(global, args)?;
    let jobs = jobs(global, args)?;
    std::fs::create_dir_all(&args.out).at(|| format!("{}; choose another --out", args.out.display()))?;
    let _lock = lock(&args.out)?;
    let cases = jobs.iter().map(|job| setup.case(job)).collect::<Result<Vec<_>>>()?;
    if args.fresh {
        cases.iter().try_for_each(job::Case::forget)?;
    }
    let open: Vec<Job> = cases.iter().filter(|case| !case.is_done()).map(|case| case.job.clone()).collect();
    setup.say_what_is_done(&cases);
    if !open.is_empty() && !args.no_cache_dir {
        setup.fill_cache(&jobs)?;
    }
    let failed = pool::run(global, args, open);
    let records = cases.iter().filter(|case| case.is_done()).map(job::Case::read);
    write(global, args, &records.collect::<Result<Vec<_>>>()?)?;
    match failed.as_slice() {
        [] => Ok(()),
        [(job, why), rest @ ..] => Err(crate::err!(
            Engine,
            "{job}: {why} ({} more runs failed; the others are in {}; start again to go on)",
            rest.len(),
            args.out.display()
        )),
    }
}

/// Strategies x orders x seeds.
fn jobs(global: &Global, args: &Args) -> Result<Vec<Job>> {
    let text = args.strategy.as_str();
    let strategies: Vec<&str> =
        if text == "all" { strategy::NAMES.to_vec() } else { text.split(',').collect() };
    strategies.iter().try_for_each(|name| strategy::by_name(name, 1).map(|_| ()))?;
    let seeds = if args.seeds.is_empty() { vec![global.seed] } else { args.seeds.clone() };
    let orders = match (args.orders.is_empty(), args.tasks == "folders") {
        (false, _) => args.orders.clone(),
        (true, true) => vec!["listed".to_string()],
        (true, false) => vec![global.seed.to_string()],
    };
    let mut jobs = Vec::new();
    for strategy in strategies {
        for order in &orders {
            let of = |&seed: &u64| Job { strategy: strategy.into(), order: order.clone(), seed };
            jobs.extend(seeds.iter().map(of));
        }
    }
    Ok(jobs)
}

/// Held as long as runs are written: two programs would write the same files.
fn lock(folder: &std::path::Path) -> Result<std::fs::File> {
    let path = folder.join(".lock");
    let file = std::fs::File::create(&path).at(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(crate::err!(
            State,
            "another perennial eval writes to {}; wait for it, or choose another --out",
            folder.display()
        )),
        Err(std::fs::TryLockError::Error(e)) => Err(e).at(|| path.display().to_string()),
    }
}

fn write(global: &Global, args: &Args, records: &[Record]) -> Result<()> {
    let results: Vec<&EvalResult> = records.iter().map(|r| &r.result).collect();
    let document = match results.as_slice() {
        [one] => serde_json::to_value(one),
        many => serde_json::to_value(many),
    }
    .map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
    if global.json {
        show::json(&document)?;
    }
    if let Some(path) = &args.json_out {
        std::fs::write(path, format!("{document:#}\n")).at(|| path.display().to_string())?;
    }
    let page = args.report.clone().unwrap_or_else(|| args.out.join("report.html"));
    compare::write(global, records, &page, &args.out.join("table.md"))
}
