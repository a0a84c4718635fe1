//! Which task several samples belong to that are known to be of one task.
//!
//! Published "task matching accuracies" are often those of whole batches of one task; a camera that stays in one room for
//! a while has such a context, a single picture has not. The figures are therefore three, and named so: `retrieval` (one
//! sample), `retrieval_context_4` and `retrieval_context_16`.
//!
//! The samples of a context are consecutive ones of the task's test samples in an order shuffled by a fixed seed: files
//! are sorted by class, and a context of one class would be another question. What is left at the end is dropped.
//!
//! ```text
//! with scores of tasks    argmax over tasks of the sum of the scores      RULE_SUM
//! without                 the task retrieved most often, the first of equals in the order of the samples     RULE_VOTE
//! ```

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Lengths that are measured.
pub const LENGTHS: [usize; 2] = [4, 16];

/// How a context decided, as results say it.
pub const RULE_VOTE: &str = "vote of single samples";
/// See [`RULE_VOTE`].
pub const RULE_SUM: &str = "sum of task scores";

/// What one sample says about its task.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    /// The task retrieved for it alone.
    pub task: usize,
    /// Its score for every task, higher is better, where there are any.
    pub scores: Option<Vec<f64>>,
}

/// The task retrieved for each context of `length` of a task's samples; nothing where there are fewer.
pub fn retrieve(ballots: &[Ballot], length: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ballots.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(length as u64));
    let contexts = order.chunks_exact(length.max(1));
    contexts.map(|c| decide(&c.iter().map(|&i| &ballots[i]).collect::<Vec<_>>())).collect()
}

/// The task of one context.
fn decide(context: &[&Ballot]) -> usize {
    let scores: Option<Vec<&[f64]>> = context.iter().map(|b| b.scores.as_deref()).collect();
    match scores {
        Some(rows) => sums(&rows),
        None => votes(context),
    }
}

fn sums(rows: &[&[f64]]) -> usize {
    let tasks = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let sum = |task: usize| rows.iter().map(|row| row[task]).sum::<f64>();
    (0..tasks).rev().max_by(|&a, &b| sum(a).total_cmp(&sum(b))).unwrap_or(0)
}

fn votes(context: &[&Ballot]) -> usize {
    let count = |task: usize| context.iter().filter(|b| b.task == task).count();
    context.iter().rev().map(|b| b.task).max_by_key(|&task| count(task)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(task: usize) -> Ballot {
        Ballot { task, scores: None }
    }

    fn scored(task: usize, scores: [f64; 2]) -> Ballot {
        Ballot { task, scores: Some(scores.to_vec()) }
    }

    #[test]
    fn most_votes_win_and_the_first_of_equals() {
        let decide = |tasks: &[usize]| {
            let ballots: Vec<Ballot> = tasks.iter().map(|&t| vote(t)).collect();
            super::decide(&ballots.iter().collect::<Vec<_>>())
        };
        assert_eq!(decide(&[2, 1, 1, 0]), 1);
        assert_eq!(decide(&[2, 0, 0, 2]), 2);
    }

    #[test]
    fn one_certain_sample_outweighs_three_doubtful_ones() {
        let context =
            [scored(1, [0.4, 0.5]), scored(1, [0.4, 0.5]), scored(1, [0.4, 0.5]), scored(0, [9.0, 0.0])];
        assert_eq!(decide(&context.iter().collect::<Vec<_>>()), 0);
    }

    #[test]
    fn a_rest_is_dropped_and_the_cut_is_fixed() {
        let ballots: Vec<Ballot> = (0..11).map(|i| vote(i % 3)).collect();
        assert_eq!(retrieve(&ballots, 4).len(), 2);
        assert_eq!(retrieve(&ballots, 4), retrieve(&ballots, 4));
        assert!(retrieve(&ballots, 16).is_empty());
    }
}
