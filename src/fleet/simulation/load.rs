//! What lanes and routers carried: totals of each level, and slices of time of each router.

use super::setup::Setup;
use super::tree::Tree;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Payload,
    Discovery,
    Asks,
}

/// Messages that are sent together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel {
    pub(super) class: Class,
    /// Bytes that come.
    pub(super) bytes: f64,
    pub(super) messages: f64,
}

impl Parcel {
    pub(super) fn one(class: Class, bytes: f64) -> Self {
        Self { class, bytes, messages: 1.0 }
    }

    pub(super) fn times(self, share: f64) -> Self {
        Self { bytes: self.bytes * share, messages: self.messages * share, ..self }
    }
}

/// One direction of one level of links.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// Bytes that came, by [`Class`].
    pub(super) bytes: [f64; 3],
    pub(super) messages: f64,
    /// Longest queue found by a message, bytes.
    pub(super) queue: f64,
    /// Bytes times seconds in queues.
    pub(super) waited: f64,
}

pub(super) struct Load {
    pub(super) flows: [[Flow; 2]; 3],
    slices: usize,
    slice_s: f64,
    bytes: Vec<f32>,
    messages: Vec<f32>,
}

impl Load {
    pub(super) fn new(setup: &Setup, tree: &Tree) -> Self {
        let slices = setup.slices() as usize;
        let cells = slices * tree.routers();
        Self {
            flows: Default::default(),
            slices,
            slice_s: setup.slice_s,
            bytes: vec![0.0; cells],
            messages: vec![0.0; cells],
        }
    }

    /// A router sends a parcel from `start` to `end`, spread evenly; `parcel.bytes` as sent, repeats included.
    pub(super) fn sent(&mut self, router: usize, start: f64, end: f64, parcel: Parcel) {
        let (first, last) = ((start / self.slice_s) as usize, (end / self.slice_s) as usize);
        for slice in first..=last.min(self.slices.saturating_sub(1)) {
            let from = start.max(slice as f64 * self.slice_s);
            let until = end.min((slice + 1) as f64 * self.slice_s);
            let share = if end > start { ((until - from) / (end - start)).max(0.0) } else { 1.0 };
            self.bytes[router * self.slices + slice] += (parcel.bytes * share) as f32;
            self.messages[router * self.slices + slice] += (parcel.messages * share) as f32;
        }
    }

    /// Sums and greatest slices of the routers `of`: bytes, messages.
    pub(super) fn routers(&self, of: std::ops::Range<usize>) -> [(f64, f64); 2] {
        let range = of.start * self.slices..of.end * self.slices;
        [&self.bytes[range.clone()], &self.messages[range]].map(|cells| {
            let sum: f64 = cells.iter().map(|&x| f64::from(x)).sum();
            (sum, f64::from(cells.iter().copied().fold(0.0, f32::max)))
        })
    }
}
