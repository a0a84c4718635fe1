//! States of every format version so far, as builds of that version wrote them: they load, and predict what they did.
//!
//! `tests/golden/state/vN/STRATEGY.state` is a state, `STRATEGY.json` what it held: a SHA-256 of every field, and answers.
//!
//!     cargo test --release --test golden_state -- --ignored          writes those of the newest version
//!
//! Files of an older version are never written again. `src/store/migrate.rs` says what is to be done when the layout changes.
#![cfg(feature = "tract")]

mod fixtures;
mod lessons;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use perennial::ErrorKind;
use perennial::learner::{Prediction, State};
use perennial::store::{self, Header, Place, record};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One strategy a kind of memory: class means; discriminants and adapters; bases and a trained head; a network a task.
const STRATEGIES: [&str; 4] = ["ncm-frozen", "perennial-compact", "inflora", "ease"];

const NEXT: &str = "the layout of State has changed: raise record::VERSION and write the step, as src/store/migrate.rs says. Where \
                    no version was released yet, write the files anew (this test with --ignored) and say so in CHANGELOG.md";

fn folder(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/state/v{version}"))
}

/// A digest of every field by its name, so that two of one type that changed places are found as well.
fn fields(state: &State) -> BTreeMap<String, String> {
    let Value::Object(fields) = serde_json::to_value(state).unwrap() else { panic!("a state is a struct") };
    let digest = |value: Value| hex::encode(&Sha256::digest(value.to_string())[..8]);
    fields.into_iter().map(|(name, value)| (name, digest(value))).collect()
}

/// What a state answers to two pictures of every task.
fn answers(state: State) -> Vec<Prediction> {
    let learner = lessons::resumed(state);
    let pictures = (0..2).map(|task| lessons::pictures(task, 2, 77).0);
    pictures.flat_map(|images| learner.predict(images.view()).unwrap()).collect()
}

fn read(version: u16, strategy: &str) -> (Vec<u8>, Value) {
    let file = |ending: &str| {
        let path = folder(version).join(format!("{strategy}.{ending}"));
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; {NEXT}", path.display()))
    };
    (file("state"), serde_json::from_slice(&file("json")).unwrap())
}

/// Loads a state as a program would.
fn load(bytes: &[u8]) -> perennial::Result<(Header, State)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.state");
    fs::write(&path, bytes).unwrap();
    store::load(&path, fixtures::one("timm_legacy_op17_dynamic").backbone().sha256())
}

#[test]
fn states_of_every_version_load_and_answer_what_they_did() {
    for version in 1..=record::VERSION {
        for strategy in STRATEGIES {
            let (bytes, expected) = read(version, strategy);
            assert!(bytes.len() < 60_000, "{strategy}: {} bytes in the repository", bytes.len());
            let (header, state) = load(&bytes).unwrap_or_else(|e| panic!("{strategy}: {e}; {NEXT}"));
            assert_eq!((header.version, state.strategy.as_str()), (version, strategy));
            for (told, expected) in answers(state).iter().zip(expected["answers"].as_array().unwrap()) {
                assert_eq!(
                    json!([told.name, told.task, told.unknown]),
                    expected["said"],
                    "v{version} {strategy}"
                );
                let scores = [told.score, told.familiarity].map(f64::from);
                for (score, expected) in scores.iter().zip(expected["scores"].as_array().unwrap()) {
                    let expected = expected.as_f64().unwrap();
                    assert!(
                        (score - expected).abs() <= 1e-3 * expected.abs().max(1.0),
                        "v{version} {strategy}: {score}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_layout_is_that_of_the_newest_version() {
    for strategy in STRATEGIES {
        let (bytes, expected) = read(record::VERSION, strategy);
        let (header, state) = load(&bytes).unwrap_or_else(|e| panic!("{strategy}: {e}; {NEXT}"));
        let payload = store::encoded(&state).unwrap();
        assert!(record::encode(&header, &payload).unwrap() == bytes, "{strategy}: {NEXT}");
        let expected: BTreeMap<String, String> = serde_json::from_value(expected["fields"].clone()).unwrap();
        assert_eq!(fields(&state), expected, "{strategy}: {NEXT}");
    }
}

#[test]
fn a_version_that_this_build_does_not_know_is_refused() {
    for (version, says) in
        [(record::VERSION + 1, "update the program"), (0x7fff, "update"), (0, "no program writes")]
    {
        for strategy in STRATEGIES {
            let (mut bytes, _) = read(record::VERSION, strategy);
            bytes[4..6].copy_from_slice(&version.to_le_bytes());
            // Without its checksum it is damage, and says so.
            assert_eq!(load(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
            let end = bytes.len() - 4;
            let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&checksum);
            let e = load(&bytes).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Mismatch);
            assert!(
                e.to_string().contains(&format!("format {version}")) && e.to_string().contains(says),
                "{e}"
            );
        }
    }
}

#[test]
#[ignore = "writes the golden files of the newest version"]
fn write_the_newest_version() {
    let folder = folder(record::VERSION);
    fs::create_dir_all(&folder).unwrap();
    for strategy in STRATEGIES {
        let mut learner = lessons::learner(strategy);
        (0..2).for_each(|task| lessons::learn_and_commit(&mut learner, task));
        let (backbone, state) = (learner.backbone_sha256(), learner.state());
        let place = Place::file(&folder.join(format!("{strategy}.state")));
        place.save(backbone, state.commits, state).unwrap();
        let answers: Vec<Value> = answers(state.clone())
            .iter()
            .map(|a| json!({ "said": [a.name, a.task, a.unknown], "scores": [a.score, a.familiarity] }))
            .collect();
        let expected = json!({ "fields": fields(state), "answers": answers });
        let text = serde_json::to_string_pretty(&expected).unwrap() + "\n";
        fs::write(folder.join(format!("{strategy}.json")), text).unwrap();
        #[cfg(feature = "sealed")]
        if strategy == STRATEGIES[0] {
            let key = store::StateKey::from_bytes(std::array::from_fn(|i| i as u8));
            let place = Place::file(&folder.join(format!("{strategy}.sealed"))).sealed(key);
            place.save(backbone, state.commits, state).unwrap();
        }
    }
}
