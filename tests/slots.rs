//! Two slots on raw media: power cuts at every byte, caches that lose and reorder writes, media that fail, bits that flip.
#![cfg(feature = "tract")]

mod chip;
mod fixtures;
mod lessons;

use std::cell::RefCell;
use std::rc::Rc;

use chip::{Chip, SECTOR, cut_everywhere};
use perennial::learner::State;
use perennial::store::{self, Blocks, Nor, Partition, Region, Slot, Slots};
use perennial::{ErrorKind, Result};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BACKBONE: [u8; 32] = [7; 32];

/// The payloads that a learner hands to the store over its life: learned, learned more, rolled back, forgotten.
fn life() -> Vec<Vec<u8>> {
    let mut learner = lessons::learner("ncm-frozen");
    let mut payloads = Vec::new();
    for task in 0..3 {
        lessons::learn_and_commit(&mut learner, task);
        payloads.push(lessons::bytes(&learner));
    }
    learner.begin_task("given up").unwrap();
    learner.rollback().unwrap();
    payloads.push(lessons::bytes(&learner));
    assert!(payloads[2] == payloads[3]);
    learner.forget_class("cat").unwrap();
    payloads.push(lessons::bytes(&learner));
    payloads
}

fn open(chip: Chip) -> Result<Slots<Nor<Chip>>> {
    Slots::open(Nor(chip), Some(BACKBONE))
}

fn saved(chip: Chip, payload: &[u8]) -> Chip {
    let mut slots = open(chip).unwrap();
    slots.save(BACKBONE, payload).unwrap();
    slots.into_region().0
}

fn loaded(chip: &Chip) -> Result<Vec<u8>> {
    open(chip.clone().powered(usize::MAX))?.load().map(|(_, payload)| payload)
}

/// A region with room for `payloads`, and not much more.
fn roomy(payloads: &[Vec<u8>]) -> usize {
    2 * (payloads.iter().map(Vec::len).max().unwrap() + 100).next_multiple_of(SECTOR)
}

#[test]
fn a_life_survives_a_power_cut_at_every_byte() {
    let payloads = life();
    let mut chip = Chip::new(roomy(&payloads));
    let (mut before, mut tried): (Option<&Vec<u8>>, _) = (None, 0);
    for payload in &payloads {
        let check = |after: &Chip, done: bool| {
            let found = loaded(after);
            match (done, before) {
                (true, _) => assert!(found.unwrap() == *payload),
                // Whole, but the save had not read it back yet; or nothing.
                (false, None) => {
                    assert!(found.map_or_else(|e| e.kind() == ErrorKind::NotFound, |f| f == *payload));
                }
                (false, Some(old)) => {
                    let found = found.unwrap();
                    assert!(found == *old || found == *payload);
                }
            }
        };
        tried += cut_everywhere(&chip, open, |s| s.save(BACKBONE, payload).map(drop), check);
        chip = saved(chip, payload);
        tried += cut_everywhere(&chip, open, Slots::compact, |after, _| {
            assert!(loaded(after).unwrap() == *payload)
        });
        before = Some(payload);
    }
    println!(
        "fault: power cut at every byte of a life on NOR flash: learned, rolled back, forgotten, compacted | {tried} | 0 | the state before or the new one"
    );
    assert!(tried > 20_000);
}

#[test]
fn what_was_cut_off_is_done_again() {
    let payloads = life();
    let chip = saved(Chip::new(roomy(&payloads)), &payloads[0]);
    for left in (0..4000).step_by(37) {
        let mut slots = open(chip.clone().powered(left)).unwrap();
        assert_eq!(slots.save(BACKBONE, &payloads[1]).unwrap_err().kind(), ErrorKind::Io);
        // The learner goes on without a restart as well as with one.
        slots.into_region();
        let mut again = open(chip.clone().powered(left)).unwrap();
        again.save(BACKBONE, &payloads[1]).unwrap_err();
        let cut = again.into_region().0.powered(usize::MAX);
        assert!(loaded(&saved(cut, &payloads[1])).unwrap() == payloads[1]);
    }
}

/// A disk with a cache: until a flush, writes reach the medium in any order, in part, or not at all.
#[derive(Clone)]
struct Disk(Rc<RefCell<Cached>>);

struct Cached {
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    at: usize,
    /// Calls until one fails.
    left: usize,
}

impl Disk {
    fn new(durable: Vec<u8>, left: usize) -> Self {
        Self(Rc::new(RefCell::new(Cached { durable, pending: Vec::new(), at: 0, left })))
    }

    /// What is on the medium when the power goes now.
    fn after_a_cut(&self, seed: u64) -> Vec<u8> {
        let cached = self.0.borrow();
        let (mut bytes, mut pending) = (cached.durable.clone(), cached.pending.clone());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        pending.shuffle(&mut rng);
        let reached = rng.gen_range(0..=pending.len());
        for (i, (at, sector)) in pending[..reached].iter().enumerate() {
            let torn = if i + 1 == reached { rng.gen_range(0..=sector.len()) } else { sector.len() };
            bytes[*at..at + torn].copy_from_slice(&sector[..torn]);
        }
        bytes
    }
}

impl Cached {
    fn call(&mut self) -> std::io::Result<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(std::io::ErrorKind::StorageFull.into()),
        }
    }

    /// What a reader sees: the cache over the medium.
    fn seen(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|(at, sector)| bytes[*at..at + sector.len()].copy_from_slice(sector));
        bytes
    }
}

impl embedded_io::ErrorType for Disk {
    type Error = std::io::Error;
}

impl embedded_io::Read for Disk {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut disk = self.0.borrow_mut();
        let seen = disk.seen();
        let count = into.len().min(seen.len() - disk.at);
        into[..count].copy_from_slice(&seen[disk.at..disk.at + count]);
        disk.at += count;
        Ok(count)
    }
}

impl embedded_io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut disk = self.0.borrow_mut();
        disk.call()?;
        // At most to the end of a sector of 512 bytes: a short write.
        let count = bytes.len().min(512 - disk.at % 512);
        let at = disk.at;
        disk.pending.push((at, bytes[..count].to_vec()));
        disk.at += count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut disk = self.0.borrow_mut();
        disk.call()?;
        disk.durable = disk.seen();
        disk.pending.clear();
        Ok(())
    }
}

impl embedded_io::Seek for Disk {
    fn seek(&mut self, to: embedded_io::SeekFrom) -> std::io::Result<u64> {
        let mut disk = self.0.borrow_mut();
        disk.at = match to {
            embedded_io::SeekFrom::Start(at) => at as usize,
            embedded_io::SeekFrom::End(by) => disk.durable.len().saturating_add_signed(by as isize),
            embedded_io::SeekFrom::Current(by) => disk.at.saturating_add_signed(by as isize),
        };
        Ok(disk.at as u64)
    }
}

fn on_disk(disk: &Disk) -> Result<Slots<Blocks<Disk>>> {
    Slots::open(Blocks::new(disk.clone())?, Some(BACKBONE))
}

fn on_bytes(bytes: Vec<u8>) -> Result<Vec<u8>> {
    on_disk(&Disk::new(bytes, usize::MAX))?.load().map(|(_, payload)| payload)
}

#[test]
fn a_cache_may_lose_tear_and_reorder_what_was_not_synced() {
    let payloads = life();
    let size = 2 * (payloads.iter().map(Vec::len).max().unwrap() + 100).next_multiple_of(4096);
    let disk = Disk::new(vec![0; size], usize::MAX);
    on_disk(&disk).unwrap().save(BACKBONE, &payloads[0]).unwrap();
    let start = disk.0.borrow().durable.clone();
    let (mut tried, mut new, mut calls) = (0, 0, 0);
    loop {
        // The call that fails is where the power goes; a write error (a full or a dying medium) is the same call answered.
        let disk = Disk::new(start.clone(), calls);
        let mut slots = on_disk(&disk).unwrap();
        let saved = slots.save(BACKBONE, &payloads[1]);
        for seed in 0..64 {
            let found = on_bytes(disk.after_a_cut(64 * calls as u64 + seed)).unwrap();
            assert!(found == payloads[0] || found == payloads[1]);
            assert!(saved.is_err() || found == payloads[1], "a save that returned is durable");
            new += usize::from(found == payloads[1]);
            tried += 1;
        }
        match saved {
            Ok(_) => break,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Io);
                // The state is kept, and when there is room again it is saved.
                assert!(slots.load().unwrap().1 == payloads[0]);
                disk.0.borrow_mut().left = usize::MAX;
                slots.save(BACKBONE, &payloads[1]).unwrap();
                calls += 1;
                assert!(on_bytes(disk.after_a_cut(0)).unwrap() == payloads[1]);
            }
        }
    }
    println!(
        "fault: power cut on a disk whose cache loses, tears and reorders | {tried} | 0 | the state before or the new one"
    );
    println!(
        "fault: write or sync refused (full, dying medium), at every call | {calls} | 0 | an error, and the state before"
    );
    assert!(tried > 2000 && new >= 64);
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let payloads = life();
    let chip = saved(saved(Chip::new(roomy(&payloads)), &payloads[0]), &payloads[1]);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut older, mut same) = (0, 0);
    for _ in 0..100_000 {
        let mut hurt = chip.clone();
        for _ in 0..rng.gen_range(1..4) {
            let at = rng.gen_range(0..hurt.bytes.len());
            hurt.bytes[at] ^= 1 << rng.gen_range(0..8);
        }
        let mut slots = open(hurt).unwrap_or_else(|e| {
            // Both records were hit: that is found, and nothing is made up.
            assert_eq!(e.kind(), ErrorKind::Corrupt);
            open(Chip::new(roomy(&payloads))).unwrap()
        });
        match slots.load() {
            Ok((_, payload)) if payload == payloads[1] => same += 1,
            Ok((_, payload)) => {
                assert!(payload == payloads[0]);
                assert!(slots.slots().contains(&Slot::Damaged), "falling back is said");
                older += 1;
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound),
        }
    }
    println!(
        "fault: one to three flipped bits in a partition | 100,000 | 0 | {same} harmless; {older} fall back to the state before and say \
         so; in the rest both records were hit, which is an error"
    );
    assert!(older > 1000 && same > 1000);
}

#[test]
fn compaction_leaves_no_byte_of_what_was_there() {
    let secret = b"Anna-Katharina was here, and nobody may know".to_vec();
    let long: Vec<u8> = secret.iter().copied().cycle().take(3000).collect();
    let mut chip = Chip::new(8192);
    for payload in [&long, &long, &b"short".to_vec()] {
        chip = saved(chip, payload);
    }
    let holds = |chip: &Chip| chip.bytes.windows(8).any(|w| w == &secret[..8]);
    assert!(holds(&chip));
    let mut slots = open(chip).unwrap();
    slots.compact().unwrap();
    let chip = slots.into_region().0;
    assert!(!holds(&chip));
    assert_eq!(loaded(&chip).unwrap(), b"short");
}

#[test]
fn foreign_and_hopeless_regions_are_left_alone() {
    let chip = saved(Chip::new(4096), b"mine");
    let before = chip.bytes.clone();
    assert_eq!(Slots::open(Nor(chip.clone()), Some([8; 32])).err().unwrap().kind(), ErrorKind::Mismatch);
    let mut other = Chip::new(4096);
    other.bytes.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8);
    let refused = open(other.clone()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("format"), "{refused}");
    let mut formatted = Slots::format(Nor(other), Some(BACKBONE)).unwrap();
    assert_eq!(formatted.load().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(open(Chip::new(SECTOR)).err().unwrap().kind(), ErrorKind::Budget);
    let mut slots = open(chip).unwrap();
    let refused = slots.save(BACKBONE, &[1; 4096]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Budget);
    assert!(refused.to_string().contains("8704"), "{refused}");
    assert_eq!(slots.into_region().0.bytes, before);
}

#[test]
fn an_image_of_a_partition_holds_a_learner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.img");
    let mut learner = lessons::learner("perennial");
    lessons::learn_and_commit(&mut learner, 0);
    let payload = store::encoded(learner.state()).unwrap();
    let partition = Partition::create(&path, 4 * payload.len().next_multiple_of(4096) as u64).unwrap();
    let mut slots = Slots::open(Blocks::new(partition).unwrap(), Some(BACKBONE)).unwrap();
    assert_eq!(slots.slots(), [Slot::Blank; 2]);
    for counter in 1..4 {
        assert_eq!(slots.save(BACKBONE, &payload).unwrap().counter, counter);
    }
    assert_eq!(Partition::open(&path).unwrap_err().kind(), ErrorKind::State, "one process at a time");
    assert_eq!(Partition::create(&path, 9000).unwrap_err().kind(), ErrorKind::Io);
    drop(slots);
    let mut slots =
        Slots::open(Blocks::new(Partition::open(&path).unwrap()).unwrap(), Some(BACKBONE)).unwrap();
    let (header, state): (_, State) = store::decoded(slots.load().unwrap()).unwrap();
    assert_eq!(header.counter, 3);
    assert!(store::encoded(&state).unwrap() == payload);
    assert!(slots.into_region().size() > 0);
    assert_eq!(Partition::open(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}
