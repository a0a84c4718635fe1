//! States of older formats, read by this build.
//!
//! postcard writes no names and no lengths of structs, so a payload can be read only with the very types that wrote it. The record's
//! version says which those were, and every version has a step to the next:
//!
//! ```text
//! payload of version n  -> step n ->  payload of version n + 1  -> ..  -> VERSION  -> the learner's State
//! ```
//!
//! Whoever changes what [`State`](crate::learner::State) encodes (a field, a variant that is not the last, an order) does this:
//!
//! 1. Raise [`record::VERSION`](super::record::VERSION). [`STEPS`] has no room for a step too many or too few, so this stops
//!    compiling until the step is there.
//! 2. Keep the types as they were, those that changed and those around them, as `migrate/v1.rs` with `Deserialize` alone, and write
//!    `From` of the old state for the new one. What the old state did not know gets the value under which it predicts as before.
//! 3. Add the step: read the old types, write the new ones.
//! 4. Write the golden files of the new version: `cargo test --release --test golden_state -- --ignored`. Those of older
//!    versions are never touched again. `tests/golden_state.rs` reads them all.
//!
//! A step that is forgotten is found: files of the newest version must decode and encode to the same bytes, with every field as
//! it was, or that test fails. Before the first release there was no state to keep, so version 1 was allowed to move: its files were
//! written anew, and CHANGELOG.md says so.
//!
//! What this does not do: go back (an older program refuses a newer state), or move other values than states. Checkpoints of
//! `eval` hold a state beside other things; one of an older version is none, and the run starts anew.

use alloc::vec::Vec;

use super::record::VERSION;
use crate::error::Result;

/// A payload of one version as one of the next.
type Step = fn(&[u8]) -> Result<Vec<u8>>;

/// Row `n - 1` leads from version `n` to the next.
const STEPS: [Step; VERSION as usize - 1] = [];

/// The payload of a record of `version`, at most [`VERSION`], as this build has it.
pub(super) fn current(version: u16, payload: Vec<u8>) -> Result<Vec<u8>> {
    climb(&STEPS, version, payload)
}

fn climb(steps: &[Step], version: u16, payload: Vec<u8>) -> Result<Vec<u8>> {
    steps
        .iter()
        .skip(usize::from(version.saturating_sub(1)))
        .try_fold(payload, |payload, step| step(&payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_takes_every_step_from_its_version_on_and_no_other() {
        let steps: [Step; 2] =
            [|old| Ok([old, b"2".as_slice()].concat()), |old| Ok([old, b"3".as_slice()].concat())];
        for (version, payload, newest) in [(1, "1", "123"), (2, "2", "23"), (3, "3", "3")] {
            assert_eq!(climb(&steps, version, payload.into()).unwrap(), newest.as_bytes());
        }
        let refuses: [Step; 1] = [|_| Err(crate::err!(Mismatch, "not this one"))];
        assert_eq!(climb(&refuses, 1, Vec::new()).unwrap_err().kind(), crate::ErrorKind::Mismatch);
        assert_eq!(climb(&refuses, 2, b"new".to_vec()).unwrap(), b"new");
    }
}
