//! Images after the frozen network: what is kept of them while a task is open.
//!
//! An image crosses the frozen network once. What later epochs, the statistics at the end of the task and the
//! signature need is its boundary tokens (f16), its frozen feature and the summary of its tokens. In a task that adapts
//! nothing, what the adapted networks say of it takes the place of the tokens: some fifteenth of their bytes. Where the promise of RAM says
//! so, tokens lie in a file ([`Shelf`]). All are gone when the task ends.

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array2, ArrayD, ArrayView1, ArrayView2, ArrayViewD, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Crops;
use super::budget::Spill;
use super::features::Features;
use super::spill::Shelf;
use super::tokens::Tokens;
use crate::error::Result;

/// One encoded image.
#[derive(Debug)]
struct Row {
    tokens: Tokens,
    frozen: Box<[f32]>,
    summary: Box<[f32]>,
    /// Of the tokens, or of the picture, see [`Encoded::of`].
    fingerprint: u32,
    read: Option<Read>,
}

/// The same number for what is the same to the bit.
fn fingerprint(of: ArrayViewD<'_, f32>) -> u32 {
    let of = of.as_standard_layout();
    of.as_slice().map_or(0, |values| crc32fast::hash(bytemuck::cast_slice(values)))
}

/// What is left of an image whose tokens nobody reads again.
#[derive(Clone, Debug)]
struct Read {
    /// Features of every adapted network.
    adapted: Vec<Box<[f32]>>,
    pooled: Box<[f32]>,
    late: Box<[f32]>,
}

/// What is kept of an image without tokens, and its rows while the task ends: those of the crop that is read, its blocks side by side, and all.
pub const COPIES: usize = 4;

/// Encoded images. Copies share them.
#[derive(Clone, Debug)]
pub struct Encoded {
    rows: Vec<Arc<Row>>,
    /// Shape of one image's boundary value: `[tokens, width]`, or a map with its channels first or last.
    shape: Vec<usize>,
}

impl Encoded {
    /// From boundary tokens `[n, ..]`, frozen features `[n, features]` and what tokens say on the way, `[n, summary]`. The same picture is
    /// known again by its tokens, which depend in their last bits on where in a micro-batch it stood, on some processors.
    pub fn new(tokens: &ArrayD<f32>, frozen: ArrayView2<'_, f32>, summary: ArrayView2<'_, f32>) -> Self {
        Self::of(tokens.view(), tokens, frozen, summary)
    }

    /// The same of pictures that are known again by their pixels `[n, ..]`.
    pub(super) fn of(
        pixels: ArrayViewD<'_, f32>,
        tokens: &ArrayD<f32>,
        frozen: ArrayView2<'_, f32>,
        summary: ArrayView2<'_, f32>,
    ) -> Self {
        let said = tokens.axis_iter(Axis(0)).zip(frozen.rows()).zip(summary.rows());
        let rows = said.zip(pixels.axis_iter(Axis(0))).map(|(((t, f), s), pixels)| Row {
            tokens: Tokens::new(t.iter().copied()),
            frozen: f.iter().copied().collect(),
            summary: s.iter().copied().collect(),
            fingerprint: fingerprint(pixels),
            read: None,
        });
        Self { rows: rows.map(Arc::new).collect(), shape: tokens.shape()[1..].to_vec() }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Widths of the frozen feature and of the summary; 0 where they were not computed.
    pub(super) fn widths(&self) -> [usize; 2] {
        self.rows.first().map_or([0; 2], |row| [row.frozen.len(), row.summary.len()])
    }

    /// Bytes of RAM that one image takes until its task has ended. Without tokens the rows that a classifier reads are as large as what is kept,
    /// and count, too.
    pub fn row_bytes(&self) -> usize {
        let copies = if self.rows.first().is_some_and(|row| row.read.is_some()) { COPIES } else { 1 };
        copies * self.own_bytes()
    }

    fn own_bytes(&self) -> usize {
        self.rows.first().map_or(0, |r| {
            let read =
                |r: &Read| r.adapted.iter().map(|a| a.len()).sum::<usize>() + r.pooled.len() + r.late.len();
            let floats = r.frozen.len() + r.summary.len() + r.read.as_ref().map_or(0, read);
            r.tokens.bytes() + floats * size_of::<f32>()
        })
    }

    /// Bytes of one image's tokens, wherever they lie.
    pub(super) fn token_bytes(&self) -> usize {
        self.rows.first().map_or(0, |row| row.tokens.len() * size_of::<f16>())
    }

    /// Puts the tokens of the image at `index` on `shelf`.
    ///
    /// # Errors
    /// As [`Shelf::put`].
    fn spill(&mut self, index: usize, shelf: &Arc<Shelf>) -> Result<()> {
        let row = &self.rows[index];
        let (frozen, summary, read) = (row.frozen.clone(), row.summary.clone(), row.read.clone());
        let (tokens, fingerprint) = (row.tokens.spilled(shelf)?, row.fingerprint);
        self.rows[index] = Arc::new(Row { tokens, frozen, summary, fingerprint, read });
        Ok(())
    }

    /// The images at `indices`, in that order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self { rows: indices.iter().map(|&i| self.rows[i].clone()).collect(), shape: self.shape.clone() }
    }

    /// Adds the images of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.rows.extend_from_slice(&other.rows);
    }

    /// Puts image `at` of `other` in the place of image `place`, or behind the last.
    pub(super) fn put(&mut self, place: usize, other: &Self, at: usize) {
        let row = other.rows[at].clone();
        match self.rows.get_mut(place) {
            Some(own) => *own = row,
            None => self.rows.push(row),
        }
    }

    /// Boundary tokens of the images at `indices`, `[n, ..]`.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where they lie in a file that does not give them.
    pub fn tokens(&self, indices: &[usize]) -> Result<ArrayD<f32>> {
        let shape: Vec<usize> = std::iter::once(indices.len()).chain(self.shape.iter().copied()).collect();
        let mut out = ArrayD::zeros(shape);
        for (mut to, &i) in out.axis_iter_mut(Axis(0)).zip(indices) {
            if let Some(to) = to.as_slice_mut() {
                self.rows[i].tokens.values()?.convert_to_f32_slice(to);
            }
        }
        Ok(out)
    }

    /// Mean boundary token of every image, `[n, width]`.
    ///
    /// Channels are the last axis of tokens; of a map, the longer one of its first and its last, since the stages of
    /// a network in which attention stands have more channels than rows.
    ///
    /// # Errors
    /// As [`Encoded::tokens`].
    pub(super) fn pooled(&self) -> Result<Array2<f32>> {
        let (first, last) =
            (self.shape.first().copied().unwrap_or(1), self.shape.last().copied().unwrap_or(1));
        let channels_first = self.shape.len() == 3 && first > last;
        let width = if channels_first { first } else { last };
        let places: usize = self.shape.iter().product::<usize>() / width.max(1);
        let mut out = Array2::zeros((self.rows.len(), width));
        for (mut to, row) in out.rows_mut().into_iter().zip(&self.rows) {
            for (i, x) in row.tokens.values()?.iter().enumerate() {
                let channel = if channels_first { i / places.max(1) } else { i % width.max(1) };
                to[channel] += x.to_f32() / places as f32;
            }
        }
        Ok(out)
    }

    /// The same number for images that are the same to the bit.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().map(|row| row.fingerprint)
    }

    /// The images without their tokens, with what the adapted networks made of them.
    pub(super) fn without_tokens(&self, features: &Features) -> Self {
        let row = |(i, row): (usize, &Arc<Row>)| {
            let of = |rows: &Array2<f32>| rows.row(i).to_vec().into_boxed_slice();
            let read = Read {
                adapted: features.adapted.iter().map(of).collect(),
                pooled: of(&features.pooled),
                late: of(&features.late),
            };
            let (frozen, summary) = (row.frozen.clone(), row.summary.clone());
            Arc::new(Row {
                tokens: Tokens::none(),
                frozen,
                summary,
                fingerprint: row.fingerprint,
                read: Some(read),
            })
        };
        Self { rows: self.rows.iter().enumerate().map(row).collect(), shape: self.shape.clone() }
    }

    /// What the adapted networks made of them, where the tokens are gone.
    pub(super) fn features(&self) -> Option<Features> {
        let networks = self.rows.first()?.read.as_ref()?.adapted.len();
        let gather = |of: &dyn Fn(&Read) -> &[f32]| self.gather(|row| row.read.as_ref().map_or(&[], of));
        Some(Features {
            frozen: self.frozen(),
            adapted: (0..networks).map(|i| gather(&|read| &read.adapted[i])).collect(),
            pooled: gather(&|read| &read.pooled),
            summary: self.summary(),
            late: gather(&|read| &read.late),
        })
    }

    /// Frozen features of all images, `[n, features]`.
    pub(super) fn frozen(&self) -> Array2<f32> {
        self.gather(|row| &row.frozen)
    }

    /// What tells tasks apart before anything was learned, `[n, width]`: the frozen feature, or what tokens say on the way
    /// where the frozen network is not run to its end.
    pub(super) fn recognisable(&self) -> Array2<f32> {
        let frozen = self.frozen();
        if frozen.ncols() > 0 { frozen } else { self.summary() }
    }

    /// Summaries of all images, `[n, summary]`.
    pub(super) fn summary(&self) -> Array2<f32> {
        self.gather(|row| &row.summary)
    }

    fn gather(&self, of: impl Fn(&Row) -> &[f32]) -> Array2<f32> {
        let width = self.rows.first().map_or(0, |r| of(r).len());
        let mut out = Array2::zeros((self.rows.len(), width));
        for (mut to, row) in out.rows_mut().into_iter().zip(&self.rows) {
            to.assign(&ArrayView1::from(of(row)));
        }
        out
    }
}

/// The images of the open task, at most as many as fit into a number of bytes.
///
/// When it is full, a new image takes a random place with the probability that keeps the whole a uniform
/// sample of the stream (reservoir sampling, Vitter 1985).
#[derive(Clone, Debug)]
pub struct Cache {
    images: Option<Crops>,
    labels: Vec<usize>,
    limit: usize,
    spill: Option<Spill>,
    shelf: Option<Arc<Shelf>>,
    seen: usize,
    rng: ChaCha8Rng,
}

/// Images that found a place, before they take it.
pub struct Placed {
    images: Crops,
    /// By image.
    places: Vec<Option<usize>>,
    rng: ChaCha8Rng,
}

impl Cache {
    /// An empty cache of at most `limit` bytes of RAM, and with `spill` of as many in a file as that says.
    pub fn new(limit: usize, spill: Option<Spill>, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { images: None, labels: Vec::new(), limit, spill, shelf: None, seen: 0, rng }
    }

    /// Finds places for `images`; those that get one are written to the file, where there is one.
    ///
    /// # Errors
    /// As [`Shelf::new`] and [`Shelf::put`]; nothing has changed then.
    pub fn place(&mut self, images: Crops) -> Result<Placed> {
        let (capacity, kept) = (self.capacity(&images), self.labels.len());
        let mut rng = self.rng.clone();
        let place = |i: usize| match kept + i {
            next if next < capacity => Some(next),
            _ => Some(rng.gen_range(0..self.seen + i + 1)).filter(|&place| place < capacity),
        };
        let places: Vec<_> = (0..images.len()).map(place).collect();
        let mut placed = Placed { images, places, rng };
        let bytes = placed.images.whole().token_bytes();
        if let (Some(spill), true) = (&self.spill, bytes > 0) {
            let shelf = match &self.shelf {
                Some(shelf) => shelf.clone(),
                None => Shelf::new(&spill.folder, bytes / size_of::<f16>())?,
            };
            placed.spill(&shelf)?;
            self.shelf = Some(shelf);
        }
        Ok(placed)
    }

    /// Images that may be kept.
    fn capacity(&self, images: &Crops) -> usize {
        let tokens = images.whole().token_bytes() * images.count();
        let (ram, file) = match &self.spill {
            Some(spill) if tokens > 0 => (images.row_bytes() - tokens, spill.bytes / tokens),
            _ => (images.row_bytes(), usize::MAX),
        };
        (self.limit / ram.max(1)).min(file).max(1)
    }

    /// Keeps those that found a place.
    pub fn add(&mut self, placed: Placed, labels: &[usize]) {
        let Placed { images, places, rng } = placed;
        let kept = self.images.get_or_insert_with(|| images.select(&[]));
        for (i, place) in places.into_iter().enumerate() {
            let Some(place) = place else { continue };
            kept.put(place, &images, i);
            match self.labels.get_mut(place) {
                Some(label) => *label = labels[i],
                None => self.labels.push(labels[i]),
            }
        }
        (self.seen, self.rng) = (self.seen + images.len(), rng);
    }

    /// The images kept.
    pub fn images(&self) -> Option<&Crops> {
        self.images.as_ref()
    }

    /// Their labels.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Images seen, kept or not.
    pub fn seen(&self) -> usize {
        self.seen
    }
}

impl Placed {
    fn spill(&mut self, shelf: &Arc<Shelf>) -> Result<()> {
        let chosen = self.places.iter().enumerate().filter(|(_, place)| place.is_some());
        for (i, _) in chosen {
            self.images.each_mut().iter_mut().try_for_each(|crop| crop.spill(i, shelf))?;
        }
        Ok(())
    }
}
