//! Everything that the service does, without HTTP: what is held, frames and labels here, what is asked of the learner in `lesson`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ndarray::{Array4, ArrayView4};

use super::answer::Answer;
use super::events::{Events, Kind, now};
use super::examples::{Example, Examples};
use super::history::{History, Second};
use super::metrics::Metrics;
use super::picture::Asked;
use super::recent::{RecentFrame, RecentFrames};
use super::stage::Stage;
use super::status::Status;
use crate::background::{Background, Options};
use crate::data::Picture;
use crate::error::Result;
use crate::eval::memory;
use crate::frame::{Preprocess, Scratch};
use crate::learner::{Learner, Model, Predictor, Scored};
use crate::store::Place;

/// Longest name of a class or task, in bytes.
pub const LONGEST_NAME: usize = 128;

/// What is held at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Recent frames.
    pub recent: usize,
    /// Examples that wait to be learned.
    pub examples: usize,
}

/// A learner in the background, what it was shown, and what came of it. All calls may come from any thread.
pub struct Desk {
    pub(super) background: Background,
    pub(super) shared: Arc<Shared>,
}

/// What lessons and requests have in common.
pub struct Shared {
    pub(super) predictor: Predictor,
    pub(super) preprocess: Preprocess,
    pub(super) place: Place,
    pub(super) facts: Facts,
    limits: Limits,
    held: Mutex<Held>,
    pub(super) metrics: Metrics,
}

/// What does not change while it runs.
pub struct Facts {
    pub sha256: [u8; 32],
    pub engine: String,
    pub strategy: String,
    pub image: [usize; 3],
    /// Planned memory of the learner, in bytes.
    pub planned: usize,
    pub began: Instant,
}

/// What changes.
pub struct Held {
    /// Of the next frame.
    next: u64,
    pub recent: RecentFrames,
    pub examples: Examples,
    pub stage: Stage,
    pub history: History,
    pub events: Events,
    /// Frames of the lesson that is going on or undecided.
    pub lesson: BTreeSet<u64>,
    /// Why what was kept last is not saved.
    pub unsaved: Option<String>,
    /// Commits when something was forgotten last; older states may name it.
    pub forgotten: u64,
}

impl Shared {
    /// Held for short times only, and never while something else is waited for.
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what happened, and counts it.
    pub(super) fn tell(&self, kind: Kind, text: impl Into<String>) {
        self.metrics.happened(kind);
        self.held().events.push(kind, text);
    }

    /// Levels `[n, height, width, 3]` as images of the network.
    pub(super) fn images<'a>(&self, all: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<Array4<f32>> {
        let [channels, height, width] = self.facts.image;
        let mut images = Array4::zeros((all.len(), channels, height, width));
        for (mut image, rgb) in images.outer_iter_mut().zip(all) {
            let pixels = image.as_slice_mut().ok_or_else(|| crate::err!(Bug, "a new array with gaps"))?;
            self.preprocess.normalise(rgb, pixels)?;
        }
        Ok(images)
    }
}

impl Desk {
    /// Gives `learner` a thread of its own; what it keeps is saved at `place`.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) where `preprocess` does not give the images that the network takes; as
    /// [`Background::new`].
    pub fn new(
        learner: Learner,
        options: Options,
        engine: &str,
        preprocess: Preprocess,
        place: Place,
        limits: Limits,
    ) -> Result<Self> {
        let image = learner.image_shape();
        let (width, height) = preprocess.output_size()?;
        if image != [3, height as usize, width as usize] {
            crate::bail!(Mismatch, "pictures become {width}x{height}, and the network takes {image:?}");
        }
        let facts = Facts {
            sha256: learner.backbone_sha256(),
            engine: engine.to_string(),
            strategy: learner.strategy().to_string(),
            image,
            planned: learner.footprint().total(),
            began: Instant::now(),
        };
        let held = Held {
            next: 1,
            recent: RecentFrames::new(limits.recent),
            examples: Examples::new(limits.examples),
            stage: Stage::Ready,
            history: History::default(),
            events: Events::default(),
            lesson: BTreeSet::new(),
            unsaved: None,
            forgotten: 0,
        };
        let (predictor, held, metrics) = (learner.predictor(), Mutex::new(held), Metrics::new());
        let shared = Arc::new(Shared { predictor, preprocess, place, facts, limits, held, metrics });
        Ok(Self { background: Background::new(learner, options)?, shared })
    }

    /// Looks at a frame.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for one with a label; as [`Asked::read`] and [`Model::encode`].
    pub fn look(&self, asked: &Asked, body: &[u8]) -> Result<RecentFrame> {
        if asked.label.is_some() {
            crate::bail!(InvalidArgument, "a frame with a label is an example; send it to /v1/examples");
        }
        let rgb: Arc<[u8]> = asked.read(body, &self.shared.preprocess, &mut Scratch::new())?.into();
        let mut answer = self.answer(&rgb)?;
        let mut held = self.shared.held();
        // What was forgotten meanwhile is not named afterwards.
        while answer.as_ref().is_some_and(|answer| answer.commits < held.forgotten) {
            drop(held);
            answer = self.answer(&rgb)?;
            held = self.shared.held();
        }
        if let Some(answer) = &answer {
            self.shared.metrics.answered(answer);
            held.history.answered(answer);
        }
        let frame = RecentFrame { id: held.next, at: now(), answer, label: None, rgb };
        held.next += 1;
        held.recent.push(frame.clone());
        Ok(frame)
    }

    /// `None` before anything was learned.
    fn answer(&self, rgb: &[u8]) -> Result<Option<Answer>> {
        let model = self.shared.predictor.model();
        let began = Instant::now();
        let images: Array4<f32> = self.shared.images(std::iter::once(rgb))?;
        let scored = score(&model, images.view())?;
        Ok(scored.map(|scored| Answer::new(&model, scored, 1e3 * began.elapsed().as_secs_f64())))
    }

    /// Takes a frame as an example of what [`Asked::label`] says, without an answer; its number.
    ///
    /// # Errors
    /// As [`Asked::read`] and [`Desk::label`].
    pub fn example(&self, asked: &Asked, body: &[u8]) -> Result<u64> {
        let label = named(asked.label.as_deref().unwrap_or_default())?;
        let rgb = asked.read(body, &self.shared.preprocess, &mut Scratch::new())?.into();
        let mut held = self.shared.held();
        let id = held.next;
        held.examples.put(Example { id, label: label.into(), rgb })?;
        held.next += 1;
        Ok(id)
    }

    /// Makes a recent frame an example of `label`, or of another label than before.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name that is none, [`NotFound`](crate::ErrorKind::NotFound) for a frame that is
    /// no longer held, [`Budget`](crate::ErrorKind::Budget) where as many examples wait as may,
    /// [`State`](crate::ErrorKind::State) for another label while a lesson is going on.
    pub fn label(&self, id: u64, label: &str) -> Result<()> {
        let label = named(label)?;
        let mut held = self.shared.held();
        if held.examples.get(id).is_some() {
            held.stage.is_ready()?;
        }
        let rgb = match (held.recent.get(id), held.examples.get(id)) {
            (Some(frame), _) => frame.rgb.clone(),
            (None, Some(example)) => example.rgb.clone(),
            (None, None) => {
                crate::bail!(NotFound, "frame {id} is no longer held; label one of the recent ones")
            }
        };
        held.examples.put(Example { id, label: label.into(), rgb })?;
        held.recent.label(id, Some(label));
        Ok(())
    }

    /// Takes a label back.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where frame `id` has none, [`State`](crate::ErrorKind::State) while a lesson is going on.
    pub fn unlabel(&self, id: u64) -> Result<()> {
        let mut held = self.shared.held();
        held.stage.is_ready()?;
        if !held.examples.remove(id) {
            crate::bail!(NotFound, "frame {id} has no label");
        }
        held.recent.label(id, None);
        Ok(())
    }

    /// Takes all labels back.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) while a lesson is going on.
    pub fn clear(&self) -> Result<()> {
        let mut held = self.shared.held();
        held.stage.is_ready()?;
        let all = held.examples.all().iter().map(|example| example.id).collect();
        held.examples.clear();
        held.recent.unlabel_all(&all);
        Ok(())
    }

    /// Frames that are still held, the newest first.
    pub fn recent(&self) -> Vec<RecentFrame> {
        self.shared.held().recent.iter().cloned().collect()
    }

    /// A frame or example that is still held, as the network saw it, as a PNG.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for one that is not.
    pub fn picture(&self, id: u64) -> Result<Vec<u8>> {
        let held = self.shared.held();
        let rgb = held.recent.get(id).map(|f| &f.rgb).or_else(|| held.examples.get(id).map(|e| &e.rgb));
        let rgb = rgb.cloned().ok_or_else(|| crate::err!(NotFound, "frame {id} is no longer held"))?;
        drop(held);
        let [_, height, width] = self.shared.facts.image.map(|n| n as u32);
        Picture::new(width, height, rgb.to_vec())?.to_png()
    }

    /// The last ten minutes, the oldest first.
    pub fn history(&self) -> Vec<Second> {
        self.shared.held().history.iter().copied().collect()
    }

    /// Everything else that somebody may want to know.
    pub fn status(&self) -> Status {
        Status::of(&self.shared, &self.shared.predictor.model(), self.shared.limits)
    }

    /// Counters, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where they cannot be written.
    pub fn metrics(&self) -> Result<String> {
        self.shared.metrics.text(&self.status())
    }

    /// Whether the learner can still learn; it cannot where a lesson panicked.
    pub fn is_alive(&self) -> bool {
        self.background.is_alive()
    }

    /// Counts a request that was refused for coming too fast, or while too many were answered.
    pub fn refused(&self) {
        self.shared.metrics.refused();
    }

    /// Ends a second of the history.
    pub fn tick(&self) {
        let resident = memory::rss_bytes();
        let mut held = self.shared.held();
        let learning = matches!(held.stage, Stage::Learning { .. });
        held.history.tick(resident, learning);
    }
}

fn score(model: &Model, images: ArrayView4<'_, f32>) -> Result<Option<Scored>> {
    if model.state().tasks.is_empty() {
        return Ok(None);
    }
    Ok(model.score_encoded(&model.encode(images)?)?.pop())
}

/// A name of a class or task.
pub(super) fn named(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        crate::bail!(InvalidArgument, "{name:?} is no name; give 1 to {LONGEST_NAME} bytes of text");
    }
    Ok(name)
}
