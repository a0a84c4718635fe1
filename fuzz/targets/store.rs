//! What lies on a medium. The first byte says how the rest is looked at.
//!
//! | it modulo 4 | the rest |
//! |---|---|
//! | 0 | the bytes of a record, and of a region with two slots |
//! | 1 | two slots that held records (counter, backbone, length, payload), and then damage: `offset, bits` of three bytes each |
//! | 2 | a payload whose checksum holds: a learner's state, solved, listed, made to forget |
//! | 3 | the same, in a learner that goes on from it |
#![no_main]

use std::sync::{Arc, LazyLock};

use ndarray::Array4;
use perennial::backbone::Backbone;
use perennial::learner::{Learner, State};
use perennial::store::{self, BLANK, Header, Region, Slot, Slots, record};
use perennial::{ErrorKind, Result};
use perennial_fuzz::{Hollow, WORKSPACE, bounded, number, sound, take};

static BACKBONE: LazyLock<Backbone> = LazyLock::new(|| {
    Backbone::from_bytes(include_bytes!("../../tests/fixtures/timm_legacy_op17_dynamic.onnx"))
        .expect("a fixture")
});

/// Memory for a record and two slots.
const STORED: usize = 4 << 20;
/// Memory for a small state, solved, and some copies of it.
const LEARNED: usize = WORKSPACE + (64 << 20);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 4 {
        0 => {
            sound(bounded(STORED + 2 * rest.len(), || record::decode(rest, None).map(drop)));
            bounded(STORED + 4 * rest.len(), || region(rest.to_vec(), None));
        }
        1 => bounded(STORED + 8 * rest.len(), || slots(rest)),
        mode => {
            let Some(state) = bounded(LEARNED, || state(rest)) else { return };
            match mode {
                2 => bounded(LEARNED, || asked(&state)),
                _ => bounded(LEARNED, || resumed(state)),
            }
        }
    }
});

/// A region in memory, of sectors of 256 bytes and words of 4.
#[derive(Clone)]
struct Ram(Vec<u8>);

const SECTOR: usize = 256;

impl Region for Ram {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn sector(&self) -> u64 {
        SECTOR as u64
    }

    fn word(&self) -> u64 {
        4
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        into.copy_from_slice(&self.0[at as usize..][..into.len()]);
        Ok(())
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        assert!((from | to).is_multiple_of(SECTOR as u64));
        self.0[from as usize..to as usize].fill(BLANK);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        assert!((at | bytes.len() as u64).is_multiple_of(4));
        self.0[at as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Opens a region that holds `bytes`, and uses it.
fn region(mut bytes: Vec<u8>, backbone: Option<[u8; 32]>) {
    bytes.resize(bytes.len().next_multiple_of(2 * SECTOR), BLANK);
    let before = Ram(bytes.clone());
    let Some(mut slots) = sound(Slots::open(before, backbone)) else { return };
    let held = sound(slots.load());
    let counter = match slots.slots() {
        [Slot::Intact { counter: a, .. }, Slot::Intact { counter: b, .. }] => Some(a.max(b)),
        [Slot::Intact { counter, .. }, _] | [_, Slot::Intact { counter, .. }] => Some(counter),
        _ => None,
    };
    assert_eq!(
        held.as_ref().map(|(header, _)| header.counter),
        counter,
        "the state is the newest intact record"
    );
    let own = held.as_ref().map_or([0; 32], |(header, _)| header.backbone);
    match slots.save(own, b"the next state") {
        Ok(header) => {
            let after = slots.load().expect("what was saved can be loaded");
            assert_eq!(after, (header, b"the next state".to_vec()));
            slots.compact().expect("a region that works can be compacted");
            assert_eq!(slots.load().expect("compacting keeps the state"), after);
        }
        Err(e) => {
            assert!([ErrorKind::Budget, ErrorKind::Corrupt].contains(&e.kind()), "{e}");
            assert_eq!(sound(slots.load()), held, "a save that was refused keeps the state");
        }
    }
}

/// Two slots that held records, and damage.
fn slots(mut script: &[u8]) {
    let mut halves: [Vec<u8>; 2] = Default::default();
    for half in &mut halves {
        let (counter, backbone) = (number::<8>(&mut script), number::<1>(&mut script) as u8);
        let length = number::<2>(&mut script) as usize;
        if length == 0 {
            continue;
        }
        let payload = take(&mut script, length);
        let header = Header::new(counter, [backbone % 2; 32], payload);
        *half = record::encode(&header, payload).expect("a record of its own header");
    }
    let size = halves.iter().map(Vec::len).max().unwrap_or_default().next_multiple_of(SECTOR).max(SECTOR);
    let mut bytes = halves.map(|mut half| {
        half.resize(size, BLANK);
        half
    });
    while !script.is_empty() {
        let (at, bits) = (number::<2>(&mut script) as usize % (2 * size), number::<1>(&mut script) as u8);
        bytes[at / size][at % size] ^= bits;
    }
    region(bytes.concat(), Some([0; 32]));
}

/// The state that `payload` is, which can be written and read again.
fn state(payload: &[u8]) -> Option<State> {
    let header = Header::new(1, [0; 32], payload);
    let (_, state): (_, State) = sound(store::decoded((header.clone(), payload.to_vec())))?;
    let first = store::encoded(&state).expect("what was read can be written");
    let header = Header::new(1, [0; 32], &first);
    let (_, again): (_, State) =
        store::decoded((header, first.clone())).expect("what was written can be read");
    assert!(store::encoded(&again).expect("twice") == first);
    Some(state)
}

/// Everything that is asked of a state without a backbone.
fn asked(state: &State) {
    let _ = (state.parts(), state.bytes(), state.known().count());
    let _ = (sound(state.overlap()), sound(state.can_share()), sound(state.space().map(drop)));
    for name in state.classes.iter().take(2) {
        let mut less = state.clone();
        if sound(less.forget_class(name)).is_some() {
            sound(less.solve());
        }
    }
    if let Some(task) = state.tasks.first() {
        sound(state.clone().forget_task(&task.name));
    }
    let mut solved = state.clone();
    if sound(solved.solve()).is_some()
        && let Some(statistics) = &solved.statistics
        && let Some(Some(imagined)) = sound(statistics.imagined(1, 1))
    {
        for (rows, _) in imagined.map_while(sound) {
            sound(statistics.head().scores(rows.view()));
        }
    }
}

/// A learner that goes on from it.
fn resumed(state: State) {
    // What a pass takes is what the settings ask for.
    if state.settings.micro > 64 || state.settings.lora.rank > 64 {
        return;
    }
    let builder = Learner::builder(BACKBONE.clone()).engine(Arc::new(Hollow)).resume(state);
    let Some(learner) = sound(builder.build()) else { return };
    let images =
        Array4::from_shape_fn((2, 3, 32, 32), |(n, c, y, x)| ((n + 2 * c + 3 * y + 5 * x) % 7) as f32 - 3.0);
    sound(learner.predict(images.view()));
}
