//! `perennial eval`: strategies measured on a data set, task after task.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use indicatif::ProgressBar;

use super::options::{Adapt, Pixels, Train};
use super::{Global, options, show};
use crate::backbone::Backbone;
use crate::data::{ClassNames, DataSpec, Dataset, Layout, Limits, Preprocess, Split};
use crate::engine::Engine;
use crate::error::{Context, Result};
use crate::eval::{self, Bank, ClassOrder, Course, EvalResult, Event, Plan, Scenario, Trace};
use crate::learner::{Learner, Settings};
use crate::report::{self, LossCurve, Report};
use crate::strategy;

/// Options of `eval`.
#[derive(clap::Args)]
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
    /// File with the class order, one index or name a line [default: shuffled by --seed]
    #[arg(long)]
    order: Option<PathBuf>,
    /// Strategies, separated by commas, or `all`
    #[arg(long, default_value = "pegp")]
    strategy: String,
    /// Learn from all but this share of the training pictures of a class and measure on the rest: for tuning
    #[arg(long, value_name = "SHARE")]
    validate: Option<f64>,
    /// Write the figures here as JSON; one object, or a list with several strategies
    #[arg(long = "json-out", alias = "out", value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Write a report with pictures here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    #[command(flatten)]
    pixels: Pixels,
}

/// The setting of continual learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Setting {
    /// New classes in every task
    Class,
    /// The same classes in other surroundings
    Domain,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = options::backbone(global, &args.backbone)?;
    let (data, scenario) = open(global, args)?;
    let preprocess = args.pixels.resolve(global, &backbone, &args.backbone, &data)?;
    let engine = options::engine(global)?;
    let bench = Bench { global, args, backbone, data, scenario, engine };
    let (train, test) = bench.encode(&preprocess)?;
    let mut results = Vec::new();
    let mut last = Trace::default();
    for name in bench.strategies()? {
        let (result, trace) = bench.measure(name, &train, &test)?;
        if !global.json {
            println!("{}", line(&result));
        }
        results.push(result);
        last = trace;
    }
    bench.write(&results, last)
}

fn open(global: &Global, args: &Args) -> Result<(Dataset, Scenario)> {
    let names = match args.scenario {
        Setting::Class => ClassNames::PerTask,
        Setting::Domain => ClassNames::Shared,
    };
    let folders = args.tasks == "folders";
    let layout = if folders { Layout::Tasks(names) } else { Layout::Classes };
    let limits = Limits { train_per_class: args.train_per_class, test_per_class: args.test_per_class };
    let mut data = Dataset::open(&args.data, layout, limits)?;
    if let Some(share) = args.validate {
        data.hold_out(share)?;
    }
    for skipped in &data.skipped {
        eprintln!("skipped {}: {}", skipped.path.display(), skipped.reason);
    }
    if folders {
        let scenario = Scenario::folders(&data, 0)?;
        return Ok((data, scenario));
    }
    let tasks = args
        .tasks
        .parse()
        .map_err(|_| crate::err!(InvalidArgument, "--tasks takes a number or `folders`"))?;
    let order = match &args.order {
        Some(path) => ClassOrder::read(path, &data.classes)?,
        None => ClassOrder::Shuffled(global.seed),
    };
    let scenario = Scenario::class_incremental(&data, tasks, &order, 0)?;
    Ok((data, scenario))
}

struct Bench<'a> {
    global: &'a Global,
    args: &'a Args,
    backbone: Backbone,
    data: Dataset,
    scenario: Scenario,
    engine: Arc<dyn Engine>,
}

impl Bench<'_> {
    fn strategies(&self) -> Result<Vec<&str>> {
        let text = self.args.strategy.as_str();
        let names: Vec<&str> =
            if text == "all" { strategy::NAMES.to_vec() } else { text.split(',').collect() };
        for name in &names {
            strategy::by_name(name, 1)?;
        }
        Ok(names)
    }

    fn settings(&self) -> Result<Settings> {
        self.args.train.settings(&self.args.adapt, &self.backbone, self.global.seed)
    }

    fn learner(&self, strategy: &str) -> Result<Learner> {
        let mut budget = self.args.train.budget();
        if strategy == "joint" {
            // The upper reference sees all data at once; it is no device.
            budget.cache = usize::MAX;
        }
        Learner::builder(self.backbone.clone())
            .engine(self.engine.clone())
            .strategy(strategy)
            .settings(self.settings()?)
            .budget(budget)
            .build()
    }

    /// Every picture of the scenario through the frozen network, once for all strategies.
    fn encode(&self, preprocess: &Preprocess) -> Result<(Bank, Bank)> {
        let learner = self.learner("ncm-frozen")?;
        let ids = |of: fn(&crate::eval::TaskSplit) -> &Vec<usize>| -> Vec<usize> {
            self.scenario.tasks.iter().flat_map(of).copied().chain([]).collect()
        };
        let (train, mut test) = (ids(|t| &t.train), ids(|t| &t.test));
        test.extend(&self.scenario.unknown);
        test.sort_unstable();
        test.dedup();
        let bar = show::bar(self.global, train.len() + test.len(), "frozen network");
        let encode = |split, ids: &[usize]| {
            Bank::encode(&learner, &self.data, split, ids, preprocess, &mut |n| bar.inc(n as u64))
        };
        let banks = (encode(Split::Train, &train)?, encode(Split::Test, &test)?);
        bar.finish_and_clear();
        for skipped in banks.0.skipped.iter().chain(&banks.1.skipped) {
            eprintln!("skipped {}: {}", skipped.path.display(), skipped.reason);
        }
        Ok(banks)
    }

    fn measure(&self, name: &str, train: &Bank, test: &Bank) -> Result<(EvalResult, Trace)> {
        let mut learner = self.learner(name)?;
        let course = Course { data: &self.data, scenario: &self.scenario, train, test };
        let plan = Plan { epochs: self.args.train.epochs, jointly: name == "joint" };
        let bar = show::bar(self.global, self.scenario.tasks.len(), name);
        let done = eval::run::run(&mut learner, &course, plan, self.facts()?, &mut |e| tell(&bar, name, &e));
        bar.finish_and_clear();
        done
    }

    /// What is known before a run.
    fn facts(&self) -> Result<EvalResult> {
        let (adapt, train, settings) = (&self.args.adapt, &self.args.train, self.settings()?);
        let config = [
            ("engine", self.global.engine.clone()),
            ("blocks", settings.lora.blocks.to_string()),
            ("rank", adapt.rank.to_string()),
            ("roles", adapt.sites.clone().unwrap_or_else(|| adapt.roles.to_string())),
            ("epochs", train.epochs.to_string()),
            ("batch", train.batch.to_string()),
            ("optimizer", format!("{:?}", settings.descent)),
            ("learning_rate", settings.learning_rate.to_string()),
            ("random_features", train.random_features.to_string()),
        ];
        Ok(EvalResult {
            scenario: self.scenario.kind,
            data: self.args.data.to_string(),
            backbone: show::hex(&self.backbone.sha256()),
            seed: self.global.seed,
            threads: rayon::current_num_threads(),
            config: config.into_iter().map(|(k, v)| (k.to_string(), v)).collect::<BTreeMap<_, _>>(),
            ..EvalResult::default()
        })
    }

    fn write(&self, results: &[EvalResult], trace: Trace) -> Result<()> {
        let document = match results {
            [one] => serde_json::to_value(one),
            many => serde_json::to_value(many),
        }
        .map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
        if self.global.json {
            show::json(&document)?;
        }
        if let Some(path) = &self.args.json_out {
            std::fs::write(path, format!("{document:#}\n")).at(|| path.display().to_string())?;
        }
        if let Some(path) = &self.args.report {
            report::write(&self.report(results, trace), path)?;
            eprintln!("report: {}", path.display());
        }
        Ok(())
    }

    fn report(&self, results: &[EvalResult], trace: Trace) -> Report {
        Report {
            title: format!("{} on {}", self.args.strategy, self.args.data),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            results: results.to_vec(),
            loss: LossCurve { loss: trace.loss, task_starts: trace.task_starts },
            ..Report::default()
        }
    }
}

/// Keeps the bar speaking.
fn tell(bar: &ProgressBar, name: &str, event: &Event<'_>) {
    match event {
        Event::Step { task, loss: Some(loss) } => {
            bar.set_message(format!("{name} task {task} loss {loss:.2}"))
        }
        Event::Step { .. } => {}
        Event::Learned { .. } => {}
        Event::Measured { accuracy, .. } => {
            bar.inc(1);
            bar.set_message(format!("{name} {accuracy:.1} %"));
        }
    }
}

fn line(r: &EvalResult) -> String {
    let m = &r.metrics;
    let or = |x: Option<f64>| x.map_or("    -".into(), |x| format!("{x:5.1}"));
    format!(
        "{:<16} last {:5.1}  incremental_avg {}  forgetting {}  retrieval {} (chance {:.1})  unknown AUROC {} false accept {}  \
         state {:7.0} KiB  train {:6.1} s  predict {:5.1} ms",
        r.strategy,
        m.last,
        or(m.incremental_avg),
        or(m.forgetting),
        or(m.retrieval),
        m.retrieval_chance,
        or(r.unknown_auroc),
        or(r.unknown_false_accept_at_95),
        r.state_bytes_after_task.last().map_or(0.0, |&b| b as f64 / 1024.0),
        r.train_seconds,
        r.predict_ms_per_image
    )
}
