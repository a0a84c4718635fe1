//! Encoded images of a data set, made once and used by every strategy, task and epoch of a run.
//!
//! A device does not keep old images; a benchmark that compares strategies on the same data may keep their
//! boundary tokens, because no learner sees them outside the task they belong to. They lie in memory
//! ([`Bank::encode`]) or on disk ([`Bank::cached`]), where a run reads the rows that it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayD};

use super::cache::{Cache, seen};
use super::encoder::{Encoder, Encodings};
use super::rows::Rows;
use crate::data::{Dataset, Identity, Preprocess, Skipped, Split};
use crate::error::Result;
use crate::learner::{Crops, Encoded};

/// Images read at a time.
const CHUNK: usize = 64;

/// Encoded images by sample id.
pub struct Bank {
    /// Of every crop, the whole pictures first.
    crops: Vec<Images>,
    /// Pictures that could not be read.
    pub skipped: Vec<Skipped>,
}

enum Images {
    Memory { all: Option<Encoded>, place: BTreeMap<usize, usize> },
    Disk { place: BTreeMap<usize, (Arc<Rows>, usize)> },
}

impl Bank {
    /// Encodes the samples `ids` of `split` in so many crops. `progress` is told how many crops of pictures each step finished.
    ///
    /// # Errors
    /// As [`Encoder::over`].
    pub fn encode(
        encoder: &Encoder,
        of: (&Dataset, Split),
        (ids, crops): (&[usize], usize),
        preprocess: &Preprocess,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        let (mut bank, mut skipped) = (Vec::new(), Vec::new());
        for crop in 0..crops {
            let (mut all, mut place) = (None::<Encoded>, BTreeMap::new());
            skipped = encoder.over(of, (ids, crop), preprocess, progress, |ids, encodings| {
                let start = place.len();
                place.extend(ids.iter().enumerate().map(|(i, &id)| (id, start + i)));
                match &mut all {
                    Some(all) => all.extend(&encodings.encoded()),
                    None => all = Some(encodings.encoded()),
                }
                Ok(())
            })?;
            bank.push(Images::Memory { all, place });
        }
        Ok(Self { crops: bank, skipped })
    }

    /// The samples whose `identities` a cache holds, in so many crops; the others count as unreadable.
    pub fn cached(cache: &Cache, identities: &[Identity], crops: usize) -> Self {
        let of = |crop| {
            let found = |(id, identity): (usize, &Identity)| Some((id, cache.find(&seen(identity, crop))?));
            Images::Disk { place: identities.iter().enumerate().filter_map(found).collect() }
        };
        Self { crops: (0..crops).map(of).collect(), skipped: Vec::new() }
    }

    /// The ids among `ids` that could be read, and their encoded images in the same order.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where none could be read; `Corrupt` for a damaged cache.
    pub fn get(&self, ids: &[usize]) -> Result<(Vec<usize>, Encoded)> {
        let known = self.known(ids);
        Ok((known.clone(), self.crops[0].get(&known)?))
    }

    /// The same in every crop.
    ///
    /// # Errors
    /// As [`Bank::get`].
    pub fn crops(&self, ids: &[usize]) -> Result<(Vec<usize>, Crops)> {
        let known = self.known(ids);
        let each = self.crops.iter().map(|images| images.get(&known)).collect::<Result<_>>()?;
        Ok((known, Crops::new(each)?))
    }

    /// Those among `ids` that could be read in every crop.
    fn known(&self, ids: &[usize]) -> Vec<usize> {
        ids.iter().copied().filter(|id| self.crops.iter().all(|images| images.holds(*id))).collect()
    }
}

impl Images {
    fn holds(&self, id: usize) -> bool {
        match self {
            Self::Memory { place, .. } => place.contains_key(&id),
            Self::Disk { place } => place.contains_key(&id),
        }
    }

    fn get(&self, ids: &[usize]) -> Result<Encoded> {
        let images = match self {
            Self::Memory { all: Some(all), place } if !ids.is_empty() => {
                Some(all.select(&ids.iter().map(|id| place[id]).collect::<Vec<_>>()))
            }
            Self::Memory { .. } => None,
            Self::Disk { place } => read(&ids.iter().map(|id| &place[id]).collect::<Vec<_>>())?,
        };
        images.ok_or_else(|| crate::err!(NotFound, "no picture among the samples of a task could be read"))
    }
}

/// Rows from disk, chunk by chunk; `None` of none.
fn read(rows: &[&(Arc<Rows>, usize)]) -> Result<Option<Encoded>> {
    let mut all: Option<Encoded> = None;
    for chunk in rows.chunks(CHUNK) {
        let (shape, width) = chunk[0].0.form();
        let form: Vec<usize> = std::iter::once(chunk.len()).chain(shape.iter().copied()).collect();
        let each: usize = shape.iter().product();
        let (mut tokens, mut features) = (vec![0.0; chunk.len() * each], vec![0.0; chunk.len() * width]);
        let places = tokens.chunks_exact_mut(each).zip(features.chunks_exact_mut(width));
        for ((file, row), (tokens, feature)) in chunk.iter().zip(places) {
            file.read(*row, tokens, feature)?;
        }
        let odd = |e: ndarray::ShapeError| crate::err!(Bug, "rows of odd shape: {e}");
        let tokens = ArrayD::from_shape_vec(form, tokens).map_err(odd)?;
        let features = Array2::from_shape_vec((chunk.len(), width), features).map_err(odd)?;
        let encoded = Encodings { tokens, features, summary: chunk[0].0.summary() }.encoded();
        match &mut all {
            Some(all) => all.extend(&encoded),
            None => all = Some(encoded),
        }
    }
    Ok(all)
}
