//! A way to other devices. What comes over it is not trusted: every byte is checked against a signature.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::notice::Notice;
use super::shelf::Shelf;
use super::signed::Signed;
use super::topic::Site;
use super::withdrawal::Withdrawal;
use crate::error::Result;
use crate::learner::Digest;

/// Most answers that are looked at in one round.
pub const MAX_ANSWERS: usize = 16 << 10;
/// Most bytes of them.
pub const MAX_HEARD: usize = 32 << 20;

/// What is offered to others.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A bundle: its notice, and the file that its chunks are read from.
    Bundle(&'a Signed<Notice>, &'a Path),
    /// A withdrawal.
    Withdrawal(&'a Signed<Withdrawal>),
}

/// One of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Where it is.
    pub site: Site,
    /// What the transport calls it; a folder knows sites only.
    pub device: Option<String>,
    /// Bundles that it says it has.
    pub bundles: usize,
    /// Withdrawals that it says it heard of.
    pub withdrawals: usize,
}

/// What others say there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Notices.
    pub notices: Vec<Answer>,
    /// Withdrawals.
    pub withdrawals: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where it, and what it speaks of, can be had.
    pub sites: BTreeSet<Site>,
    /// A signed statement, or what pretends to be one.
    pub bytes: Vec<u8>,
}

/// Devices of one backbone, as far as they can be reached.
pub trait Transport {
    /// Where this device is.
    fn site(&self) -> &Site;

    /// Tells the others of `item`, and answers for it from now on.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the others cannot be reached.
    fn offer(&mut self, item: Item<'_>) -> Result<()>;

    /// Answers for `bundle` no longer.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn retire(&mut self, bundle: Digest) -> Result<()>;

    /// What the others tell: with `all`, everything that there is; without, what was told since it was asked last. What `shelf` has is not told
    /// again. At most [`MAX_ANSWERS`] and [`MAX_HEARD`].
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn hear(&mut self, all: bool, shelf: &Shelf) -> Result<Heard>;

    /// Who can be reached, this device among them, at most [`MAX_ANSWERS`]. Nothing of it is signed.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn peers(&mut self) -> Result<Vec<Peer>>;

    /// Chunk `index` of `bundle` from `site`: the first answer that is `good`, or none.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn chunk(
        &mut self,
        site: &Site,
        bundle: Digest,
        index: u32,
        good: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>>;

    /// Waits until something new was told, at most so long; whether there was.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn wait(&mut self, most: Duration) -> Result<bool>;
}

impl Heard {
    /// Whether another answer of so many bytes is looked at.
    pub fn has_room(&self, bytes: usize) -> bool {
        let all = || self.notices.iter().chain(&self.withdrawals);
        all().count() < MAX_ANSWERS
            && all().map(|answer| answer.bytes.len()).sum::<usize>() + bytes <= MAX_HEARD
    }
}
