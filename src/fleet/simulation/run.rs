//! The state of a simulation and the loop over its events.
//!
//! Events are taken in order of time, those of one moment in the order in which they were planned; nothing is iterated in the order of a
//! hash. Invariants: a device that is offline takes part in no transfer; a device gets a chunk once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::background::Background;
use super::bundle::{Pair, Spread};
use super::history::{Change, History};
use super::lanes::Lanes;
use super::message::Message;
use super::setup::{Grain, Protocol, Setup};
use super::slots::Slots;
use super::tree::{CLOUD, Tree};
use super::waits::Waits;

/// What is planned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// A message is at its next node.
    Message(Message),
    /// A notice is at all devices of a site.
    Noticed { bundle: u32, site: u32 },
    /// A device has the notices of the first `until` bundles.
    Listed { device: u32, until: u32 },
    /// The last byte of a transfer is there.
    Done(u64),
}

/// By time, then by order of planning.
struct Planned(u64, u64, Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// One device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    pub(super) online: bool,
    /// When it came online last.
    pub(super) since: f64,
    /// When it went offline last; -1 before that, `None` for a device that was never online.
    pub(super) left: Option<f64>,
    /// How many notices it has.
    pub(super) known: u32,
}

pub(super) struct Run<'a> {
    pub(super) setup: &'a Setup,
    pub(super) tree: Tree,
    pub(super) lanes: Lanes,
    pub(super) history: History,
    pub(super) now: f64,
    pub(super) events: u64,
    planned: BinaryHeap<Reverse<Planned>>,
    order: u64,
    pub(super) devices: Vec<Device>,
    pub(super) online: u32,
    pub(super) spreads: Vec<Spread>,
    pub(super) transfers: Slots,
    /// Transfers of each device, in either role.
    pub(super) active: Vec<Vec<u64>>,
    pub(super) background: Background,
    pub(super) waits: Waits,
    /// Payload bytes that devices accepted.
    pub(super) accepted: f64,
    pub(super) started: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(setup: &'a Setup) -> Self {
        let mut history = History::new(setup);
        let there = history.start(setup.devices);
        let tree = Tree::new(setup, history.joining.iter().copied());
        let never = Device { online: false, since: 0.0, left: None, known: 0 };
        let mut run = Self {
            setup,
            lanes: Lanes::new(setup, &tree),
            now: 0.0,
            events: 0,
            planned: BinaryHeap::new(),
            order: 0,
            devices: vec![never; tree.devices() as usize],
            online: 0,
            spreads: Vec::new(),
            transfers: Slots::new(),
            active: vec![Vec::new(); tree.devices() as usize],
            background: Background::new(&tree),
            waits: Waits::new(),
            accepted: 0.0,
            started: 0,
            tree,
            history,
        };
        there.into_iter().for_each(|device| run.be_online(device, true));
        run
    }

    /// Runs to the window's end.
    pub(super) fn finish_window(&mut self) {
        loop {
            let next = self.planned.peek().map_or(f64::INFINITY, |Reverse(p)| f64::from_bits(p.0));
            let change = self.history.next_at();
            if next.min(change) > self.setup.window_s {
                break;
            }
            self.events += 1;
            self.now = next.min(change);
            if change <= next {
                self.history.next().into_iter().for_each(|(_, change)| self.change(change));
            } else if let Some(Reverse(Planned(.., event))) = self.planned.pop() {
                self.happen(event);
            }
        }
        self.now = self.setup.window_s;
        self.settle_all();
    }

    pub(super) fn plan(&mut self, at: f64, event: Event) {
        if at <= self.setup.window_s {
            self.order += 1;
            self.planned.push(Reverse(Planned(at.to_bits(), self.order, event)));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.arrive(message),
            Event::Noticed { bundle, site } => self.noticed(bundle, site),
            Event::Listed { device, until } => self.listed(device, until),
            Event::Done(transfer) => self.finish(transfer),
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::On(device) => self.on(device),
            Change::Off(device) => self.off(device),
            Change::Made(bundle) => self.made(bundle),
        }
    }

    /// Marks a device and counts it among those of its site.
    fn be_online(&mut self, device: u32, online: bool) {
        let known = &mut self.devices[device as usize];
        known.online = online;
        if online {
            known.since = self.now;
            known.left.get_or_insert(-1.0);
        } else {
            known.left = Some(self.now);
        }
        let site = self.tree.site_of(device);
        self.settle_site(site);
        self.background.count(&self.tree, site, online);
        self.online = if online { self.online + 1 } else { self.online - 1 };
    }

    fn on(&mut self, device: u32) {
        let left = self.devices[device as usize].left.unwrap_or(-1.0);
        let heard = self.spreads.partition_point(|spread| spread.made.at_s <= left);
        self.spreads[heard..].iter_mut().for_each(|spread| spread.audience += 1);
        self.be_online(device, true);
        for bundle in 0..self.spreads.len() as u32 {
            match *self.spread(bundle).pair(device) {
                Pair::Has => self.has_again(device, bundle),
                Pair::Waiting => self.want(device, bundle),
                Pair::Unknown | Pair::Fetching => {}
            }
        }
        self.query(device);
    }

    fn off(&mut self, device: u32) {
        self.be_online(device, false);
        if self.setup.protocol == Protocol::Everyone {
            let held = |s: &Spread| s.pairs[device as usize] == Pair::Has;
            let held: Vec<u32> = (0..).zip(&self.spreads).filter(|(_, s)| held(s)).map(|(b, _)| b).collect();
            held.into_iter().for_each(|bundle| self.lose(device, bundle));
        }
        self.break_off(device);
    }

    fn made(&mut self, bundle: u32) {
        let made = self.history.made[bundle as usize];
        let chunks = made.bytes.div_ceil(self.setup.wire.chunk_bytes) as u32;
        let maker = made.maker.and_then(|device| self.online_from(device));
        let node = maker.map_or(CLOUD, |device| self.tree.device_node(device));
        self.spreads.push(Spread::new(&self.tree, made, node, chunks, self.online));
        match maker {
            Some(device) => {
                self.devices[device as usize].known += 1;
                *self.spread(bundle).pair(device) = Pair::Has;
                self.spread(bundle).ages.push(0.0);
                self.made_by(device, bundle);
            }
            None => self.made_in_cloud(bundle),
        }
        self.announce(bundle);
    }

    /// The first device from `device` on, going round, that is online.
    fn online_from(&self, device: u32) -> Option<u32> {
        let all = self.tree.devices();
        (device..all).chain(0..device).find(|&device| self.devices[device as usize].online)
    }

    pub(super) fn spread(&mut self, bundle: u32) -> &mut Spread {
        &mut self.spreads[bundle as usize]
    }

    pub(super) fn is_online(&self, device: u32) -> bool {
        self.devices[device as usize].online
    }

    pub(super) fn exact(&self) -> bool {
        self.setup.grain == Grain::Chunk
    }

    /// A device has heard of a bundle.
    pub(super) fn learn(&mut self, device: u32, bundle: u32) {
        if self.is_online(device) && *self.spread(bundle).pair(device) == Pair::Unknown {
            *self.spread(bundle).pair(device) = Pair::Waiting;
            self.devices[device as usize].known += 1;
            self.want(device, bundle);
        }
    }

    /// A device that waits wants the bundle now.
    pub(super) fn want(&mut self, device: u32, bundle: u32) {
        match self.setup.protocol {
            Protocol::Everyone => {
                self.seek(device, bundle);
            }
            Protocol::Storages | Protocol::Sketch => self.ask_site(device, bundle),
        }
    }

    fn has_again(&mut self, device: u32, bundle: u32) {
        match self.setup.protocol {
            Protocol::Everyone => self.gain(device, bundle),
            Protocol::Storages | Protocol::Sketch => self.maker_is_back(device, bundle),
        }
    }

    fn made_by(&mut self, device: u32, bundle: u32) {
        match self.setup.protocol {
            Protocol::Everyone => self.gain(device, bundle),
            Protocol::Storages | Protocol::Sketch => self.store_at_site(device, bundle),
        }
    }

    /// A device has all of a bundle.
    pub(super) fn has(&mut self, device: u32, bundle: u32) {
        let (now, since) = (self.now, self.devices[device as usize].since);
        let spread = self.spread(bundle);
        *spread.pair(device) = Pair::Has;
        spread.ages.push(now - spread.made.at_s);
        let from = since.max(spread.made.at_s);
        self.waits.add(now - from);
        if self.setup.protocol == Protocol::Everyone {
            self.gain(device, bundle);
        }
    }

    /// A device of a site that is online and waits for a bundle.
    pub(super) fn waiter(&self, bundle: u32, site: u32) -> Option<u32> {
        let pairs = &self.spreads[bundle as usize].pairs;
        let waits = |device: u32| self.is_online(device) && pairs[device as usize] == Pair::Waiting;
        self.tree.members(site).iter().copied().find(|&device| waits(device))
    }
}
