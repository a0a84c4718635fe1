//! What is said of a frame.

use serde::Serialize;

use crate::learner::{Model, Scored};

/// Classes that an answer ranks.
const RANKED: usize = 3;

/// What is said of a frame.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The best class, also where it is unknown.
    pub name: String,
    /// Whether the frame looks like nothing that was learned.
    pub unknown: bool,
    /// Softmax of the class scores. A probability where scores are logarithms of one, as under `perennial`; elsewhere an order only.
    pub confidence: f32,
    /// See [`Prediction::familiarity`](crate::learner::Prediction::familiarity).
    pub familiarity: f32,
    /// The task.
    pub task: String,
    /// The best classes, the best first.
    pub best: Vec<Ranked>,
    /// Commits of the state that answered.
    pub commits: u64,
    /// From the network's input to the answer.
    pub milliseconds: f64,
}

/// A class and its share.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// The class.
    pub name: String,
    /// As [`Answer::confidence`].
    pub confidence: f32,
}

impl Answer {
    /// From what `model` scored.
    pub fn new(model: &Model, scored: Scored, milliseconds: f64) -> Self {
        let (state, Scored { prediction, classes, .. }) = (model.state(), scored);
        let best = ranked(&state.classes, &classes);
        Self {
            confidence: best.first().map_or(0.0, |first| first.confidence),
            name: prediction.name,
            unknown: prediction.unknown,
            familiarity: prediction.familiarity,
            task: state.tasks.get(prediction.task).map(|task| task.name.clone()).unwrap_or_default(),
            best,
            commits: state.commits,
            milliseconds,
        }
    }
}

fn ranked(names: &[String], scores: &[f32]) -> Vec<Ranked> {
    let mut order: Vec<usize> = (0..scores.len().min(names.len())).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let most = order.first().map_or(0.0, |&i| scores[i]);
    let sum: f32 = order.iter().map(|&i| (scores[i] - most).exp()).sum();
    let share = |i: usize| Ranked { name: names[i].clone(), confidence: (scores[i] - most).exp() / sum };
    order.into_iter().filter(|&i| !names[i].is_empty()).take(RANKED).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_forgotten_classes_not_at_all() {
        let names = ["a", "", "c", "d", "e"].map(String::from);
        let best = ranked(&names, &[0.0, f32::NEG_INFINITY, 2.0, 1.0, -1.0]);
        let order: Vec<&str> = best.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(order, ["c", "d", "a"]);
        let sum = (0f32).exp() + (2f32).exp() + (1f32).exp() + (-1f32).exp();
        assert!((best[0].confidence - (2f32).exp() / sum).abs() < 1e-6);
        assert!(ranked(&[], &[]).is_empty());
    }
}
