//! Queries and answers of all devices as a fluid, where everyone answers and transfers are simulated by bundle.
//!
//! ```text
//! over a time in which Q queries came from outside a site, answered with L lists of B bytes in all, n devices of it online
//!   its lane down: Q queries      its lane up: n L lists, n B bytes       and so for a region
//! ```
//!
//! A lane is brought up to date when it is used after more than [`UPPER_S`], so that a query costs the same in a fleet of any size. What the asking device's own
//! lanes carry is put on them as messages (`discovery`).

use super::load::{Class, Parcel};
use super::run::Run;
use super::setup::{Grain, Protocol};
use super::tree::{REGION, SITE, Tree, down, up};

/// Time after which the lanes of a site or region are brought up to date when they are used.
const UPPER_S: f64 = 10.0;
/// Time after which the lanes of devices are brought up to date. They are fast, so that nothing queues there for long.
const BELOW_S: f64 = 3_600.0;

/// Sums since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Asked {
    queries: f64,
    /// Lists that each answering device sent.
    lists: f64,
    /// Bytes of them.
    bytes: f64,
}

impl Asked {
    pub(super) fn one(lists: f64, bytes: f64) -> Self {
        Self { queries: 1.0, lists, bytes }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            queries: self.queries + other.queries,
            lists: self.lists + other.lists,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            queries: self.queries - other.queries,
            lists: self.lists - other.lists,
            bytes: self.bytes - other.bytes,
        }
    }
}

/// A site or a region.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    online: u32,
    /// By its own devices.
    own: Asked,
    /// By others, as far as its lanes have carried it.
    carried: Asked,
    /// Up to when.
    at: f64,
    /// The same by all, for the lanes of its devices.
    carried_below: Asked,
    below_at: f64,
}

pub(super) struct Background {
    all: Asked,
    regions: Vec<Part>,
    sites: Vec<Part>,
}

impl Background {
    pub(super) fn new(tree: &Tree) -> Self {
        Self {
            all: Asked::default(),
            regions: vec![Part::default(); tree.regions as usize],
            sites: vec![Part::default(); tree.sites as usize],
        }
    }

    /// A device of a site came or went.
    pub(super) fn count(&mut self, tree: &Tree, site: u32, came: bool) {
        let region = tree.region_of(site) as usize;
        for online in [&mut self.sites[site as usize].online, &mut self.regions[region].online] {
            *online = if came { *online + 1 } else { *online - 1 };
        }
    }

    /// Devices online in a site and in its region.
    pub(super) fn online(&self, tree: &Tree, site: u32) -> (u32, u32) {
        (self.sites[site as usize].online, self.regions[tree.region_of(site) as usize].online)
    }

    pub(super) fn add(&mut self, tree: &Tree, site: u32, asked: Asked) {
        let region = tree.region_of(site) as usize;
        for sum in [&mut self.all, &mut self.regions[region].own, &mut self.sites[site as usize].own] {
            *sum = sum.plus(asked);
        }
    }
}

impl Run<'_> {
    fn has_background(&self) -> bool {
        self.setup.protocol == Protocol::Everyone && self.setup.grain == Grain::Bundle
    }

    /// Brings a lane up to date that is about to be used.
    pub(super) fn settle_lane(&mut self, lane: usize) {
        let node = (lane / 2) as u32;
        if !self.has_background() {
            return;
        }
        if let Some(site) = self.tree.as_site(node) {
            self.settle_site(site);
        }
        let Some(region) = self.tree.as_region(node) else { return };
        if self.now - self.background.regions[region as usize].at >= UPPER_S {
            self.settle(node, REGION, region as usize);
        }
    }

    /// Brings everything up to date.
    pub(super) fn settle_all(&mut self) {
        if self.has_background() {
            for region in 0..self.tree.regions {
                self.settle(self.tree.region_node(region), REGION, region as usize);
            }
            for site in 0..self.tree.sites {
                self.settle(self.tree.site_node(site), SITE, site as usize);
                self.settle_below(site);
            }
        }
    }

    /// Brings both lanes of a site up to date, and those of its devices.
    pub(super) fn settle_site(&mut self, site: u32) {
        if self.has_background() {
            let Part { at, below_at, .. } = self.background.sites[site as usize];
            if self.now - at >= UPPER_S {
                self.settle(self.tree.site_node(site), SITE, site as usize);
            }
            if self.now - below_at >= BELOW_S {
                self.settle_below(site);
            }
        }
    }

    fn settle(&mut self, node: u32, level: usize, at: usize) {
        let background = &mut self.background;
        let part = if level == SITE { &mut background.sites[at] } else { &mut background.regions[at] };
        let outside = background.all.minus(part.own);
        let new = outside.minus(part.carried);
        let span = (part.at, self.now);
        (part.carried, part.at) = (outside, self.now);
        let answers = answers(new, f64::from(part.online));
        self.lanes.pour(&self.tree, up(node), span, answers);
        self.lanes.pour(&self.tree, down(node), span, queries(new, self.setup.wire.query_bytes));
    }

    fn settle_below(&mut self, site: u32) {
        let all = self.background.all;
        let part = &mut self.background.sites[site as usize];
        let new = all.minus(part.carried_below);
        let span = (part.below_at, self.now);
        (part.carried_below, part.below_at) = (all, self.now);
        let query_bytes = self.setup.wire.query_bytes;
        for at in 0..self.tree.members(site).len() {
            let device = self.tree.members(site)[at];
            if self.is_online(device) {
                let node = self.tree.device_node(device);
                self.lanes.pour(&self.tree, up(node), span, answers(new, 1.0));
                self.lanes.pour(&self.tree, down(node), span, queries(new, query_bytes));
            }
        }
    }
}

fn answers(asked: Asked, devices: f64) -> Parcel {
    Parcel { class: Class::Discovery, bytes: asked.bytes * devices, messages: asked.lists * devices }
}

fn queries(asked: Asked, bytes: f64) -> Parcel {
    Parcel { class: Class::Discovery, bytes: asked.queries * bytes, messages: asked.queries }
}
