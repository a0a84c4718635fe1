//! Encrypted states: what was saved is loaded, and whatever else was done to the bytes is an error.
#![cfg(all(feature = "sealed", feature = "tract"))]

mod chip;
mod fixtures;
mod lessons;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use chip::{Chip, SECTOR, cut_everywhere};
use perennial::learner::State;
use perennial::store::{Handover, Header, Nor, Partition, Place, Seal, Slot, Slots, StateKey, record};
use perennial::{ErrorKind, Result};

const BACKBONE: [u8; 32] = [7; 32];
/// Bytes before the header, which ends before the payload.
const PREFIX: usize = 8;

fn key(n: u8) -> StateKey {
    StateKey::from_bytes([n; 32])
}

fn plain(folder: &Path, name: &str) -> Place {
    let path = folder.join(name);
    match name.ends_with(".img") {
        true => {
            drop(Partition::open(&path).or_else(|_| Partition::create(&path, 1 << 18)).unwrap());
            format!("partition:{}", path.display()).parse().unwrap()
        }
        false => Place::file(&path),
    }
}

fn sealed(folder: &Path, name: &str, n: u8) -> Place {
    plain(folder, name).sealed(key(n))
}

fn kind<T>(result: Result<T>) -> (ErrorKind, String) {
    result.map(|_| ()).map_err(|e| (e.kind(), e.to_string())).unwrap_err()
}

/// The bytes of a record with the checksum that they should have.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 4);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// How many stretches of `of` also stand in `medium`.
fn found(medium: &[u8], of: &[u8]) -> usize {
    let of: BTreeSet<&[u8]> = of.windows(16).collect();
    medium.windows(16).filter(|w| of.contains(w)).count()
}

#[test]
fn what_was_sealed_is_loaded_with_the_key_and_the_same_state_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["a.state", "a.img"] {
        let place = sealed(folder, name, 1);
        for n in [0u64, 1, 3000] {
            let value: Vec<u64> = (0..n).collect();
            let header = place.save(BACKBONE, n, &value).unwrap();
            let (read, again): (Header, Vec<u64>) = place.load(Some(BACKBONE)).unwrap();
            assert_eq!((read, again), (header, value));
        }
        place.compact().unwrap();
        assert_eq!(place.load::<Vec<u64>>(None).unwrap().1.len(), 3000);
    }
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    sealed(folder, "b.state", 1).save(BACKBONE, 3000, &(0..3000).collect::<Vec<u64>>()).unwrap();
    assert!(read("a.state") == read("b.state"));
    sealed(folder, "b.state", 1).save(BACKBONE, 3001, &(0..3000).collect::<Vec<u64>>()).unwrap();
    let (a, b) = (read("a.state"), read("b.state"));
    assert_eq!(
        found(&b[60..], &a[60..]),
        0,
        "another counter, another nonce: no two bytes of ciphertext agree"
    );
    let image = read("a.img");
    let slots = image.split_at(image.len() / 2);
    assert!(slots.0 == slots.1, "compaction writes the same record twice");
}

#[test]
fn every_change_and_every_truncation_is_an_error_with_and_without_a_right_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let place = sealed(folder.path(), "a.state", 1);
    let path = folder.path().join("a.state");
    place.save(BACKBONE, 5, &(0..40).collect::<Vec<u64>>()).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut tried = 0;
    let mut check = |bytes: &[u8], what: String| {
        tried += 1;
        fs::write(&path, bytes).unwrap();
        let (kind, text) = kind(place.load::<Vec<u64>>(Some(BACKBONE)));
        assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Mismatch), "{what}: {text}");
        kind
    };
    for n in 0..whole.len() {
        assert_eq!(check(&whole[..n], format!("cut at {n}")), ErrorKind::Corrupt);
        if n > 4 {
            check(&summed(whole[..n].to_vec()), format!("cut at {n}, summed"));
        }
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[n] ^= mask;
            assert_eq!(check(&bytes, format!("byte {n} ^ {mask:#x}")), ErrorKind::Corrupt);
            if n < whole.len() - 4 {
                check(&summed(bytes), format!("byte {n} ^ {mask:#x}, summed"));
            }
        }
    }
    check(&[whole.clone(), vec![0]].concat(), "one byte too many".into());
    check(&summed([whole.clone(), vec![0]].concat()), "one byte too many, summed".into());
    println!(
        "fault: encrypted state cut at every byte, every byte changed in three ways, with and without a right checksum | {tried} | 0 | an error"
    );
    fs::write(&path, &whole).unwrap();
    assert_eq!(place.load::<Vec<u64>>(Some(BACKBONE)).unwrap().1.len(), 40);
}

#[test]
fn errors_say_which_key_what_is_not_encrypted_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["a.state", "a.img"] {
        let (place, bare) = (sealed(folder, name, 1), plain(folder, name));
        assert_eq!(kind(place.load::<u8>(None)).0, ErrorKind::NotFound);
        place.save(BACKBONE, 1, &1u8).unwrap();

        let (what, text) = kind(bare.load::<u8>(Some(BACKBONE)));
        assert!(
            what == ErrorKind::Mismatch && text.contains("encrypted") && text.contains("--state-key"),
            "{text}"
        );
        let (what, text) = kind(sealed(folder, name, 2).load::<u8>(Some(BACKBONE)));
        assert_eq!(what, ErrorKind::Mismatch, "{text}");
        assert!(text.contains(&key(1).name().unwrap()) && text.contains(&key(2).name().unwrap()), "{text}");
        // The backbone is told from the header, whatever the key.
        for place in [&place, &bare] {
            let (what, text) = kind(place.load::<u8>(Some([8; 32])));
            assert!(what == ErrorKind::Mismatch && text.contains("07070707"), "{text}");
        }
    }
    // On a partition none of these leads to a save over what is there; a file is replaced by whoever saves.
    let (bare, other) = (plain(folder, "a.img"), sealed(folder, "a.img", 2));
    assert_eq!(kind(bare.save(BACKBONE, 2, &2u8)).0, ErrorKind::Mismatch);
    assert_eq!(kind(other.save(BACKBONE, 2, &2u8)).0, ErrorKind::Mismatch);
    assert_eq!(kind(bare.compact()).0, ErrorKind::Mismatch);

    for name in ["b.state", "b.img"] {
        plain(folder, name).save(BACKBONE, 1, &1u8).unwrap();
        let (what, text) = kind(sealed(folder, name, 1).load::<u8>(Some(BACKBONE)));
        assert!(
            what == ErrorKind::Mismatch && text.contains("not encrypted") && text.contains("seal"),
            "{text}"
        );
    }
    let sealed_record = fs::read(folder.join("a.state")).unwrap();
    assert_eq!(record::decode(&sealed_record, None).unwrap_err().kind(), ErrorKind::Mismatch);
    let mut newer = sealed_record;
    newer[4] = 2;
    fs::write(folder.join("a.state"), summed(newer)).unwrap();
    let (what, text) = kind(sealed(folder, "a.state", 1).load::<u8>(None));
    assert!(what == ErrorKind::Mismatch && text.contains("format 2") && text.contains("update"), "{text}");
}

#[test]
fn parts_of_two_states_of_one_key_do_not_make_a_third() {
    let folder = tempfile::tempdir().unwrap();
    let place = sealed(folder.path(), "a.state", 1);
    let path = folder.path().join("a.state");
    let records: Vec<Vec<u8>> = [(1, BACKBONE, 10u64), (2, BACKBONE, 20), (1, [8; 32], 30)]
        .iter()
        .map(|(counter, backbone, first)| {
            // The same length, whatever the number.
            place.save(*backbone, *counter, &vec![*first; 50]).unwrap();
            fs::read(&path).unwrap()
        })
        .collect();
    let head = PREFIX + usize::from(records[0][6]);
    let end = records[0].len() - 4;
    let seams = [PREFIX, head, head + 25, end - 48, end - 32, end - 8];
    for a in &records {
        for b in &records {
            assert_eq!(a.len(), b.len());
            for (i, from) in seams.iter().enumerate() {
                for to in seams[i + 1..].iter().chain([&end]) {
                    let mixed = summed([&a[..*from], &b[*from..*to], &a[*to..]].concat());
                    fs::write(&path, &mixed).unwrap();
                    let loaded = place.load::<Vec<u64>>(None);
                    match records.contains(&mixed) {
                        true => assert!(loaded.is_ok()),
                        false => {
                            let (what, text) = kind(loaded);
                            assert!(what == ErrorKind::Corrupt && text.contains("altered"), "{text}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn an_older_state_that_is_put_back_is_believed_and_its_counter_tells() {
    let folder = tempfile::tempdir().unwrap();
    let place = sealed(folder.path(), "a.state", 1);
    let path = folder.path().join("a.state");
    place.save(BACKBONE, 1, &1u8).unwrap();
    let older = fs::read(&path).unwrap();
    place.save(BACKBONE, 2, &2u8).unwrap();
    fs::write(&path, &older).unwrap();
    let (header, value): (Header, u8) = place.load(Some(BACKBONE)).unwrap();
    assert_eq!((header.counter, value), (1, 1));
    // The counter itself cannot be raised without the key.
    let mut raised = older;
    assert_eq!(raised[PREFIX], 1);
    raised[PREFIX] = 3;
    fs::write(&path, summed(raised)).unwrap();
    assert_eq!(kind(place.load::<u8>(Some(BACKBONE))).0, ErrorKind::Corrupt);
}

#[test]
fn no_stretch_of_the_state_stands_on_the_medium_and_forgetting_leaves_no_old_ciphertext() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut learner = lessons::learner("ncm-frozen");
    (0..3).for_each(|task| lessons::learn_and_commit(&mut learner, task));
    let backbone = learner.backbone_sha256();
    let names = ["a.state", "a.img"];
    for name in names {
        let place = sealed(folder, name, 1);
        place.save(backbone, 3, learner.state()).unwrap();
        let medium = fs::read(folder.join(name)).unwrap();
        assert_eq!(found(&medium, &lessons::bytes(&learner)), 0);
        // The search finds what is there: the same state beside it, not encrypted.
        plain(folder, "bare.state").save(backbone, 3, learner.state()).unwrap();
        let bare = fs::read(folder.join("bare.state")).unwrap();
        assert!(found(&bare, &lessons::bytes(&learner)) > 1000);
    }
    // Whoever has the key could read what a save leaves in the other slot: so that must go, too.
    let place = sealed(folder, "a.img", 1);
    let read = || fs::read(folder.join("a.img")).unwrap();
    let old = read()[..lessons::bytes(&learner).len()].to_vec();
    let old = &old[60..];
    let (header, mut state): (_, State) = place.load(Some(backbone)).unwrap();
    state.forget_class("cat").unwrap();
    place.save(header.backbone, state.commits, &state).unwrap();
    assert!(found(&read(), old) > 1000, "the other slot still has it");
    assert!(place.compact().unwrap());
    assert_eq!(found(&read(), old), 0);
    let (_, state): (_, State) = place.load(Some(backbone)).unwrap();
    assert_eq!(state.known().collect::<Vec<_>>(), ["ant", "bee", "dog", "elk", "fox"]);
    println!(
        "fault: search of a compacted encrypted partition for the ciphertext of the state before | {} traces | 0 | none found",
        old.len() - 15
    );
}

/// Slots on a chip, with a seal.
fn on_chip(chip: Chip, seal: impl Seal + 'static) -> Result<Slots<Nor<Chip>>> {
    Slots::open_sealed(Nor(chip), Some(BACKBONE), Arc::new(seal))
}

fn loaded(chip: &Chip, seal: impl Seal + 'static) -> Result<Vec<u8>> {
    on_chip(chip.clone().powered(usize::MAX), seal)?.load().map(|(_, payload)| payload)
}

/// Payloads of a few hundred bytes.
fn life() -> Vec<Vec<u8>> {
    (1..5u8).map(|n| (0..120 + 70 * u16::from(n)).map(|i| (i as u8).wrapping_mul(n)).collect()).collect()
}

#[test]
fn a_sealed_life_survives_a_power_cut_at_every_byte() {
    let mut chip = Chip::new(8 * SECTOR);
    let (mut before, mut tried): (Option<Vec<u8>>, _) = (None, 0);
    let open = |chip| on_chip(chip, key(1));
    for payload in life() {
        let check = |after: &Chip, done: bool| match (loaded(after, key(1)), &before) {
            (Ok(found), _) if found == payload => {}
            (Ok(found), Some(old)) => assert!(!done && found == *old),
            (Err(e), None) => assert!(!done && e.kind() == ErrorKind::NotFound),
            (other, _) => panic!("{other:?}"),
        };
        tried += cut_everywhere(&chip, open, |s| s.save(BACKBONE, &payload).map(drop), check);
        let mut slots = open(chip).unwrap();
        slots.save(BACKBONE, &payload).unwrap();
        chip = slots.into_region().0;
        let check = |after: &Chip, _| assert!(loaded(after, key(1)).unwrap() == payload);
        tried += cut_everywhere(&chip, open, Slots::compact, check);
        before = Some(payload);
    }
    println!(
        "fault: power cut at every byte of a life of encrypted states on NOR flash | {tried} | 0 | the state before or the new one"
    );
    assert!(tried > 10_000);
}

#[test]
fn taking_over_survives_a_power_cut_at_every_byte_and_leaves_nothing_of_before() {
    let payload = life().remove(2);
    let mut bare = Slots::open(Nor(Chip::new(8 * SECTOR)), Some(BACKBONE)).unwrap();
    bare.save(BACKBONE, &life()[0]).unwrap();
    bare.save(BACKBONE, &payload).unwrap();
    let bare = bare.into_region().0;
    // From not encrypted to the first key, and on to the second.
    let change = |chip: &Chip, over: &dyn Fn() -> Handover, traces: &[Vec<u8>]| {
        let open = |chip| on_chip(chip, over());
        let again = |after: &Chip, _| {
            // The state is there for who asks as before; doing it again completes it.
            assert!(loaded(after, over()).unwrap() == payload);
            let mut slots = open(after.clone().powered(usize::MAX)).unwrap();
            slots.compact().unwrap();
            let chip = slots.into_region().0;
            assert!(traces.iter().all(|trace| found(&chip.bytes, trace) == 0));
        };
        let tried = cut_everywhere(chip, open, Slots::compact, again);
        let mut slots = open(chip.clone()).unwrap();
        slots.compact().unwrap();
        (tried, slots.into_region().0)
    };
    let first = || key(1).taking_over(None);
    let traces = [life()[0].clone(), payload.clone()];
    assert!(traces.iter().all(|trace| found(&bare.bytes, trace) > 100));
    let (encrypted, chip) = change(&bare, &first, &traces);
    assert!(loaded(&chip, key(1)).unwrap() == payload);

    let second = || key(2).taking_over(Some(key(1)));
    let head = PREFIX + usize::from(chip.bytes[6]);
    let (changed, chip) = change(&chip, &second, &[chip.bytes[head..head + payload.len()].to_vec()]);
    assert!(loaded(&chip, key(2)).unwrap() == payload);
    assert_eq!(kind(loaded(&chip, key(1))).0, ErrorKind::Mismatch);
    // With an old key given, what is not encrypted is refused: it may have been put there.
    assert_eq!(kind(loaded(&bare, second())).0, ErrorKind::Mismatch);
    println!(
        "fault: power cut at every byte while a state is encrypted or its key changed, on NOR flash | {} | 0 | the state; done again, \
         nothing of before is left",
        encrypted + changed
    );
}

#[test]
fn a_file_is_encrypted_and_its_key_changed_without_its_state_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, erased) in [("a.state", false), ("a.img", true)] {
        let bare = plain(folder, name);
        assert_eq!(kind(bare.clone().sealed(key(1).taking_over(None)).reseal()).0, ErrorKind::NotFound);
        let before = bare.save(BACKBONE, 4, &vec![5u64; 9]).unwrap();
        assert_eq!(bare.clone().sealed(key(1).taking_over(None)).reseal().unwrap(), erased);
        let (after, value): (Header, Vec<u64>) = sealed(folder, name, 1).load(Some(BACKBONE)).unwrap();
        assert_eq!((&after, value), (&before, vec![5; 9]));
        // Twice is once; another old key than the right one is an error.
        assert_eq!(bare.clone().sealed(key(1).taking_over(None)).reseal().unwrap(), erased);
        assert_eq!(
            kind(bare.clone().sealed(key(2).taking_over(Some(key(3)))).reseal()).0,
            ErrorKind::Mismatch
        );
        assert_eq!(bare.clone().sealed(key(2).taking_over(Some(key(1)))).reseal().unwrap(), erased);
        assert_eq!(sealed(folder, name, 2).load::<Vec<u64>>(None).unwrap().0, before);
    }
}

#[test]
fn an_altered_newest_record_on_a_partition_gives_the_one_before_and_is_said() {
    let mut slots = on_chip(Chip::new(8 * SECTOR), key(1)).unwrap();
    let payloads = life();
    slots.save(BACKBONE, &payloads[0]).unwrap();
    slots.save(BACKBONE, &payloads[1]).unwrap();
    let mut chip = slots.into_region().0;
    // The newest lies in the second slot; its ciphertext is changed and its checksum made right again.
    let half = chip.bytes.len() / 2;
    let end = half + PREFIX + usize::from(chip.bytes[half + 6]) + payloads[1].len() + 48 + 4;
    chip.bytes[half + 80] ^= 1;
    let right = summed(chip.bytes[half..end].to_vec());
    chip.bytes[half..end].copy_from_slice(&right);
    let mut slots = on_chip(chip, key(1)).unwrap();
    assert_eq!(slots.slots()[1], Slot::Damaged);
    assert!(slots.load().unwrap().1 == payloads[0]);
}

#[test]
fn keys_are_a_line_of_text_for_their_owner_and_are_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.key");
    let made = StateKey::generate().unwrap();
    made.save(&path).unwrap();
    assert_eq!(StateKey::read(&path).unwrap().name().unwrap(), made.name().unwrap());
    assert_ne!(StateKey::generate().unwrap().name().unwrap(), made.name().unwrap());
    assert_eq!(kind(made.save(&path)).0, ErrorKind::Io, "a key is never replaced");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777,
        0o600
    );
    let line = fs::read_to_string(&path).unwrap();
    assert!(line.starts_with("perennial-state-key ") && line.len() == 20 + 64 + 1);
    assert!(!line.contains(&made.name().unwrap()), "the name says nothing about the key");

    let secret = "3141592653589793238462643383279502884197169399375105820974944592";
    for text in [
        String::new(),
        secret.into(),
        format!("{secret} perennial-state-key"),
        format!("perennial-secret-key {secret}"),
        format!("perennial-state-key {}", &secret[1..]),
        format!("perennial-state-key {secret}0"),
        "perennial-state-key".into(),
    ] {
        fs::write(&path, &text).unwrap();
        let (what, message) = kind(StateKey::read(&path).map(drop));
        assert_eq!(what, ErrorKind::Parse);
        assert!(message.contains("keygen") && !message.contains(&secret[8..16]), "{text:?}: {message}");
    }
    fs::write(&path, format!("  perennial-state-key\t{secret}\r\n")).unwrap();
    assert!(StateKey::read(&path).is_ok());
    fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
    assert_eq!(kind(StateKey::read(&path).map(drop)).0, ErrorKind::Parse);
    assert_eq!(kind(StateKey::read(&folder.path().join("none")).map(drop)).0, ErrorKind::NotFound);
}

#[test]
fn it_is_an_address_and_no_key_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let place = sealed(folder.path(), "a.state", 1);
    assert!(format!("{place:?}").ends_with("a.state (sealed)"), "{place:?}");
    assert!(!format!("{place}").contains("sealed"));
    assert!(format!("{:?}", plain(folder.path(), "a.state")).ends_with("a.state"));
}

/// What `tests/golden/open_sealed.py` opens, which shares no code with this crate.
#[test]
fn the_format_is_the_one_that_another_program_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.state");
    let secret = std::array::from_fn(|i| i as u8);
    for version in 1..=record::VERSION {
        let file = |ending: &str| fs::read(golden.join(format!("v{version}/ncm-frozen.{ending}"))).unwrap();
        fs::write(&path, file("sealed")).unwrap();
        let place = Place::file(&path).sealed(StateKey::from_bytes(secret));
        let (header, state): (_, State) = place.load(None).unwrap();
        let bare = file("state");
        assert_eq!(record::decode(&bare, None).unwrap().0, header);
        // The newest version is also written, to the byte.
        if version == record::VERSION {
            place.save(header.backbone, header.counter, &state).unwrap();
            assert!(fs::read(&path).unwrap() == file("sealed"));
        }
    }
}
