//! `perennial learn`: a folder of pictures as one task. A state is made if there is none, and replaced only when all went well.

use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use super::bundle::Signing;
use super::options::{Adapt, Lesson, Train};
use super::{Global, options, show};
use crate::backbone::Backbone;
use crate::bundle::preprocessing;
use crate::data::{Dataset, Preprocess, Split};
use crate::error::Result;
use crate::eval::memory::peak_anonymous_bytes;
use crate::learner::{Labelled, Learner, Limits, Nearest, Step, TaskReport, Verdict};
use crate::store::Place;

/// Options of `learn`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    lesson: Lesson,
    /// Strategy of a new state; an existing one goes on as it was
    #[arg(long, default_value = "perennial")]
    strategy: String,
    /// Largest share of right answers, in percent, that old classes together may lose to the task
    #[arg(long, default_value_t = 100.0 * Limits::default().loss, value_name = "PERCENT")]
    max_loss: f64,
    /// Largest share of right answers, in percent, that any one old class may lose to the task
    #[arg(long, default_value_t = 100.0 * Limits::default().class_loss, value_name = "PERCENT")]
    max_class_loss: f64,
    /// Keep the task even where it takes answers away from old classes, or seems to have taught nothing
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    /// Write what the task taught as a bundle, for devices that have the first task in common; needs --key
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Of the bundle")]
    signing: Signing,
}

impl Args {
    /// Whether RAM was promised.
    pub fn is_promised(&self) -> bool {
        self.train.budget.is_some()
    }
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = options::backbone(global, &args.lesson.learned.backbone)?;
    let (data, preprocess) = args.lesson.pictures(global, &backbone)?;
    let place = args.lesson.learned.kept.open()?;
    let mut learner = open(global, args, &place, backbone)?;
    if let Some(task) = learner.tasks().iter().find(|t| t.name == args.lesson.task) {
        crate::bail!(
            InvalidArgument,
            "{place} already holds a task {:?} with {} classes; choose another name",
            task.name,
            task.classes.len()
        );
    }
    let key = match &args.bundle {
        Some(_) => learner.state().can_share().and_then(|()| args.signing.key()).map(Some)?,
        None => None,
    };
    let (report, steps) =
        teach(global, &mut learner, &args.lesson.task, &data, &preprocess, args.train.epochs)?;
    check(args, &place, &report.verdict)?;
    if let (Some(path), Some(key)) = (&args.bundle, &key) {
        args.signing.write(&learner, preprocessing(&preprocess)?, key, path)?;
    }
    learner.commit_anyway()?;
    let state = learner.state();
    place.save(learner.backbone_sha256(), state.commits, state)?;
    let done = Done {
        report,
        tasks: learner.tasks().iter().map(|task| task.name.as_str()).collect(),
        steps,
        skipped: data.skipped.len(),
        memory: Memory { planned: learner.footprint().total(), peak: peak_anonymous_bytes() },
    };
    print(global, args, &place, &done)
}

/// Refuses what the verdict objects to, unless it is wanted all the same.
fn check(args: &Args, place: &Place, verdict: &Verdict) -> Result<()> {
    match verdict.against() {
        Some(why) if !args.anyway => Err(crate::err!(
            Refused,
            "task {:?} was not kept: {why}. {place} is as it was; --anyway keeps the task all the same",
            args.lesson.task
        )),
        _ => Ok(()),
    }
}

/// The learner of `--state`, or a new one.
fn open(global: &Global, args: &Args, place: &Place, backbone: Backbone) -> Result<Learner> {
    let settings = args.train.settings(&args.adapt, &backbone, global.seed)?;
    let sha256 = backbone.sha256();
    let builder = Learner::builder(backbone)
        .engine(options::engine(global)?)
        .strategy(&args.strategy)
        .settings(settings)
        .limits(Limits {
            loss: args.max_loss / 100.0,
            class_loss: args.max_class_loss / 100.0,
            ..Limits::default()
        })
        .sharing(args.bundle.is_some());
    args.train.learner(global, builder, place, sha256)
}

/// Learns all pictures of `data` as one task, `epochs` times, up to the decision.
pub(super) fn teach(
    global: &Global,
    learner: &mut Learner,
    task: &str,
    data: &Dataset,
    preprocess: &Preprocess,
    epochs: usize,
) -> Result<(TaskReport, Vec<Step>)> {
    let mut ids: Vec<usize> = (0..data.train.len()).collect();
    ids.shuffle(&mut ChaCha8Rng::seed_from_u64(learner.settings().seed ^ learner.tasks().len() as u64));
    let bar = show::bar(global, ids.len() * epochs.max(1), "learning");
    let shape = learner.image_shape();
    // A step at a time: pixels of more pictures than that would only take memory.
    let batches = ids.chunks(learner.settings().batch).map(|chunk| {
        let batch = data.load(Split::Train, chunk, preprocess)?;
        let labels = batch.classes.iter().map(|&c| data.classes[c].as_str()).collect();
        Ok(Labelled { images: show::images(&batch.pixels, shape)?.to_owned().into(), labels })
    });
    let mut steps = Vec::new();
    let report = learner.learn(task, epochs, batches, |some, images| {
        steps.extend_from_slice(some);
        bar.inc(images as u64);
    })?;
    bar.finish_and_clear();
    Ok((report, steps))
}

/// What is told.
struct Done<'l> {
    report: TaskReport,
    /// Names of all tasks.
    tasks: Vec<&'l str>,
    steps: Vec<Step>,
    /// Files that are no pictures.
    skipped: usize,
    memory: Memory,
}

/// RAM, in bytes.
#[derive(Clone, Copy, Serialize)]
struct Memory {
    planned: usize,
    /// What the process held at most of anonymous memory, where the system tells.
    peak: Option<u64>,
}

fn print_verdict(verdict: &Verdict) {
    if verdict.held_out > 0 {
        println!("  of {} pictures held out, {} are answered rightly", verdict.held_out, verdict.right);
    }
    if let Some(recall) = &verdict.recall {
        println!(
            "  old classes, asked without pictures: {:.1} % right before, {:.1} % now",
            100.0 * recall.before,
            100.0 * recall.after
        );
    }
    if let Some(Nearest { class, to, nearness }) = verdict.nearest.as_ref().filter(|n| n.may_be_one()) {
        println!(
            "  {class} and {to} lie {nearness:.1} times as far apart as two samples of one class: one thing under two names?"
        );
    }
    if verdict.repeated > 0 {
        println!("  {} pictures are the same as others", verdict.repeated);
    }
    verdict.objections.iter().for_each(|objection| println!("  kept although {objection}"));
}

fn print(global: &Global, args: &Args, place: &Place, done: &Done<'_>) -> Result<()> {
    let Done { report, tasks, steps, skipped, memory } = done;
    let last = steps.last();
    if global.json {
        return show::json(
            &json!({ "state": place, "report": report, "skipped": skipped, "last_step": last, "memory": memory }),
        );
    }
    println!("learned task {:?}: {} pictures of {}", report.name, report.images, report.classes.join(", "));
    if report.kept < report.images {
        println!("  the cache held {} of them; raise --cache to use all", report.kept);
    }
    if let Some(step) = last {
        println!(
            "  {} steps, last loss {:.3}, last batch {:.0} % right",
            steps.len(),
            step.loss,
            100.0 * step.accuracy
        );
    }
    if report.restarts > 0 {
        println!(
            "  training diverged {} times and went on at {:.0e} of the learning rate; lower it",
            report.restarts,
            0.1f64.powi(report.restarts as i32)
        );
    }
    if !report.protected.is_empty() {
        println!("  protected directions a site input: {:?}", report.protected);
    }
    println!("  signature of {} components", report.components);
    print_verdict(&report.verdict);
    report.given_up.iter().for_each(|concession| println!("  given up: {concession}"));
    if let Some(certificate) = &report.certificate {
        println!("  {}", certificate.explain(tasks));
    }
    if let Some(path) = &args.bundle {
        println!("  what it taught, signed, in {}", path.display());
    }
    println!("  state {} KiB in {place}", report.state_bytes / 1024);
    if let Some(peak) = memory.peak {
        println!("  {} MiB of RAM at most, {} were planned", peak >> 20, memory.planned >> 20);
    }
    Ok(())
}
