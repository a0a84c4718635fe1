//! Learning beside predicting: what predictors answer, when learning waits, and what an interruption leaves.
#![cfg(feature = "tract")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod fixtures;
mod lessons;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lessons::{PER_CLASS, bytes, learn, learn_and_commit, learner, pictures};
use perennial::background::{Background, Options, Progress};
use perennial::learner::{Learner, Pace, Prediction};
use perennial::{ErrorKind, Result};

const STRATEGIES: [&str; 4] = ["perennial", "pegp-shared", "ntk-faithful", "proteus"];

fn asked(learner: &Learner) -> Vec<Prediction> {
    learner.predict(pictures(1, 3, 99).0.view()).unwrap()
}

#[test]
fn a_predictor_goes_over_to_what_is_committed_and_to_nothing_else() {
    for strategy in STRATEGIES {
        let mut learner = learner(strategy);
        let predictor = learner.predictor();
        let ask = || predictor.predict(pictures(1, 3, 99).0.view());
        assert_eq!(ask().unwrap_err().kind(), ErrorKind::State, "{strategy}: nothing was learned");
        learn_and_commit(&mut learner, 0);
        let (first, model) = (ask().unwrap(), predictor.model());
        assert_eq!(first, asked(&learner), "{strategy}");

        learn(&mut learner, 1, 2);
        assert_ne!(asked(&learner), first, "{strategy}: the task changes answers");
        assert_eq!(ask().unwrap(), first, "{strategy}: but nobody has committed it");
        learner.rollback().unwrap();
        assert_eq!((asked(&learner), ask().unwrap()), (first.clone(), first.clone()), "{strategy}");

        learn_and_commit(&mut learner, 1);
        assert_eq!(ask().unwrap(), asked(&learner), "{strategy}");
        assert_ne!(ask().unwrap(), first, "{strategy}");
        assert_eq!(predictor.commits(), 2);
        assert_eq!(model.predict(pictures(1, 3, 99).0.view()).unwrap(), first, "{strategy}: a model stays");
        let resumed = lessons::resumed(learner.state().clone());
        assert_eq!(asked(&resumed), ask().unwrap(), "{strategy}");
    }
    let mut learner = learner("perennial");
    (0..2).for_each(|task| learn_and_commit(&mut learner, task));
    let predictor = learner.predictor();
    learner.forget_class("bee").unwrap();
    assert!(predictor.model().state().class("bee").is_none(), "what is forgotten is forgotten everywhere");
}

/// Ends the call after so many passes.
struct After(AtomicUsize);

impl Pace for After {
    fn turn(&self) -> Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(perennial::Error::new(ErrorKind::Interrupted, "enough")),
        }
    }
}

/// Interrupts `call` before each of its passes, then lets it go through; how many there were.
fn interrupted<T>(learner: &mut Learner, mut call: impl FnMut(&mut Learner) -> Result<T>) -> usize {
    for passes in 0.. {
        learner.set_pace(Arc::new(After(AtomicUsize::new(passes))));
        match call(learner) {
            Err(e) => assert_eq!(e.kind(), ErrorKind::Interrupted, "{e}"),
            Ok(_) => {
                learner.set_pace(Arc::new(()));
                return passes;
            }
        }
    }
    unreachable!()
}

#[test]
fn an_interruption_before_any_pass_leaves_everything_as_it_was() {
    for strategy in STRATEGIES {
        let (mut one, mut other) = (learner(strategy), learner(strategy));
        for task in 0..2 {
            learn_and_commit(&mut one, task);
            let (images, labels) = pictures(task, PER_CLASS, task as u64);
            other.begin_task(&format!("task {task}")).unwrap();
            let observing = interrupted(&mut other, |l| l.observe(images.view(), &labels));
            let repeating = interrupted(&mut other, Learner::epoch);
            let ending = interrupted(&mut other, Learner::end_task);
            // A task that adapts nothing has its features from when it was observed.
            let adapts = (task == 0 || strategy != "perennial") && repeating.min(ending) > 0;
            let frozen = task > 0 && strategy == "perennial" && repeating == 0;
            assert!(
                observing > 2 && adapts != frozen,
                "{strategy}: {observing}, {repeating}, {ending} passes"
            );
            other.commit().unwrap();
            assert!(bytes(&one) == bytes(&other), "{strategy}: task {task}");
        }
    }
}

/// Two tasks as jobs.
fn teach(background: &Background) {
    for task in 0..2 {
        let job = move |learner: &mut Learner| learn_and_commit(learner, task);
        background.submit(job).unwrap();
    }
}

#[test]
fn the_background_learns_what_the_foreground_does_in_slices_of_any_length() {
    let mut alone = learner("perennial");
    (0..2).for_each(|task| learn_and_commit(&mut alone, task));
    let free = Background::new(learner("perennial"), Options { threads: 2, ..Options::default() }).unwrap();
    teach(&free);
    assert!(bytes(&free.finish().unwrap()) == bytes(&alone));

    for slice in [Duration::ZERO, Duration::from_millis(5), Duration::from_secs(60)] {
        let options = Options { paused: true, nice: Some(5), ..Options::default() };
        let background = Background::new(learner("perennial"), options).unwrap();
        teach(&background);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(background.predictor().commits(), 0, "it works although it is paused");
        let (mut slices, mut commits) = (1, Vec::new());
        while background.step(Instant::now() + slice) == Progress::Working {
            slices += 1;
            commits.push(background.predictor().commits());
        }
        match slice.as_secs() {
            60 => assert!(slices <= 2, "{slices} slices of a minute"),
            _ => assert!(slices > 10 && commits.contains(&1), "{slices} slices: {commits:?}"),
        }
        assert!(bytes(&background.finish().unwrap()) == bytes(&alone));
    }
}

#[test]
fn answers_are_all_of_one_model_and_come_while_it_learns() {
    let mut learner = learner("perennial");
    learn_and_commit(&mut learner, 0);
    let mut later = lessons::resumed(learner.state().clone());
    let old = asked(&later);
    learn_and_commit(&mut later, 1);
    let new = asked(&later);

    let background = Background::new(learner, Options::default()).unwrap();
    let (stop, images) = (AtomicBool::new(false), pictures(1, 3, 99).0);
    let (learning, switched) = std::thread::scope(|scope| {
        let watch = || {
            let (predictor, mut learning, mut switched) = (background.predictor(), 0, 0);
            while !stop.load(Ordering::Relaxed) || switched == 0 {
                match predictor.predict(images.view()).unwrap() {
                    answers if answers == old && switched == 0 => learning += 1,
                    answers if answers == new => switched += 1,
                    answers => panic!("answers of no committed model: {answers:?}"),
                }
            }
            (learning, switched)
        };
        let cameras = [(); 2].map(|()| scope.spawn(watch));
        let ticket = background.submit(|learner| learn_and_commit(learner, 1)).unwrap();
        ticket.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        let seen = cameras.map(|camera| camera.join().unwrap());
        (seen[0].0, seen[0].1)
    });
    assert!(learning > 3 && switched > 0, "{learning} answers while it learned, {switched} after");
}

#[test]
fn a_job_that_is_interrupted_can_be_done_again() {
    let mut alone = learner("perennial");
    learn_and_commit(&mut alone, 0);
    let options = Options { paused: true, ..Options::default() };
    let background = Background::new(learner("perennial"), options).unwrap();
    background.interrupt();
    let observe = |learner: &mut Learner| {
        let (images, labels) = pictures(0, PER_CLASS, 0);
        learner.observe(images.view(), &labels)
    };
    let begun = background.submit(|learner| learner.begin_task("task 0")).unwrap();
    let observed = background.submit(observe).unwrap();
    // A step each: the first job, the second's beginning, and two of its passes.
    (0..4).for_each(|_| assert_eq!(background.step(Instant::now()), Progress::Working));
    begun.ready().unwrap().expect("the first job is done").unwrap();
    assert!(observed.ready().unwrap().is_none());
    background.interrupt();
    assert_eq!(observed.wait().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);

    let rest = move |learner: &mut Learner| {
        observe(learner)?;
        learner.epoch()?;
        learner.end_task()?;
        learner.commit()
    };
    let rest = background.submit(rest).unwrap();
    assert!(rest.wait_for(Duration::from_millis(20)).unwrap().is_none(), "it is paused");
    background.run();
    rest.wait().unwrap().unwrap();
    assert!(bytes(&background.finish().unwrap()) == bytes(&alone));
}

#[test]
fn what_cannot_be_done_is_said() {
    let refused = Background::new(learner("perennial"), Options { queue: 0, ..Options::default() });
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidArgument);

    let options = Options { paused: true, queue: 2, ..Options::default() };
    let background = Background::new(learner("perennial"), options).unwrap();
    let mut tickets: Vec<_> = (0..8).map(|i| background.submit(move |_| i)).collect();
    let full = tickets.iter().filter(|t| matches!(t, Err(e) if e.kind() == ErrorKind::Budget)).count();
    assert!((5..=6).contains(&full), "{full} of 8 were refused where two may wait, and one is at the gate");
    let last = tickets.remove(0).unwrap();
    drop(background);
    assert_eq!(last.wait().unwrap_err().kind(), ErrorKind::Interrupted, "it was never begun");

    let background = Background::new(learner("perennial"), Options::default()).unwrap();
    let panics = background.submit(|_| panic!("a job that panics, as it should")).unwrap();
    assert_eq!(panics.wait().unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(background.step(Instant::now()), Progress::Done, "nobody waits for a thread that is gone");
    let submitted = background.submit(|_| ());
    assert_eq!(submitted.err().unwrap().kind(), ErrorKind::Bug);
    assert_eq!(background.finish().err().unwrap().kind(), ErrorKind::Bug);
}
