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
    /// How well the best signature explains the image, in standard deviations of that task's own held-out
    /// images; below zero is worse than their mean.
    pub familiarity: f32,
}
