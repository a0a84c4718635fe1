//! Answers where every task has a network of its own: which one to ask is part of the question.
//!
//! ```text
//! stage 0   frozen features under the signatures of all tasks    -> the `most` likeliest tasks, at no further pass
//! stage 1   the image through these networks, each embedding under its own task's signature, calibrated
//!           -> the task; its features under the shared classifier -> the class, of all tasks
//! ```
//!
//! Densities in different embeddings are no densities of one thing; what is compared are deviations from what each task's
//! own held-out images score. A wrong task is not fatal: the classifier knows the classes of all of them.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::extraction;
use super::network::Network;
use super::prediction::{self, Scored};
use super::recognition::Heard;
use super::{Encoded, State};
use crate::error::Result;
use crate::strategy::View;

/// Answers for encoded images, of which each passes at most `most` networks.
pub fn predict(state: &State, networks: &[Network], most: usize, images: &Encoded) -> Result<Vec<Scored>> {
    let frozen = images.frozen();
    let mut shortlist = state.recognition.shortlist(frozen.view(), most)?;
    let runs = shortlist.runs();
    let mut embedded = BTreeMap::new();
    for (&task, rows) in &runs {
        let network = networks.get(task).ok_or_else(|| crate::err!(Bug, "task {task} has no network"))?;
        let own = extraction::extract(
            std::slice::from_ref(network),
            View::Routed(most),
            &images.select(rows),
            &(),
        )?
        .adapted
        .remove(0);
        shortlist.answer(task, &state.own.scores_of(task, own.view())?)?;
        embedded.insert(task, own);
    }
    let routings = state.own.router().decide_shortlisted(&shortlist)?;
    let mut chosen = Array2::zeros((images.len(), networks.first().map_or(0, Network::width)));
    for (i, routing) in routings.iter().enumerate() {
        let place = runs.get(&routing.task).and_then(|rows| rows.binary_search(&i).ok());
        let feature = embedded.get(&routing.task).zip(place).map(|(own, place)| own.row(place));
        chosen
            .row_mut(i)
            .assign(&feature.ok_or_else(|| crate::err!(Bug, "image {i} was routed past its task"))?);
    }
    let head = state.head()?;
    let scores = head.scores(chosen.view())?;
    let heard = Heard::from(head, chosen.view(), scores.view(), &state.tasks)?;
    let mut seen = state.recognition.recognise(frozen.view(), &heard)?;
    for (seen, routing) in seen.iter_mut().zip(routings) {
        (seen.task, seen.scores) = (routing.task, routing.scores.to_vec());
    }
    prediction::answer(state, &scores, seen)
}
