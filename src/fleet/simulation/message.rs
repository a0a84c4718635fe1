//! Messages that go over the lanes one by one, where transfers are simulated by chunk.

use super::load::{Class, Parcel};
use super::run::{Event, Run};

/// A message that has come to the node `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) at: u32,
    /// Where it goes; where it is, for what every node passes on.
    pub(super) to: u32,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// Goes to all devices; from which neighbour.
    Notice { bundle: u32, from: u32 },
    /// Goes to all devices; the bytes with which each answers.
    QueryAll { asker: u32, from: u32, list: f64 },
    /// Goes to the site's router; its bytes, and those of the answer.
    Query { asker: u32, bytes: f64, list: f64 },
    /// Notices of the first `until` bundles.
    List { until: u32, bytes: f64 },
    /// The request for the chunks `from..until` of a transfer.
    Ask { id: u64, from: u32, until: u32 },
    /// The chunk.
    Chunk { id: u64, bytes: f64 },
}

impl Run<'_> {
    /// Sends a message one step on its way.
    pub(super) fn pass(&mut self, message: Message) {
        let (_, next) = self.tree.step(message.at, message.to);
        self.hop(message.at, next, message);
    }

    /// Sends a message to a neighbour. A router sends nothing to a device that is offline.
    fn hop(&mut self, at: u32, next: u32, message: Message) {
        if self.tree.as_device(next).is_some_and(|device| !self.is_online(device)) {
            return;
        }
        let (lane, _) = self.tree.step(at, next);
        let passage = self.lanes.send(&self.tree, lane, self.now, self.now, self.parcel(message.what));
        self.plan(passage.there, Event::Message(Message { at: next, ..message }));
    }

    fn parcel(&self, what: What) -> Parcel {
        let wire = &self.setup.wire;
        match what {
            What::Notice { .. } => Parcel::one(Class::Discovery, wire.notice_bytes),
            What::QueryAll { .. } => Parcel::one(Class::Discovery, wire.query_bytes),
            What::Query { bytes, .. } | What::List { bytes, .. } => Parcel::one(Class::Discovery, bytes),
            What::Ask { .. } => Parcel::one(Class::Asks, wire.ask_bytes),
            What::Chunk { bytes, .. } => Parcel::one(Class::Payload, bytes),
        }
    }

    pub(super) fn arrive(&mut self, message: Message) {
        let Message { at, to, what } = message;
        match what {
            What::Notice { bundle, from } => match self.tree.as_device(at) {
                Some(device) => self.learn(device, bundle),
                None => self.flood(at, from, |from| What::Notice { bundle, from }),
            },
            What::QueryAll { asker, from, list } => match self.tree.as_device(at) {
                Some(device) if self.is_online(device) => self.answer(at, asker, list),
                Some(_) => {}
                None => self.flood(at, from, |from| What::QueryAll { asker, from, list }),
            },
            _ if at != to => self.pass(message),
            What::Query { asker, list, .. } => self.answer(at, asker, list),
            What::List { until, .. } => {
                self.tree.as_device(at).into_iter().for_each(|device| self.listed(device, until));
            }
            What::Ask { id, from, until } => self.asked(id, from..until),
            What::Chunk { id, bytes } => self.chunk(id, bytes),
        }
    }

    /// A router passes a message to all neighbours but the one that it is from.
    pub(super) fn flood(&mut self, at: u32, from: u32, what: impl Fn(u32) -> What) {
        let mut next = self.neighbours(at);
        if let Some(site) = self.tree.as_site(at) {
            next.extend(self.tree.members(site).iter().map(|&device| self.tree.device_node(device)));
        }
        for to in next.into_iter().filter(|&next| next != from) {
            self.hop(at, to, Message { at: to, to, what: what(at) });
        }
    }

    fn answer(&mut self, at: u32, asker: u32, bytes: f64) {
        if bytes > 0.0 {
            let until = self.spreads.len() as u32;
            self.pass(Message { at, to: asker, what: What::List { until, bytes } });
        }
    }
}
