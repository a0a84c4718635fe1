//! What a learner says of a sample, as the figures need it.
//!
//! The only place that knows both the learner's [`Prediction`] and the harness. Scores are optional: a learner that gives
//! none is measured all the same, without `within_task`.

use super::context::Ballot;
use crate::error::Result;
use crate::learner::{Encoded, Learner, Prediction, Scored};

/// A prediction, and the scores behind it where the learner tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Best class, task, familiarity.
    pub prediction: Prediction,
    /// Score of every class known to the learner, by its own index.
    pub class_scores: Option<Vec<f32>>,
    /// Score of every task.
    pub task_scores: Option<Vec<f64>>,
    /// The task by signatures alone.
    pub by_signature: Option<usize>,
}

/// Answers for encoded images.
///
/// # Errors
/// As [`Learner::predict_encoded`].
pub fn ask(learner: &Learner, images: &Encoded) -> Result<Vec<Answer>> {
    Ok(learner.score_encoded(images)?.into_iter().map(Answer::from).collect())
}

impl From<Scored> for Answer {
    fn from(Scored { prediction, classes, tasks, by_signature }: Scored) -> Self {
        // Scores of tasks that were not asked are none to add up.
        let task_scores = Some(tasks).filter(|tasks| tasks.iter().all(|score| score.is_finite()));
        Self { prediction, class_scores: Some(classes), task_scores, by_signature: Some(by_signature) }
    }
}

impl Answer {
    /// For contexts of several samples.
    pub fn ballot(&self) -> Ballot {
        Ballot { task: self.prediction.task, scores: self.task_scores.clone() }
    }

    /// The best of the classes `own` (the learner's indices): the answer of who was told the task.
    pub fn within(&self, own: &[usize]) -> Option<usize> {
        let scores = self.class_scores.as_ref()?;
        let scored = own.iter().filter_map(|&class| Some((class, *scores.get(class)?)));
        scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(class, _)| class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_classes_of_the_task_compete() {
        let prediction =
            Prediction { class: 2, name: "c".into(), score: 3.0, task: 1, unknown: false, familiarity: 0.0 };
        let mut answer = Answer { prediction, class_scores: None, task_scores: None, by_signature: None };
        assert_eq!(answer.within(&[0, 1]), None);
        answer.class_scores = Some(vec![-1.0, -2.0, 3.0]);
        assert_eq!(
            (answer.within(&[0, 1]), answer.within(&[0, 1, 2]), answer.within(&[])),
            (Some(0), Some(2), None)
        );
    }
}
