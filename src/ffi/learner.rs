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
use super::state::perennial_state;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::learner::{Learner, TaskReport};

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
    pub(super) unsafe fn with_own(
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
