//! The chip that knows, on a bare Cortex-M4F: no operating system, no standard library.
//!
//! ```text
//! 0x21000000   state       two slots, the first of them filled       what the other chip learned
//! 0x21200000   features    the same                                  what its networks said of pictures
//! 0x21300000   answers     the same                                  what it answered itself, to be compared
//! 0x21400000   heap
//! ```
//!
//! It reads the state, solves, answers, folds an adapter into a weight, and writes the state again. `check.sh` fills the memory and reads
//! what is said; anything that is not as it should be ends in an error.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod region;

use alloc::string::String;
use alloc::vec::Vec;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hprintln;
use ndarray::Array2;
use perennial::adapter::fold;
use perennial::learner::{Features, Scored, State};
use perennial::store::{self, Header, Region, Slot, Slots, record};
use perennial::{Result, bail};

/// How far a number may be from the other chip's, as a share of it or of 1: its products run in another order and its logarithms
/// come from another library.
const TOLERANCE: f32 = 1e-4;

/// Name, score of every class and familiarity by picture; and a weight of ones with the state's first adapter in it.
type Answers = (Vec<(String, Vec<f32>, f32)>, Array2<f32>);

#[entry]
fn main() -> ! {
    heap::init();
    match run() {
        Ok(()) => debug::exit(EXIT_SUCCESS),
        Err(e) => {
            hprintln!("FAILED: {}", e);
            debug::exit(EXIT_FAILURE);
        }
    }
    loop {}
}

#[panic_handler]
fn panicked(info: &PanicInfo) -> ! {
    hprintln!("PANIC: {}", info);
    debug::exit(EXIT_FAILURE);
    loop {}
}

fn run() -> Result<()> {
    let [state, features, answers] = region::all();
    let mut kept = opened(state, None)?;
    let (header, payload) = kept.load()?;
    let (header, mut state): (Header, State) = store::decoded((header, payload.clone()))?;
    state.solve()?;
    hprintln!("{}: {} bytes of state, classes {:?}", state.strategy, payload.len(), state.classes);

    let (_, features): (_, Features) = store::decoded(opened(features, Some(header.backbone))?.load()?)?;
    let (_, (answers, folded)): (_, Answers) =
        store::decoded(opened(answers, Some(header.backbone))?.load()?)?;
    compare(&state.score(&features)?, &answers)?;
    adapt(&state, &folded)?;

    let again = store::encoded(&state)?;
    if record::encode(&header, &again)? != record::encode(&header, &payload)? {
        bail!(Corrupt, "the state is written in other bytes than it was read from");
    }
    kept.save(header.backbone, &again)?;
    if opened(kept.into_region(), Some(header.backbone))?.load()?.1 != payload {
        bail!(Corrupt, "another state was read than was saved");
    }
    hprintln!("written again: the same bytes; heap peak {} bytes", heap::peak());
    Ok(())
}

/// Slots that are read: one that holds bytes and no intact record is an error here, where nothing was ever cut off.
fn opened<R: Region>(region: R, backbone: Option<[u8; 32]>) -> Result<Slots<R>> {
    let slots = Slots::open(region, backbone)?;
    match slots.slots().contains(&Slot::Damaged) {
        true => Err(perennial::err!(Corrupt, "a record was damaged on its way")),
        false => Ok(slots),
    }
}

fn compare(own: &[Scored], other: &[(String, Vec<f32>, f32)]) -> Result<()> {
    let mut worst = 0.0f32;
    for (picture, (own, (name, classes, familiarity))) in own.iter().zip(other).enumerate() {
        if own.prediction.name != *name || own.classes.len() != classes.len() {
            bail!(Mismatch, "picture {picture} is {:?} here and {name:?} there", own.prediction.name);
        }
        let pairs = own.classes.iter().zip(classes).chain([(&own.prediction.familiarity, familiarity)]);
        worst = pairs.fold(worst, |worst, (a, b)| worst.max(apart(*a, *b)));
    }
    if own.len() != other.len() || own.is_empty() || worst.is_nan() || worst > TOLERANCE {
        bail!(Mismatch, "{} answers for {}; scores differ by {worst:e}", own.len(), other.len());
    }
    hprintln!("{} answers with the same names; scores differ by {:e} at most", own.len(), worst);
    Ok(())
}

/// How far two numbers are apart, as a share of the second or of 1. The same infinity is not.
fn apart(a: f32, b: f32) -> f32 {
    if a == b { 0.0 } else { (a - b).abs() / b.abs().max(1.0) }
}

/// The first adapter of the state, folded into a weight of ones as the other chip did it.
fn adapt(state: &State, other: &Array2<f32>) -> Result<()> {
    let mut weight = Array2::ones(other.dim());
    let pair = state.memory.sum(0)?;
    fold(weight.view_mut(), pair.a.view(), pair.b.view(), state.settings.lora.scaling())?;
    let worst = weight.iter().zip(other).fold(0.0f32, |worst, (a, b)| worst.max(apart(*a, *b)));
    let moved = weight.iter().filter(|w| **w != 1.0).count();
    if worst > TOLERANCE || moved == 0 {
        bail!(Mismatch, "an adapter folded into a weight: {moved} numbers moved, off by {worst:e}");
    }
    hprintln!("an adapter folded into {:?}: {} numbers moved, off by {:e} at most", weight.dim(), moved, worst);
    Ok(())
}
