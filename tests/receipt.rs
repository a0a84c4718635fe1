//! Receipts: a task learned again from what its receipt says gives the same bytes, and anything else shows.
#![cfg(feature = "tract")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixtures;
mod lessons;

use lessons::{PER_CLASS, learn_and_commit, learner, pictures, resumed};
use perennial::learner::{Learner, Receipt};

fn receipt(learner: &Learner, task: usize) -> Receipt {
    learner.tasks()[task].receipt.clone().unwrap()
}

#[test]
fn a_task_learned_again_has_the_same_receipt() {
    for strategy in ["perennial", "pegp", "ncm-frozen"] {
        let mut first = learner(strategy);
        learn_and_commit(&mut first, 0);
        let between = first.state().clone();
        learn_and_commit(&mut first, 1);
        let mut again = learner(strategy);
        learn_and_commit(&mut again, 0);
        assert_eq!(receipt(&first, 0), receipt(&again, 0), "{strategy}");
        let mut from = resumed(between.clone());
        learn_and_commit(&mut from, 1);
        let (then, now) = (receipt(&first, 1), receipt(&from, 1));
        assert!(then.differences(&now).is_empty(), "{strategy}: {:?}", then.differences(&now));
        assert_eq!((then.before, then.passes), (between.digest().unwrap(), 2));
        assert_eq!(first.state(), from.state());
        // What it says of the end is what is stored, but for itself.
        let mut state = first.state().clone();
        state.tasks[1].receipt.as_mut().unwrap().after = perennial::learner::Digest([0; 32]);
        assert_eq!(state.digest().unwrap(), then.after);
    }
}

#[test]
fn what_was_otherwise_is_named() {
    let mut then = learner("perennial");
    learn_and_commit(&mut then, 0);
    let then = receipt(&then, 0);
    let again = |noise: u64, per_class: usize, passes: usize, swapped: bool| {
        let mut learner = learner("perennial");
        let (images, mut labels) = pictures(0, per_class, noise);
        if swapped {
            labels.swap(0, 1);
        }
        learner.begin_task("task 0").unwrap();
        learner.observe(images.view(), &labels).unwrap();
        (1..passes).for_each(|_| drop(learner.epoch().unwrap()));
        learner.end_task().unwrap();
        learner.commit_anyway().unwrap();
        then.differences(&receipt(&learner, 0))
    };
    assert!(again(0, PER_CLASS, 2, false).is_empty());
    let told = |different: Vec<String>, what: &str| {
        assert!(different.iter().any(|d| d.contains(what)), "{different:?}")
    };
    told(again(1, PER_CLASS, 2, false), "pictures");
    told(again(0, PER_CLASS - 1, 2, false), "pictures");
    told(again(0, PER_CLASS, 2, true), "pictures");
    told(again(0, PER_CLASS, 3, false), "passes: 2 then, 3 now");
    told(again(0, PER_CLASS, 3, false), "the state after");
}
