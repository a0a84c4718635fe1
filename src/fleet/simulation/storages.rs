//! Routers that keep copies: each asks the next one on the way to the maker, once.

use super::bundle::{Copy, Pair};
use super::run::Run;
use super::setup::Protocol;
use super::tree::CLOUD;

impl Run<'_> {
    /// A device asks its site's router.
    pub(super) fn ask_site(&mut self, device: u32, bundle: u32) {
        let router = self.tree.site_node(self.tree.site_of(device));
        match *self.spread(bundle).copy(router) {
            Copy::Here => self.serve_device(router, device, bundle),
            Copy::Wanted => {}
            Copy::None => self.want_copy(router, bundle),
        }
    }

    /// The maker's site router takes a copy at once.
    pub(super) fn store_at_site(&mut self, device: u32, bundle: u32) {
        self.want_copy(self.tree.site_node(self.tree.site_of(device)), bundle);
    }

    /// Where the copy of the site's router broke off, it goes on.
    pub(super) fn maker_is_back(&mut self, device: u32, bundle: u32) {
        let node = self.tree.device_node(device);
        let router = self.tree.parent(node);
        let spread = self.spread(bundle);
        if spread.maker == node && *spread.copy(router) == Copy::Wanted {
            self.start(bundle, node, router);
        }
    }

    /// A router asks the next node towards the maker, which asks on where it has no copy itself.
    fn want_copy(&mut self, mut router: u32, bundle: u32) {
        while *self.spread(bundle).copy(router) == Copy::None {
            *self.spread(bundle).copy(router) = Copy::Wanted;
            let (_, from) = self.tree.step(router, self.spreads[bundle as usize].maker);
            match self.tree.as_device(from) {
                Some(device) if self.is_online(device) => return self.start(bundle, from, router),
                Some(_) => return,
                None if *self.spread(bundle).copy(from) == Copy::Here => {
                    return self.start(bundle, from, router);
                }
                None => router = from,
            }
        }
    }

    pub(super) fn made_in_cloud(&mut self, bundle: u32) {
        if self.setup.protocol != Protocol::Everyone {
            *self.spread(bundle).copy(CLOUD) = Copy::Here;
        }
    }

    /// A router has the copy, and passes it to all neighbours that asked.
    pub(super) fn stored(&mut self, router: u32, bundle: u32) {
        *self.spread(bundle).copy(router) = Copy::Here;
        if let Some(site) = self.tree.as_site(router) {
            while let Some(device) = self.waiter(bundle, site) {
                self.serve_device(router, device, bundle);
            }
        }
        for neighbour in self.neighbours(router) {
            let asked = *self.spread(bundle).copy(neighbour) == Copy::Wanted;
            if asked && self.tree.step(neighbour, self.spreads[bundle as usize].maker).1 == router {
                self.start(bundle, router, neighbour);
            }
        }
    }

    fn serve_device(&mut self, router: u32, device: u32, bundle: u32) {
        *self.spread(bundle).pair(device) = Pair::Fetching;
        self.start(bundle, router, self.tree.device_node(device));
    }

    /// Routers next to a router: those below it, then the one above.
    pub(super) fn neighbours(&self, router: u32) -> Vec<u32> {
        let tree = &self.tree;
        if router == CLOUD {
            return (0..tree.regions).map(|region| tree.region_node(region)).collect();
        }
        let below = tree.as_region(router).map_or(0..0, |region| tree.sites_in(region));
        below.map(|site| tree.site_node(site)).chain([tree.parent(router)]).collect()
    }
}
