//! Answers, from any number of threads.

use std::ffi::c_char;

use ndarray::ArrayView4;

use super::border;
use super::log::Log;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::learner::{Prediction, Predictor};

/// Answers from what a learner last committed.
pub struct perennial_predictor {
    pub(super) predictor: Predictor,
    pub(super) log: Log,
}

/// Bytes of a class's name in an answer, its closing zero included.
pub const PERENNIAL_NAME: usize = 64;

/// The answer for one image.
#[repr(C)]
pub struct perennial_prediction {
    /// Number of the best class.
    pub class_index: u32,
    /// Number of the task whose signature and classes explain the image best.
    pub task: u32,
    /// Score of the class; comparable between classes only.
    pub score: f32,
    /// How close the image is to the nearest class, in standard deviations of held-out images; below zero is farther than their mean.
    pub familiarity: f32,
    /// 1 where the image looks like nothing that was learned, else 0.
    pub unknown: u32,
    /// Name of the class, cut off where it is longer.
    pub name: [c_char; PERENNIAL_NAME],
}

impl From<&Prediction> for perennial_prediction {
    fn from(said: &Prediction) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut name = [0; PERENNIAL_NAME];
        border::copy_text(&said.name, &mut name);
        Self {
            class_index: number(said.class),
            task: number(said.task),
            score: said.score,
            familiarity: said.familiarity,
            unknown: said.unknown.into(),
            name,
        }
    }
}

/// `count` images of `shape`.
///
/// SAFETY: as [`border::slice`] for `count` times the product of `shape`.
pub unsafe fn images<'a>(
    pointer: *const f32,
    count: usize,
    shape: [usize; 3],
) -> Result<ArrayView4<'a, f32>> {
    let [c, h, w] = shape;
    let pixels = count.checked_mul(c * h * w);
    let pixels =
        pixels.ok_or_else(|| crate::err!(InvalidArgument, "{count} images are more than there can be"))?;
    // SAFETY: as this function's.
    let pixels = unsafe { border::slice(pointer, pixels, "images")? };
    ArrayView4::from_shape((count, c, h, w), pixels).map_err(|e| crate::err!(Bug, "pixels of images: {e}"))
}

/// Writes answers into the caller's array of structs of `size` bytes each.
///
/// SAFETY: `out` is null or has room for `answers.len()` structs of `size` bytes.
pub unsafe fn write(answers: &[Prediction], out: *mut perennial_prediction, size: usize) -> Result<()> {
    for (i, answer) in answers.iter().enumerate() {
        let to = out.wrapping_byte_add(i * size);
        let smallest = size_of::<perennial_prediction>();
        // SAFETY: the caller's room for the `i`th; a null pointer is refused at the first.
        unsafe { border::write_sized(to, size, smallest, "predictions", &answer.into())? };
    }
    Ok(())
}

/// Classifies `count` preprocessed images, `[count, channels, height, width]`. `out` has room for as many answers of `out_size`
/// bytes, `sizeof(perennial_prediction)`. Any thread may call this at any time; it does not wait for the learner.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_predictor_predict(
    predictor: *const perennial_predictor,
    images: *const f32,
    count: usize,
    out: *mut perennial_prediction,
    out_size: usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(predictor, "predictor")?;
            own.log.during(|| {
                let model = own.predictor.model();
                let answers = model.predict(self::images(images, count, model.image_shape())?)?;
                write(&answers, out, out_size)
            })
        })
    }
}

/// How many changes were kept so far; another number is another model.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_predictor_commits(
    predictor: *const perennial_predictor,
    commits: *mut u64,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            border::write(commits, "commits", border::read(predictor, "predictor")?.predictor.commits())
        })
    }
}

/// Lets go of a predictor; the learner's others go on.
///
/// `predictor` is null or the address of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_predictor_destroy(predictor: *mut *mut perennial_predictor) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(predictor) });
}
