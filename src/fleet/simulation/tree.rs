//! The tree of routers and devices, and the way between two nodes.
//!
//! ```text
//! node     0       1..=R     R+1..=R+S   R+S+1..
//!          cloud   regions   sites       devices
//! lane     2 n: from node n to its parent        2 n + 1: from the parent to node n
//! ```

use super::setup::Setup;

pub(super) const CLOUD: u32 = 0;

/// Levels of nodes and of the link above them.
pub(super) const REGION: usize = 0;
pub(super) const SITE: usize = 1;
pub(super) const DEVICE: usize = 2;

pub(super) struct Tree {
    pub(super) regions: u32,
    pub(super) sites: u32,
    sites_per_region: u32,
    site_of: Vec<u32>,
    members: Vec<Vec<u32>>,
}

impl Tree {
    /// The devices of the start, then those that join the sites `joining`.
    pub(super) fn new(setup: &Setup, joining: impl Iterator<Item = u32>) -> Self {
        let sites = setup.devices.div_ceil(setup.devices_per_site);
        let start = (0..setup.devices).map(|device| device / setup.devices_per_site);
        let site_of: Vec<u32> = start.chain(joining).collect();
        let mut members = vec![Vec::new(); sites as usize];
        (0..).zip(&site_of).for_each(|(device, &site)| members[site as usize].push(device));
        let regions = sites.div_ceil(setup.sites_per_region);
        Self { regions, sites, sites_per_region: setup.sites_per_region, site_of, members }
    }

    pub(super) fn devices(&self) -> u32 {
        self.site_of.len() as u32
    }

    pub(super) fn routers(&self) -> usize {
        (1 + self.regions + self.sites) as usize
    }

    pub(super) fn lanes(&self) -> usize {
        2 * (self.routers() + self.site_of.len())
    }

    pub(super) fn nodes_of(&self, level: usize) -> u32 {
        [self.regions, self.sites, self.devices()][level]
    }

    pub(super) fn site_of(&self, device: u32) -> u32 {
        self.site_of[device as usize]
    }

    pub(super) fn region_of(&self, site: u32) -> u32 {
        site / self.sites_per_region
    }

    /// Sites of a region.
    pub(super) fn sites_in(&self, region: u32) -> std::ops::Range<u32> {
        let first = region * self.sites_per_region;
        first..(first + self.sites_per_region).min(self.sites)
    }

    /// Devices of a site.
    pub(super) fn members(&self, site: u32) -> &[u32] {
        &self.members[site as usize]
    }

    pub(super) fn region_node(&self, region: u32) -> u32 {
        1 + region
    }

    pub(super) fn site_node(&self, site: u32) -> u32 {
        1 + self.regions + site
    }

    pub(super) fn device_node(&self, device: u32) -> u32 {
        1 + self.regions + self.sites + device
    }

    pub(super) fn as_device(&self, node: u32) -> Option<u32> {
        node.checked_sub(1 + self.regions + self.sites)
    }

    pub(super) fn as_site(&self, node: u32) -> Option<u32> {
        node.checked_sub(1 + self.regions).filter(|site| *site < self.sites)
    }

    pub(super) fn as_region(&self, node: u32) -> Option<u32> {
        node.checked_sub(1).filter(|region| *region < self.regions)
    }

    /// The router above; the cloud is above itself.
    pub(super) fn parent(&self, node: u32) -> u32 {
        match (self.as_device(node), self.as_site(node)) {
            (Some(device), _) => self.site_node(self.site_of(device)),
            (_, Some(site)) => self.region_node(self.region_of(site)),
            _ => CLOUD,
        }
    }

    /// Level of the link above a node other than the cloud.
    pub(super) fn level(&self, node: u32) -> usize {
        match node {
            node if node <= self.regions => REGION,
            node if node <= self.regions + self.sites => SITE,
            _ => DEVICE,
        }
    }

    /// Lane and node of the next step from `at` to another node `to`.
    pub(super) fn step(&self, at: u32, to: u32) -> (usize, u32) {
        let mut below = to;
        while below != CLOUD {
            let above = self.parent(below);
            if above == at {
                return (down(below), below);
            }
            below = above;
        }
        (up(at), self.parent(at))
    }

    /// Lanes from one node to another.
    pub(super) fn path(&self, mut at: u32, to: u32) -> Vec<usize> {
        let mut lanes = Vec::with_capacity(6);
        while at != to {
            let (lane, next) = self.step(at, to);
            lanes.push(lane);
            at = next;
        }
        lanes
    }

    /// Whose router sends on a lane; `None` for a device.
    pub(super) fn sender(&self, lane: usize) -> Option<usize> {
        let node = (lane / 2) as u32;
        let sender = if lane.is_multiple_of(2) { node } else { self.parent(node) };
        (self.as_device(sender).is_none()).then_some(sender as usize)
    }
}

/// The lane to the parent.
pub(super) fn up(node: u32) -> usize {
    2 * node as usize
}

/// The lane from the parent.
pub(super) fn down(node: u32) -> usize {
    2 * node as usize + 1
}
