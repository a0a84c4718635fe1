//! A process that saves again and again, killed at random times: nothing that it called saved is lost.
//!
//! `PERENNIAL_KILLS=10000 cargo test --release --test killed -- --nocapture` for more than the thousand of CI.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use perennial::store::{self, Blocks, Partition, Slots};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BACKBONE: [u8; 32] = [7; 32];
const FOLDER: &str = "PERENNIAL_KILLED_FOLDER";

/// The state after so many commits; its length differs from one to the next.
fn state(counter: u64) -> Vec<u64> {
    (0..200 + counter * 37 % 1800).map(|i| counter * 1_000_003 + i).collect()
}

fn places(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("state"), folder.join("partition.img"))
}

fn slots(path: &Path) -> Slots<Blocks<Partition>> {
    Slots::open(Blocks::new(Partition::open(path).unwrap()).unwrap(), Some(BACKBONE)).unwrap()
}

/// What both places hold; 0 where nothing is.
fn found(folder: &Path) -> [u64; 2] {
    let (file, partition) = places(folder);
    let in_file = store::load::<Vec<u64>>(&file, BACKBONE).map_or_else(
        |e| {
            assert_eq!(e.kind(), perennial::ErrorKind::NotFound);
            0
        },
        |(header, value)| {
            assert!(value == state(header.counter));
            header.counter
        },
    );
    let in_partition = slots(&partition).load().map_or_else(
        |e| {
            assert_eq!(e.kind(), perennial::ErrorKind::NotFound);
            0
        },
        |record| {
            let (header, value): (_, Vec<u64>) = store::decoded(record).unwrap();
            assert!(value == state(header.counter));
            header.counter
        },
    );
    [in_file, in_partition]
}

/// The process that is killed: goes on from what is stored, and says what it has saved.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let (file, partition) = places(&folder);
    let [mut in_file, mut in_partition] = found(&folder);
    let mut slots = slots(&partition);
    println!("\nready");
    loop {
        in_file += 1;
        store::save(&file, BACKBONE, in_file, &state(in_file)).unwrap();
        println!("\nfile {in_file}");
        in_partition += 1;
        let payload = store::encoded(&state(in_partition)).unwrap();
        assert_eq!(slots.save(BACKBONE, &payload).unwrap().counter, in_partition);
        println!("\npartition {in_partition}");
        if in_partition.is_multiple_of(5) {
            slots.compact().unwrap();
        }
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn nothing_that_was_saved_is_lost_when_the_process_is_killed() {
    let kills: usize = std::env::var("PERENNIAL_KILLS").map_or(1000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    Partition::create(&places(folder.path()).1, 1 << 16).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (mut said, mut beyond) = ([0u64; 2], 0);
    for _ in 0..kills {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (ready, started) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut said = [0u64; 2];
            for line in lines.map_while(Result::ok) {
                if line == "ready" {
                    ready.send(()).unwrap();
                }
                for (said, name) in said.iter_mut().zip(["file ", "partition "]) {
                    if let Some(n) = line.strip_prefix(name).and_then(|n| n.parse().ok()) {
                        *said = n;
                    }
                }
            }
            said
        });
        started.recv().unwrap();
        std::thread::sleep(Duration::from_micros(rng.gen_range(0..20_000)));
        process.kill().unwrap();
        process.wait().unwrap();
        let heard = reader.join().unwrap();
        for (said, heard) in said.iter_mut().zip(heard) {
            *said = heard.max(*said);
        }
        let found = found(folder.path());
        for (found, said) in found.iter().zip(&mut said) {
            assert!(*found >= *said && *found <= *said + 1000, "{found} found where {said} was said");
            beyond += usize::from(*found > *said);
            *said = *found;
        }
    }
    println!("{} and {} states saved, {beyond} ends found beyond what was heard", said[0], said[1]);
    println!(
        "fault: process killed while it saves to a file and to a partition | {kills} | 0 | what it called saved, or the next"
    );
    assert!(said.iter().all(|&n| n > kills as u64 / 10));
}
