//! A state that stays inside its promise whatever comes, says what it gave up, and refuses where it must not.
#![cfg(feature = "tract")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixtures;
mod lessons;

use lessons::{PER_CLASS, TASKS, pictures, settings};
use perennial::ErrorKind;
use perennial::learner::{Budget, Learner, Lever, Settings, TaskReport};
use perennial::store;

/// Kinds of tasks that come again and again.
const KINDS: usize = 3;

fn learner(strategy: &str, budget: Budget, random_features: usize) -> Learner {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let settings = Settings { random_features, ..settings() };
    Learner::builder(backbone).strategy(strategy).settings(settings).budget(budget).build().unwrap()
}

fn promised(flash: usize, give_up: &[Lever]) -> Budget {
    Budget { flash: Some(flash), give_up: give_up.to_vec(), ..Budget::default() }
}

/// Teaches task `index` of an endless row: the kinds in turn, the pictures new every time.
fn teach(learner: &mut Learner, index: usize) -> TaskReport {
    let (images, labels) = pictures(index % KINDS, PER_CLASS, 100 + index as u64);
    learner.begin_task(&format!("task {index}")).unwrap();
    learner.observe(images.view(), &labels).unwrap();
    learner.end_task().unwrap()
}

/// Share of right answers on pictures never learned.
fn accuracy(learner: &Learner) -> f64 {
    let (mut right, mut all) = (0, 0);
    for kind in 0..KINDS {
        let (images, labels) = pictures(kind, 10, 7);
        let told = learner.predict(images.view()).unwrap();
        right += told.iter().zip(&labels).filter(|(t, l)| t.name == **l).count();
        all += labels.len();
    }
    right as f64 / all as f64
}

/// Bytes of the record on a medium.
fn record(learner: &Learner) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.state");
    store::save(&path, learner.backbone_sha256(), learner.state().commits, learner.state()).unwrap();
    std::fs::metadata(path).unwrap().len() as usize
}

/// A learner without a promise after so many tasks.
fn unbounded(strategy: &str, tasks: usize, random_features: usize) -> Learner {
    let mut learner = learner(strategy, Budget::default(), random_features);
    for index in 0..tasks {
        teach(&mut learner, index);
        learner.commit().unwrap();
    }
    learner
}

#[test]
fn twenty_tasks_fit_where_five_did() {
    let free = unbounded("perennial", 20, 64);
    // Means of observations are kept apart up to a number of them, and take their room by and by.
    let flash = unbounded("perennial", 5, 64).state().stored_bytes().unwrap() + 16 * 64 * size_of::<f32>();
    assert!(free.state().stored_bytes().unwrap() > flash + 10_000);
    let mut held = learner("perennial", promised(flash, &Lever::ALL), 64);
    let mut gave = 0;
    for index in 0..20 {
        let report = teach(&mut held, index);
        gave += usize::from(!report.given_up.is_empty());
        assert!(report.verdict.objections.is_empty(), "{:?}", report.verdict.objections);
        held.commit().unwrap();
        assert!(held.state().stored_bytes().unwrap() <= flash);
        assert!(record(&held) <= flash, "{} of {flash}", record(&held));
    }
    assert!(gave > 10, "{gave}");
    // Every task is in one of those that are left.
    let counted: usize = held.tasks().iter().map(|task| 1 + task.with as usize).sum();
    assert!(counted == 20 && held.tasks().len() < 20, "{counted} in {}", held.tasks().len());
    assert!(held.tasks().iter().all(|task| !task.classes.is_empty()));
    let (bounded, all) = (accuracy(&held), accuracy(&free));
    assert!(bounded > 0.9 && bounded > all - 0.05, "{bounded} and {all}");
    let rows = held.state().concessions.rows();
    let united = rows.iter().filter(|row| row.lever == Lever::Tasks).map(|row| row.times).sum::<u32>();
    assert_eq!(united as usize, 20 - held.tasks().len());
    assert!(rows.iter().all(|row| row.bytes > 0 && row.lost >= 0.0 && row.task.starts_with("task ")));
}

#[test]
fn a_restart_in_between_changes_nothing() {
    let flash = unbounded("perennial", 4, 64).state().stored_bytes().unwrap();
    let mut going = learner("perennial", promised(flash, &Lever::ALL), 64);
    for index in 0..7 {
        teach(&mut going, index);
        going.commit().unwrap();
    }
    let stored = postcard::from_bytes(&lessons::bytes(&going)).unwrap();
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let mut back =
        Learner::builder(backbone).resume(stored).budget(promised(flash, &Lever::ALL)).build().unwrap();
    for index in 7..10 {
        assert_eq!(teach(&mut going, index), teach(&mut back, index));
        going.commit().unwrap();
        back.commit().unwrap();
        assert_eq!(lessons::bytes(&going), lessons::bytes(&back));
    }
    // An undone task is undone with what was given up for it.
    let before = lessons::bytes(&going);
    let report = teach(&mut going, 10);
    assert!(!report.given_up.is_empty());
    going.rollback().unwrap();
    assert_eq!(lessons::bytes(&going), before);
}

#[test]
fn where_nothing_may_be_given_up_it_is_refused_and_says_what_to_do() {
    // As many as are enough for the covariance: what tells strangers before is dropped then, and states only grow from there.
    const LEARNED: usize = 4;
    let flash = unbounded("perennial", LEARNED, 64).state().stored_bytes().unwrap();
    let mut strict = learner("perennial", promised(flash, &[]), 64);
    for index in 0..LEARNED {
        teach(&mut strict, index);
        strict.commit().unwrap();
    }
    let before = strict.state().clone();
    let report = teach(&mut strict, LEARNED);
    assert!(report.given_up.is_empty());
    let e = strict.commit().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Budget);
    assert!(e.to_string().contains("nothing may be given up") && e.to_string().contains("forget"), "{e}");
    strict.rollback().unwrap();
    assert_eq!(*strict.state(), before);
    // With new classes only there is nothing to unite.
    let (images, labels) = pictures(KINDS, PER_CLASS, 3);
    let mut held = learner("perennial", promised(flash, &[Lever::Tasks]), 64);
    for index in 0..LEARNED {
        teach(&mut held, index);
        held.commit().unwrap();
    }
    held.begin_task("new").unwrap();
    held.observe(images.view(), &labels).unwrap();
    held.end_task().unwrap();
    let e = held.commit().unwrap_err();
    assert!(
        e.kind() == ErrorKind::Budget && e.to_string().contains("giving up tasks does not suffice"),
        "{e}"
    );
}

#[test]
fn random_features_go_first_where_they_are_first() {
    let whole = unbounded("perennial", 2, 512).state().stored_bytes().unwrap();
    let mut held = learner("perennial", promised(whole - 100_000, &Lever::ALL), 512);
    let report = teach(&mut held, 0);
    assert_eq!(report.given_up.len(), 1);
    let given = &report.given_up[0];
    assert_eq!((given.lever, given.times, given.lost), (Lever::Features, 1, 0.5f32));
    assert!(given.bytes > 100_000 && given.confusion.is_none());
    held.commit().unwrap();
    let left = |learner: &Learner| learner.state().statistics.as_ref().unwrap().head().random_features();
    assert_eq!((left(&held), held.settings().random_features), (256, 512));
    // A state that is read goes on with the same features.
    let stored = postcard::from_bytes(&lessons::bytes(&held)).unwrap();
    let mut back = lessons::resumed(stored);
    teach(&mut back, 1);
    back.commit().unwrap();
    assert_eq!(left(&back), 256);
    assert!(accuracy(&back) > 0.6);
}

#[test]
fn gradient_projection_gives_up_directions_and_ranks() {
    let whole = unbounded("pegp", 3, 64).state().stored_bytes().unwrap();
    let give_up = [Lever::Directions, Lever::Ranks];
    let mut held = learner("pegp", promised(whole - 1000, &give_up), 64);
    let mut given = Vec::new();
    for index in 0..3 {
        given.extend(teach(&mut held, index).given_up);
        held.commit_anyway().unwrap();
    }
    assert!(!given.is_empty());
    for one in &given {
        assert!(give_up.contains(&one.lever) && (0.0..1.0).contains(&one.lost), "{one}");
    }
    // Networks are those of the adapters that are left.
    let answers = held.predict(pictures(0, 4, 9).0.view()).unwrap();
    let stored = postcard::from_bytes(&lessons::bytes(&held)).unwrap();
    assert_eq!(lessons::resumed(stored).predict(pictures(0, 4, 9).0.view()).unwrap(), answers);
}

#[test]
fn a_promise_of_ram_bounds_the_centres_too() {
    let budget = Budget { ram: Some(1 << 30), cache: 1 << 20, classes: 2 * KINDS, ..Budget::default() };
    let mut held = learner("perennial", budget.clone(), 64);
    for index in 0..3 * KINDS {
        let report = teach(&mut held, index);
        assert_eq!(report.given_up.is_empty(), index < KINDS, "{index}");
        held.commit().unwrap();
    }
    assert_eq!(held.tasks().len(), KINDS);
    let mut strict = learner("perennial", Budget { give_up: Vec::new(), ..budget }, 64);
    for index in 0..KINDS {
        teach(&mut strict, index);
        strict.commit().unwrap();
    }
    teach(&mut strict, KINDS);
    let e = strict.commit().unwrap_err();
    assert!(e.kind() == ErrorKind::Budget && e.to_string().contains("centres"), "{e}");
}

#[test]
fn what_was_made_one_is_forgotten_by_class() {
    let flash = unbounded("perennial", 4, 64).state().stored_bytes().unwrap();
    let mut held = learner("perennial", promised(flash, &Lever::ALL), 64);
    for index in 0..9 {
        teach(&mut held, index);
        held.commit().unwrap();
    }
    let united = held.tasks().iter().find(|task| task.with > 0).unwrap().name.clone();
    let e = held.forget_task(&united).unwrap_err();
    assert!(e.kind() == ErrorKind::Unsupported && e.to_string().contains("forget classes"), "{e}");
    let [gone, stays] = TASKS[1];
    let (images, _) = pictures(1, 5, 3);
    let encoded = held.encode(images.view()).unwrap();
    let place = held.classes().iter().position(|c| c == stays).unwrap();
    let score =
        |l: &Learner| l.score_encoded(&encoded).unwrap().iter().map(|s| s.classes[place]).collect::<Vec<_>>();
    let before = score(&held);
    held.forget_class(gone).unwrap();
    assert_eq!(score(&held), before);
    assert!(held.predict(images.view()).unwrap().iter().all(|p| p.name != gone));
}
