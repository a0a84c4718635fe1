//! One life: lesson after lesson, and what happens to a device between them.
//!
//! ```text
//! something undone, a camera that stops -> a lesson -> a save, in which the power may go -> a restart? -> questions
//!                                                             a class is forgotten, another device's task comes
//! ```
//!
//! Every claim is checked where it is made: what was undone leaves the same bytes, a cut leaves the old state or the new one, and a lesson
//! that was lost with the power gives the same bytes when it is taught again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::power::Power;
use super::world::{Pictures, World};
use crate::backbone::Backbone;
use crate::bundle::{Bundle, Content, Here, Limits, Outcome, SecretKey, Trust, intake};
use crate::cli::show;
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::eval::memory::{open_files, rss_bytes};
use crate::learner::{Budget, Encoded, Learner, Settings, State};
use crate::report::{Day, Fate};
use crate::store::{self, Blocks, Partition, Place, Slots};

/// Passes over the pictures of the first lesson, which the network is adapted to.
const EPOCHS: usize = 3;

/// Classes that are left alone by whoever forgets some.
const FEW: usize = 8;

/// How often something happens on a day, of 100.
const UNDONE: u32 = 5;
const STOPPED: u32 = 5;
const CUT: u32 = 30;
const RESTARTED: u32 = 15;
const FORGOTTEN: u32 = 4;
const IMPORTED: u32 = 6;

/// What a learner is made of.
pub struct Made {
    pub backbone: Backbone,
    pub engine: Arc<dyn Engine>,
    pub strategy: String,
    pub settings: Settings,
    pub budget: Budget,
}

impl Made {
    /// A learner that goes on from `state`; one that is `sharing` leaves lessons for others.
    pub fn learner(&self, state: Option<State>, sharing: bool) -> Result<Learner> {
        let builder = Learner::builder(self.backbone.clone())
            .engine(self.engine.clone())
            .strategy(&self.strategy)
            .settings(self.settings.clone())
            .budget(self.budget.clone())
            .sharing(sharing);
        match state {
            Some(state) => builder.resume(state).build(),
            None => builder.build(),
        }
    }
}

/// Where the state of a life is kept.
pub enum Home {
    /// Two slots on an image of a partition.
    Partition(PathBuf),
    /// A file.
    File(PathBuf),
}

impl Home {
    fn place(&self) -> Result<Place> {
        match self {
            Self::Partition(path) => format!("partition:{}", path.display()).parse(),
            Self::File(path) => Ok(Place::file(path)),
        }
    }
}

/// A life as it goes on.
pub struct Life<'a> {
    world: &'a World,
    made: &'a Made,
    home: Home,
    learner: Learner,
    questions: (Encoded, Vec<String>),
    /// The state as it was saved last.
    saved: Vec<u8>,
    fates: BTreeMap<Fate, [usize; 2]>,
    seed: u64,
}

impl<'a> Life<'a> {
    /// Before the first lesson.
    pub fn new(world: &'a World, made: &'a Made, home: Home, seed: u64) -> Result<Self> {
        let learner = made.learner(None, false)?;
        let asked = world.questions()?;
        let encoded = learner.encode(show::images(&asked.pixels, learner.image_shape())?)?;
        let saved = store::encoded(learner.state())?;
        let mut life = Self {
            world,
            made,
            home,
            learner,
            questions: (encoded, asked.labels),
            saved,
            fates: BTreeMap::new(),
            seed,
        };
        life.save()?;
        Ok(life)
    }

    /// What happened so far: how often it was tried, and how often something was lost.
    pub fn fates(&self) -> &BTreeMap<Fate, [usize; 2]> {
        &self.fates
    }

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// One day, with its lesson.
    pub fn day(&mut self, index: usize) -> Result<Day> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0xda7 ^ ((index as u64) << 16));
        let mut happens = |of: u32| rng.gen_range(0..100) < of && index > 0;
        let (undone, stopped) = (happens(UNDONE), happens(STOPPED));
        let (cut, restarted) = (happens(CUT), happens(RESTARTED));
        let (forgotten, imported) = (happens(FORGOTTEN), happens(IMPORTED));
        if undone {
            self.undo(index)?;
        }
        if stopped {
            self.stop(index)?;
        }
        let mut day = self.lesson(index)?;
        match (&self.home, cut) {
            (Home::Partition(path), true) => {
                let path = path.clone();
                self.cut(index, path, rng.r#gen())?;
            }
            _ => self.save()?,
        }
        if forgotten {
            self.forget(rng.gen_range(0..self.questions.1.len()))?;
        }
        if imported {
            self.import(index)?;
        }
        if restarted {
            self.restart()?;
        }
        self.measure(&mut day)?;
        Ok(day)
    }

    /// Shows the learner `pictures` as task `name`, up to the decision; milliseconds a picture, and of the end.
    fn teach(learner: &mut Learner, name: &str, pictures: &Pictures) -> Result<[f64; 2]> {
        let (shape, batch) = (learner.image_shape(), learner.settings().batch);
        let (pixels, labels) = (show::images(&pictures.pixels, shape)?, pictures.labels());
        let start = Instant::now();
        learner.begin_task(name)?;
        for from in (0..labels.len()).step_by(batch) {
            let to = (from + batch).min(labels.len());
            learner.observe(pixels.slice(ndarray::s![from..to, .., .., ..]), &labels[from..to])?;
        }
        if learner.tasks().is_empty() {
            for _ in 1..EPOCHS {
                learner.epoch()?;
            }
        }
        let seen = start.elapsed().as_secs_f64();
        learner.end_task()?;
        let end = start.elapsed().as_secs_f64() - seen;
        Ok([1e3 * seen / labels.len().max(1) as f64, 1e3 * end])
    }

    /// The lesson of a day, committed unless it does harm or has no room.
    fn lesson(&mut self, index: usize) -> Result<Day> {
        let pictures = self.world.lesson(index, false)?;
        let name = format!("day {index}");
        let [learn_ms, end_ms] = Self::teach(&mut self.learner, &name, &pictures)?;
        let fate = match self.learner.commit() {
            Ok(()) => Fate::Learned,
            // Without the first lesson there is nothing to go on from.
            Err(e) if index == 0 => return Err(e),
            Err(e) if e.kind() == ErrorKind::Refused => Fate::Harmful,
            Err(e) if e.kind() == ErrorKind::Budget => Fate::NoRoom,
            Err(e) => return Err(e),
        };
        if fate != Fate::Learned {
            self.learner.rollback()?;
        }
        self.happened(fate, true);
        Ok(Day { index, learn_ms, end_ms, ..Day::default() })
    }

    /// Saves, and the power goes meanwhile. Comes back with what the medium then holds, and learns again what was lost.
    fn cut(&mut self, index: usize, path: PathBuf, chance: f64) -> Result<()> {
        let wanted = store::encoded(self.learner.state())?;
        let image = Blocks::new(Partition::open(&path)?)?;
        let most = std::fs::metadata(&path).map_or(0, |m| m.len() as usize / 2) + wanted.len();
        let powered = Power::new(image, 1 + (chance * most as f64) as usize);
        // Whatever it says, the medium is what counts.
        let _ = Slots::open(powered, Some(self.learner.backbone_sha256()))
            .and_then(|mut slots| slots.save(self.learner.backbone_sha256(), &wanted));
        let found = self.load()?;
        let bytes = store::encoded(&found)?;
        self.happened(Fate::PowerCut, bytes == wanted || bytes == self.saved);
        self.learner = self.made.learner(Some(found), false)?;
        if bytes != wanted {
            let pictures = self.world.lesson(index, false)?;
            Self::teach(&mut self.learner, &format!("day {index}"), &pictures)?;
            let kept = match self.learner.commit() {
                Ok(()) => store::encoded(self.learner.state())? == wanted,
                Err(_) => self.learner.rollback().is_ok_and(|()| wanted == self.saved),
            };
            self.happened(Fate::LearnedAgain, kept);
        }
        self.save()
    }

    /// Learns something and takes it back.
    fn undo(&mut self, index: usize) -> Result<()> {
        let before = store::encoded(self.learner.state())?;
        Self::teach(&mut self.learner, "a mistake", &self.world.lesson(index, true)?)?;
        self.learner.rollback()?;
        let same = store::encoded(self.learner.state())? == before;
        self.happened(Fate::Undone, same);
        Ok(())
    }

    /// A camera that has stopped: one picture again and again, which is refused.
    fn stop(&mut self, index: usize) -> Result<()> {
        let before = store::encoded(self.learner.state())?;
        Self::teach(&mut self.learner, "a stopped camera", &self.world.frozen(index)?)?;
        let refused = self.learner.commit().is_err_and(|e| e.kind() == ErrorKind::Refused);
        if refused {
            self.learner.rollback()?;
        }
        let same = store::encoded(self.learner.state())? == before;
        self.happened(Fate::CameraStopped, refused && same);
        Ok(())
    }

    /// Forgets a class, where enough are left.
    fn forget(&mut self, question: usize) -> Result<()> {
        let name = self.questions.1[question].clone();
        let known = self.learner.state().known().count();
        if known <= FEW || self.learner.state().class(&name).is_none() {
            return Ok(());
        }
        self.learner.forget_class(&name)?;
        self.save()?;
        self.home.place()?.compact()?;
        let told = self.learner.predict_encoded(&self.questions.0)?;
        self.happened(Fate::Forgotten, told.iter().all(|p| p.name != name));
        Ok(())
    }

    /// Another device, which started from the same state, has learned something and sends it.
    fn import(&mut self, index: usize) -> Result<()> {
        let mut other = self.made.learner(Some(self.load()?), true)?;
        Self::teach(&mut other, &format!("of another, {index}"), &self.world.lesson(index, true)?)?;
        let backbone = other.backbone_sha256();
        let Some(lesson) = other.lesson() else { crate::bail!(Bug, "a task that leaves no lesson") };
        let content = Content::new(lesson, other.state(), backbone, [0; 32])?;
        let key = SecretKey::from_seed([7; 32]);
        let bundle = Bundle::sign(&content, &key)?;
        let here = Here { backbone, preprocessing: [0; 32], now: 0, rename: None };
        let trust = Trust::default().with(key.public(), "another");
        let taken = match intake(self.learner.state(), &bundle, &trust, &here, &Limits::default())?.outcome {
            Outcome::Taken(state) => self.learner.go_on_from(*state).map(|_| true),
            Outcome::Already | Outcome::Refused(_) => Ok(false),
        };
        match taken {
            Ok(taken) => self.happened(if taken { Fate::Imported } else { Fate::Harmful }, true),
            Err(e) if e.kind() == ErrorKind::Budget => self.happened(Fate::NoRoom, true),
            Err(e) => return Err(e),
        }
        self.save()
    }

    /// Switched off and on: what comes back is what was there.
    fn restart(&mut self) -> Result<()> {
        let before =
            (store::encoded(self.learner.state())?, self.learner.predict_encoded(&self.questions.0)?);
        self.learner = self.made.learner(Some(self.load()?), false)?;
        let after = (store::encoded(self.learner.state())?, self.learner.predict_encoded(&self.questions.0)?);
        self.happened(Fate::Restarted, before == after);
        Ok(())
    }

    /// Asks about everything that is known, and looks at what the life takes.
    fn measure(&self, day: &mut Day) -> Result<()> {
        let state = self.learner.state();
        let known: Vec<usize> =
            (0..self.questions.1.len()).filter(|&i| state.class(&self.questions.1[i]).is_some()).collect();
        let asked = self.questions.0.select(&known);
        let start = Instant::now();
        let told = self.learner.predict_encoded(&asked)?;
        day.predict_ms = 1e3 * start.elapsed().as_secs_f64() / known.len().max(1) as f64;
        let right = told.iter().zip(&known).filter(|(p, i)| p.name == self.questions.1[**i]).count();
        day.accuracy = 100.0 * right as f64 / known.len().max(1) as f64;
        day.classes = state.known().count();
        day.tasks = state.tasks.len();
        day.state_bytes = state.stored_bytes()? as u64;
        day.rss_bytes = rss_bytes();
        day.open_files = open_files();
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let state = self.learner.state();
        self.home.place()?.save(self.learner.backbone_sha256(), state.commits, state)?;
        self.saved = store::encoded(state)?;
        Ok(())
    }

    fn load(&self) -> Result<State> {
        Ok(self.home.place()?.load(Some(self.learner.backbone_sha256()))?.1)
    }

    fn happened(&mut self, fate: Fate, kept: bool) {
        let [tried, lost] = self.fates.entry(fate).or_default();
        *tried += 1;
        *lost += usize::from(!kept);
    }
}
