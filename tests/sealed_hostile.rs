//! Files and flash that somebody without the key made to do harm: an error, never a panic, and bounded memory.
//!
//! One test function, because the allocator counts for the whole process.
#![cfg(feature = "sealed")]
#![allow(unsafe_code, clippy::unwrap_used)]

mod chip;
mod counting;

use std::fs;
use std::sync::Arc;

use chip::{Chip, SECTOR};
use counting::peak_of;
use perennial::ErrorKind;
use perennial::store::{Nor, Place, Slots, StateKey};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BACKBONE: [u8; 32] = [7; 32];
/// Beyond three times the medium: paths, errors, what the hash functions need.
const MOST: usize = 1 << 16;

fn key() -> StateKey {
    StateKey::from_bytes([1; 32])
}

fn summed(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
}

/// A sealed record with something wrong, its checksum right.
fn hostile(good: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match rng.gen_range(0..5) {
        0 => bytes[rng.gen_range(4..60)] ^= 1 << rng.gen_range(0..8),
        1 => {
            let at = rng.gen_range(60..good.len() - 4);
            bytes[at] ^= 1 << rng.gen_range(0..8);
        }
        2 => bytes.truncate(rng.gen_range(12..good.len())),
        // A length in the header of exabytes: nine bytes of a variable number.
        3 => {
            let at = rng.gen_range(8..50);
            bytes[at..at + 9].copy_from_slice(&[255, 255, 255, 255, 255, 255, 255, 255, 127]);
        }
        _ => {
            let random: Vec<u8> = (0..rng.gen_range(4..300)).map(|_| rng.r#gen()).collect();
            bytes.truncate(8);
            bytes.extend(random);
        }
    }
    summed(&mut bytes);
    bytes
}

#[test]
fn hostile_sealed_records_are_errors_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.state");
    let place = Place::file(&path).sealed(key());
    place.save(BACKBONE, 1, &(0..100).collect::<Vec<u64>>()).unwrap();
    let good = fs::read(&path).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let rounds = 2000;
    for _ in 0..rounds {
        let bytes = hostile(&good, &mut rng);
        assert!(bytes != good);
        fs::write(&path, &bytes).unwrap();
        let (loaded, used) = peak_of(|| place.load::<Vec<u64>>(None).map_err(|e| e.kind()));
        assert!(matches!(loaded, Err(ErrorKind::Corrupt | ErrorKind::Mismatch)), "{loaded:?}");
        assert!(used < 3 * bytes.len() + MOST, "{used} bytes for a file of {}", bytes.len());

        let mut chip = Chip::new(8 * SECTOR);
        let at = [0, 4 * SECTOR][rng.gen_range(0..2)];
        chip.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
        let (opened, used) = peak_of(|| {
            Slots::open_sealed(Nor(chip), Some(BACKBONE), Arc::new(key())).and_then(|mut s| s.load())
        });
        let kind = opened.map(drop).map_err(|e| e.kind());
        // Beside a blank slot a damaged one is a save that was cut off: there is no state yet.
        assert!(matches!(kind, Err(ErrorKind::NotFound | ErrorKind::Mismatch)), "{kind:?}");
        assert!(used < 3 * 8 * SECTOR + MOST, "{used} bytes for a chip of {}", 8 * SECTOR);
    }
    println!(
        "fault: hostile encrypted record with a right checksum, in a file and on NOR flash | {} | 0 | an error; bounded memory",
        2 * rounds
    );
}
