//! A lesson, on the learner's thread.

use super::desk::{Keep, Shared};
use super::events::Kind;
use super::examples::Example;
use super::stage::Stage;
use crate::error::{ErrorKind, Result};
use crate::learner::{Labelled, Learner, TaskReport};

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
    /// Lets go of the pictures of a task that was kept.
    pub(super) fn kept(&self, task: &str) {
        let mut held = self.held();
        let learned = std::mem::take(&mut held.lesson);
        held.examples.remove_all(&learned);
        held.recent.unlabel_all(&learned);
        held.events.push(Kind::Learned, task);
    }
}
