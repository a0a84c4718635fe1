//! Encoded images of a data set, made once and used by every strategy, task and epoch of a run.
//!
//! A device does not keep old images; a benchmark that compares strategies on the same data may keep their
//! boundary tokens, because no learner sees them outside the task they belong to.

use std::collections::BTreeMap;

use ndarray::ArrayView4;

use crate::data::{Dataset, Preprocess, Skipped, Split};
use crate::error::Result;
use crate::learner::{Encoded, Learner};

/// Images decoded and encoded at a time.
const CHUNK: usize = 64;

/// Encoded images by sample id.
pub struct Bank {
    images: Option<Encoded>,
    place: BTreeMap<usize, usize>,
    /// Pictures that could not be read.
    pub skipped: Vec<Skipped>,
}

impl Bank {
    /// Encodes the samples `ids` of `split` by the frozen network of `learner`. `progress` is told how many
    /// images each step finished.
    ///
    /// # Errors
    /// As [`Dataset::load`] and [`Learner::encode`].
    pub fn encode(
        learner: &Learner,
        data: &Dataset,
        split: Split,
        ids: &[usize],
        preprocess: &Preprocess,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        let [c, h, w] = learner.image_shape();
        let mut bank = Self { images: None, place: BTreeMap::new(), skipped: Vec::new() };
        for chunk in ids.chunks(CHUNK) {
            let batch = data.load(split, chunk, preprocess)?;
            bank.skipped.extend(batch.skipped);
            if batch.ids.is_empty() {
                continue;
            }
            let images = ArrayView4::from_shape((batch.ids.len(), c, h, w), &batch.pixels)
                .map_err(|e| crate::err!(Shape, "preprocessed pictures do not fit the backbone: {e}"))?;
            let encoded = learner.encode(images)?;
            let start = bank.place.len();
            bank.place.extend(batch.ids.iter().enumerate().map(|(i, &id)| (id, start + i)));
            match &mut bank.images {
                Some(all) => all.extend(&encoded),
                None => bank.images = Some(encoded),
            }
            progress(chunk.len());
        }
        Ok(bank)
    }

    /// The ids among `ids` that could be read, and their encoded images in the same order.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where none could be read.
    pub fn get(&self, ids: &[usize]) -> Result<(Vec<usize>, Encoded)> {
        let known: Vec<usize> = ids.iter().copied().filter(|id| self.place.contains_key(id)).collect();
        let rows: Vec<usize> = known.iter().map(|id| self.place[id]).collect();
        match &self.images {
            Some(images) if !rows.is_empty() => Ok((known, images.select(&rows))),
            _ => Err(crate::err!(NotFound, "no readable picture among {} samples", ids.len())),
        }
    }
}
