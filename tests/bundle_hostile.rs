//! Damaged bundles, and bundles that a trusted key signed over bytes that mean harm: an error or a sound state, never a panic, and
//! bounded memory.
//!
//! One test function, because the allocator counts for the whole process.
#![cfg(all(feature = "tract", feature = "bundle"))]
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used)]

mod counting;
mod fixtures;
mod lessons;

use counting::peak_of;
use ed25519_dalek::{Signer, SigningKey};
use lessons::{learn, learn_and_commit, learner};
use perennial::ErrorKind;
use perennial::bundle::{Bundle, Content, Here, Limits, Outcome, SecretKey, Trust, intake};
use perennial::learner::{Learner, State};
use rand::Rng;

/// Bytes before the content: magic, version, key, signature, length.
const HEAD: usize = 106;
/// What one try may allocate at its peak, beyond what was there: some copies of a small state and its solution, and what a decoder
/// may make ready for a length that it then finds wanting.
const MOST: usize = 24 << 20;

struct World {
    state: State,
    here: Here,
    trust: Trust,
    good: Vec<u8>,
    key: SigningKey,
}

impl World {
    fn new(strategy: &str) -> Self {
        let mut base = learner(strategy);
        learn_and_commit(&mut base, 0);
        let state = base.state().clone();
        let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let mut maker = Learner::builder(backbone).resume(state.clone()).sharing(true).build().unwrap();
        learn(&mut maker, 1, 1);
        let sha256 = maker.backbone_sha256();
        let content = Content::new(maker.lesson().unwrap(), &state, sha256, [7; 32]).unwrap();
        let secret = SecretKey::from_seed([1; 32]);
        let good = Bundle::sign(&content, &secret).unwrap().bytes().to_vec();
        let here = Here { backbone: sha256, preprocessing: [7; 32], now: 1, rename: None };
        let trust = Trust::default().with(secret.public(), "maker");
        Self { state, here, trust, good, key: SigningKey::from_bytes(&[1; 32]) }
    }

    /// The bundle of `body`, signed as the maker would.
    fn signed(&self, body: &[u8]) -> Vec<u8> {
        let public = self.key.verifying_key().to_bytes();
        let message = [b"perennial bundle".as_slice(), &1u16.to_le_bytes(), &public, body].concat();
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let signature = self.key.sign(&message).to_bytes();
        [b"PRNB".as_slice(), &1u16.to_le_bytes(), &public, &signature, &length, body].concat()
    }

    /// Takes bytes over as far as they go; `true` where a state came out, which then predicts.
    fn attempt(&self, bytes: &[u8]) -> Result<bool, ErrorKind> {
        let limits = Limits { loss: 1.0, reach: 1e6, nearness: 0.0, untried: true };
        let (done, used) = peak_of(|| {
            let bundle = Bundle::from_bytes(bytes.to_vec())?;
            intake(&self.state, &bundle, &self.trust, &self.here, &limits)
        });
        assert!(used < MOST, "{used} bytes for a bundle of {}", bytes.len());
        match done {
            Ok(done) => {
                let Outcome::Taken(state) = done.outcome else { return Ok(false) };
                let rows = state.statistics.as_ref().unwrap().imagined(1, 1).unwrap();
                for (rows, _) in rows.into_iter().flatten().map(Result::unwrap) {
                    let scores = state.statistics.as_ref().unwrap().head().scores(rows.view()).unwrap();
                    assert!(scores.iter().all(|x| !x.is_nan()));
                }
                Ok(true)
            }
            Err(e) => {
                assert_ne!(e.kind(), ErrorKind::Bug, "{e}");
                Err(e.kind())
            }
        }
    }
}

#[test]
fn hostile_bundles_are_errors_in_bounded_memory() {
    let (mut tried, mut survived) = (0usize, 0usize);
    for strategy in ["perennial", "perennial-compact", "ncm-frozen", "best-frozen"] {
        let world = World::new(strategy);
        let good = world.good.clone();
        assert_eq!(world.attempt(&good), Ok(true), "{strategy}");
        assert_eq!(world.signed(&good[HEAD..]), good, "the test signs as the maker does");
        let mut rng = fixtures::rng(11);

        // On the way: every bit that is flipped, every byte that is missing or added breaks the signature or the frame.
        for _ in 0..400 {
            let mut bytes = good.clone();
            let at =
                if rng.gen_bool(0.5) { rng.gen_range(0..HEAD + 200) } else { rng.gen_range(0..bytes.len()) };
            bytes[at] ^= 1 << rng.gen_range(0..8);
            assert!(world.attempt(&bytes).is_err(), "{strategy}: bit flipped at {at}");
            let cut = rng.gen_range(0..good.len());
            assert!(world.attempt(&good[..cut]).is_err(), "{strategy}: cut at {cut}");
            tried += 2;
        }
        for length in [0, 1, u32::MAX, good.len() as u32] {
            let mut bytes = good.clone();
            bytes[HEAD - 4..HEAD].copy_from_slice(&length.to_le_bytes());
            assert!(world.attempt(&bytes).is_err());
            tried += 1;
        }
        assert!(world.attempt(&[good.as_slice(), &[0]].concat()).is_err());

        // From the maker: bytes of the content changed, cut or lengthened before they were signed.
        for round in 0..1000 {
            let mut body = good[HEAD..].to_vec();
            match round % 4 {
                0 => body[rng.gen_range(0..600)] ^= 1 << rng.gen_range(0..8),
                1 => {
                    let at = rng.gen_range(0..body.len());
                    body[at] ^= 1 << rng.gen_range(0..8);
                }
                2 => body.truncate(rng.gen_range(0..body.len())),
                _ => {
                    // Lengths are variable numbers: nine bytes of them are one of exabytes.
                    let at = rng.gen_range(0..body.len() - 10);
                    body[at..at + 9].copy_from_slice(&[255, 255, 255, 255, 255, 255, 255, 255, 127]);
                }
            }
            survived += usize::from(world.attempt(&world.signed(&body)) == Ok(true));
            tried += 1;
        }
    }
    println!(
        "fault: damaged or hostile bundle | {tried} | 0 | an error, or statistics that rows could have ({survived}); bounded memory"
    );
}
