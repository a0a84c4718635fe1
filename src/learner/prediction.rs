//! What a learner says of an image.

use ndarray::ArrayView1;
use serde::Serialize;

use super::State;
use super::features::Features;
use crate::error::Result;
use crate::strategy::View;

/// The answer for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Index of the best class.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Its score; higher is better, comparable between classes only.
    pub score: f32,
    /// The task whose signature and classes explain the image best.
    pub task: usize,
    /// Whether the image looks like nothing that was learned.
    pub unknown: bool,
    /// How close the image is to the nearest class, in standard deviations of the newest task's held-out images;
    /// below zero is farther than their mean.
    pub familiarity: f32,
}

/// Answers for feature rows.
pub fn predict(state: &State, view: View, features: &Features) -> Result<Vec<Prediction>> {
    let scores = state.head()?.scores(features.view(view, &state.scales)?.view())?;
    let answers = state.recognition.recognise(features.frozen.view(), scores.view(), &state.tasks)?;
    let answer = |(row, seen): (ArrayView1<'_, f32>, super::recognition::Recognised)| {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (class, &score) = best.ok_or_else(|| crate::err!(Bug, "a classifier without classes"))?;
        let name = state.classes.get(class).cloned().unwrap_or_default();
        let super::recognition::Recognised { task, unknown, familiarity } = seen;
        Ok(Prediction { class, name, score, task, unknown, familiarity })
    };
    scores.rows().into_iter().zip(answers).map(answer).collect()
}
