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
        shared.metrics.lesson(&ended);
        let mut held = shared.held();
        held.stage = match ended {
            Ok(stage) => stage,
            Err(e) => {
                let kind = if e.kind() == ErrorKind::Interrupted { Kind::TakenBack } else { Kind::Failed };
                held.events.push(kind, format!("{}: {e}", self.task));
                Stage::Ready
            }
        };
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
            Some(why) => shared.held().events.push(Kind::TakenBack, format!("{}: {why}", self.task)),
            None => {
                shared.kept(&self.task);
                // What could not be saved is told in the status.
                let _ = shared.save(learner);
            }
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
        let mut held = self.held();
        held.unsaved = saved.as_ref().err().map(ToString::to_string);
        if let Some(why) = held.unsaved.clone() {
            held.events.push(Kind::Failed, format!("{} was not written: {why}", self.place));
        }
        saved
    }

    /// Lets go of the pictures of a task that was kept.
    pub(super) fn kept(&self, task: &str) {
        let mut held = self.held();
        let learned = std::mem::take(&mut held.lesson);
        held.examples.remove_all(&learned);
        held.recent.unlabel_all(&learned);
        held.events.push(Kind::Learned, task);
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
        let known = self.shared.predictor.model();
        if known.state().tasks.iter().any(|old| old.name == task) {
            crate::bail!(InvalidArgument, "there is a task {task:?} already; choose another name");
        }
        let examples = {
            let mut held = self.shared.held();
            held.stage.is_ready()?;
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
        self.decide(|shared, learner, task| {
            learner.commit_anyway()?;
            shared.kept(task);
            shared.save(learner)
        })
    }

    /// Takes back the task that is undecided; its examples wait again.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where none is.
    pub fn rollback(&self) -> Result<()> {
        self.decide(|shared, learner, task| {
            learner.rollback()?;
            shared.held().events.push(Kind::TakenBack, task);
            Ok(())
        })
    }

    fn decide(
        &self,
        how: impl FnOnce(&Shared, &mut Learner, &str) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let undecided = {
            let mut held = self.shared.held();
            match std::mem::replace(&mut held.stage, Stage::Busy) {
                undecided @ Stage::Undecided { .. } => undecided,
                other => {
                    held.stage = other;
                    crate::bail!(State, "there is nothing to decide; learn something first");
                }
            }
        };
        self.busy(move |shared, learner| {
            let Stage::Undecided { task, .. } = &undecided else { return (Ok(()), Stage::Ready) };
            let before = learner.state().commits;
            let done = how(shared, learner, task);
            // What was refused is still to be decided; what was kept and not saved is kept.
            let decided = done.is_ok() || learner.state().commits > before;
            (done, if decided { Stage::Ready } else { undecided })
        })
    }

    /// Forgets a class, or a task with its classes, and everything held here that shows them; saved, and older states erased where the
    /// medium can.
    ///
    /// # Errors
    /// As [`Learner::forget_class`], [`Learner::forget_task`] and [`Place::save`](crate::store::Place::save); [`State`](crate::ErrorKind::State) while something
    /// else is going on.
    pub fn forget(&self, name: &str, is_task: bool) -> Result<Forgotten> {
        {
            let mut held = self.shared.held();
            held.stage.is_ready()?;
            held.stage = Stage::Busy;
        }
        let name = name.to_string();
        self.busy(move |shared, learner| (forget(shared, learner, &name, is_task), Stage::Ready))
    }

    /// Does something short on the learner's thread, and waits for it. The stage is what it leaves.
    fn busy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Learner) -> (Result<T>, Stage) + Send + 'static,
    ) -> Result<T> {
        let shared = self.shared.clone();
        let ticket = self.background.submit(move |learner| {
            let (done, stage) = work(&shared, learner);
            shared.held().stage = stage;
            done
        });
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
        held.recent.forget(&forgotten.classes);
        held.events.forget(&forgotten.tasks);
        held.events.forget(&forgotten.classes);
        // No name: it would outlive what it names.
        held.events.push(Kind::Forgotten, format!("{} of what was known", forgotten.classes.len()));
    }
    shared.save(learner)?;
    shared.place.compact()?;
    Ok(forgotten)
}
