//! Learners that work in the background.

use std::collections::VecDeque;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ndarray::{Array4, Axis, Slice};

use super::border;
use super::learner::perennial_learner;
use super::log::Log;
use super::predictor::{self, perennial_predictor};
use super::status::{call, perennial_error, perennial_status};
use crate::background::{Background, Options, Progress, Ticket};
use crate::error::{ErrorKind, Result};
use crate::learner::{Learner, Verdict};

/// A learner on a thread of its own. Any thread may call it, but for its end.
pub struct perennial_background {
    background: Background,
    shape: [usize; 3],
    log: Log,
    lessons: Mutex<VecDeque<Ticket<Result<bool>>>>,
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
    /// Of these, the ones that failed or were interrupted: they were taken back. The last one's error is that of this call.
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
            let lessons = Mutex::new(VecDeque::new());
            border::give(out, "out", perennial_background { background, shape, log, lessons })
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
            let ticket = own.background.submit(move |learner| log.during(|| lesson.teach(learner)))?;
            own.lessons.lock().unwrap_or_else(PoisonError::into_inner).push_back(ticket);
            Ok(())
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
        let taught = self.learn(learner);
        if !matches!(taught, Ok(true)) {
            match learner.rollback() {
                // It had not begun.
                Err(e) if e.kind() == ErrorKind::State => {}
                other => other?,
            }
        }
        taught
    }

    fn learn(&self, learner: &mut Learner) -> Result<bool> {
        learner.begin_task(&self.name)?;
        let (count, batch) = (self.labels.len(), learner.settings().batch.max(1));
        for start in (0..count).step_by(batch) {
            let end = count.min(start + batch);
            let labels: Vec<&str> = self.labels[start..end].iter().map(String::as_str).collect();
            learner.observe(self.images.slice_axis(Axis(0), Slice::from(start..end)), &labels)?;
        }
        (1..self.epochs).try_for_each(|_| learner.epoch().map(drop))?;
        let verdict: Verdict = learner.end_task()?.verdict;
        match verdict.against() {
            Some(_) => Ok(false),
            None => learner.commit().map(|()| true),
        }
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

/// What came of the lessons since the last call. Waits for no more than `milliseconds` until none is left.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_background_poll(
    background: *const perennial_background,
    milliseconds: u64,
    progress: *mut perennial_progress,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(background, "background")?;
            let mut lessons = own.lessons.lock().unwrap_or_else(PoisonError::into_inner);
            let (until, mut seen) = (Instant::now() + Duration::from_millis(milliseconds), Seen::default());
            while let Some(ticket) = lessons.front() {
                match ticket.wait_for(until.saturating_duration_since(Instant::now())) {
                    Ok(None) => break,
                    Ok(Some(ended)) => seen.ended(ended),
                    Err(e) => seen.ended(Err(e)),
                }
                lessons.pop_front();
            }
            seen.told.waiting = lessons.len() as u64;
            border::write(progress, "progress", seen.told)?;
            seen.error.map_or(Ok(()), Err)
        })
    }
}

#[derive(Default)]
struct Seen {
    told: perennial_progress,
    error: Option<crate::Error>,
}

impl Seen {
    fn ended(&mut self, lesson: Result<bool>) {
        match lesson {
            Ok(true) => self.told.kept += 1,
            Ok(false) => self.told.refused += 1,
            Err(e) => {
                self.told.failed += 1;
                self.error = Some(e);
            }
        }
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
