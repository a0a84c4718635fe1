//! Links as queues: first in, first out, each message whole before it goes on.
//!
//! A lane is known by the time at which all that was put on it is sent. Invariant: what is counted lies inside the window;
//! of a message that is sent across its end, the share before it.

use super::link::Link;
use super::load::{Load, Parcel};
use super::setup::Setup;
use super::tree::Tree;

pub(super) struct Lanes {
    links: [Link; 3],
    window_s: f64,
    free: Vec<f64>,
    busy: Vec<f64>,
    pub(super) load: Load,
}

/// When a parcel is on a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) start: f64,
    pub(super) end: f64,
    /// When it is at the other end.
    pub(super) there: f64,
}

impl Lanes {
    pub(super) fn new(setup: &Setup, tree: &Tree) -> Self {
        let lanes = tree.lanes();
        Self {
            links: setup.links(),
            window_s: setup.window_s,
            free: vec![0.0; lanes],
            busy: vec![0.0; lanes],
            load: Load::new(setup, tree),
        }
    }

    pub(super) fn link(&self, tree: &Tree, lane: usize) -> Link {
        self.links[tree.level((lane / 2) as u32)]
    }

    /// Puts a parcel that is at the lane's begin from `ready` on. Where that lies after `now`, those that come in between need
    /// not wait for it: only the work is queued, not the gap before it.
    pub(super) fn send(&mut self, tree: &Tree, lane: usize, now: f64, ready: f64, parcel: Parcel) -> Passage {
        let link = self.link(tree, lane);
        let service = link.service(parcel.bytes);
        let start = self.free[lane].max(ready);
        let end = start + service;
        self.wait(tree, lane, ready, start, parcel.bytes);
        self.free[lane] = self.free[lane].max(now) + service;
        self.count(tree, lane, (start, end), parcel);
        Passage { start, end, there: end + link.delay() }
    }

    /// A parcel that came evenly since `since`, the time of the last [`Lanes::send`] or [`Lanes::pour`] on this lane.
    pub(super) fn pour(&mut self, tree: &Tree, lane: usize, (since, now): (f64, f64), parcel: Parcel) {
        let service = self.link(tree, lane).service(parcel.bytes);
        let before = (self.free[lane] - since).max(0.0);
        let queued = (before + service - (now - since)).max(0.0);
        self.free[lane] = now + queued;
        self.wait(tree, lane, now, now + queued, parcel.bytes);
        self.count(tree, lane, (since + before, now + queued), parcel);
    }

    /// When a message of `bytes` would be at the other end, put there at `ready`.
    pub(super) fn peek(&self, tree: &Tree, lane: usize, ready: f64, bytes: f64) -> f64 {
        let link = self.link(tree, lane);
        self.free[lane].max(ready) + link.service(bytes) + link.delay()
    }

    fn wait(&mut self, tree: &Tree, lane: usize, ready: f64, start: f64, bytes: f64) {
        let link = self.link(tree, lane);
        let flow = &mut self.load.flows[tree.level((lane / 2) as u32)][lane % 2];
        flow.queue = flow.queue.max((start - ready) * link.bits_per_s / 8.0);
        let inside = start.min(self.window_s) - ready;
        flow.waited += link.sent(bytes) * inside.max(0.0);
    }

    fn count(&mut self, tree: &Tree, lane: usize, (start, end): (f64, f64), parcel: Parcel) {
        let share = match end > self.window_s {
            true if start >= self.window_s => return,
            true => (self.window_s - start) / (end - start),
            false => 1.0,
        };
        let link = self.link(tree, lane);
        let inside = parcel.times(share);
        let flow = &mut self.load.flows[tree.level((lane / 2) as u32)][lane % 2];
        flow.bytes[parcel.class as usize] += inside.bytes;
        flow.messages += inside.messages;
        self.busy[lane] += link.service(inside.bytes);
        if let Some(router) = tree.sender(lane) {
            let sent = Parcel { bytes: link.sent(inside.bytes), ..inside };
            self.load.sent(router, start, end.min(self.window_s), sent);
        }
    }

    /// Seconds for which the lanes of one direction of a level were held: of all together, and of the busiest.
    pub(super) fn busy(&self, tree: &Tree, level: usize, direction: usize) -> (f64, f64) {
        let first = [tree.region_node(0), tree.site_node(0), tree.device_node(0)][level] as usize;
        let lanes =
            (first..first + tree.nodes_of(level) as usize).map(|node| self.busy[2 * node + direction]);
        lanes.fold((0.0, 0.0), |(sum, most), busy| (sum + busy, f64::max(most, busy)))
    }
}
