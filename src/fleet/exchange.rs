//! One round with the others: hear what is withdrawn, hear what there is, fetch what is wanted, offer what is here.
//!
//! Withdrawals come first, so that nothing is fetched that is gone. What is fetched stays chunk by chunk, so a round that was cut off is gone on with.
//! What one answer gets wrong costs that answer and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::notice::Notice;
use super::shelf::{Shelf, Want};
use super::signed::{self, Signed, Statement};
use super::topic::Site;
use super::transport::{Answer, Item, Transport};
use crate::error::{ErrorKind, Result};
use crate::learner::Digest;

/// Most complaints that a round repeats.
const MAX_COMPLAINTS: usize = 32;

/// What a round did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    /// Bundles that came.
    pub fetched: Vec<Digest>,
    /// Bundles that are gone: withdrawn or expired.
    pub removed: Vec<Digest>,
    /// Withdrawals that are new.
    pub withdrawals: usize,
    /// Bundles that are wanted and did not come whole.
    pub missing: Vec<Digest>,
    /// How many more are wanted: another round fetches them.
    pub left: usize,
    /// Payload bytes that came.
    pub bytes: u64,
    /// Answers that were refused.
    pub refused: usize,
    /// Why, the first of them.
    pub complaints: Vec<String>,
}

/// How far a fetch has come, for a progress bar.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is fetched.
    pub notice: &'a Notice,
    /// Bytes that are here.
    pub here: u64,
}

/// A bundle that is wanted, and the sites that have it.
struct Found {
    said: Signed<Notice>,
    sites: BTreeSet<Site>,
}

/// Offers what is on the shelf and is not among `told`: with none told, everything, as on the first round after a start.
///
/// # Errors
/// As [`Transport::offer`].
pub fn offer(shelf: &Shelf, transport: &mut dyn Transport, told: &BTreeSet<Digest>) -> Result<()> {
    for said in shelf.withdrawals().filter(|said| !told.contains(&said.id())) {
        transport.offer(Item::Withdrawal(said))?;
    }
    for said in shelf.notices().filter(|said| !told.contains(&said.id())) {
        transport.offer(Item::Bundle(said, &shelf.file(said.statement().bundle)))?;
    }
    Ok(())
}

/// One round: with `all`, about everything that the others have, as after a start and from time to time; without, about what they told since the last. At most `most` bundles are fetched. `now` is in seconds since 1970, or 0 without a clock; `progress` is told after every chunk, and ends the round by saying `false`.
///
/// # Errors
/// [`Io`](ErrorKind::Io) where this device's own shelf or its end of the transport fails, [`Interrupted`](ErrorKind::Interrupted) where `progress` said
/// so. What came until then stays.
pub fn round(
    shelf: &mut Shelf,
    transport: &mut dyn Transport,
    now: u64,
    all: bool,
    most: usize,
    progress: &mut dyn FnMut(Progress<'_>) -> bool,
) -> Result<Round> {
    let mut round = Round::default();
    let (told, mut held) = (shelf.statements(), shelf.ids());
    shelf.refresh(now)?;
    shelf.expire(now)?;
    offer(shelf, transport, &told)?;
    let heard = transport.hear(all, shelf)?;
    hear_withdrawals(shelf, transport, heard.withdrawals, &mut round)?;
    settle(shelf, transport, &mut held, &mut round)?;
    let found = hear_notices(shelf, heard.notices, now, &mut round)?;
    if all {
        let wanted: Vec<_> = found.iter().map(|found| found.said.clone()).collect();
        shelf.forget_parts(&wanted)?;
    }
    for found in found {
        if round.fetched.len() >= most {
            round.left += 1;
            continue;
        }
        fetch(shelf, transport, found, now, &mut round, progress)?;
        settle(shelf, transport, &mut held, &mut round)?;
    }
    Ok(round)
}

/// Answers no longer for what was `held` and is gone.
fn settle(
    shelf: &Shelf,
    transport: &mut dyn Transport,
    held: &mut BTreeSet<Digest>,
    round: &mut Round,
) -> Result<()> {
    let here = shelf.ids();
    for id in held.difference(&here) {
        transport.retire(*id)?;
        round.removed.push(*id);
    }
    *held = here;
    Ok(())
}

fn hear_withdrawals(
    shelf: &mut Shelf,
    transport: &mut dyn Transport,
    heard: Vec<Answer>,
    round: &mut Round,
) -> Result<()> {
    for (said, _) in statements(heard, shelf, round)?.into_values() {
        match shelf.withdraw(Signed::clone(&said)) {
            Ok(()) => {
                transport.offer(Item::Withdrawal(&said))?;
                round.withdrawals += 1;
            }
            Err(e) => round.refuse(e)?,
        }
    }
    Ok(())
}

/// What is wanted, in an order of this device's own: neighbours fetch different bundles from far away, and then from each other.
fn hear_notices(shelf: &Shelf, heard: Vec<Answer>, now: u64, round: &mut Round) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (said, sites) in statements(heard, shelf, round)?.into_values() {
        match shelf.want(&said, now) {
            Ok(Want::Fetch) => found.push(Found { said, sites }),
            Ok(_) => {}
            Err(e) => round.refuse(e)?,
        }
    }
    // Of the versions of one task the newest comes, and the others would be thrown away.
    let newest = |one: &Found| {
        let source = |other: &&Found| other.said.statement().source == one.said.statement().source;
        let counters = found.iter().filter(source).map(|other| other.said.statement().counter);
        counters.max() == Some(one.said.statement().counter)
    };
    let keep: Vec<bool> = found.iter().map(newest).collect();
    let mut keep = keep.into_iter();
    found.retain(|_| keep.next().unwrap_or(true));
    found.sort_by_key(|found| shelf.lot(found.said.statement().bundle));
    Ok(found)
}

/// Fetches one bundle, from this device's own site where it can be had there.
fn fetch(
    shelf: &mut Shelf,
    transport: &mut dyn Transport,
    found: Found,
    now: u64,
    round: &mut Round,
    progress: &mut dyn FnMut(Progress<'_>) -> bool,
) -> Result<()> {
    let Found { said, sites } = found;
    let notice = said.statement();
    // What was fetched before in this round takes room too, and may be the same bundle under another notice.
    match shelf.want(&said, now) {
        Ok(Want::Fetch) => {}
        Ok(_) => return Ok(()),
        Err(e) => return round.refuse(e),
    }
    let mut part = shelf.part(&said)?;
    let own = transport.site().clone();
    // A neighbour may have fetched it since the others were asked.
    let far = sites.into_iter().filter(|site| *site != own);
    let mut sites: Vec<Site> = std::iter::once(own.clone()).chain(far).collect();
    while let Some(index) = part.next() {
        let good = |bytes: &[u8]| notice.is_chunk(index, bytes);
        let mut chunk = None;
        while let (None, Some(site)) = (&chunk, sites.first()) {
            chunk = transport.chunk(site, notice.bundle, index, &good)?;
            if chunk.is_none() {
                sites.remove(0);
            }
        }
        let Some(chunk) = chunk else {
            round.missing.push(notice.bundle);
            return Ok(());
        };
        part.append(&chunk)?;
        round.bytes += chunk.len() as u64;
        if !progress(Progress { notice, here: part.here() }) {
            crate::bail!(Interrupted, "ended; what came stays, and the next round goes on");
        }
    }
    let id = notice.bundle;
    match shelf.finish(said.clone(), part) {
        Ok(()) => {
            round.fetched.push(id);
            transport.offer(Item::Bundle(&said, &shelf.file(id)))
        }
        Err(e) => round.refuse(e),
    }
}

/// Statements that are new here and whose signature holds, by the SHA-256 of their bytes, each with the sites that it came from.
#[expect(clippy::type_complexity, reason = "said once")]
fn statements<S: Statement>(
    answers: Vec<Answer>,
    shelf: &Shelf,
    round: &mut Round,
) -> Result<BTreeMap<Digest, (Signed<S>, BTreeSet<Site>)>> {
    let mut statements: BTreeMap<Digest, (Signed<S>, BTreeSet<Site>)> = BTreeMap::new();
    let known = shelf.statements();
    for Answer { sites, bytes } in
        answers.into_iter().filter(|answer| !known.contains(&signed::id(&answer.bytes)))
    {
        match Signed::from_bytes(bytes, shelf.trust()) {
            Ok(said) => {
                statements.entry(said.id()).or_insert_with(|| (said, BTreeSet::new())).1.extend(sites);
            }
            Err(e) => round.refuse(e)?,
        }
    }
    Ok(statements)
}

impl Round {
    /// Notes what is wrong with an answer; a failure of this device is passed on.
    fn refuse(&mut self, error: crate::Error) -> Result<()> {
        if error.kind() == ErrorKind::Io {
            return Err(error);
        }
        self.refused += 1;
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(error.to_string());
        }
        Ok(())
    }
}
