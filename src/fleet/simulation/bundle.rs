//! Who knows, fetches and has one bundle.

use std::collections::BTreeSet;
use std::ops::Range;

use super::setup::Made;
use super::tree::Tree;

/// What a device has to do with a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// It has not heard of it.
    Unknown,
    /// It knows the notice and gets nothing at the moment.
    Waiting,
    /// It is getting it.
    Fetching,
    /// It has it, and passes it on.
    Has,
}

/// What a router's storage has to do with a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Copy {
    /// Nobody asked for it.
    #[default]
    None,
    /// Asked for.
    Wanted,
    /// It is there.
    Here,
}

/// The devices of one site, where devices pass bundles on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holders {
    /// That are online and have the bundle.
    pub(super) online: u32,
    /// Devices that they serve at the moment.
    pub(super) serving: u32,
}

pub(super) struct Spread {
    pub(super) made: Made,
    /// The node that made it.
    pub(super) maker: u32,
    pub(super) chunks: u32,
    /// Devices that were online since it was made.
    pub(super) audience: u32,
    /// Age of the bundle when each device got it, seconds, in order; the maker's is 0.
    pub(super) ages: Vec<f64>,
    pub(super) pairs: Vec<Pair>,
    /// Chunks that a node has of a transfer that broke off, by node.
    pub(super) partial: Vec<u32>,
    /// By router node.
    pub(super) copies: Vec<Copy>,
    pub(super) sites: Vec<Holders>,
    /// Devices that have it online, by region.
    pub(super) regions: Vec<u32>,
    /// Devices that the cloud serves, where it is the maker.
    pub(super) cloud_serving: u32,
    /// Sites with a holder that could serve one more.
    pub(super) spare: BTreeSet<u32>,
    /// Sites where somebody waits and nobody has it.
    pub(super) hungry: BTreeSet<u32>,
    /// Hungry sites of regions where nobody has it.
    pub(super) starving: BTreeSet<u32>,
}

impl Spread {
    pub(super) fn new(tree: &Tree, made: Made, maker: u32, chunks: u32, audience: u32) -> Self {
        Self {
            made,
            maker,
            chunks,
            audience,
            ages: Vec::new(),
            pairs: vec![Pair::Unknown; tree.devices() as usize],
            partial: vec![0; tree.lanes() / 2],
            copies: vec![Copy::None; tree.routers()],
            sites: vec![Holders::default(); tree.sites as usize],
            regions: vec![0; tree.regions as usize],
            cloud_serving: 0,
            spare: BTreeSet::new(),
            hungry: BTreeSet::new(),
            starving: BTreeSet::new(),
        }
    }

    pub(super) fn pair(&mut self, device: u32) -> &mut Pair {
        &mut self.pairs[device as usize]
    }

    pub(super) fn copy(&mut self, router: u32) -> &mut Copy {
        &mut self.copies[router as usize]
    }
}

/// The first element of `set` in `range` after `pivot`, going round.
pub(super) fn after(set: &BTreeSet<u32>, range: Range<u32>, pivot: u32) -> Option<u32> {
    let pivot = pivot.clamp(range.start, range.end);
    let later = set.range(pivot..range.end).next();
    later.or_else(|| set.range(range.start..pivot).next()).copied()
}
