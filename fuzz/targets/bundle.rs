//! Bundles. The first byte says who signed.
//!
//! | it modulo 5 | the rest |
//! |---|---|
//! | 0 | a file: damage on the way |
//! | 1 to 4 | a body that a trusted key signs here, for one of four states: `tests/bundle_hostile.rs` has the same |
#![no_main]

use std::sync::LazyLock;

use ed25519_dalek::{Signer, SigningKey};
use perennial::bundle::{Bundle, Here, Limits, Outcome, SecretKey, Trust, intake};
use perennial::learner::State;
use perennial::store::{self, record};
use perennial_fuzz::{WORKSPACE, bounded, sound};

/// What one try may allocate: some copies of a small state and its solution.
const MOST: usize = WORKSPACE + (24 << 20);
const SEED: [u8; 32] = [1; 32];

/// A state and what surrounds it, as `fuzz/seeds.rs` made them.
struct World {
    state: State,
    here: Here,
    trust: Trust,
}

impl World {
    fn new(bytes: &[u8]) -> Self {
        let (header, payload) = record::decode(bytes, None).expect("a record of seeds.rs");
        let here = Here { backbone: header.backbone, preprocessing: [7; 32], now: 1, rename: None };
        let (_, state) =
            store::decoded((header, payload.to_vec())).expect("a state of seeds.rs; run it anew");
        Self { state, here, trust: Trust::default().with(SecretKey::from_seed(SEED).public(), "maker") }
    }

    fn attempt(&self, bytes: Vec<u8>) {
        let limits = Limits { loss: 1.0, reach: 1e6, nearness: 0.0, untried: true };
        let done = bounded(MOST, || {
            let bundle = Bundle::from_bytes(bytes)?;
            intake(&self.state, &bundle, &self.trust, &self.here, &limits)
        });
        let Some(Outcome::Taken(state)) = sound(done).map(|done| done.outcome) else { return };
        let statistics = state.statistics.as_ref().expect("a state that takes bundles");
        let imagined = statistics.imagined(1, 1).expect("statistics that were tried");
        for (rows, _) in imagined.into_iter().flatten().map_while(sound) {
            let scores = statistics.head().scores(rows.view()).expect("rows of its own");
            assert!(scores.iter().all(|x| !x.is_nan()));
        }
    }
}

static WORLDS: LazyLock<[World; 4]> = LazyLock::new(|| {
    [
        World::new(include_bytes!("../worlds/perennial.state")),
        World::new(include_bytes!("../worlds/perennial-compact.state")),
        World::new(include_bytes!("../worlds/ncm-frozen.state")),
        World::new(include_bytes!("../worlds/best-frozen.state")),
    ]
});

/// The bundle of `body`, signed as its maker would.
fn signed(body: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_bytes(&SEED);
    let public = key.verifying_key().to_bytes();
    let message = [b"perennial bundle".as_slice(), &1u16.to_le_bytes(), &public, body].concat();
    let length = u32::try_from(body.len()).expect("a short body").to_le_bytes();
    [b"PRNB".as_slice(), &1u16.to_le_bytes(), &public, &key.sign(&message).to_bytes(), &length, body].concat()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 5 {
        0 => WORLDS[2].attempt(rest.to_vec()),
        world => WORLDS[usize::from(world) - 1].attempt(signed(rest)),
    }
});
