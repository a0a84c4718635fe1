//! Devices that pass bundles on: who gets it from whom.
//!
//! A device asks its own site if anybody online there has the bundle, else its region, else the whole fleet. Whoever has it serves a few at a
//! time ([`Wire::served_at_once`](super::Wire)); the others wait for somebody of the same reach. A device passes on what it has whole, because
//! the signature is over the whole file.

use super::bundle::{Pair, after};
use super::run::Run;
use super::tree::CLOUD;

impl Run<'_> {
    /// Finds a source for a device that waits; false where it has to go on waiting.
    pub(super) fn seek(&mut self, device: u32, bundle: u32) -> bool {
        let site = self.tree.site_of(device);
        let source = self.source(bundle, site);
        match source {
            Some(from) => {
                *self.spread(bundle).pair(device) = Pair::Fetching;
                self.serving(bundle, from, true);
                self.start(bundle, from, self.tree.device_node(device));
            }
            None => self.wait_at(bundle, site),
        }
        source.is_some()
    }

    /// A node that could serve one more device of `site`.
    fn source(&self, bundle: u32, site: u32) -> Option<u32> {
        let spread = &self.spreads[bundle as usize];
        let region = self.tree.region_of(site);
        let from = if spread.sites[site as usize].online > 0 {
            spread.spare.get(&site).copied()
        } else if spread.regions[region as usize] > 0 {
            after(&spread.spare, self.tree.sites_in(region), site)
        } else if self.cloud_could(bundle) {
            return Some(CLOUD);
        } else {
            after(&spread.spare, 0..self.tree.sites, site)
        };
        from.and_then(|from| self.holder(bundle, from, site))
    }

    fn cloud_could(&self, bundle: u32) -> bool {
        let spread = &self.spreads[bundle as usize];
        spread.maker == CLOUD && spread.cloud_serving < self.setup.wire.served_at_once
    }

    /// A device of the site `from` that has the bundle online. Those who ask from different sites begin to look at different ones.
    fn holder(&self, bundle: u32, from: u32, asker: u32) -> Option<u32> {
        let pairs = &self.spreads[bundle as usize].pairs;
        let members = self.tree.members(from);
        let turn = (self.started as usize + asker as usize) % members.len().max(1);
        let round = members[turn..].iter().chain(&members[..turn]).copied();
        let mut holders = round.filter(|&d| self.is_online(d) && pairs[d as usize] == Pair::Has);
        holders.next().map(|device| self.tree.device_node(device))
    }

    fn wait_at(&mut self, bundle: u32, site: u32) {
        let region = self.tree.region_of(site);
        let spread = self.spread(bundle);
        if spread.sites[site as usize].online == 0 {
            spread.hungry.insert(site);
            if spread.regions[region as usize] == 0 {
                spread.starving.insert(site);
            }
        }
    }

    /// A device that has the bundle is there.
    pub(super) fn gain(&mut self, device: u32, bundle: u32) {
        let site = self.tree.site_of(device);
        let region = self.tree.region_of(site);
        let sites = self.tree.sites_in(region);
        let spread = self.spread(bundle);
        spread.sites[site as usize].online += 1;
        spread.regions[region as usize] += 1;
        spread.hungry.remove(&site);
        if spread.regions[region as usize] == 1 {
            while let Some(fed) = after(&spread.starving, sites.clone(), 0) {
                spread.starving.remove(&fed);
            }
        }
        self.offer(bundle, site);
    }

    /// A device that has the bundle is not there any more.
    pub(super) fn lose(&mut self, device: u32, bundle: u32) {
        let site = self.tree.site_of(device);
        let region = self.tree.region_of(site);
        let sites = self.tree.sites_in(region);
        let spread = self.spread(bundle);
        spread.sites[site as usize].online -= 1;
        spread.regions[region as usize] -= 1;
        let (here, near) = (spread.sites[site as usize].online, spread.regions[region as usize]);
        let hungry: Vec<u32> = spread.hungry.range(sites).copied().collect();
        self.note_spare(bundle, site);
        if here == 0 {
            self.seek_all(bundle, site);
        }
        if near == 0 {
            hungry.into_iter().for_each(|site| self.seek_all(bundle, site));
        }
    }

    /// Those who wait in a site look for another source.
    fn seek_all(&mut self, bundle: u32, site: u32) {
        while self.waiter(bundle, site).is_some_and(|device| self.seek(device, bundle)) {}
    }

    /// Serves as many as a site's holders can: of the site, of hungry sites of the region, of starving ones.
    pub(super) fn offer(&mut self, bundle: u32, site: u32) {
        self.note_spare(bundle, site);
        while self.spreads[bundle as usize].spare.contains(&site) {
            let Some(device) = self.next_asker(bundle, site) else { break };
            let Some(from) = self.holder(bundle, site, self.tree.site_of(device)) else { break };
            *self.spread(bundle).pair(device) = Pair::Fetching;
            self.serving(bundle, from, true);
            self.start(bundle, from, self.tree.device_node(device));
        }
    }

    fn next_asker(&mut self, bundle: u32, site: u32) -> Option<u32> {
        if let Some(device) = self.waiter(bundle, site) {
            return Some(device);
        }
        let region = self.tree.sites_in(self.tree.region_of(site));
        loop {
            let spread = &self.spreads[bundle as usize];
            let near = after(&spread.hungry, region.clone(), site + 1);
            let hungry = near.or_else(|| after(&spread.starving, 0..self.tree.sites, site + 1))?;
            if let Some(device) = self.waiter(bundle, hungry) {
                return Some(device);
            }
            // All of them are served or gone.
            self.spread(bundle).hungry.remove(&hungry);
            self.spread(bundle).starving.remove(&hungry);
        }
    }

    /// The cloud made the bundle and can serve one more.
    pub(super) fn offer_cloud(&mut self, bundle: u32) {
        while self.cloud_could(bundle) {
            let starving = self.spreads[bundle as usize].starving.first().copied();
            let Some(site) = starving else { break };
            match self.waiter(bundle, site) {
                Some(device) => {
                    self.seek(device, bundle);
                }
                None => {
                    self.spread(bundle).hungry.remove(&site);
                    self.spread(bundle).starving.remove(&site);
                }
            }
        }
    }

    /// Counts a transfer that begins or ends at the node that serves it.
    pub(super) fn serving(&mut self, bundle: u32, from: u32, begins: bool) {
        let count = |serving: u32| if begins { serving + 1 } else { serving - 1 };
        match self.tree.as_device(from).map(|device| self.tree.site_of(device)) {
            Some(site) => {
                let serving = &mut self.spread(bundle).sites[site as usize].serving;
                *serving = count(*serving);
                self.note_spare(bundle, site);
            }
            None => self.spread(bundle).cloud_serving = count(self.spreads[bundle as usize].cloud_serving),
        }
    }

    fn note_spare(&mut self, bundle: u32, site: u32) {
        let each = self.setup.wire.served_at_once;
        let spread = self.spread(bundle);
        let holders = spread.sites[site as usize];
        if holders.online * each > holders.serving {
            spread.spare.insert(site);
        } else {
            spread.spare.remove(&site);
        }
    }
}
