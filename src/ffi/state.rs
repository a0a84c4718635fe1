//! Stored states: on a medium or in a file, in the clear or with a key of 32 bytes.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

use super::border;
use super::learner::perennial_learner;
use super::medium::perennial_medium;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::learner::State;
use crate::store::{self, Place, Seal, Slots, StateKey};

/// What a learner knew when it was stored.
pub struct perennial_state(pub(super) State);

/// SAFETY: `key` is null or points to 32 bytes.
unsafe fn key(key: *const u8) -> Result<Option<StateKey>> {
    match key.is_null() {
        true => Ok(None),
        // SAFETY: as this function's.
        false => Ok(Some(StateKey::from_bytes(*unsafe { border::read(key.cast(), "key")? }))),
    }
}

/// SAFETY: as [`perennial_medium::open`] and [`key`].
unsafe fn slots(
    medium: *const perennial_medium,
    own: *const u8,
    backbone: Option<[u8; 32]>,
) -> Result<Slots<super::medium::Flash>> {
    // SAFETY: as this function's.
    let (region, key) = unsafe { (perennial_medium::open(medium)?, key(own)?) };
    match key {
        Some(key) => {
            let seal: Arc<dyn Seal> = Arc::new(key);
            Slots::open_sealed(region, backbone, seal)
        }
        None => Slots::open(region, backbone),
    }
}

/// SAFETY: as [`border::text`] and [`key`].
unsafe fn place(path: *const c_char, own: *const u8) -> Result<Place> {
    // SAFETY: as this function's.
    let (path, key) = unsafe { (border::text(path, "path")?, key(own)?) };
    let place = Place::file(Path::new(path));
    Ok(match key {
        Some(key) => place.sealed(key),
        None => place,
    })
}

/// Loads the newest intact state of a medium. `key` is null, or the 32 bytes it was sealed with.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_state_load(
    medium: *const perennial_medium,
    key: *const u8,
    out: *mut *mut perennial_state,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let (_, state) = store::decoded(slots(medium, key, None)?.load()?)?;
            border::give(out, "out", perennial_state(state))
        })
    }
}

/// Loads the state of a file. `key` is null, or the 32 bytes it was sealed with.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_state_load_file(
    path: *const c_char,
    key: *const u8,
    out: *mut *mut perennial_state,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let (_, state) = place(path, key)?.load(None)?;
            border::give(out, "out", perennial_state(state))
        })
    }
}

/// Lets go of a state.
///
/// `state` is null or the address of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_state_destroy(state: *mut *mut perennial_state) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(state) });
}

/// Saves the committed state beside the one before it, which is what stays where this fails or the power does. `key` is null, or 32
/// bytes that nobody can read the state without.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_save(
    learner: *mut perennial_learner,
    medium: *const perennial_medium,
    key: *const u8,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |learner| {
            let (backbone, payload) = (learner.backbone_sha256(), store::encoded(learner.state())?);
            slots(medium, key, Some(backbone))?.save(backbone, &payload).map(drop)
        })
    }
}

/// Saves the committed state in a file, all or nothing. `key` as for [`perennial_learner_save`].
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_save_file(
    learner: *mut perennial_learner,
    path: *const c_char,
    key: *const u8,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |learner| {
            let state = learner.state();
            place(path, key)?.save(learner.backbone_sha256(), state.commits, state).map(drop)
        })
    }
}
