//! The learner shown in full, switched off in the middle.

use std::path::Path;

use serde::Serialize;

use super::stage::Stage;
use super::{STRATEGY, say};
use crate::cli::show;
use crate::error::{Context, Result};
use crate::eval::{EvalResult, Event, Run, Trace};
use crate::learner::{Learner, Prediction, State};
use crate::report::GalleryRow;
use crate::store;

/// After how many tasks the power goes.
const AFTER: usize = 3;

/// What the restart was found to change: nothing, or the demonstration fails.
#[derive(Serialize)]
pub struct Check {
    /// Tasks learned before it.
    pub after_task: usize,
    /// Size of the state file, in bytes.
    pub file_bytes: usize,
    /// Pictures on which the restored learner predicts the same, to the last bit.
    pub same_predictions: usize,
    /// Tasks learned after it, by the restored learner and by one that was never stopped.
    pub tasks_after: usize,
    /// Size of the two state files at the end, which are equal byte for byte.
    pub same_state_bytes: usize,
}

/// The run shown in full.
pub struct Shown {
    pub result: EvalResult,
    pub trace: Trace,
    pub gallery: Vec<GalleryRow>,
    pub check: Check,
}

/// Learns every task, with a restart after the third, and beside it without.
pub fn run(stage: &Stage<'_>) -> Result<Shown> {
    let scratch = tempfile::tempdir().at(|| "a folder for the demonstration".to_string())?;
    let course = stage.course();
    let tasks = stage.scenario.tasks.len();
    let bar = show::bar(stage.global, tasks, STRATEGY);
    let mut on = |event: Event<'_>| {
        say::progress(&bar, STRATEGY, &event);
        say::row(stage, &bar, &event);
    };
    let mut run = Run::new(&course, stage.plan(), stage.facts());
    let mut learner = stage.learner(STRATEGY).build()?;
    for t in 0..AFTER {
        run.learn(&mut learner, t, &mut on)?;
        run.measure(&learner, t, &mut on)?;
    }

    let file = scratch.path().join("learner.state");
    let file_bytes = saved(&learner, &file)?.len();
    let answers = every_answer(stage, &learner)?;
    let mut unstopped = learner;
    let mut learner = loaded(stage, &file)?;
    let same_predictions = answers.len();
    if every_answer(stage, &learner)? != answers {
        crate::bail!(Bug, "the restored learner predicts otherwise than the one that was saved");
    }
    say::restored(stage.global, &bar, file_bytes);

    let mut beside = Run::new(&course, stage.plan(), stage.facts());
    for t in AFTER..tasks {
        run.learn(&mut learner, t, &mut on)?;
        run.measure(&learner, t, &mut on)?;
        beside.learn(&mut unstopped, t, &mut |_| {})?;
    }
    bar.finish_and_clear();
    let state = saved(&learner, &file)?;
    if saved(&unstopped, &file)? != state {
        crate::bail!(Bug, "the restored learner went on otherwise than the one that was never stopped");
    }
    let check = Check {
        after_task: AFTER,
        file_bytes,
        same_predictions,
        tasks_after: tasks - AFTER,
        same_state_bytes: state.len(),
    };
    run.meet_unknown(&learner, tasks)?;
    let gallery = stage.gallery(&learner)?;
    let (result, trace) = run.finish(&learner)?;
    Ok(Shown { result, trace, gallery, check })
}

/// Predictions for all test pictures, those not yet learned included.
fn every_answer(stage: &Stage<'_>, learner: &Learner) -> Result<Vec<Prediction>> {
    let ids: Vec<usize> = (0..stage.pictures()[1]).collect();
    Ok(stage.course().predictions(learner, &ids)?.1)
}

fn saved(learner: &Learner, file: &Path) -> Result<Vec<u8>> {
    store::save(file, learner.backbone_sha256(), learner.state().commits, learner.state())?;
    std::fs::read(file).at(|| file.display().to_string())
}

fn loaded(stage: &Stage<'_>, file: &Path) -> Result<Learner> {
    let (_, state): (_, State) = store::load(file, stage.backbone.sha256())?;
    stage.learner(STRATEGY).resume(state).build()
}
