//! Small lessons for learners on a fixture: two classes a task, a pattern a class.
#![allow(dead_code)]

use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora, Roles};
use perennial::learner::{Learner, Settings, State};
use rand::Rng;

use crate::fixtures;

/// Two classes a task.
pub const TASKS: [[&str; 2]; 5] =
    [["ant", "bee"], ["cat", "dog"], ["elk", "fox"], ["gnu", "hen"], ["ibis", "jay"]];
pub const PER_CLASS: usize = 10;

pub fn settings() -> Settings {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(1), roles: Roles::Q | Roles::V };
    Settings { lora, batch: 8, micro: 2, learning_rate: 5e-3, random_features: 64, ..Settings::default() }
}

pub fn learner(strategy: &str) -> Learner {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    Learner::builder(backbone).strategy(strategy).settings(settings()).build().unwrap()
}

pub fn resumed(state: State) -> Learner {
    Learner::builder(fixtures::one("timm_legacy_op17_dynamic").backbone()).resume(state).build().unwrap()
}

/// Pictures of the classes of `task`: a pattern a class, with noise; classes take turns.
pub fn pictures(task: usize, per_class: usize, noise: u64) -> (Array4<f32>, Vec<&'static str>) {
    let patterns: Vec<Array4<f32>> = (0..2)
        .map(|class| {
            let mut rng = fixtures::rng(1000 + 2 * task as u64 + class);
            let coarse: Vec<f32> = (0..3 * 8 * 8).map(|_| rng.gen_range(-1.5..1.5)).collect();
            Array4::from_shape_fn((1, 3, 32, 32), |(_, c, y, x)| coarse[64 * c + 8 * (y / 4) + x / 4])
        })
        .collect();
    let mut rng = fixtures::rng(noise);
    let mut images = Array4::zeros((2 * per_class, 3, 32, 32));
    for (i, mut row) in images.axis_iter_mut(Axis(0)).enumerate() {
        row.assign(&patterns[i % 2].index_axis(Axis(0), 0));
        row.mapv_inplace(|x| x + rng.gen_range(-0.7f32..0.7));
    }
    let labels = (0..2 * per_class).map(|i| TASKS[task][i % 2]).collect();
    (images, labels)
}

/// Learns `task` up to the decision, in `epochs` passes.
pub fn learn(learner: &mut Learner, task: usize, epochs: usize) {
    let (images, labels) = pictures(task, PER_CLASS, task as u64);
    learner.begin_task(&format!("task {task}")).unwrap();
    learner.observe(images.view(), &labels).unwrap();
    (1..epochs).for_each(|_| drop(learner.epoch().unwrap()));
    learner.end_task().unwrap();
}

pub fn learn_and_commit(learner: &mut Learner, task: usize) {
    learn(learner, task, 2);
    learner.commit().unwrap();
}

pub fn bytes(learner: &Learner) -> Vec<u8> {
    postcard::to_allocvec(learner.state()).unwrap()
}
