//! The life of a task: begun, taught, ended, kept or taken back.

use std::ffi::c_char;

use super::border;
use super::learner::perennial_learner;
use super::predictor;
use super::status::{perennial_error, perennial_status};
use crate::error::Result;
use crate::learner::{Learner, Step, TaskReport};

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
