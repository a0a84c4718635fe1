//! Forgetting on request: what goes, what stays as it was to the bit, and what is left on the medium.
#![cfg(feature = "tract")]

mod fixtures;
mod lessons;

use std::collections::BTreeSet;

use lessons::{TASKS, bytes, learn_and_commit, learner, pictures, resumed};
use ndarray::Array4;
use perennial::learner::{Learner, Others, Scored, State};
use perennial::store::{self, Blocks, Partition, Slots};
use perennial::{ErrorKind, strategy};

/// Pictures of the first three tasks.
fn test_pictures() -> Array4<f32> {
    let views: Vec<_> = (0..3).map(|task| pictures(task, 6, 77).0).collect();
    let views: Vec<_> = views.iter().map(|v| v.view()).collect();
    ndarray::concatenate(ndarray::Axis(0), &views).unwrap()
}

fn scored(learner: &Learner) -> Vec<Scored> {
    let images = learner.encode(test_pictures().view()).unwrap();
    learner.score_encoded(&images).unwrap()
}

fn with_three_tasks(strategy: &str) -> Learner {
    let mut learner = learner(strategy);
    (0..3).for_each(|task| learn_and_commit(&mut learner, task));
    learner
}

/// Scores of the classes that are still known, by name.
fn of_known<'a>(learner: &'a Learner, scored: &'a [Scored]) -> impl Iterator<Item = (&'a str, Vec<u32>)> {
    let names = learner.classes().iter().enumerate().filter(|(_, name)| !name.is_empty());
    names.map(|(class, name)| (name.as_str(), scored.iter().map(|s| s.classes[class].to_bits()).collect()))
}

#[test]
fn a_class_goes_from_every_strategy_and_the_others_score_what_they_did() {
    let mut refused = BTreeSet::new();
    for name in strategy::NAMES {
        let mut learner = with_three_tasks(name);
        let before = scored(&learner);
        let state = bytes(&learner);
        let forgotten = match learner.forget_class("cat") {
            Ok(forgotten) => forgotten,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Unsupported, "{name}: {e}");
                assert!(bytes(&learner) == state, "{name}: a refusal changes nothing");
                refused.insert(name);
                continue;
            }
        };
        println!("{name:<18} {:?}, others {:?}", forgotten.residues, forgotten.others);
        assert_eq!(forgotten.classes, ["cat"]);
        assert!(forgotten.tasks.is_empty());
        assert_eq!(learner.classes(), ["ant", "bee", "", "dog", "elk", "fox"]);
        assert_eq!(learner.tasks()[1].classes, [3]);
        assert!(!learner.state().known().any(|name| name == "cat"));
        assert_eq!(forgotten.others == Others::Normalised, name == "lae");
        let again = resumed(postcard::from_bytes(&bytes(&learner)).unwrap());
        for (live, restored) in scored(&learner).iter().zip(scored(&again)) {
            assert_eq!((&live.classes, &live.tasks), (&restored.classes, &restored.tasks), "{name}");
        }
        for learner in [&learner, &again] {
            let after = scored(learner);
            assert!(after.iter().all(|s| s.prediction.class != 2 && s.prediction.name != "cat"), "{name}");
            let old = of_known(learner, &before);
            for ((class, old), (_, new)) in old.zip(of_known(learner, &after)) {
                let apart = |(a, b): (&u32, &u32)| (f32::from_bits(*a) - f32::from_bits(*b)).abs();
                let most = old.iter().zip(&new).map(apart).fold(0.0, f32::max);
                let scale = old.iter().map(|x| f32::from_bits(*x).abs()).fold(0.0, f32::max);
                match forgotten.others {
                    Others::Same => assert!(old == new, "{name}: {class} moved by {most}"),
                    Others::Rounded => {
                        assert!(most <= 1e-3 * scale.max(1.0), "{name}: {class} moved by {most} of {scale}");
                    }
                    Others::Normalised => assert!(most < 1.0),
                }
            }
        }
    }
    assert_eq!(refused, BTreeSet::from(["ease"]), "whose means of classes are made from those of others");
}

#[test]
fn a_task_goes_with_its_classes_and_what_is_learned_next_takes_their_place() {
    for name in ["perennial", "perennial-compact", "ncm-frozen", "pegp", "ntk-lite", "sequential"] {
        let mut learner = with_three_tasks(name);
        let before = scored(&learner);
        let forgotten = learner.forget_task("task 1").unwrap();
        assert_eq!(forgotten.tasks, ["task 1"]);
        assert_eq!(forgotten.classes, ["cat", "dog"]);
        assert_eq!(forgotten.is_exact(), forgotten.residues.is_empty());
        assert_eq!(learner.tasks().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["task 0", "task 2"]);
        let after = scored(&learner);
        for ((class, old), (_, new)) in of_known(&learner, &before).zip(of_known(&learner, &after)) {
            assert!(forgotten.others != Others::Same || old == new, "{name}: {class}");
        }
        assert!(after.iter().all(|s| s.prediction.task < 2 && s.tasks.len() == 2), "{name}");
        // Images of the last task are still of it, one place further down.
        let last = after[24..].iter().filter(|s| s.prediction.task == 1).count();
        assert!(last >= 9, "{name}: {last} of 12");

        learn_and_commit(&mut learner, 3);
        assert_eq!(learner.classes(), ["ant", "bee", "gnu", "hen", "elk", "fox"], "{name}");
        let (images, labels) = pictures(3, 8, 5);
        let answers = learner.predict(images.view()).unwrap();
        let right = answers.iter().zip(&labels).filter(|(a, l)| a.name == **l).count();
        assert!(right >= 12 || name == "sequential", "{name}: {right} of 16 of the new task");
        let again = resumed(postcard::from_bytes(&bytes(&learner)).unwrap());
        let same = again.predict(images.view()).unwrap();
        assert!(answers.iter().zip(&same).all(|(a, b)| a.name == b.name && a.score == b.score), "{name}");
    }
}

#[test]
fn a_frozen_network_with_prototypes_forgets_as_if_it_had_never_seen() {
    let mut forgot = learner("ncm-frozen");
    (0..4).for_each(|task| learn_and_commit(&mut forgot, task));
    let forgotten = forgot.forget_task("task 3").unwrap();
    println!("{:?}", forgotten.residues);
    let mut never = learner("ncm-frozen");
    (0..3).for_each(|task| learn_and_commit(&mut never, task));
    let (a, b) = (scored(&forgot), scored(&never));
    assert!(a.iter().zip(&b).all(|(a, b)| a.classes[..6] == b.classes[..6] && a.tasks == b.tasks));
}

#[test]
fn no_byte_of_it_is_left_on_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.img");
    let mut learner = learner("ncm-frozen");
    let backbone = learner.backbone_sha256();
    let mut slots =
        Slots::open(Blocks::new(Partition::create(&path, 1 << 20).unwrap()).unwrap(), None).unwrap();
    for task in 0..3 {
        learn_and_commit(&mut learner, task);
        slots.save(backbone, &bytes(&learner)).unwrap();
    }
    // What only this class has left: the parts of the state that go when it goes.
    let with = bytes(&learner);
    learner.forget_class("cat").unwrap();
    let without = bytes(&learner);
    let windows = |bytes: &[u8]| -> BTreeSet<Vec<u8>> { bytes.windows(12).map(<[u8]>::to_vec).collect() };
    let secrets: BTreeSet<Vec<u8>> = windows(&with).difference(&windows(&without)).cloned().collect();
    assert!(secrets.len() > 200, "{} traces", secrets.len());
    let found = || {
        let medium = std::fs::read(&path).unwrap();
        medium.windows(12).filter(|w| secrets.contains(*w)).count()
    };
    assert!(found() > 200);
    slots.save(backbone, &without).unwrap();
    assert!(found() > 200, "the other slot still has it");
    slots.compact().unwrap();
    assert_eq!(found(), 0);
    let (_, state): (_, State) = store::decoded(slots.load().unwrap()).unwrap();
    assert_eq!(state.known().collect::<Vec<_>>(), ["ant", "bee", "dog", "elk", "fox"]);
    println!(
        "fault: search of a compacted partition for what a forgotten class left | {} traces | 0 | none found",
        secrets.len()
    );
}

#[test]
fn what_cannot_be_forgotten_is_refused_and_nothing_changes() {
    let mut learner = with_three_tasks("perennial");
    let before = bytes(&learner);
    let kind = |result: perennial::Result<_>| result.err().unwrap().kind();
    let missing = learner.forget_class("zebra").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("ant, bee, cat"), "{missing}");
    assert_eq!(kind(learner.forget_class("")), ErrorKind::NotFound);
    assert_eq!(kind(learner.forget_task("task 9")), ErrorKind::NotFound);
    learner.begin_task("open").unwrap();
    assert_eq!(kind(learner.forget_class("cat")), ErrorKind::State);
    let (images, _) = pictures(0, 2, 1);
    let labels = ["ant", "", "ant", "bee"];
    assert_eq!(learner.observe(images.view(), &labels).unwrap_err().kind(), ErrorKind::InvalidArgument);
    // The same class in two tasks: what each taught of it is one sum.
    learner.observe(images.view(), &["cat", "ant", "cat", "ant"]).unwrap();
    learner.end_task().unwrap();
    assert_eq!(kind(learner.forget_class("cat")), ErrorKind::State);
    // Ants called cats: nothing that one would keep unless one must.
    assert_eq!(learner.commit().unwrap_err().kind(), ErrorKind::Refused);
    learner.commit_anyway().unwrap();
    let shared = learner.forget_task("open").unwrap_err();
    assert_eq!(shared.kind(), ErrorKind::Unsupported);
    assert!(shared.to_string().contains("cat") || shared.to_string().contains("ant"), "{shared}");
    assert!(bytes(&learner) != before);
    assert_eq!(learner.forget_class("cat").unwrap().classes, ["cat"]);
    for name in TASKS[0].iter().chain(&["dog", "elk"]) {
        learner.forget_class(name).unwrap();
    }
    assert_eq!(learner.tasks().len(), 1);
    let last = learner.forget_class("fox").unwrap_err();
    assert_eq!(last.kind(), ErrorKind::State);
    assert!(last.to_string().contains("delete"), "{last}");
}
