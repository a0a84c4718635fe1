//! Learners that work in the background.

use std::ffi::c_char;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ndarray::Array4;

use super::border;
use super::learner::perennial_learner;
use super::log::Log;
use super::predictor::{self, perennial_predictor};
use super::status::{self, call, perennial_error, perennial_status};
use crate::background::{Background, Options, Progress};
use crate::error::{Error, Result};
use crate::learner::{Labelled, Learner};

/// A learner on a thread of its own. Any thread may call it, but for its end.
pub struct perennial_background {
    background: Background,
    shape: [usize; 3],
    log: Log,
    tally: Arc<Tally>,
}

/// How a learner works in the background.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_background_options {
    /// `sizeof(perennial_background_options)`.
    pub struct_size: usize,
    /// Threads on which micro-batches run beside each other.
    pub threads: usize,
    /// Lessons that may wait.
    pub queue: usize,
    /// Niceness of these threads, -20 to 19, where `set_nice` is not 0. Linux only.
    pub nice: i32,
    /// Whether `nice` is meant.
    pub set_nice: u32,
    /// Not 0 to wait for `perennial_background_step` from the start.
    pub paused: u32,
    /// Not used; 0.
    pub reserved: u32,
}

/// What came of the lessons.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct perennial_progress {
    /// Lessons that wait or are being taught.
    pub waiting: u64,
    /// Lessons whose end this call tells of: those since the last call.
    pub kept: u64,
    /// Of these, the ones that the verdict spoke against: they were taken back.
    pub refused: u64,
    /// Of these, the ones that failed or were interrupted: they were taken back.
    pub failed: u64,
}

/// Gives a learner a thread of its own; the caller's handle is null then. `options` may be null for one thread and eight lessons. `IO` where
/// the system gives no thread: the learner is gone then, and its stored state is what to go on from.
///
/// Every pointer is valid or null; no thread uses the learner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_create(
    learner: *mut *mut perennial_learner,
    options: *const perennial_background_options,
    out: *mut *mut perennial_background,
    error: *mut perennial_error,
) -> perennial_status {
    let usual = Options::default();
    let known = perennial_background_options {
        struct_size: 0,
        threads: usual.threads,
        queue: usual.queue,
        nice: 0,
        set_nice: 0,
        paused: 0,
        reserved: 0,
    };
    // SAFETY: the caller's promises, as the header has them; every bit pattern is one of these options.
    unsafe {
        call(error, || {
            let smallest = size_of::<perennial_background_options>();
            let given = match options.is_null() {
                true => known,
                false => border::sized(options, known, smallest, "options")?,
            };
            if out.is_null() || learner.is_null() {
                crate::bail!(InvalidArgument, "learner or out is null");
            }
            if given.threads == 0 || given.queue == 0 {
                crate::bail!(InvalidArgument, "threads and queue must be above 0");
            }
            let own = border::take(learner);
            let own = own.ok_or_else(|| crate::err!(InvalidArgument, "learner is null"))?;
            let log = own.log;
            let learner = own.learner.into_inner().unwrap_or_else(PoisonError::into_inner).learner;
            let options = Options {
                threads: given.threads,
                queue: given.queue,
                nice: (given.set_nice != 0).then_some(given.nice),
                paused: given.paused != 0,
            };
            let shape = learner.image_shape();
            let background = Background::new(learner, options)?;
            let tally = Arc::new(Tally::default());
            border::give(out, "out", perennial_background { background, shape, log, tally })
        })
    }
}

/// Puts a task at the end of the queue: `count` preprocessed images, which are copied, with their labels, in `epochs` passes. It is
/// committed where nothing speaks against it, and taken back otherwise. `BUDGET` where the queue is full: nothing was taken.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_teach(
    background: *const perennial_background,
    name: *const c_char,
    images: *const f32,
    count: usize,
    labels: *const *const c_char,
    epochs: usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(background, "background")?;
            let name = border::text(name, "name")?.to_string();
            let labels = border::texts(labels, count, "labels")?.into_iter().map(String::from).collect();
            let images = predictor::images(images, count, own.shape)?.to_owned();
            if count == 0 {
                crate::bail!(InvalidArgument, "a lesson without images");
            }
            let (lesson, log) = (Lesson { name, images, labels, epochs }, own.log);
            let due = Due::new(own.tally.clone());
            let submitted =
                own.background.submit(move |learner| due.pay(|| log.during(|| lesson.teach(learner))));
            submitted.map(drop)
        })
    }
}

struct Lesson {
    name: String,
    images: Array4<f32>,
    labels: Vec<String>,
    epochs: usize,
}

impl Lesson {
    /// Whether it was kept; on an error, and where it was not, the learner is as it was.
    fn teach(&self, learner: &mut Learner) -> Result<bool> {
        let (batch, images) = (learner.settings().batch, self.images.view());
        let batches = Labelled::batches(&images, &self.labels, batch);
        learner.learn(&self.name, self.epochs, batches, |_, _| {})?;
        learner.settle().map(|against| against.is_none())
    }
}

/// Works for so many microseconds and pauses; at least one pass through the engine is made. `progress` may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_step(
    background: *const perennial_background,
    microseconds: u64,
    working: *mut u32,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(background, "background")?;
            let left = own.background.step(Instant::now() + Duration::from_micros(microseconds));
            border::write_if(working, "working", u32::from(left == Progress::Working))
        })
    }
}

/// Works whenever there is work, or not at all, for `pause` not 0.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_pause(
    background: *const perennial_background,
    pause: u32,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = &border::read(background, "background")?.background;
            match pause {
                0 => own.run(),
                _ => own.pause(),
            }
            Ok(())
        })
    }
}

/// Ends the lesson that is being taught; it is taken back.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_interrupt(
    background: *const perennial_background,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            border::read(background, "background")?.background.interrupt();
            Ok(())
        })
    }
}

/// What came of the lessons since the last call. Waits for no more than `milliseconds` until none is left. `lesson` is the error of the last
/// one that failed; it is left as it was where none did, and may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_poll(
    background: *const perennial_background,
    milliseconds: u64,
    progress: *mut perennial_progress,
    lesson: *mut perennial_error,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(background, "background")?;
            border::check(progress, "progress")?;
            let told = own.tally.told(Duration::from_millis(milliseconds));
            if let Some(e) = told.error {
                status::write(lesson, &e);
            }
            border::write(progress, "progress", told.progress)
        })
    }
}

/// What came of lessons that nobody was told of yet.
#[derive(Default)]
struct Told {
    progress: perennial_progress,
    /// Of the last one that failed.
    error: Option<Error>,
}

/// The lessons of a background, counted. Of no size that grows, however seldom somebody asks.
#[derive(Default)]
struct Tally {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Tally {
    /// The lock is held for no more than a few additions, none of which panics.
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything since the last call, once no lesson waits or so much time has passed.
    fn told(&self, time: Duration) -> Told {
        let waits = |told: &mut Told| told.progress.waiting > 0;
        let waited = self.changed.wait_timeout_while(self.lock(), time, waits);
        let mut told = waited.unwrap_or_else(PoisonError::into_inner).0;
        let waiting = perennial_progress { waiting: told.progress.waiting, ..perennial_progress::default() };
        let left = Told { progress: waiting, error: None };
        std::mem::replace(&mut told, left)
    }
}

/// A lesson that counts as waiting until it has ended. One that the queue did not take, or that never began, counts as nothing afterwards.
struct Due {
    tally: Arc<Tally>,
    ended: Option<Result<bool>>,
}

impl Due {
    fn new(tally: Arc<Tally>) -> Self {
        tally.lock().progress.waiting += 1;
        Self { tally, ended: None }
    }

    fn pay(mut self, lesson: impl FnOnce() -> Result<bool>) {
        // What is left where the lesson does not come back.
        self.ended = Some(Err(crate::err!(Bug, "the lesson panicked; please report it")));
        self.ended = Some(lesson());
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        let mut told = self.tally.lock();
        told.progress.waiting -= 1;
        match self.ended.take() {
            Some(Ok(true)) => told.progress.kept += 1,
            Some(Ok(false)) => told.progress.refused += 1,
            Some(Err(e)) => {
                told.progress.failed += 1;
                told.error = Some(e);
            }
            None => {}
        }
        self.tally.changed.notify_all();
    }
}

/// A predictor that follows the learner's commits.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_predictor(
    background: *const perennial_background,
    out: *mut *mut perennial_predictor,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(background, "background")?;
            let predictor = own.background.predictor();
            border::give(out, "out", perennial_predictor { predictor, log: own.log })
        })
    }
}

/// Teaches what is in the queue and gives the learner back; the caller's background is null then.
///
/// Every pointer is valid or null; no other thread uses the background.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_finish(
    background: *mut *mut perennial_background,
    learner: *mut *mut perennial_learner,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            if learner.is_null() {
                crate::bail!(InvalidArgument, "learner is null");
            }
            let own = border::take(background);
            let own = own.ok_or_else(|| crate::err!(InvalidArgument, "background is null"))?;
            let finished = own.background.finish()?;
            border::give(learner, "learner", perennial_learner::new(finished, own.log))
        })
    }
}

/// Ends the lesson that is being taught, teaches no other, and lets go of the learner.
///
/// `background` is null or the address of a handle that no thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_destroy(background: *mut *mut perennial_background) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(background) });
}
