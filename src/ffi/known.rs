//! What a learner knows: answers, names, sizes, and what is to be forgotten.

use std::ffi::c_char;

use super::border;
use super::learner::perennial_learner;
use super::predictor::{self, perennial_prediction, perennial_predictor};
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;

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

/// How task `index` was learned, as JSON: what it takes to learn it again, byte for byte. `UNSUPPORTED` for one that came in a bundle, and
/// for one that others were made one with.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_task_receipt(
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
            let task = item(l.tasks(), index, "task")?;
            let Some(receipt) = &task.receipt else {
                crate::bail!(
                    Unsupported,
                    "{:?} has no receipt: it came in a bundle, or others are one with it",
                    task.name
                )
            };
            let text = serde_json::to_string(receipt).map_err(|e| crate::err!(Bug, "a receipt: {e}"))?;
            border::give_text(&text, buffer, capacity, needed)
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
