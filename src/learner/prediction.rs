//! What a learner says of an image.

use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView1};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::Serialize;

use super::State;
use super::features::Features;
use super::recognition::{Heard, Recognised, Says};
use crate::error::Result;
use crate::head::Head;
use crate::strategy::{self, Reading, View};

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
    /// How close the image is to the nearest class, in standard deviations of held-out images; below zero is farther than their mean.
    pub familiarity: f32,
}

/// The answer for one image, and what it was chosen from.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The answer.
    pub prediction: Prediction,
    /// Score of every class, by index.
    pub classes: Vec<f32>,
    /// Score of every task, by index; minus infinity for one that was not asked.
    pub tasks: Vec<f64>,
    /// The task by signatures of the frozen or once adapted network alone, without the classifier.
    pub by_signature: usize,
}

impl State {
    /// Answers for the features of images, wherever they were computed: by a [`Model`](super::Model) of this state, or sent by another chip that
    /// runs one. They are checked, because a wire may have changed them.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) before any task was learned; [`Unsupported`](crate::ErrorKind::Unsupported) for a strategy that asks
    /// several networks which of them is meant; [`Shape`](crate::ErrorKind::Shape), [`Mismatch`](crate::ErrorKind::Mismatch) and
    /// [`Numeric`](crate::ErrorKind::Numeric) for features that are not those of this state's networks.
    pub fn score(&self, features: &Features) -> Result<Vec<Scored>> {
        if self.tasks.is_empty() {
            crate::bail!(
                State,
                "nothing was learned yet; read the state of a learner that has learned a task"
            );
        }
        let reading = strategy::by_name(&self.strategy, self.settings.random_features)?.reading;
        if let View::Routed(_) = reading.view {
            crate::bail!(
                Unsupported,
                "{} chooses a network for every image; ask a Model, which has them",
                self.strategy
            );
        }
        features.check(reading.view, self.adapted, [&self.summary, &self.late])?;
        predict(self, reading, features)
    }
}

/// Answers for feature rows.
pub fn predict(state: &State, reading: Reading, features: &Features) -> Result<Vec<Scored>> {
    let (head, rows) = (state.head()?, state.rows(reading.view, features)?);
    let several = reading.classifier.is_training_head() && features.adapted.len() > 1;
    let scores = if several { surest(head, features)? } else { head.scores(rows.view())? };
    let heard = match several {
        true => Heard { says: Says::best(scores.view(), &state.tasks), strange: None },
        false => Heard::from(head, rows.view(), scores.view(), &state.tasks)?,
    };
    let space = state.space_rows(reading.view, features)?;
    answer(state, &scores, state.recognition.recognise(space.view(), &heard)?)
}

/// Networks of their own under one linear head: the surest answers.
fn surest(head: &dyn Head, features: &Features) -> Result<Array2<f32>> {
    let mut best: Option<Array2<f32>> = None;
    for rows in &features.adapted {
        let sure = softmax(head.scores(rows.view())?);
        match &mut best {
            Some(best) => best.zip_mut_with(&sure, |b, &s| *b = b.max(s)),
            None => best = Some(sure),
        }
    }
    best.ok_or_else(|| crate::err!(Bug, "no network was run"))
}

fn softmax(mut scores: Array2<f32>) -> Array2<f32> {
    for mut row in scores.rows_mut() {
        let most = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        row.mapv_inplace(|x| (x - most).exp());
        let sum = row.sum();
        row /= sum;
    }
    scores
}

/// Puts class scores and what was recognised together.
pub fn answer(state: &State, scores: &Array2<f32>, seen: Vec<Recognised>) -> Result<Vec<Scored>> {
    let one = |(row, seen): (ArrayView1<'_, f32>, Recognised)| {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (class, &score) = best.ok_or_else(|| crate::err!(Bug, "a classifier without classes"))?;
        let name = state.classes.get(class).cloned().unwrap_or_default();
        let Recognised { task, by_signature, unknown, familiarity, scores: tasks } = seen;
        let prediction = Prediction { class, name, score, task, unknown, familiarity };
        Ok(Scored { prediction, classes: row.to_vec(), tasks, by_signature })
    };
    scores.rows().into_iter().zip(seen).map(one).collect()
}
