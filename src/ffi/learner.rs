//! Learners.
//!
//! ```text
//! create ── begin_task ── observe .. epoch .. ── end_task ── commit | rollback
//! ```

use std::ffi::c_char;
use std::sync::Mutex;

use super::backbone::perennial_backbone;
use super::border;
use super::log::Log;
use super::options::perennial_options;
use super::predictor::{self, perennial_prediction, perennial_predictor};
use super::state::perennial_state;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::learner::{Learner, Step, TaskReport};

/// Learns classes, task after task. One thread at a time.
pub struct perennial_learner {
    pub(super) learner: Mutex<Own>,
    pub(super) log: Log,
}

/// A learner, and what its last task came to.
pub struct Own {
    pub(super) learner: Learner,
    pub(super) report: Option<TaskReport>,
}

/// What an optimizer step did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_step {
    /// Mean cross-entropy over its pictures, before the step.
    pub loss: f32,
    /// Share of them that were right, before the step.
    pub accuracy: f32,
}

/// What a finished task did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_report {
    /// Pictures seen.
    pub images: u64,
    /// Pictures that its statistics were made from.
    pub kept: u64,
    /// Bytes of the state, without the backbone.
    pub state_bytes: u64,
    /// Components of its signature.
    pub components: u32,
    /// How often training went back and on more slowly.
    pub restarts: u32,
    /// 1 where nothing speaks against keeping it, else 0: `perennial_learner_commit` would refuse it.
    pub passed: u32,
    /// Not used; 0.
    pub reserved: u32,
}

impl From<&TaskReport> for perennial_report {
    fn from(report: &TaskReport) -> Self {
        Self {
            images: report.images as u64,
            kept: report.kept as u64,
            state_bytes: report.state_bytes as u64,
            components: u32::try_from(report.components).unwrap_or(u32::MAX),
            restarts: report.restarts,
            passed: report.verdict.against().is_none().into(),
            reserved: 0,
        }
    }
}

impl perennial_learner {
    pub(super) fn new(learner: Learner, log: Log) -> Self {
        Self { learner: Mutex::new(Own { learner, report: None }), log }
    }

    /// One call of the ABI on a learner.
    ///
    /// SAFETY: `learner` is null or a handle; `error` as for [`call`].
    pub(super) unsafe fn with(
        learner: *mut Self,
        error: *mut perennial_error,
        run: impl FnOnce(&mut Learner) -> Result<()>,
    ) -> perennial_status {
        // SAFETY: as this function's.
        unsafe { Self::with_own(learner, error, |own| run(&mut own.learner)) }
    }

    /// SAFETY: as [`perennial_learner::with`].
    unsafe fn with_own(
        learner: *mut Self,
        error: *mut perennial_error,
        run: impl FnOnce(&mut Own) -> Result<()>,
    ) -> perennial_status {
        // SAFETY: as this function's.
        unsafe {
            call(error, || {
                let handle = border::read(learner, "learner")?;
                let mut own = border::alone(&handle.learner, "learner")?;
                handle.log.during(|| run(&mut own))
            })
        }
    }
}

/// Builds a learner: the slow work and the refusing happen here. `options` may be null for the defaults. `state` may be null for a new
/// one; otherwise strategy and settings are the state's. Neither is needed afterwards, nor is the backbone.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_create(
    backbone: *const perennial_backbone,
    options: *const perennial_options,
    state: *const perennial_state,
    out: *mut *mut perennial_learner,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let (backbone, options) =
                (&border::read(backbone, "backbone")?.0, perennial_options::read(options)?);
            let log = options.log();
            let learner = log.during(|| {
                let builder = options.builder(backbone)?;
                let resumed = match state.is_null() {
                    true => builder,
                    false => builder.resume(border::read(state, "state")?.0.clone()),
                };
                resumed.build()
            })?;
            border::give(out, "out", perennial_learner::new(learner, log))
        })
    }
}

/// Lets go of a learner. What was not saved is gone; its predictors go on answering.
///
/// `learner` is null or the address of a handle that no thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_destroy(learner: *mut *mut perennial_learner) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(learner) });
}

/// Channels, height and width of an image: three numbers.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_image_shape(
    learner: *mut perennial_learner,
    shape: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| border::write(shape.cast(), "shape", l.image_shape()))
    }
}

/// Planned bytes of RAM, and, where `buffer` is not null, the plan as text.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_footprint(
    learner: *mut perennial_learner,
    bytes: *mut u64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            border::give_text(&l.footprint().to_string(), buffer, capacity, needed)?;
            border::write_if(bytes, "bytes", l.footprint().total() as u64)
        })
    }
}

/// Opens a task.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_begin_task(
    learner: *mut perennial_learner,
    name: *const c_char,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe { perennial_learner::with(learner, error, |l| l.begin_task(border::text(name, "name")?)) }
}

/// Learns from `count` preprocessed images, `[count, channels, height, width]`, and their labels. `last` is what the last optimizer step
/// did; it is left as it was where the strategy trains nothing, and may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_observe(
    learner: *mut perennial_learner,
    images: *const f32,
    count: usize,
    labels: *const *const c_char,
    last: *mut perennial_step,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            let labels = border::texts(labels, count, "labels")?;
            let steps = l.observe(predictor::images(images, count, l.image_shape())?, &labels)?;
            give_last(&steps, last)
        })
    }
}

/// One more pass over what is kept of the open task's images. `last` as for `perennial_learner_observe`.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_epoch(
    learner: *mut perennial_learner,
    last: *mut perennial_step,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe { perennial_learner::with(learner, error, |l| give_last(&l.epoch()?, last)) }
}

/// SAFETY: as [`border::write`].
unsafe fn give_last(steps: &[Step], last: *mut perennial_step) -> Result<()> {
    match steps.last() {
        // SAFETY: as this function's.
        Some(&Step { loss, accuracy, .. }) => unsafe {
            border::write_if(last, "last", perennial_step { loss, accuracy })
        },
        None => Ok(()),
    }
}

/// Ends the open task; it is to be committed or rolled back then. `report` may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_end_task(
    learner: *mut perennial_learner,
    report: *mut perennial_report,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with_own(learner, error, |own| {
            let ended = own.learner.end_task()?;
            border::write_if(report, "report", perennial_report::from(&ended))?;
            own.report = Some(ended);
            Ok(())
        })
    }
}

/// All that is known of the task that ended last, as one JSON document: classes, certificate, verdict with its objections.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_report_json(
    learner: *mut perennial_learner,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with_own(learner, error, |own| {
            let report = own.report.as_ref();
            let report =
                report.ok_or_else(|| crate::err!(State, "no task has ended yet; call end_task first"))?;
            let text = serde_json::to_string(report).map_err(|e| crate::err!(Bug, "a report: {e}"))?;
            border::give_text(&text, buffer, capacity, needed)
        })
    }
}

/// Keeps the task that has ended, for predictors too. `REFUSED` where its verdict holds objections, unless `anyway` is not 0.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_commit(
    learner: *mut perennial_learner,
    anyway: u32,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| match anyway {
            0 => l.commit(),
            _ => l.commit_anyway(),
        })
    }
}

/// Returns to the state before the open or undecided task, bit for bit.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_rollback(
    learner: *mut perennial_learner,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe { perennial_learner::with(learner, error, Learner::rollback) }
}

/// Classifies images as the learner is now, with a task that is not committed yet; otherwise as `perennial_predictor_predict`.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_predict(
    learner: *mut perennial_learner,
    images: *const f32,
    count: usize,
    out: *mut perennial_prediction,
    out_size: usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            let answers = l.predict(predictor::images(images, count, l.image_shape())?)?;
            predictor::write(&answers, out, out_size)
        })
    }
}

/// A predictor that follows this learner's commits.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_predictor(
    learner: *mut perennial_learner,
    out: *mut *mut perennial_predictor,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let handle = border::read(learner, "learner")?;
            let predictor = border::alone(&handle.learner, "learner")?.learner.predictor();
            border::give(out, "out", perennial_predictor { predictor, log: handle.log })
        })
    }
}

/// Forgets a class for good, committed at once; other classes score what they did.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_forget_class(
    learner: *mut perennial_learner,
    name: *const c_char,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| l.forget_class(border::text(name, "name")?).map(drop))
    }
}

/// Forgets a task with all its classes for good, committed at once.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_forget_task(
    learner: *mut perennial_learner,
    name: *const c_char,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| l.forget_task(border::text(name, "name")?).map(drop))
    }
}

/// How many classes were met so far, forgotten ones included, and how many tasks are known. Either may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_counts(
    learner: *mut perennial_learner,
    classes: *mut usize,
    tasks: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            border::write_if(classes, "classes", l.classes().len())?;
            border::write_if(tasks, "tasks", l.tasks().len())
        })
    }
}

/// Name of class `index`; empty for one that was forgotten.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_class_name(
    learner: *mut perennial_learner,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            border::give_text(item(l.classes(), index, "class")?, buffer, capacity, needed)
        })
    }
}

/// Name of task `index`.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_task_name(
    learner: *mut perennial_learner,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            border::give_text(&item(l.tasks(), index, "task")?.name, buffer, capacity, needed)
        })
    }
}

fn item<'a, T>(all: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    all.get(index).ok_or_else(|| crate::err!(NotFound, "no {what} {index}; there are {}", all.len()))
}

/// Bytes of the committed state, without the backbone, and of its record on a medium at most. Either may be null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_state_bytes(
    learner: *mut perennial_learner,
    bytes: *mut u64,
    stored: *mut u64,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |l| {
            let most = l.state().stored_bytes()? as u64;
            border::write_if(bytes, "bytes", l.state().bytes() as u64)?;
            border::write_if(stored, "stored", most)
        })
    }
}
