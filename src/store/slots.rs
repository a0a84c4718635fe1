//! Two slots on a raw medium, written in turn: a partition without a file system, a flash chip, a buffer.
//!
//! ```text
//! |  slot 0: record, blank ..  |  slot 1: record, blank ..  |        each one half of the region, whole sectors
//! ```
//!
//! The intact record with the higher counter is the state. A save erases the other slot, writes there, syncs, and reads back what it
//! wrote; so what the medium does before the sync returned (a torn, a lost, a reordered write) leaves the record before it.
//! A record is believed only when its CRC-32 holds, so no mark has to be set last.
//!
//! | after a power cut in | [`Slots::open`] finds |
//! |---|---|
//! | `open`, `load` | the state: nothing is written |
//! | `save` | the state before or the new one |
//! | `compact` | the state |
//!
//! What it does not do: wear levelling beyond taking turns. A save erases and writes one slot.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::medium;
use super::record::{self, Header};
use super::region::{BLANK, Region, Window};
use super::seal::Seal;
use crate::error::{ErrorKind, Result};
use crate::{bail, err};

/// Bytes read or written at a time.
const CHUNK: usize = 4096;

/// Records on a region, the newest of which is the state.
pub struct Slots<R> {
    region: R,
    backbone: Option<[u8; 32]>,
    seal: Option<Arc<dyn Seal>>,
    slots: [Slot; 2],
}

/// What one slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing was ever written, or everything was erased.
    Blank,
    /// Bytes that are no intact record: a save that was cut off, or damage.
    Damaged,
    /// A record.
    Intact {
        /// Its counter.
        counter: u64,
        /// Its length in bytes.
        len: u64,
    },
}

impl<R: Region> Slots<R> {
    /// Looks at both slots of `region`. A record of another backbone than `backbone`, where that is given, is left alone.
    ///
    /// # Errors
    /// `Mismatch` for state of another backbone or of a newer format; `Corrupt` where there is something and no slot is intact or
    /// blank: nothing is overwritten until [`Slots::format`] was called. `Io` with what the medium said.
    pub fn open(region: R, backbone: Option<[u8; 32]>) -> Result<Self> {
        Self::with(region, backbone, None)
    }

    /// As [`Slots::open`], of records that `seal` closes and opens. One that it finds altered counts as damaged.
    ///
    /// # Errors
    /// As [`Slots::open`]; `Mismatch` for a record in either slot that is sealed by another key, or is not sealed although it should be.
    pub fn open_sealed(region: R, backbone: Option<[u8; 32]>, seal: Arc<dyn Seal>) -> Result<Self> {
        Self::with(region, backbone, Some(seal))
    }

    pub(super) fn with(region: R, backbone: Option<[u8; 32]>, seal: Option<Arc<dyn Seal>>) -> Result<Self> {
        let mut slots = Self { region, backbone, seal, slots: [Slot::Blank; 2] };
        if slots.size() == 0 {
            bail!(Budget, "{} bytes are no two sectors of {}", slots.region.size(), slots.region.sector());
        }
        slots.slots = [slots.look(0)?, slots.look(1)?];
        if slots.slots.contains(&Slot::Damaged) {
            tracing::warn!("a slot holds no intact record, after a save that was cut off or by damage");
        }
        if slots.slots == [Slot::Damaged; 2] {
            bail!(
                Corrupt,
                "both slots hold bytes that are no intact record; {}, by formatting the region",
                record::RESTORE
            );
        }
        Ok(slots)
    }

    /// Erases the whole of `region`, whatever it holds.
    ///
    /// # Errors
    /// `Io` with what the medium said.
    pub fn format(mut region: R, backbone: Option<[u8; 32]>) -> Result<Self> {
        let end = region.size();
        region.erase(0, end)?;
        region.sync()?;
        Self::open(region, backbone)
    }

    /// What the two slots hold. [`Slot::Damaged`] beside an intact one says that a save was cut off, or that the newest state was
    /// damaged and this is the one before it.
    pub fn slots(&self) -> [Slot; 2] {
        self.slots
    }

    /// Bytes that a record may have, its header included.
    pub fn size(&self) -> u64 {
        self.region.size() / 2 / self.region.sector() * self.region.sector()
    }

    /// The region, given back.
    pub fn into_region(self) -> R {
        self.region
    }

    /// The state: header and payload.
    ///
    /// # Errors
    /// `NotFound` where nothing was saved yet, `Corrupt` where the record was damaged since it was opened, `Io`.
    pub fn load(&mut self) -> Result<(Header, Vec<u8>)> {
        match self.live() {
            Some(slot) => self.read(slot).map(|(record, _)| record),
            None => Err(err!(NotFound, "no state here; learn something first")),
        }
    }

    /// Saves a state of the backbone beside the one before it, which is what stays where this fails.
    ///
    /// # Errors
    /// `Budget` with the length that would do, where it does not fit into a slot; `Io` where the medium failed or did not keep what was
    /// written.
    pub fn save(&mut self, backbone: [u8; 32], payload: &[u8]) -> Result<Header> {
        let counter = match self.live().map(|live| self.slots[live]) {
            Some(Slot::Intact { counter, .. }) => counter.checked_add(1),
            _ => Some(1),
        };
        let counter = counter.ok_or_else(|| err!(Corrupt, "the counter is at its end; format the region"))?;
        let header = Header::new(counter, backbone, payload);
        let bytes = record::close(&header, payload, self.seal.as_deref())?;
        let to = self.live().map_or(0, |live| 1 - live);
        self.put(to, counter, &bytes)?;
        Ok(header)
    }

    /// Leaves no byte of older states on the region: afterwards both slots hold the state and nothing else, sealed as a save would.
    ///
    /// # Errors
    /// `Io` where the medium failed; the state is still there.
    pub fn compact(&mut self) -> Result<()> {
        let Some(live) = self.live() else {
            let end = self.region.size();
            self.region.erase(0, end)?;
            self.region.sync()?;
            self.slots = [Slot::Blank; 2];
            return Ok(());
        };
        let ((header, payload), _) = self.read(live)?;
        let bytes = record::close(&header, &payload, self.seal.as_deref())?;
        self.put(1 - live, header.counter, &bytes)?;
        // What an older, longer record left behind the live one goes with it.
        self.put(live, header.counter, &bytes)
    }

    /// The slot of the state.
    fn live(&self) -> Option<usize> {
        let counter = |slot: &usize| match self.slots[*slot] {
            Slot::Intact { counter, .. } => Some(counter),
            _ => None,
        };
        (0..2).filter(|slot| counter(slot).is_some()).max_by_key(|slot| (counter(slot), 1 - slot))
    }

    fn start(&self, slot: usize) -> u64 {
        slot as u64 * self.size()
    }

    /// Erases a slot, writes a record into it and reads it back.
    fn put(&mut self, slot: usize, counter: u64, bytes: &[u8]) -> Result<()> {
        let (start, size, word) = (self.start(slot), self.size(), self.region.word());
        let len = bytes.len() as u64;
        if len > size {
            bail!(
                Budget,
                "the record has {len} bytes and a slot {size}; a region of {} would do",
                2 * len.next_multiple_of(self.region.sector())
            );
        }
        self.slots[slot] = Slot::Damaged;
        self.region.erase(start, start + size)?;
        let chunk = CHUNK.next_multiple_of(word as usize);
        for (i, part) in bytes.chunks(chunk).enumerate() {
            let mut part = part.to_vec();
            part.resize(part.len().next_multiple_of(word as usize), BLANK);
            self.region.write(start + (i * chunk) as u64, &part)?;
        }
        self.region.sync()?;
        let mut kept = vec![0; chunk];
        for (i, part) in bytes.chunks(chunk).enumerate() {
            let kept = &mut kept[..part.len()];
            self.region.read(start + (i * chunk) as u64, kept)?;
            if kept != part {
                bail!(
                    Io,
                    "the medium did not keep what was written near byte {}; replace it",
                    start + (i * chunk) as u64
                );
            }
        }
        self.slots[slot] = Slot::Intact { counter, len };
        Ok(())
    }

    /// What a slot holds, and how many bytes of it.
    fn read(&mut self, slot: usize) -> Result<((Header, Vec<u8>), u64)> {
        let (start, size) = (self.start(slot), self.size());
        let mut window = Window { region: &mut self.region, start, size, at: 0 };
        let record = medium::read(&mut window, self.backbone, self.seal.as_deref())?;
        Ok((record, window.at))
    }

    fn look(&mut self, slot: usize) -> Result<Slot> {
        match self.read(slot) {
            Ok(((header, _), len)) => Ok(Slot::Intact { counter: header.counter, len }),
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                Ok(if self.is_blank(slot)? { Slot::Blank } else { Slot::Damaged })
            }
            Err(e) => Err(e),
        }
    }

    /// Whether a slot holds nothing: blank as after an erase, or zeros as of a new file.
    fn is_blank(&mut self, slot: usize) -> Result<bool> {
        let (start, size) = (self.start(slot), self.size());
        let mut bytes = vec![0; CHUNK];
        let mut first = None;
        for at in (0..size).step_by(CHUNK) {
            let part = &mut bytes[..CHUNK.min((size - at) as usize)];
            self.region.read(start + at, part)?;
            let first = *first.get_or_insert(part[0]);
            if ![BLANK, 0].contains(&first) || part.iter().any(|&b| b != first) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
