//! One node gets a bundle from another.
//!
//! By chunk, requests and chunks go over the lanes one by one; by bundle, all chunks hold each lane of the way in one piece, and a lane
//! begins when the first chunk has come over the one before.

use std::ops::Range;

use super::bundle::{Pair, Spread};
use super::load::{Class, Parcel};
use super::message::{Message, What};
use super::run::{Event, Run};
use super::setup::Protocol;

#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) bundle: u32,
    pub(super) from: u32,
    pub(super) to: u32,
    /// Chunks that the node had at its begin.
    first: u32,
    /// Chunks that are asked for, those before included.
    asked: u32,
    /// Chunks that are there; by bundle, at the begin.
    got: u32,
    began: f64,
    /// By bundle: when the last chunk is there.
    ends: f64,
}

impl Run<'_> {
    /// Begins, or goes on where an earlier transfer to the same node broke off.
    pub(super) fn start(&mut self, bundle: u32, from: u32, to: u32) {
        self.started += 1;
        let first = self.spreads[bundle as usize].partial[to as usize];
        let began = self.now;
        let mut transfer = Transfer { bundle, from, to, first, asked: first, got: first, began, ends: began };
        if !self.exact() {
            transfer.ends = self.whole(&transfer);
        }
        let id = self.transfers.insert(transfer);
        for device in [from, to].into_iter().filter_map(|node| self.tree.as_device(node)) {
            self.active[device as usize].push(id);
        }
        if self.exact() {
            let lacking = self.spreads[bundle as usize].chunks - first;
            self.ask(id, self.setup.wire.asked_ahead.min(lacking));
        } else {
            self.plan(transfer.ends, Event::Done(id));
        }
    }

    /// Asks for the next `count` chunks in one request.
    fn ask(&mut self, id: u64, count: u32) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let from = transfer.asked;
        transfer.asked += count;
        let (at, to) = (transfer.to, transfer.from);
        self.pass(Message { at, to, what: What::Ask { id, from, until: from + count } });
    }

    /// A request has come to the node that serves it.
    pub(super) fn asked(&mut self, id: u64, chunks: Range<u32>) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let (at, to, bundle) = (transfer.from, transfer.to, transfer.bundle);
        for chunk in chunks {
            let bytes = self.setup.chunks(self.spreads[bundle as usize].made.bytes, chunk, chunk + 1);
            self.pass(Message { at, to, what: What::Chunk { id, bytes } });
        }
    }

    /// A chunk has come.
    pub(super) fn chunk(&mut self, id: u64, bytes: f64) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.got += 1;
        let Transfer { bundle, to, got, asked, .. } = *transfer;
        if self.tree.as_device(to).is_some() {
            self.accepted += bytes;
        }
        let chunks = self.spreads[bundle as usize].chunks;
        if got == chunks {
            self.finish(id);
        } else if asked < chunks {
            self.ask(id, 1);
        }
    }

    /// Puts all requests and chunks of a transfer on their lanes; when the last one is there.
    fn whole(&mut self, transfer: &Transfer) -> f64 {
        let chunks = self.spreads[transfer.bundle as usize].chunks;
        let size = self.spreads[transfer.bundle as usize].made.bytes;
        let bytes = self.setup.chunks(size, transfer.first, chunks);
        let messages = f64::from(chunks - transfer.first);
        let begin = self.setup.chunks(size, transfer.first, transfer.first + 1);
        let end = self.setup.chunks(size, chunks - 1, chunks);
        let mut first = self.asks(transfer, chunks - transfer.first);
        let mut last = first;
        for lane in self.tree.path(transfer.from, transfer.to) {
            self.settle_lane(lane);
            let parcel = Parcel { class: Class::Payload, bytes, messages };
            let passage = self.lanes.send(&self.tree, lane, self.now, first, parcel);
            let link = self.lanes.link(&self.tree, lane);
            first = passage.start + link.service(begin) + link.delay();
            last = passage.end.max(last + link.service(end)) + link.delay();
        }
        last
    }

    /// Puts the requests for `chunks` chunks on their lanes; when the first one is there.
    fn asks(&mut self, transfer: &Transfer, chunks: u32) -> f64 {
        let ask_bytes = self.setup.wire.ask_bytes;
        let messages = 1.0 + f64::from(chunks.saturating_sub(self.setup.wire.asked_ahead));
        let mut ready = self.now;
        for lane in self.tree.path(transfer.to, transfer.from) {
            self.settle_lane(lane);
            let there = self.lanes.peek(&self.tree, lane, ready, ask_bytes);
            let parcel = Parcel { class: Class::Asks, bytes: ask_bytes * messages, messages };
            self.lanes.send(&self.tree, lane, self.now, ready, parcel);
            ready = there;
        }
        ready
    }

    /// The last chunk of a transfer is there.
    pub(super) fn finish(&mut self, id: u64) {
        let Some(transfer) = self.close(id) else { return };
        let Transfer { bundle, from, to, first, .. } = transfer;
        match self.tree.as_device(to) {
            Some(device) => {
                if !self.exact() {
                    let Spread { made, chunks, .. } = &self.spreads[bundle as usize];
                    self.accepted += self.setup.chunks(made.bytes, first, *chunks);
                }
                self.has(device, bundle);
            }
            None => self.stored(to, bundle),
        }
        self.served(bundle, from);
    }

    /// A node that served a transfer can serve another one.
    fn served(&mut self, bundle: u32, from: u32) {
        if self.setup.protocol == Protocol::Everyone {
            self.serving(bundle, from, false);
            match self.tree.as_device(from).map(|device| self.tree.site_of(device)) {
                Some(site) => self.offer(bundle, site),
                None => self.offer_cloud(bundle),
            }
        }
    }

    /// Takes a transfer out of the books.
    fn close(&mut self, id: u64) -> Option<Transfer> {
        let transfer = self.transfers.remove(id)?;
        for device in [transfer.from, transfer.to].into_iter().filter_map(|node| self.tree.as_device(node)) {
            self.active[device as usize].retain(|other| *other != id);
        }
        Some(transfer)
    }

    /// Ends the transfers of a device that went offline; the other device of each looks for another source.
    pub(super) fn break_off(&mut self, device: u32) {
        for id in std::mem::take(&mut self.active[device as usize]) {
            let Some(transfer) = self.close(id) else { continue };
            self.keep(&transfer);
            let Transfer { bundle, from, to, .. } = transfer;
            if let Some(asker) = self.tree.as_device(to) {
                *self.spread(bundle).pair(asker) = Pair::Waiting;
                if asker != device {
                    self.want(asker, bundle);
                }
            }
            self.served(bundle, from);
        }
    }

    /// Keeps the chunks that are there. By bundle, they are taken to come evenly from begin to end.
    fn keep(&mut self, transfer: &Transfer) {
        let spread = &self.spreads[transfer.bundle as usize];
        let mut got = transfer.got;
        if !self.exact() {
            let share = (self.now - transfer.began) / (transfer.ends - transfer.began);
            let lacking = spread.chunks - transfer.first;
            got += ((share * f64::from(lacking)) as u32).min(lacking - 1);
            if self.tree.as_device(transfer.to).is_some() {
                self.accepted += self.setup.chunks(spread.made.bytes, transfer.first, got);
            }
        }
        self.spread(transfer.bundle).partial[transfer.to as usize] = got;
    }
}
