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

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::features;
use super::network::Network;
use super::prediction::{self, Scored};
use super::recognition::Heard;
use super::{Encoded, State};
use crate::error::Result;

/// Answers for encoded images, of which each passes at most `most` networks.
pub fn predict(state: &State, networks: &[Network], most: usize, images: &Encoded) -> Result<Vec<Scored>> {
    let frozen = images.frozen();
    let likelihoods = state.recognition.likelihoods(frozen.view())?;
    let shortlist: Vec<Vec<usize>> = likelihoods.rows().into_iter().map(|row| likeliest(row, most)).collect();
    let mut chosen = Array2::zeros(frozen.raw_dim());
    let mut best = Array1::from_elem(images.len(), (0, f64::NEG_INFINITY));
    let mut fits = Array2::from_elem((images.len(), networks.len()), f64::NEG_INFINITY);
    for (task, network) in networks.iter().enumerate() {
        let rows: Vec<usize> = (0..images.len()).filter(|&i| shortlist[i].contains(&task)).collect();
        if rows.is_empty() {
            continue;
        }
        let own = features::extract(std::slice::from_ref(network), &images.select(&rows))?.adapted.remove(0);
        let found = state.own.calibrated(task, own.view())?;
        for ((&i, &fit), feature) in rows.iter().zip(&found).zip(own.axis_iter(Axis(0))) {
            fits[[i, task]] = fit;
            if fit > best[i].1 {
                best[i] = (task, fit);
                chosen.row_mut(i).assign(&feature);
            }
        }
    }
    let head = state.head()?;
    let scores = head.scores(chosen.view())?;
    let heard = Heard::from(head, chosen.view(), scores.view(), &state.tasks)?;
    let mut seen = state.recognition.recognise(frozen.view(), &heard)?;
    for ((seen, (task, _)), fits) in seen.iter_mut().zip(&best).zip(fits.rows()) {
        (seen.task, seen.scores) = (*task, fits.to_vec());
    }
    prediction::answer(state, &scores, seen)
}

/// Indices of the `most` largest values, in ascending order.
fn likeliest(row: ArrayView1<'_, f64>, most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    order.truncate(most.max(1));
    order.sort_unstable();
    order
}
