//! Tasks as signed files: what is taken over is what would have been learned, in any order and any number of times, and
//! nothing that is not asked for.
#![cfg(all(feature = "tract", feature = "bundle"))]

mod fixtures;
mod lessons;

use std::collections::{BTreeMap, BTreeSet};

use lessons::{learn, learn_and_commit, learner, pictures};
use ndarray::Array4;
use perennial::bundle::{Bundle, Content, Here, Intake, Limits, Outcome, SecretKey, Trust, intake};
use perennial::learner::{Learner, Lesson, State};
use perennial::{ErrorKind, strategy};
use rand::Rng;

const PREPROCESSING: [u8; 32] = [7; 32];
const NOW: u64 = 1_800_000_000;
/// Tests on twenty pictures of noise measure sums, not how well such a small model tells its classes apart.
const ANY: Limits = Limits { loss: 1.0, reach: 1e6, nearness: 0.0, untried: true };

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn trust() -> Trust {
    Trust::default().with(key(1).public(), "first").with(key(2).public(), "second")
}

fn resumed(state: &State) -> Learner {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    Learner::builder(backbone).resume(state.clone()).sharing(true).build().unwrap()
}

fn here() -> Here {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone().sha256();
    Here { backbone, preprocessing: PREPROCESSING, now: NOW, rename: None }
}

/// The common state: task 0.
fn base(strategy: &str) -> State {
    let mut learner = learner(strategy);
    learn_and_commit(&mut learner, 0);
    learner.state().clone()
}

/// What `task` teaches a learner of `state`, and the state after it.
fn taught(state: &State, task: usize) -> (Lesson, State) {
    let mut learner = resumed(state);
    learn(&mut learner, task, 1);
    let lesson = learner.lesson().unwrap().clone();
    learner.commit().unwrap();
    assert!(learner.lesson().is_none(), "a lesson is there while its task is undecided");
    (lesson, learner.state().clone())
}

fn content(lesson: &Lesson, state: &State, counter: u64) -> Content {
    let mut content = Content::new(lesson, state, here().backbone, PREPROCESSING).unwrap();
    (content.created, content.counter) = (NOW - 1000, counter);
    content
}

fn bundle(lesson: &Lesson, state: &State) -> Bundle {
    let bundle = Bundle::sign(&content(lesson, state, 1), &key(1)).unwrap();
    let again = Bundle::from_bytes(bundle.bytes().to_vec()).unwrap();
    assert_eq!(again, bundle);
    again
}

fn taken(done: perennial::Result<Intake>) -> State {
    match done.unwrap().outcome {
        Outcome::Taken(state) => *state,
        other => panic!("{other:?}"),
    }
}

fn bytes(state: &State) -> Vec<u8> {
    postcard::to_allocvec(state).unwrap()
}

/// Pictures of the first four tasks.
fn test_pictures() -> Array4<f32> {
    let views: Vec<_> = (0..4).map(|task| pictures(task, 5, 77).0).collect();
    let views: Vec<_> = views.iter().map(|v| v.view()).collect();
    ndarray::concatenate(ndarray::Axis(0), &views).unwrap()
}

/// Scores by class name and by task name, and the answers.
type Said = (BTreeMap<String, Vec<f32>>, BTreeMap<String, Vec<f64>>, Vec<String>);

fn said(state: &State) -> Said {
    let learner = resumed(&postcard::from_bytes(&bytes(state)).unwrap());
    let scored = learner.score_encoded(&learner.encode(test_pictures().view()).unwrap()).unwrap();
    let class = |(i, name): (usize, &String)| (name.clone(), scored.iter().map(|s| s.classes[i]).collect());
    let task = |i: usize| (learner.tasks()[i].name.clone(), scored.iter().map(|s| s.tasks[i]).collect());
    (
        learner.classes().iter().enumerate().map(class).collect(),
        (0..learner.tasks().len()).map(task).collect(),
        scored.iter().map(|s| s.prediction.name.clone()).collect(),
    )
}

/// Largest difference of scores over their largest size, and how many answers differ.
fn apart(a: &Said, b: &Said) -> (f32, usize) {
    assert_eq!(a.0.keys().collect::<Vec<_>>(), b.0.keys().collect::<Vec<_>>());
    assert_eq!(a.1.keys().collect::<Vec<_>>(), b.1.keys().collect::<Vec<_>>());
    let scale = a.0.values().flatten().fold(1e-3f32, |most, x| most.max(x.abs()));
    let off = a.0.values().flatten().zip(b.0.values().flatten()).map(|(a, b)| (a - b).abs() / scale);
    (off.fold(0.0, f32::max), a.2.iter().zip(&b.2).filter(|(a, b)| a != b).count())
}

#[test]
fn every_strategy_shares_or_says_why_not() {
    let mut shares = BTreeSet::new();
    for name in strategy::NAMES {
        let state = base(name);
        match state.can_share() {
            Ok(()) => drop(shares.insert(name)),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Unsupported, "{name}: {e}");
                assert!(e.to_string().contains(name) && e.to_string().contains("use perennial"), "{e}");
                let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
                let sharing = Learner::builder(backbone).resume(state).sharing(true).build();
                assert_eq!(sharing.err().unwrap().kind(), ErrorKind::Unsupported, "{name}");
            }
        }
    }
    let expected = "ncm-frozen ridge-frozen lda-frozen ranpac-frozen lda-beside ranpac-beside best-frozen ranpac-first \
                    perennial perennial-compact";
    assert_eq!(shares, expected.split_whitespace().collect());
    // The first task makes the space; there is no lesson of it.
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let mut first = Learner::builder(backbone)
        .strategy("ncm-frozen")
        .settings(lessons::settings())
        .sharing(true)
        .build()
        .unwrap();
    assert_eq!(first.state().can_share().unwrap_err().kind(), ErrorKind::State);
    learn(&mut first, 0, 1);
    assert!(first.lesson().is_none());
}

#[test]
fn a_task_that_is_taken_over_is_a_task_that_was_learned() {
    let mut worst = 0.0f32;
    for name in [
        "ncm-frozen",
        "ridge-frozen",
        "lda-frozen",
        "ranpac-frozen",
        "ranpac-beside",
        "best-frozen",
        "ranpac-first",
        "perennial",
        "perennial-compact",
    ] {
        let base = base(name);
        let (first, one) = taught(&base, 1);
        // The maker knows more than the base: what it gives is the new task alone.
        let (second, two) = taught(&one, 2);
        let a = taken(intake(&base, &bundle(&first, &base), &trust(), &here(), &ANY));
        let b = taken(intake(&a, &bundle(&second, &one), &trust(), &here(), &ANY));
        for (state, learned, len) in [(&a, &one, 2), (&b, &two, 3)] {
            assert_eq!(state.tasks.len(), len);
            assert_eq!(state.classes, learned.classes);
            assert_eq!(state.commits, learned.commits);
            let (off, other) = apart(&said(learned), &said(state));
            println!("{name:<18} {len} tasks: scores off by {off:.1e}, {other} of 40 answers differ");
            worst = worst.max(off);
            assert!(off < 1e-2 && other <= 1, "{name}: {off}, {other}");
        }
        assert_eq!(a.tasks[1].images, one.tasks[1].images);
        assert!(a.tasks[0].from.is_none() && a.tasks[1].from.is_some());
        // A learner that runs goes on with it.
        let mut running = resumed(&base);
        running.go_on_from(b.clone()).unwrap();
        let images = running.encode(test_pictures().view()).unwrap();
        let answers = running.predict_encoded(&images).unwrap();
        assert!(answers.iter().map(|p| &p.name).eq(&said(&b).2), "{name}");
        running.begin_task("open").unwrap();
        assert_eq!(running.go_on_from(b.clone()).unwrap_err().kind(), ErrorKind::State);
        // It goes on learning, and forgets what it was given.
        let (_, mut after) = taught(&b, 3);
        after.forget_task("task 1").unwrap();
        assert_eq!(
            after.tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["task 0", "task 2", "task 3"]
        );
    }
    println!("worst {worst:.1e}");
}

#[test]
fn a_union_is_the_same_in_any_order_and_any_number_of_times() {
    for name in ["perennial", "perennial-compact", "lda-frozen", "ncm-frozen", "best-frozen"] {
        let base = base(name);
        let tasks: Vec<(Lesson, State)> = (1..4).map(|task| taught(&base, task)).collect();
        let bundles: Vec<Bundle> = tasks.iter().map(|(lesson, _)| bundle(lesson, &base)).collect();
        let take = |state: &State, i: usize| {
            let done = intake(state, &bundles[i], &trust(), &here(), &ANY).unwrap();
            match done.outcome {
                Outcome::Taken(state) => *state,
                Outcome::Already => {
                    assert!(state.tasks.iter().any(|task| task.name == done.task));
                    state.clone()
                }
                Outcome::Refused(why) => panic!("{why}"),
            }
        };
        let all = |order: &[usize]| order.iter().fold(base.clone(), |state, &i| take(&state, i));
        let reference = said(&all(&[0, 1, 2]));
        let mut rng = fixtures::rng(3);
        for _ in 0..6 {
            // Every bundle at least once, some again.
            let mut order: Vec<usize> = vec![0, 1, 2, rng.gen_range(0..3), rng.gen_range(0..3)];
            for i in (1..order.len()).rev() {
                order.swap(i, rng.gen_range(0..=i));
            }
            let state = all(&order);
            assert_eq!(state.tasks.len(), 4, "{name}: {order:?}");
            let (off, other) = apart(&reference, &said(&state));
            assert!(off < 1e-2 && other <= 1, "{name}: {order:?}: {off}, {other} answers");
            let again = take(&state, order[0]);
            assert!(bytes(&again) == bytes(&state), "{name}: twice is once, to the byte");
        }
        // Two devices that exchange what they learned know the same.
        let (a, b) = (take(&tasks[0].1, 1), take(&tasks[1].1, 0));
        let (off, other) = apart(&said(&a), &said(&b));
        println!("{name:<18} exchanged: scores off by {off:.1e}, {other} of 40 answers differ");
        assert!(off < 1e-2 && other <= 1, "{name}: {off}, {other} answers");
    }
}

/// The error of taking `content`, signed by `maker`.
fn refused(state: &State, content: &Content, maker: &SecretKey, here: &Here) -> String {
    let bundle = Bundle::sign(content, maker).unwrap();
    let before = bytes(state);
    let e = intake(state, &bundle, &trust(), here, &ANY).unwrap_err();
    assert!(bytes(state) == before && e.kind() == ErrorKind::Mismatch, "{:?}: {e}", e.kind());
    e.to_string()
}

#[test]
fn what_does_not_belong_here_is_refused_with_the_reason() {
    let base_state = base("perennial-compact");
    let (lesson, _) = taught(&base_state, 1);
    let good = content(&lesson, &base_state, 5);
    let stranger = refused(&base_state, &good, &key(9), &here());
    assert!(
        stranger.contains("none of the 2 trusted keys") && stranger.contains("perennial-public-key"),
        "{stranger}"
    );
    let mut late = good.clone();
    late.expires = Some(NOW - 86_401);
    assert!(refused(&base_state, &late, &key(1), &here()).contains("expired 2 days ago"));
    let clockless = Here { now: 0, ..here() };
    let mut fresh = good.clone();
    fresh.expires = Some(NOW + 10);
    assert!(refused(&base_state, &fresh, &key(1), &clockless).contains("no clock"));
    taken(intake(&base_state, &Bundle::sign(&fresh, &key(1)).unwrap(), &trust(), &here(), &ANY));
    let other = Here { backbone: [1; 32], ..here() };
    assert!(refused(&base_state, &good, &key(1), &other).contains("its backbone is"));
    let other = Here { preprocessing: [1; 32], ..here() };
    assert!(refused(&base_state, &good, &key(1), &other).contains("its preprocessing is"));
    // The same strategy after another first task, and another strategy on the same one: other features.
    let mut elsewhere = learner("perennial-compact");
    learn_and_commit(&mut elsewhere, 2);
    assert!(refused(elsewhere.state(), &good, &key(1), &here()).contains("one common state"));
    assert!(refused(&base("lda-beside"), &good, &key(1), &here()).contains("space of features"));
    let bare = learner("perennial-compact");
    let sealed = Bundle::sign(&good, &key(1)).unwrap();
    let e = intake(bare.state(), &sealed, &trust(), &here(), &ANY).unwrap_err();
    assert!(e.to_string().contains("start from a copy"), "{e}");
    // A task of that name was learned here.
    let (_, busy) = taught(&base_state, 1);
    let e = intake(&busy, &sealed, &trust(), &here(), &ANY).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    let renamed = Here { rename: Some("theirs".into()), ..here() };
    let both = taken(intake(&busy, &sealed, &trust(), &renamed, &ANY));
    assert_eq!(both.tasks[2].name, "theirs");
    assert_eq!(both.classes, busy.classes, "the same classes learn more");
}

#[test]
fn an_older_version_does_not_come_back() {
    let base = base("perennial-compact");
    let (lesson, _) = taught(&base, 1);
    let seal = |counter: u64, note: &str| {
        let mut content = content(&lesson, &base, counter);
        content.note = note.into();
        Bundle::sign(&content, &key(1)).unwrap()
    };
    let (old, five, twin, new) = (seal(4, ""), seal(5, ""), seal(5, "another"), seal(6, ""));
    let state = taken(intake(&base, &five, &trust(), &here(), &ANY));
    let error = |state: &State, bundle: &Bundle| {
        intake(state, bundle, &trust(), &here(), &ANY).unwrap_err().to_string()
    };
    assert!(error(&state, &old).contains("number 5 was here before"));
    assert!(error(&state, &twin).contains("another one of number 5"));
    assert!(error(&state, &new).contains("forget that one first"));
    assert!(matches!(intake(&state, &five, &trust(), &here(), &ANY).unwrap().outcome, Outcome::Already));
    // A second maker counts for itself.
    let renamed = Here { rename: Some("second".into()), ..here() };
    let second = Bundle::sign(&content(&lesson, &base, 1), &key(2)).unwrap();
    assert_eq!(taken(intake(&state, &second, &trust(), &renamed, &ANY)).ledger.len(), 2);
    // Forgetting takes the task away, and the memory of its number stays.
    let mut without = state.clone();
    without.forget_task("task 1").unwrap();
    assert!(error(&without, &old).contains("number 5 was here before"));
    assert_eq!(taken(intake(&without, &five, &trust(), &here(), &ANY)).tasks.len(), 2);
    assert_eq!(taken(intake(&without, &new, &trust(), &here(), &ANY)).tasks.len(), 2);
}

/// A lesson of task 1's classes from pictures made by `draw`.
fn made(state: &State, images: &Array4<f32>, labels: &[&str]) -> Lesson {
    let mut learner = resumed(state);
    learner.begin_task("made").unwrap();
    learner.observe(images.view(), labels).unwrap();
    learner.end_task().unwrap();
    learner.lesson().unwrap().clone()
}

#[test]
fn harm_to_old_classes_shows_in_the_trial() {
    for name in ["perennial", "perennial-compact", "lda-frozen", "best-frozen"] {
        let base = base(name);
        // Samples of ten pictures under two names; the default refuses the very same pictures only.
        let limits = Limits { reach: 1e6, nearness: 1.5, ..Limits::default() };
        // Pictures of a class that is known, under a new name; a trusted maker signs it.
        let (images, labels) = pictures(0, 10, 5);
        let false_names: Vec<&str> =
            labels.iter().map(|l| if *l == "ant" { "not an ant" } else { "other" }).collect();
        let poison = bundle(&made(&base, &images, &false_names), &base);
        let done = intake(&base, &poison, &trust(), &here(), &limits).unwrap();
        println!("{name:<18} {:?}", done.trial);
        let Outcome::Refused(why) = &done.outcome else { panic!("{name}: {:?}", done.trial) };
        let named = ["would lose", "not an ant lies where ant lies", "other lies where bee lies"];
        assert!(named.iter().any(|name| why.contains(name)), "{why}");
        let nearest = done.trial.unwrap().nearest.unwrap();
        assert!(nearest.nearness < limits.nearness, "{name}: {nearest:?}");
        // Another task leaves them alone.
        let (lesson, _) = taught(&base, 1);
        let done = intake(&base, &bundle(&lesson, &base), &trust(), &here(), &limits).unwrap();
        assert!(matches!(done.outcome, Outcome::Taken(_)), "{name}: {:?} {:?}", done.outcome, done.trial);
    }
}

#[test]
fn the_very_pictures_of_a_class_under_another_name_are_no_new_class() {
    let (_, state) = taught(&base("perennial-compact"), 1);
    let (images, labels) = pictures(1, 10, 1);
    let names: Vec<&str> = labels.iter().map(|l| if *l == "cat" { "not a cat" } else { "other" }).collect();
    let poison = bundle(&made(&state, &images, &names), &state);
    let done = intake(&state, &poison, &trust(), &here(), &Limits::default()).unwrap();
    assert!(matches!(done.outcome, Outcome::Refused(_)));
    assert_eq!(done.trial.unwrap().nearest.unwrap().nearness, 0.0);
    // Whoever takes no loss at all takes nothing.
    let strict = Limits { loss: -0.001, nearness: 0.0, ..Limits::default() };
    let done = intake(&state, &poison, &trust(), &here(), &strict).unwrap();
    let Outcome::Refused(why) = &done.outcome else { panic!("{:?}", done.trial) };
    assert!(why.contains("would lose"), "{why}");
}

#[test]
fn features_of_another_world_are_out_of_reach() {
    let base = base("perennial-compact");
    let (images, labels) = pictures(1, 10, 0);
    let far = bundle(&made(&base, &(images * 20.0), &labels), &base);
    let limits = Limits { loss: 1.0, ..Limits::default() };
    let done = intake(&base, &far, &trust(), &here(), &limits).unwrap();
    let Outcome::Refused(why) = done.outcome else { panic!("{:?}", done.trial) };
    assert!(why.contains("times as far out"), "{why}");
}

#[test]
fn what_cannot_be_tried_is_taken_only_when_asked() {
    let base = base("ridge-frozen");
    let (lesson, _) = taught(&base, 1);
    let bundle = bundle(&lesson, &base);
    let done = intake(&base, &bundle, &trust(), &here(), &Limits::default()).unwrap();
    let Outcome::Refused(why) = done.outcome else { panic!("{:?}", done.trial) };
    assert!(why.contains("untried"), "{why}");
    let limits = Limits { untried: true, ..Limits::default() };
    assert_eq!(taken(intake(&base, &bundle, &trust(), &here(), &limits)).tasks.len(), 2);
}

#[test]
fn keys_are_lines_of_text_and_secret_ones_stay_with_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.key");
    let secret = SecretKey::generate().unwrap();
    secret.save(&path).unwrap();
    assert_eq!(SecretKey::read(&path).unwrap().public(), secret.public());
    assert_eq!(secret.save(&path).unwrap_err().kind(), ErrorKind::Io, "a key is never replaced");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
        0o600
    );
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(keys.join("a.pub"), secret.public().line("the first one") + "\n\n# a note\n").unwrap();
    std::fs::write(keys.join("b.pub"), key(1).public().line("second")).unwrap();
    std::fs::write(keys.join("readme.txt"), "not a key").unwrap();
    let trust = Trust::read(&keys).unwrap();
    assert_eq!(trust.name(&secret.public()).unwrap(), "the first one");
    assert_eq!(trust.name(&key(1).public()).unwrap(), "second");
    assert_eq!(trust.name(&key(2).public()).unwrap_err().kind(), ErrorKind::Mismatch);
    // The neutral element signs for everybody; it is no key.
    let weak = format!("perennial-public-key 01{} all", "0".repeat(62));
    for (line, says) in [("nonsense", "c.pub:1"), (weak.as_str(), "no public key")] {
        std::fs::write(keys.join("c.pub"), line).unwrap();
        let e = Trust::read(&keys).unwrap_err().to_string();
        assert!(e.contains(says), "{e}");
    }
    let e = SecretKey::read(&keys.join("a.pub")).map(|_| ()).unwrap_err().to_string();
    assert!(e.contains("give the secret one"), "{e}");
}

#[cfg(feature = "cli")]
mod program {
    use std::path::Path;
    use std::process::{Command, Output};

    use perennial::data::Picture;
    use perennial::data::draw::Family;
    use serde_json::Value;

    fn perennial(folder: &Path, args: &str) -> Output {
        let model =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx");
        let model = model.to_str().unwrap();
        let args = args.split(' ').map(|arg| if arg == "MODEL" { model } else { arg });
        Command::new(env!("CARGO_BIN_EXE_perennial")).current_dir(folder).args(args).output().unwrap()
    }

    fn json(folder: &Path, args: &str) -> Value {
        let output = perennial(folder, &format!("--json {args}"));
        assert!(output.status.success(), "{args}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(folder: &Path, args: &str, says: &str) {
        let output = perennial(folder, args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(says), "{args}\n{text}");
    }

    /// Two classes of three themes, called `0`, `1` and `2`. The model has random weights and hardly tells them apart, so tasks are kept `--anyway`.
    fn draw(folder: &Path) {
        for (i, family) in Family::themes().iter().take(3).enumerate() {
            for class in 0..2 {
                let to = folder.join(i.to_string()).join(family.name(class));
                std::fs::create_dir_all(&to).unwrap();
                for j in 0..6 {
                    let picture = Picture::new(48, 48, family.draw(class, 1, j, 48)).unwrap();
                    std::fs::write(to.join(format!("{j}.png")), picture.to_png().unwrap()).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_task_goes_from_one_device_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        draw(folder);
        let learn = |task: usize, state: &str, more: &str| {
            format!(
                "learn --backbone MODEL --data {task} --task t{task} --state {state} --blocks 1 --rank 2 --random-features 64 \
                 --epochs 1 --anyway{more}"
            )
        };
        json(folder, "bundle keygen a.key --name first");
        json(folder, "bundle keygen b.key");
        refused(folder, "bundle keygen a.key", "a.key");
        refused(folder, &learn(0, "a.state", " --bundle t0.bundle --key a.key"), "start from a copy");
        json(folder, &learn(0, "a.state", ""));
        std::fs::copy(folder.join("a.state"), folder.join("b.state")).unwrap();
        refused(folder, &learn(1, "a.state", " --bundle t1.bundle"), "bundle keygen");
        json(folder, &learn(1, "a.state", " --bundle t1.bundle --key a.key --note kitchen --expires 30"));
        let shown = json(folder, "bundle show t1.bundle");
        assert_eq!(
            (&shown["task"], &shown["note"], &shown["images"]),
            (&"t1".into(), &"kitchen".into(), &12.into())
        );
        let verified = json(folder, "bundle verify t1.bundle --trust a.key.pub");
        assert_eq!((&verified["maker"], &verified["id"]), (&"first".into(), &shown["id"]));
        refused(folder, "bundle verify t1.bundle --trust b.key.pub", "trusted keys");

        let import = "bundle import t1.bundle --backbone MODEL --state b.state --max-loss 100 --min-apart 0";
        std::fs::copy(folder.join("b.state"), folder.join("before.state")).unwrap();
        let before = std::fs::read(folder.join("b.state")).unwrap();
        refused(folder, &format!("{import} --trust b.key.pub"), "trusted keys");
        let dry = json(folder, &format!("{import} --trust a.key.pub --dry-run"));
        assert_eq!(dry["outcome"], "would be taken");
        assert_eq!(dry["bundle"]["new_classes"].as_array().unwrap().len(), 2);
        assert!(dry["bundle"]["trial"]["recall"]["rows"].as_u64().unwrap() >= 32);
        assert!(std::fs::read(folder.join("b.state")).unwrap() == before, "a dry run changes nothing");
        assert_eq!(json(folder, &format!("{import} --trust a.key.pub"))["outcome"], "taken");
        let after = std::fs::read(folder.join("b.state")).unwrap();
        assert_eq!(json(folder, &format!("{import} --trust ."))["outcome"], "already there");
        assert!(std::fs::read(folder.join("b.state")).unwrap() == after, "twice is once");
        let state = json(folder, "state b.state");
        assert_eq!(state["tasks"][1]["from"], shown["id"]);
        assert_eq!(state["classes"].as_array().unwrap().len(), 4);

        // A station that makes bundles without learning; the device takes that too, and answers in its classes.
        json(
            folder,
            "bundle export --backbone MODEL --state a.state --data 2 --task t2 --key b.key --counter 1 -o t2.bundle",
        );
        refused(
            folder,
            "bundle export --backbone MODEL --state a.state --data 1 --task t9 --key b.key -o t9.bundle",
            "learn --bundle",
        );
        json(
            folder,
            "bundle import t2.bundle --trust . --backbone MODEL --state b.state --max-loss 100 --min-apart 0",
        );
        let class = folder.join("2").join(Family::themes()[2].name(0));
        std::fs::copy(class.join("0.png"), folder.join("picture.png")).unwrap();
        let answer = json(folder, "predict --backbone MODEL --state b.state picture.png");
        assert!(answer[0]["prediction"]["name"].is_string());
        assert_eq!(json(folder, "state b.state")["classes"].as_array().unwrap().len(), 6);

        // Into a state that is encrypted.
        json(folder, "state keygen s.key");
        std::fs::copy(folder.join("before.state"), folder.join("c.state")).unwrap();
        json(folder, "state seal c.state --state-key s.key");
        let import =
            "bundle import t1.bundle --backbone MODEL --state c.state --max-loss 100 --min-apart 0 --trust .";
        refused(folder, import, "--state-key");
        assert_eq!(json(folder, &format!("{import} --state-key s.key"))["outcome"], "taken");
        assert_eq!(json(folder, "state c.state --state-key s.key")["classes"].as_array().unwrap().len(), 4);
    }
}
