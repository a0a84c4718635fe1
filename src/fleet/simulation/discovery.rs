//! How devices hear of bundles: a notice that goes to all that are online, and a query by those that come online.
//!
//! A list holds the notices of all bundles that are made when it is sent, also of one whose notice is still on its way.

use super::background::Asked;
use super::load::{Class, Parcel};
use super::message::{Message, What};
use super::run::{Event, Run};
use super::setup::Protocol;
use super::tree::{CLOUD, DEVICE, down, up};

impl Run<'_> {
    /// The notice of a new bundle leaves its maker.
    pub(super) fn announce(&mut self, bundle: u32) {
        let maker = self.spreads[bundle as usize].maker;
        if !self.exact() {
            return self.announce_by_site(bundle, maker);
        }
        match maker {
            CLOUD => self.flood(CLOUD, CLOUD, |from| What::Notice { bundle, from }),
            _ => {
                let to = self.tree.parent(maker);
                let what = What::Notice { bundle, from: maker };
                self.pass(Message { at: maker, to, what });
            }
        }
    }

    /// Sends the notice up from the maker, and at every router down to those below that do not have it.
    fn announce_by_site(&mut self, bundle: u32, maker: u32) {
        let (mut node, mut at) = (maker, self.now);
        loop {
            let above = self.tree.parent(node);
            if node != CLOUD {
                at = self.send_notice(up(node), at);
            }
            match (self.tree.as_site(above), self.tree.as_region(above)) {
                (Some(site), _) => self.notice_at(bundle, site, at),
                (_, Some(region)) => self.notify_region(bundle, region, node, at),
                _ => {
                    for region in 0..self.tree.regions {
                        let below = self.tree.region_node(region);
                        if below != node {
                            let there = self.send_notice(down(below), at);
                            self.notify_region(bundle, region, node, there);
                        }
                    }
                    return;
                }
            }
            node = above;
        }
    }

    fn notify_region(&mut self, bundle: u32, region: u32, from: u32, at: f64) {
        for site in self.tree.sites_in(region) {
            let node = self.tree.site_node(site);
            if node != from {
                let there = self.send_notice(down(node), at);
                self.notice_at(bundle, site, there);
            }
        }
    }

    fn notice_at(&mut self, bundle: u32, site: u32, at: f64) {
        let access = self.setup.links()[DEVICE];
        let there = at + access.service(self.setup.wire.notice_bytes) + access.delay();
        self.plan(there, Event::Noticed { bundle, site });
    }

    fn send_notice(&mut self, lane: usize, ready: f64) -> f64 {
        self.settle_lane(lane);
        let notice = Parcel::one(Class::Discovery, self.setup.wire.notice_bytes);
        self.lanes.send(&self.tree, lane, self.now, ready, notice).there
    }

    /// A notice is at the devices of a site that are online.
    pub(super) fn noticed(&mut self, bundle: u32, site: u32) {
        for at in 0..self.tree.members(site).len() {
            let device = self.tree.members(site)[at];
            let node = self.tree.device_node(device);
            if self.is_online(device) && node != self.spreads[bundle as usize].maker {
                self.send_notice(down(node), self.now);
                self.learn(device, bundle);
            }
        }
    }

    /// A device that came online asks for the notices that it missed.
    pub(super) fn query(&mut self, device: u32) {
        let wire = &self.setup.wire;
        let made = self.spreads.len() as f64;
        let lacking = made - f64::from(self.devices[device as usize].known);
        let lacking_bytes = lacking * wire.notice_bytes;
        match self.setup.protocol {
            Protocol::Everyone => self.query_all(device, lacking_bytes),
            Protocol::Storages => {
                let list = (f64::from(wire.history) + made) * wire.notice_bytes;
                self.query_site(device, wire.query_bytes, list);
            }
            Protocol::Sketch => {
                let sketch = wire.sketch_bytes + lacking * wire.sketch_bytes_per_notice;
                self.query_site(device, sketch, lacking_bytes);
            }
        }
    }

    fn query_site(&mut self, device: u32, bytes: f64, list: f64) {
        let at = self.tree.device_node(device);
        if self.exact() {
            let what = What::Query { asker: at, bytes, list };
            return self.pass(Message { at, to: self.tree.parent(at), what });
        }
        let query = Parcel::one(Class::Discovery, bytes);
        let asked = self.lanes.send(&self.tree, up(at), self.now, self.now, query).there;
        if list > 0.0 {
            let answer = Parcel::one(Class::Discovery, list);
            let there = self.lanes.send(&self.tree, down(at), self.now, asked, answer).there;
            self.plan(there, Event::Listed { device, until: self.spreads.len() as u32 });
        }
    }

    fn query_all(&mut self, device: u32, list: f64) {
        let asker = self.tree.device_node(device);
        if self.exact() {
            let to = self.tree.parent(asker);
            return self.pass(Message { at: asker, to, what: What::QueryAll { asker, from: asker, list } });
        }
        if let Some(there) = self.first_answer(device, list).filter(|_| list > 0.0) {
            self.plan(there, Event::Listed { device, until: self.spreads.len() as u32 });
        }
        let site = self.tree.site_of(device);
        let (here, near) = self.background.online(&self.tree, site);
        let query = Parcel::one(Class::Discovery, self.setup.wire.query_bytes);
        let answers = [self.online - near, self.online - here, self.online - 1];
        let mut node = asker;
        for answering in answers.into_iter().rev() {
            [up(node), down(node)].into_iter().for_each(|lane| self.settle_lane(lane));
            self.lanes.send(&self.tree, up(node), self.now, self.now, query);
            let lists = f64::from(answering) * f64::from(u8::from(list > 0.0));
            let parcel = Parcel { class: Class::Discovery, bytes: lists * list, messages: lists };
            self.lanes.send(&self.tree, down(node), self.now, self.now, parcel);
            node = self.tree.parent(node);
        }
        self.background.add(&self.tree, site, Asked::one(f64::from(u8::from(list > 0.0)), list));
    }

    /// When the answer of the nearest device is there.
    fn first_answer(&mut self, device: u32, list: f64) -> Option<f64> {
        let asker = self.tree.device_node(device);
        let nearest = self.tree.device_node(self.nearest(device)?);
        let mut at = self.now;
        for lane in self.tree.path(asker, nearest) {
            self.settle_lane(lane);
            at = self.lanes.peek(&self.tree, lane, at, self.setup.wire.query_bytes);
        }
        for lane in self.tree.path(nearest, asker) {
            self.settle_lane(lane);
            at = self.lanes.peek(&self.tree, lane, at, list);
        }
        Some(at)
    }

    /// Another device that is online: of the site, else of the region, else any.
    fn nearest(&self, device: u32) -> Option<u32> {
        let site = self.tree.site_of(device);
        let sites = self.tree.sites_in(self.tree.region_of(site));
        let near = self.tree.members(site).iter().chain(sites.flat_map(|site| self.tree.members(site)));
        let mut all = near.copied().chain(0..self.tree.devices());
        all.find(|&other| other != device && self.is_online(other))
    }

    /// A list of notices is there.
    pub(super) fn listed(&mut self, device: u32, until: u32) {
        if self.devices[device as usize].known < self.spreads.len() as u32 {
            (0..until).for_each(|bundle| self.learn(device, bundle));
        }
    }
}
