//! The checks before a bundle becomes part of a state, in this order:
//!
//! | check | against |
//! |---|---|
//! | signature | damage and change on the way (when the bundle was read) |
//! | maker | strangers |
//! | expiry | what was withdrawn long ago |
//! | backbone, preprocessing, space | statistics of other features |
//! | number | an older version brought back; two versions of one number |
//! | shape, size, finite, possible | damage and hostile makers: what cannot be sums of rows |
//! | trial, reach | harm to what was learned here |
//!
//! The result is a new state beside the old one; whoever stores it through [`Place::save`](crate::store::Place::save) has the old or the
//! new one after a power cut. Not stored, it is what would change.

use serde::Serialize;

use super::content::space;
use super::file::Bundle;
use super::key::Trust;
use super::trial::{Limits, Trial};
use crate::error::Result;
use crate::learner::{Age, Digest, State};

/// What the receiving side knows beside its state.
#[derive(Clone, Debug)]
pub struct Here {
    /// SHA-256 of the backbone that the state belongs to.
    pub backbone: [u8; 32],
    /// SHA-256 of how pictures become pixels here.
    pub preprocessing: [u8; 32],
    /// Seconds since 1970; 0 where there is no clock, and then only bundles that never expire are taken.
    pub now: u64,
    /// Another name for the task, where its own is taken.
    pub rename: Option<String>,
}

/// What became, or would become, of a bundle.
#[derive(Debug, Serialize)]
pub struct Intake {
    /// Its id.
    pub id: Digest,
    /// What its maker is called here.
    pub maker: String,
    /// The task, by its name here.
    pub task: String,
    /// Its classes that were not known.
    pub new_classes: Vec<String>,
    /// Its classes that were, which get further statistics.
    pub known_classes: Vec<String>,
    /// What asking showed, where it was possible.
    pub trial: Option<Trial>,
    /// The end of it.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// The end of the checks.
#[derive(Debug)]
pub enum Outcome {
    /// This is the state with the task; solved, and to be stored.
    Taken(Box<State>),
    /// The state has it: there is nothing to do.
    Already,
    /// It would do harm, and why.
    Refused(String),
}

/// Checks `bundle` against `state`, which need not be solved and is not changed.
///
/// # Errors
/// [`Mismatch`](crate::ErrorKind::Mismatch) for a maker, time, version, backbone, preprocessing or space that is not the right one;
/// otherwise as [`State::adopt`] and [`Content::lesson`](super::Content::lesson).
pub fn intake(state: &State, bundle: &Bundle, trust: &Trust, here: &Here, limits: &Limits) -> Result<Intake> {
    let content = bundle.content();
    let maker = trust.name(bundle.maker())?.to_string();
    suits(state, bundle, here)?;
    let source = content.source(bundle.maker());
    let age = state.ledger.age(source, content.counter, bundle.id())?;
    let has = |id: Digest| state.tasks.iter().find(|task| task.from == Some(id));
    let names = content.labels.iter().map(|label| label.name.clone());
    let (known_classes, new_classes) = names.partition(|name| state.class(name).is_some());
    let task = here.rename.clone().unwrap_or_else(|| content.task.clone());
    let outcome = Outcome::Already;
    let mut intake =
        Intake { id: bundle.id(), maker, task, new_classes, known_classes, trial: None, outcome };
    if let (Age::Same, Some(task)) = (age, has(bundle.id())) {
        intake.task.clone_from(&task.name);
        return Ok(intake);
    }
    if let Some(older) = state.ledger.newest(source).and_then(|(_, id)| has(id)) {
        crate::bail!(
            State,
            "an older version of it is here as task {:?}; sums cannot be taken apart, so forget that one first",
            older.name
        );
    }
    let mut lesson = content.lesson()?;
    lesson.name.clone_from(&intake.task);
    let mut after = state.clone();
    after.adopt(&lesson, bundle.id())?;
    after.ledger.remember(source, content.counter, bundle.id());
    after.solve()?;
    let mut before = state.clone();
    before.solve()?;
    intake.trial = Trial::run(&before, &after, &lesson)?;
    let objection = match &intake.trial {
        Some(trial) => trial.objection(limits),
        None if limits.untried => None,
        None => Some(format!(
            "{} does not keep how rows of a class lie, so nothing can be tried before it is taken; say that it shall be taken untried (--untried)",
            state.strategy
        )),
    };
    intake.outcome = objection.map_or_else(|| Outcome::Taken(Box::new(after)), Outcome::Refused);
    Ok(intake)
}

/// Refuses what was made for another time, model or space.
fn suits(state: &State, bundle: &Bundle, here: &Here) -> Result<()> {
    let content = bundle.content();
    match content.expires {
        Some(_) if here.now == 0 => {
            crate::bail!(Mismatch, "it expires, and there is no clock to say whether it has; set the clock")
        }
        Some(end) if here.now > end => crate::bail!(
            Mismatch,
            "it expired {} days ago; ask its maker for a new version",
            (here.now - end).div_ceil(86_400)
        ),
        _ => {}
    }
    state.can_share()?;
    let pairs = [
        ("backbone", content.backbone, Digest(here.backbone), "give the backbone that both were learned on"),
        (
            "preprocessing",
            content.preprocessing,
            Digest(here.preprocessing),
            "give the same --preprocess on both sides",
        ),
        (
            "space of features",
            content.space,
            space(state)?,
            "both learners must start from one common state: the same first task, strategy and settings",
        ),
    ];
    for (what, there, own, next) in pairs {
        if there != own {
            crate::bail!(Mismatch, "its {what} is {}.., here it is {}..; {next}", short(there), short(own));
        }
    }
    Ok(())
}

fn short(digest: Digest) -> String {
    digest.to_string().chars().take(8).collect()
}
