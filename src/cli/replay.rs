//! `perennial replay`: a task learned again from its receipt, to see whether the same comes of it.

use serde_json::json;

use super::options::Lesson;
use super::{Global, learn, options, show};
use crate::error::Result;
use crate::learner::{Budget, Learner, Receipt, Spill, State};
use crate::store::Place;

/// Options of `replay`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    lesson: Lesson,
    /// The state before the task, a file or partition:PATH [default: none, for the first task]
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
}

const EXAMPLES: &str = "\
Examples:
  perennial replay --backbone vit_tiny.onnx --data kitchen/ --task kitchen --state robot.state
  perennial replay --backbone vit_tiny.onnx --data hall/ --task hall --state robot.state --from robot.state.monday";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (backbone, state) = args.lesson.learned.read(global)?;
    let (data, preprocess) = args.lesson.pictures(global, &backbone)?;
    let then = receipt(&state, &args.lesson.task)?;
    let file = then.file.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let spill = file.map(|bytes| Spill { folder: std::env::temp_dir(), bytes });
    let budget = Budget { spill, ..then.budget.clone().into() };
    let builder = Learner::builder(backbone).engine(options::engine(global)?).budget(budget);
    let mut learner = match &args.from {
        Some(place) => builder.resume(args.lesson.learned.kept.open_other(place)?.load(None)?.1).build()?,
        None => builder.strategy(&state.strategy).settings(state.settings.clone()).build()?,
    };
    if learner.state().digest()? != then.before {
        crate::bail!(
            Mismatch,
            "{:?} was not learned from this state; give the one before it with --from, or nothing for the first task",
            args.lesson.task
        );
    }
    learn::teach(global, &mut learner, &args.lesson.task, &data, &preprocess, then.passes as usize)?;
    learner.commit_anyway()?;
    let now = receipt(learner.state(), &args.lesson.task)?;
    let different = then.differences(&now);
    if global.json {
        show::json(&json!({ "task": args.lesson.task, "then": then, "now": now, "different": different }))?;
    } else if different.is_empty() {
        println!("{:?} again: the same pictures, and byte for byte the same state", args.lesson.task);
    }
    match different.is_empty() {
        true => Ok(()),
        false => Err(crate::err!(
            Mismatch,
            "{:?} came out differently: {}. Another engine, instruction set or version may round otherwise",
            args.lesson.task,
            different.join("; ")
        )),
    }
}

/// How `task` was learned.
fn receipt(state: &State, task: &str) -> Result<Receipt> {
    let Some(record) = state.tasks.iter().find(|record| record.name == task) else {
        let known: Vec<&str> = state.tasks.iter().map(|task| task.name.as_str()).collect();
        crate::bail!(NotFound, "no task {task:?}; known are: {}", known.join(", "))
    };
    record.receipt.clone().ok_or_else(|| {
        crate::err!(
            Unsupported,
            "{task:?} has no receipt: it came in a bundle, or others were made one with it"
        )
    })
}
