//! Tasks for other devices, and from them: signed, tried before they are taken, one learner's at a time.
//!
//! ```text
//! maker       .. end_task ── perennial_learner_bundle ── commit        options.sharing; not the first task
//! elsewhere   perennial_bundle_read ── perennial_learner_take          from one common first task on
//! ```

use std::ffi::c_char;

use super::border;
use super::frame::perennial_preprocess;
use super::learner::perennial_learner;
use super::status::{call, perennial_error, perennial_status};
use crate::bundle::{self, Bundle, Content, Here, Limits, Outcome, PublicKey, SecretKey, Trust};
use crate::error::Result;

/// The state has the task now.
pub const PERENNIAL_TAKEN: u32 = 0;
/// It had it before; nothing was changed.
pub const PERENNIAL_ALREADY: u32 = 1;

/// A signed task.
pub struct perennial_bundle(Bundle);

/// What a maker says of a bundle. Set what is not needed to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_bundle_options {
    /// `sizeof(perennial_bundle_options)`.
    pub struct_size: usize,
    /// Number of this version of the task; receivers refuse smaller ones than they have had.
    pub counter: u64,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// Seconds since 1970 after which it is refused, or 0.
    pub expires: u64,
    /// Where it comes from, in the maker's words; null for nothing.
    pub note: *const c_char,
}

/// SAFETY: `pointer` is null or points to 32 bytes.
unsafe fn bytes(pointer: *const u8, what: &str) -> Result<[u8; 32]> {
    // SAFETY: as this function's.
    unsafe { border::read(pointer.cast(), what).copied() }
}

/// SAFETY: `to` is null or has room for 32 bytes.
unsafe fn give(to: *mut u8, what: &str, bytes: [u8; 32]) -> Result<()> {
    // SAFETY: as this function's; bytes need no alignment.
    unsafe { border::slice_mut(to, 32, what)? }.copy_from_slice(&bytes);
    Ok(())
}

/// Writes to `maker`, of 32 bytes, by whom bundles are that are signed with `secret`, 32 random bytes that stay where they are.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_maker(
    secret: *const u8,
    maker: *mut u8,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let key = SecretKey::from_seed(bytes(secret, "secret")?);
            give(maker, "maker", key.public().bytes())
        })
    }
}

/// Signs what the task that has just ended taught, before it is committed or rolled back. `STATE` where nothing can be shared: the learner was
/// made without `sharing`, or it is the first task, which others have to have in common.
///
/// Every pointer is valid or null; `secret` has 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_bundle(
    learner: *mut perennial_learner,
    preprocess: *const perennial_preprocess,
    options: *const perennial_bundle_options,
    secret: *const u8,
    out: *mut *mut perennial_bundle,
    error: *mut perennial_error,
) -> perennial_status {
    let known = perennial_bundle_options {
        struct_size: 0,
        counter: 0,
        created: 0,
        expires: 0,
        note: std::ptr::null(),
    };
    // SAFETY: the caller's promises, as the header has them; every bit pattern is one of these options.
    unsafe {
        perennial_learner::with(learner, error, |learner| {
            let said = border::sized(options, known, size_of::<perennial_bundle_options>(), "options")?;
            let key = SecretKey::from_seed(bytes(secret, "secret")?);
            let pixels = border::read(preprocess, "preprocess")?.settings()?;
            let lesson = learner.lesson().ok_or_else(|| {
                crate::err!(
                    State,
                    "nothing to share: no task has just ended, or it was the first, or the learner was made without `sharing`"
                )
            })?;
            let pixels = bundle::preprocessing(&pixels)?;
            let mut content = Content::new(lesson, learner.state(), learner.backbone_sha256(), pixels)?;
            (content.counter, content.created) = (said.counter, said.created);
            content.expires = (said.expires > 0).then_some(said.expires);
            if !said.note.is_null() {
                content.note = border::text(said.note, "note")?.into();
            }
            border::give(out, "out", perennial_bundle(Bundle::sign(&content, &key)?))
        })
    }
}

/// Reads a bundle; nothing of it is looked at before its signature holds.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_bundle_read(
    content: *const u8,
    length: usize,
    out: *mut *mut perennial_bundle,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let bundle = Bundle::from_bytes(border::slice(content, length, "content")?.to_vec())?;
            border::give(out, "out", perennial_bundle(bundle))
        })
    }
}

/// The bytes to be sent or stored, as long as the handle lives; who signed them, and their SHA-256, 32 bytes each where not null.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_bundle_bytes(
    bundle: *const perennial_bundle,
    content: *mut *const u8,
    length: *mut usize,
    maker: *mut u8,
    id: *mut u8,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = &border::read(bundle, "bundle")?.0;
            border::check(content, "content")?;
            border::write(length, "length", own.bytes().len())?;
            if !maker.is_null() {
                give(maker, "maker", own.maker().bytes())?;
            }
            if !id.is_null() {
                give(id, "id", own.id().0)?;
            }
            border::write(content, "content", own.bytes().as_ptr())
        })
    }
}

/// Takes a bundle over, after every check and a trial on what is known; committed at once. `makers` are `count` times 32 bytes: who is
/// trusted. `now` is in seconds since 1970, or 0 where there is no clock: then only bundles that never expire are taken. `name` is another
/// name for the task, or null. `outcome` is `PERENNIAL_TAKEN` or `PERENNIAL_ALREADY`. `REFUSED` where it would do harm here.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_learner_take(
    learner: *mut perennial_learner,
    bundle: *const perennial_bundle,
    preprocess: *const perennial_preprocess,
    makers: *const u8,
    count: usize,
    now: u64,
    name: *const c_char,
    outcome: *mut u32,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        perennial_learner::with(learner, error, |learner| {
            let own = &border::read(bundle, "bundle")?.0;
            let pixels = border::read(preprocess, "preprocess")?.settings()?;
            border::check(outcome, "outcome")?;
            let here = Here {
                backbone: learner.backbone_sha256(),
                preprocessing: bundle::preprocessing(&pixels)?,
                now,
                rename: match name.is_null() {
                    true => None,
                    false => Some(border::text(name, "name")?.into()),
                },
            };
            let trust = trusted(border::slice(makers.cast(), count, "makers")?)?;
            let taken = match bundle::intake(learner.state(), own, &trust, &here, &Limits::default())?.outcome
            {
                Outcome::Taken(state) => learner.go_on_from(*state).map(|_| PERENNIAL_TAKEN)?,
                Outcome::Already => PERENNIAL_ALREADY,
                Outcome::Refused(why) => crate::bail!(Refused, "not taken over: {why}"),
            };
            border::write(outcome, "outcome", taken)
        })
    }
}

fn trusted(makers: &[[u8; 32]]) -> Result<Trust> {
    makers.iter().enumerate().try_fold(Trust::default(), |trust, (i, bytes)| {
        Ok(trust.with(PublicKey::from_bytes(bytes)?, &format!("maker {i}")))
    })
}

/// Lets go of a bundle.
///
/// `bundle` is null or the address of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_bundle_destroy(bundle: *mut *mut perennial_bundle) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(bundle) });
}
