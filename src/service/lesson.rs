//! What is asked of the learner: lessons, decisions, forgetting. One thing at a time, on the learner's thread; [`Stage`] says which.

use super::desk::{Desk, Shared, named};
use super::events::Kind;
use super::examples::Example;
use super::stage::Stage;
use crate::error::{ErrorKind, Result};
use crate::learner::{Forgotten, Labelled, Learner, TaskReport};

/// Who says whether a task is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The learner: it is kept where nothing speaks against it.
    #[default]
    Sound,
    /// The caller, by [`Desk::commit`] or [`Desk::rollback`].
    Ask,
}

/// What is to be learned.
pub struct Teaching {
    pub task: String,
    pub examples: Vec<Example>,
    pub epochs: usize,
    pub keep: Keep,
}

impl Teaching {
    /// Learns, and says in the stage and the events what came of it. Examples go on waiting unless the task is kept.
    pub fn run(&self, shared: &Shared, learner: &mut Learner) {
        let ended = self.learn(shared, learner).and_then(|report| self.end(shared, learner, report));
        let stage = ended.unwrap_or_else(|e| {
            let kind = if e.kind() == ErrorKind::Interrupted { Kind::TakenBack } else { Kind::Failed };
            shared.tell(kind, format!("{}: {e}", self.task));
            Stage::Ready
        });
        shared.held().stage = stage;
    }

    fn learn(&self, shared: &Shared, learner: &mut Learner) -> Result<TaskReport> {
        let batch = learner.settings().batch.max(1);
        // A step at a time: images take four times the room of their levels.
        let batches = self.examples.chunks(batch).map(|examples| {
            let images = shared.images(examples.iter().map(|example| &*example.rgb))?.into();
            Ok(Labelled { images, labels: examples.iter().map(|example| example.label.as_str()).collect() })
        });
        learner.learn(&self.task, self.epochs, batches, |steps, images| {
            if let Stage::Learning { shown, loss, .. } = &mut shared.held().stage {
                *shown += images;
                *loss = steps.last().map(|step| step.loss).or(*loss);
            }
        })
    }

    fn end(&self, shared: &Shared, learner: &mut Learner, report: TaskReport) -> Result<Stage> {
        if self.keep == Keep::Ask {
            let (against, verdict) = (report.verdict.against(), Box::new(report.verdict));
            return Ok(Stage::Undecided { task: self.task.clone(), against, verdict });
        }
        match learner.settle()? {
            Some(why) => shared.tell(Kind::TakenBack, format!("{}: {why}", self.task)),
            // What could not be saved is told in the status.
            None => drop(shared.kept(learner, &self.task)),
        }
        Ok(Stage::Ready)
    }
}

impl Shared {
    /// Saves what was committed. What could not be saved is said wherever anybody looks, and saved with the next change.
    pub(super) fn save(&self, learner: &Learner) -> Result<()> {
        let state = learner.state();
        let saved = self.place.save(self.facts.sha256, state.commits, state).map(drop);
        // Kept in memory all the same, whatever kept the medium from taking it.
        let saved = saved.map_err(|e| crate::err!(Io, "kept, but not saved").caused_by(e));
        if let Err(why) = &saved {
            self.tell(Kind::Failed, format!("{} was not written: {why}", self.place));
        }
        self.held().unsaved = saved.as_ref().err().map(ToString::to_string);
        saved
    }

    /// Saves a task that was kept, lets go of its pictures, and says so.
    fn kept(&self, learner: &Learner, task: &str) -> Result<()> {
        let saved = self.save(learner);
        {
            let mut held = self.held();
            let learned = std::mem::take(&mut held.lesson);
            held.examples.remove_all(&learned);
            held.recent.unlabel_all(&learned);
        }
        self.tell(Kind::Learned, task);
        saved
    }
}

impl Desk {
    /// Begins a lesson on all examples, `epochs` times, as the task `task`; comes back at once.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name that is none or taken, and where there is nothing to learn;
    /// [`State`](crate::ErrorKind::State) while something else is going on.
    pub fn learn(&self, task: &str, epochs: usize, keep: Keep) -> Result<()> {
        let task = named(task)?;
        if epochs == 0 {
            crate::bail!(InvalidArgument, "a lesson has one pass or more");
        }
        let examples = {
            let mut held = self.shared.held();
            held.stage.is_ready()?;
            if self.shared.predictor.model().state().tasks.iter().any(|old| old.name == task) {
                crate::bail!(InvalidArgument, "there is a task {task:?} already; choose another name");
            }
            if held.examples.all().is_empty() {
                crate::bail!(InvalidArgument, "there is nothing to learn; label some frames first");
            }
            let all = held.examples.all().to_vec();
            held.lesson = all.iter().map(|example| example.id).collect();
            held.stage = Stage::Learning { task: task.into(), shown: 0, of: all.len() * epochs, loss: None };
            all
        };
        let (shared, teaching) =
            (self.shared.clone(), Teaching { task: task.into(), examples, epochs, keep });
        let submitted = self.background.submit(move |learner| teaching.run(&shared, learner));
        if submitted.is_err() {
            self.shared.held().stage = Stage::Ready;
        }
        submitted.map(drop)
    }

    /// Ends the lesson that is going on; it is taken back, and its examples wait again.
    pub fn interrupt(&self) {
        self.background.interrupt();
    }

    /// Keeps the task that is undecided, whatever speaks against it, and saves it.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where none is; as [`Learner::commit_anyway`] and [`Place::save`](crate::store::Place::save).
    pub fn commit(&self) -> Result<()> {
        self.busy(Stage::undecided, |shared, learner, task| {
            learner.commit_anyway()?;
            shared.kept(learner, &task)
        })
    }

    /// Takes back the task that is undecided; its examples wait again.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where none is.
    pub fn rollback(&self) -> Result<()> {
        self.busy(Stage::undecided, |shared, learner, task| {
            learner.rollback()?;
            shared.tell(Kind::TakenBack, task);
            Ok(())
        })
    }

    /// Forgets a class, or a task with its classes, and everything held here that shows them; saved, and older states erased where the
    /// medium can.
    ///
    /// # Errors
    /// As [`Learner::forget_class`], [`Learner::forget_task`] and [`Place::save`](crate::store::Place::save); [`State`](crate::ErrorKind::State) while something
    /// else is going on.
    pub fn forget(&self, name: &str, is_task: bool) -> Result<Forgotten> {
        let name = name.to_string();
        self.busy(Stage::is_ready, move |shared, learner, ()| forget(shared, learner, &name, is_task))
    }

    /// Does something short on the learner's thread, and waits for it. `may` reads from the stage what the work needs, or refuses it.
    fn busy<W: Send + 'static, T: Send + 'static>(
        &self,
        may: impl FnOnce(&Stage) -> Result<W>,
        work: impl FnOnce(&Shared, &mut Learner, W) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (with, before) = {
            let mut held = self.shared.held();
            (may(&held.stage)?, std::mem::replace(&mut held.stage, Stage::Busy))
        };
        let (shared, again) = (self.shared.clone(), before.clone());
        let ticket = self.background.submit(move |learner| {
            let commits = learner.state().commits;
            let done = work(&shared, learner, with);
            // What was refused is still to be decided; what was kept and not saved is kept.
            let ended = done.is_ok() || learner.state().commits > commits;
            shared.held().stage = if ended { Stage::Ready } else { before };
            done
        });
        if ticket.is_err() {
            self.shared.held().stage = again;
        }
        ticket?.wait()?
    }
}

fn forget(shared: &Shared, learner: &mut Learner, name: &str, is_task: bool) -> Result<Forgotten> {
    let forgotten = match is_task {
        true => learner.forget_task(name)?,
        false => learner.forget_class(name)?,
    };
    {
        let mut held = shared.held();
        held.examples.forget(&forgotten.classes);
        held.recent.forget(&forgotten);
        held.forgotten = learner.state().commits;
        held.events.forget(&forgotten.tasks);
        held.events.forget(&forgotten.classes);
    }
    let saved = shared.save(learner).and_then(|()| shared.place.compact().map(drop));
    // No name: it would outlive what it names.
    shared.tell(Kind::Forgotten, format!("{} of what was known", forgotten.classes.len()));
    saved.map(|()| forgotten)
}
