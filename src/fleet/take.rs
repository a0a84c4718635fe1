//! From the shelf into a state: what was withdrawn is forgotten, what is new is taken over, each bundle by its own trial.

use serde::Serialize;

use super::notice::Notice;
use super::shelf::Shelf;
use super::signed::Signed;
use crate::bundle::{Here, Intake, Limits, Outcome, intake};
use crate::error::{ErrorKind, Result};
use crate::learner::{Digest, Forgotten, State};

/// What became of a state.
#[derive(Debug, Default, Serialize)]
pub struct Taken {
    /// Bundles that were taken over.
    pub taken: Vec<Intake>,
    /// Bundles that were not, and why.
    pub refused: Vec<Refusal>,
    /// What was forgotten because it was withdrawn, or for a newer version.
    pub forgotten: Vec<Forgotten>,
}

/// A bundle that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its id.
    pub id: Digest,
    /// Its task.
    pub task: String,
    /// Why.
    pub why: String,
}

impl Taken {
    /// Whether the state is another one now.
    pub fn changed(&self) -> bool {
        !self.taken.is_empty() || !self.forgotten.is_empty()
    }
}

/// Gives `state` as it is after everything that `shelf` holds. Bundles that this device published are left out: what it learned itself would count twice. The
/// order of bundles is that of their ids, whatever order
/// they came in.
///
/// # Errors
/// [`Io`](ErrorKind::Io) where the shelf cannot be read; as [`State::forget_task`]. What is wrong with one bundle is a [`Refusal`].
pub fn take(state: &State, shelf: &Shelf, here: &Here, limits: &Limits) -> Result<(State, Taken)> {
    let (mut state, mut done) = (state.clone(), Taken::default());
    for said in shelf.withdrawals() {
        let statement = said.statement();
        if let Some((counter, id)) = state.ledger.newest(statement.source())
            && counter <= statement.counter
        {
            done.forgotten.extend(forget(&mut state, id)?);
        }
    }
    for said in shelf.notices().filter(|said| !shelf.is_own(said.maker())) {
        match one(&state, shelf, said, here, limits) {
            Ok(None) => {}
            Ok(Some((after, forgotten, intake))) => {
                state = after;
                done.forgotten.extend(forgotten);
                done.taken.push(intake);
            }
            Err(e) if e.kind() == ErrorKind::Io => return Err(e),
            Err(e) => {
                let notice = said.statement();
                done.refused.push(Refusal {
                    id: notice.bundle,
                    task: notice.task.clone(),
                    why: e.to_string(),
                });
            }
        }
    }
    if done.changed() {
        state.solve()?;
    }
    Ok((state, done))
}

type After = (State, Option<Forgotten>, Intake);

/// The state with one bundle; none where it has it.
fn one(
    state: &State,
    shelf: &Shelf,
    said: &Signed<Notice>,
    here: &Here,
    limits: &Limits,
) -> Result<Option<After>> {
    let notice = said.statement();
    let mut before = state.clone();
    let forgotten = match state.ledger.newest(notice.source) {
        Some((counter, id)) if counter < notice.counter => forget(&mut before, id)?,
        _ => None,
    };
    let bundle = shelf.bundle(notice.bundle)?;
    let mut intake = intake(&before, &bundle, shelf.trust(), here, limits)?;
    match std::mem::replace(&mut intake.outcome, Outcome::Already) {
        Outcome::Taken(after) => Ok(Some((*after, forgotten, intake))),
        Outcome::Already => Ok(None),
        Outcome::Refused(why) => Err(crate::err!(Refused, "{why}")),
    }
}

/// Forgets the task that came with bundle `id`, if it is still there.
fn forget(state: &mut State, id: Digest) -> Result<Option<Forgotten>> {
    let name = state.tasks.iter().find(|task| task.from == Some(id)).map(|task| task.name.clone());
    name.map(|name| state.forget_task(&name)).transpose()
}
