//! Labels that lie: what a device that knows four classes makes of tasks in which some or all names are wrong. A task is refused and leaves no
//! byte, or it is kept and the known classes stay within the guard's limit, asked with pictures that nobody learned.

mod fixtures;
mod lessons;

use lessons::{bytes, learn_and_commit, learner, pictures, resumed};
use ndarray::{Array4, Axis, concatenate};
use perennial::ErrorKind;
use perennial::learner::{Learner, Limits, State};
use rand::Rng;

const SEEDS: u64 = 6;
const PER_CLASS: usize = 12;

/// How names are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Names of two new classes, drawn by lot.
    Lot,
    /// Known things among the new ones, under their names.
    Mixed,
    /// Known classes under each other's names.
    Swapped,
    /// Known classes under new names.
    Renamed,
    /// New things under the names of known ones.
    Misnamed,
}

const LIES: [(Lie, &[f64]); 5] = [
    (Lie::Lot, &[0.2, 0.5, 1.0]),
    (Lie::Mixed, &[0.1, 0.3, 0.5]),
    (Lie::Swapped, &[0.3, 0.6, 1.0]),
    (Lie::Renamed, &[0.3, 0.6, 1.0]),
    (Lie::Misnamed, &[0.3, 0.6, 1.0]),
];

/// A task of which `share` is a lie.
fn task(lie: Lie, share: f64, seed: u64) -> (Array4<f32>, Vec<&'static str>) {
    let mut rng = fixtures::rng(500 + seed);
    let (new, new_names) = pictures(2, PER_CLASS, 10 + seed);
    let (known, known_names) = pictures(0, PER_CLASS, 20 + seed);
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for i in 0..new_names.len() {
        let lies = rng.gen_bool(share);
        let other = 1 - i % 2;
        let (from, name) = match (lie, lies) {
            (Lie::Lot, true) => (&new, new_names[rng.gen_range(0..2)]),
            (Lie::Mixed, true) => (&known, new_names[i]),
            (Lie::Swapped, true) => (&known, known_names[other]),
            (Lie::Swapped, false) => (&known, known_names[i]),
            (Lie::Renamed, true) => (&known, ["kiwi", "lynx"][i % 2]),
            (Lie::Misnamed, true) => (&new, known_names[i]),
            (_, false) => (&new, new_names[i]),
        };
        rows.push(from.index_axis(Axis(0), i).insert_axis(Axis(0)));
        names.push(name);
    }
    (concatenate(Axis(0), &rows).unwrap(), names)
}

/// Fresh pictures of the four known classes that get their name.
fn known(learner: &Learner) -> usize {
    let right = |task: usize| {
        let (images, labels) = pictures(task, 20, 90);
        let answers = learner.predict(images.view()).unwrap();
        answers.iter().zip(&labels).filter(|(a, b)| a.name == **b).count()
    };
    right(0) + right(1)
}

/// Tasks refused and tasks kept, the smallest share of known pictures still right after one, and how many went below the limit.
#[derive(Debug)]
struct Tally {
    refused: usize,
    kept: usize,
    least: f64,
    lost: usize,
}

impl Tally {
    fn tried(&self) -> usize {
        self.refused + self.kept
    }

    fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.kept += other.kept;
        self.least = self.least.min(other.least);
        self.lost += other.lost;
    }
}

fn told(state: &State, lie: Lie, share: f64) -> Tally {
    let mut tally = Tally { refused: 0, kept: 0, least: 1.0, lost: 0 };
    for seed in 0..SEEDS {
        let mut learner = resumed(state.clone());
        let (before, stored) = (known(&learner) as f64, bytes(&learner));
        let (images, names) = task(lie, share, seed);
        learner.begin_task("told").unwrap();
        learner.observe(images.view(), &names).unwrap();
        learner.epoch().unwrap();
        learner.end_task().unwrap();
        match learner.commit() {
            Ok(_) => {
                let left = known(&learner) as f64 / before;
                tally.kept += 1;
                tally.least = tally.least.min(left);
                tally.lost += usize::from(left < 1.0 - Limits::default().loss);
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Refused, "{e}");
                learner.rollback().unwrap();
                tally.refused += 1;
                tally.lost += usize::from(bytes(&learner) != stored);
            }
        }
    }
    tally
}

#[test]
fn poisoned_labels_are_refused_or_take_no_more_than_the_limit() {
    let mut all = Tally { refused: 0, kept: 0, least: 1.0, lost: 0 };
    for strategy in ["perennial", "perennial-compact"] {
        let mut first = learner(strategy);
        (0..2).for_each(|task| learn_and_commit(&mut first, task));
        let state = first.state().clone();
        assert!(known(&first) >= 76, "{strategy}: {} of 80 known pictures are right before", known(&first));
        for (lie, shares) in LIES {
            for &share in shares {
                let tally = told(&state, lie, share);
                println!(
                    "{strategy:<18} {lie:?} {:>3.0} %: {} of {SEEDS} refused; kept, {:.0} % of what was right at least",
                    100.0 * share,
                    tally.refused,
                    100.0 * tally.least
                );
                all.add(&tally);
            }
        }
    }
    println!(
        "fault: task with poisoned labels: by lot, known things among new ones, names swapped, new names for old, old names for new | {} | {} | \
         {} refused, the state before bit for bit; of the {} kept, each leaves {:.0} % of the right answers on known classes or more",
        all.tried(),
        all.lost,
        all.refused,
        all.kept,
        100.0 * all.least
    );
    assert_eq!(all.lost, 0, "{all:?}");
    assert!(all.refused > 30 && all.kept > 30, "both happen: {all:?}");
}
