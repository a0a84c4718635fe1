//! The store: every truncation and every flipped byte is found, a failed write leaves the old state, same state same
//! bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use perennial::ErrorKind;
use perennial::store::{self, Header, file, record};
use tempfile::TempDir;

const BACKBONE: [u8; 32] = [7; 32];

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct State {
    names: Vec<String>,
    weights: Vec<f32>,
}

fn state(n: usize) -> State {
    State {
        names: vec!["kitchen".into(), "garden".into()],
        weights: (0..n).map(|i| i as f32 / 3.0).collect(),
    }
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit.state");
    (folder, path)
}

#[test]
fn what_was_saved_is_loaded() {
    let (_folder, path) = place();
    for n in [0, 1, 1000] {
        let header = store::save(&path, BACKBONE, n as u64, &state(n)).unwrap();
        let (read, value) = store::load::<State>(&path, BACKBONE).unwrap();
        assert_eq!((read, value), (header, state(n)));
    }
    assert_eq!(store::load::<State>(&path, BACKBONE).unwrap().0.counter, 1000);
    assert!(file::load(&path, None).is_ok());
}

#[test]
fn identical_state_gives_identical_bytes() {
    let (folder, path) = place();
    let other = folder.path().join("other.state");
    store::save(&path, BACKBONE, 1, &state(9)).unwrap();
    store::save(&path, BACKBONE, 2, &state(50)).unwrap();
    store::save(&other, BACKBONE, 2, &state(50)).unwrap();
    assert_eq!(fs::read(path).unwrap(), fs::read(other).unwrap());
}

#[test]
fn every_truncation_and_every_changed_byte_is_corrupt() {
    let (_folder, path) = place();
    store::save(&path, BACKBONE, 3, &state(20)).unwrap();
    let whole = fs::read(&path).unwrap();
    let tried = std::cell::Cell::new(0);
    let check = |bytes: &[u8], what: String| {
        tried.set(tried.get() + 1);
        fs::write(&path, bytes).unwrap();
        let from_file = file::load(&path, Some(BACKBONE)).unwrap_err();
        assert_eq!(from_file.kind(), ErrorKind::Corrupt, "{what}: {from_file}");
        assert!(from_file.to_string().contains("byte"), "{what}: {from_file}");
        let from_slice = record::decode(bytes, Some(BACKBONE)).unwrap_err();
        assert_eq!(from_slice.kind(), ErrorKind::Corrupt, "{what}: {from_slice}");
    };
    for n in 0..whole.len() {
        check(&whole[..n], format!("cut at {n}"));
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[n] ^= mask;
            check(&bytes, format!("byte {n} ^ {mask:#x}"));
        }
    }
    let mut longer = whole.clone();
    longer.push(0);
    check(&longer, "one byte too many".into());
    println!(
        "fault: state file cut at every byte, every byte changed in three ways | {} | 0 | an error",
        tried.get()
    );
    fs::write(&path, &whole).unwrap();
    assert!(file::load(&path, Some(BACKBONE)).is_ok());
}

#[test]
fn announced_lengths_are_checked_before_memory_is_taken() {
    let (_folder, path) = place();
    let header = Header { payload_len: u64::MAX - 3, ..Header::new(1, BACKBONE, &[]) };
    let head = postcard::to_allocvec(&header).unwrap();
    let mut bytes = b"PRNL\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(&head);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert_eq!(file::load(&path, None).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(record::decode(&bytes, None).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn foreign_records_are_a_mismatch_that_says_what_to_do() {
    let (_folder, path) = place();
    store::save(&path, BACKBONE, 1, &state(4)).unwrap();
    let e = store::load::<State>(&path, [8; 32]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Mismatch);
    assert!(e.to_string().contains("07070707") && e.to_string().contains("08080808"), "{e}");
    assert_eq!(store::load::<u8>(&path, BACKBONE).unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(store::load::<Vec<Vec<String>>>(&path, BACKBONE).unwrap_err().kind(), ErrorKind::Mismatch);

    // A later format with a header of its own, intact.
    let mut newer = b"PRNL\x02\x00\x03\x00abc and whatever else".to_vec();
    newer.extend(crc32fast::hash(&newer).to_le_bytes());
    fs::write(&path, &newer).unwrap();
    let e = store::load::<State>(&path, BACKBONE).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Mismatch);
    assert!(e.to_string().contains("update"), "{e}");
}

#[test]
fn nothing_there_is_not_found() {
    let (folder, path) = place();
    assert_eq!(store::load::<State>(&path, BACKBONE).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        store::save(folder.path().join("..").as_path(), BACKBONE, 1, &0u8).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn a_failed_write_keeps_the_old_state() {
    let (folder, path) = place();
    store::save(&path, BACKBONE, 1, &state(5)).unwrap();
    // What a full or read-only folder does: the temporary file cannot be made. (A folder in its place fails for
    // every user, root too, where permissions would not.)
    fs::create_dir(folder.path().join("unit.state.tmp")).unwrap();
    let e = store::save(&path, BACKBONE, 2, &state(6)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains("unchanged"), "{e}");
    assert_eq!(store::load::<State>(&path, BACKBONE).unwrap().1, state(5));

    let missing = folder.path().join("nowhere").join("unit.state");
    assert_eq!(store::save(&missing, BACKBONE, 1, &state(6)).unwrap_err().kind(), ErrorKind::Io);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_keeps_the_old_state() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    store::save(&path, BACKBONE, 1, &state(5)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    match store::save(&path, BACKBONE, 2, &state(6)) {
        Ok(_) => println!("skipped: this user may write into read-only folders"),
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Io);
            assert_eq!(store::load::<State>(&path, BACKBONE).unwrap().1, state(5));
        }
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_leftover_temporary_file_does_not_matter() {
    let (folder, path) = place();
    let leftover = folder.path().join("unit.state.tmp");
    store::save(&path, BACKBONE, 1, &state(5)).unwrap();
    fs::write(&leftover, b"half a rec").unwrap();
    assert_eq!(store::load::<State>(&path, BACKBONE).unwrap().1, state(5));
    store::save(&path, BACKBONE, 2, &state(6)).unwrap();
    assert_eq!(store::load::<State>(&path, BACKBONE).unwrap().1, state(6));
    assert!(!leftover.exists());
}
