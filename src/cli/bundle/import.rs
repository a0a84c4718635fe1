//! `perennial bundle import`.

use std::path::PathBuf;

use serde_json::json;

use super::super::options::{Learned, Pixels};
use super::super::{Global, show};
use super::now;
use crate::bundle::{Bundle, Here, Intake, Limits, Outcome, Trust, intake, preprocessing};
use crate::data::Dataset;
use crate::error::{Context, Result};
use crate::learner::Nearest;
use crate::store::Place;

/// Options of `import`.
#[derive(clap::Args)]
pub struct Args {
    /// A bundle
    path: PathBuf,
    /// A file of public keys, or a folder of files *.pub
    #[arg(long)]
    trust: PathBuf,
    #[command(flatten)]
    learned: Learned,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Take the task over by another name
    #[arg(long = "as", value_name = "NAME")]
    rename: Option<String>,
    /// Largest share of right answers, in percent, that old classes may lose in the trial
    #[arg(long, default_value_t = 100.0 * Limits::default().loss, value_name = "PERCENT")]
    max_loss: f64,
    /// How near a new class may lie to an old one of another name; 1 is how far apart two samples of one class are on average
    #[arg(long, default_value_t = Limits::default().nearness, value_name = "TIMES")]
    min_apart: f64,
    /// Take what cannot be tried, under strategies that do not keep how pictures of a class lie (ncm, ridge, ranpac)
    #[arg(long)]
    untried: bool,
    #[command(flatten)]
    pixels: Pixels,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let place = || args.path.display().to_string();
    let trust = Trust::read(&args.trust)?;
    let bundle = Bundle::read(&args.path)?;
    let kept = args.learned.kept.open()?;
    let (backbone, state) = args.learned.read(global)?;
    let preprocess = args.pixels.resolve(global, &backbone, &args.learned.backbone, &Dataset::default())?;
    let here = Here {
        backbone: backbone.sha256(),
        preprocessing: preprocessing(&preprocess)?,
        now: now(),
        rename: args.rename.clone(),
    };
    let limits = Limits {
        loss: args.max_loss / 100.0,
        nearness: args.min_apart,
        untried: args.untried,
        ..Limits::default()
    };
    let done = intake(&state, &bundle, &trust, &here, &limits).at(place)?;
    if let (Outcome::Taken(after), false) = (&done.outcome, args.dry_run) {
        kept.save(here.backbone, after.commits, after.as_ref())?;
    }
    print(global, args, &kept, &done)?;
    match done.outcome {
        Outcome::Refused(why) => Err(crate::err!(Mismatch, "not taken over: {why}").at(place())),
        _ => Ok(()),
    }
}

fn print(global: &Global, args: &Args, state: &Place, done: &Intake) -> Result<()> {
    let outcome = match (&done.outcome, args.dry_run) {
        (Outcome::Taken(_), false) => "taken",
        (Outcome::Taken(_), true) => "would be taken",
        (Outcome::Already, _) => "already there",
        (Outcome::Refused(_), _) => "refused",
    };
    if global.json {
        return show::json(&json!({ "state": state, "outcome": outcome, "bundle": done }));
    }
    println!("{state}: task {:?} of {}, {outcome}", done.task, done.maker);
    if matches!(done.outcome, Outcome::Already) {
        return Ok(());
    }
    println!("  new classes: {}", listed(&done.new_classes));
    if !done.known_classes.is_empty() {
        println!("  known classes that learn more: {}", listed(&done.known_classes));
    }
    let Some(trial) = &done.trial else { return Ok(()) };
    println!(
        "  trial on {} rows drawn from old statistics: {:.1} % right now, {:.1} % then; of its own classes {:.1} %",
        trial.recall.rows,
        100.0 * trial.recall.before,
        100.0 * trial.recall.after,
        100.0 * trial.own
    );
    if let Some(Nearest { class, to, nearness }) = &trial.nearest {
        println!(
            "  {class} lies nearest to an old class, {to}: {nearness:.1} times what two samples of one class are apart"
        );
    }
    for taken in trial.recall.taken.iter().take(5) {
        println!(
            "    {} would lose {:.1} % of its answers to {}",
            taken.class,
            100.0 * taken.share,
            taken.by
        );
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
