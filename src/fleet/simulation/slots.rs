//! Transfers under way, each under a number that is never used again.

use super::transfer::Transfer;

/// `number = place + 2^32 * turn`; a place is used again, with its next turn.
pub(super) struct Slots {
    places: Vec<(u32, Option<Transfer>)>,
    vacant: Vec<u32>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn insert(&mut self, transfer: Transfer) -> u64 {
        let place = self.vacant.pop().unwrap_or(self.places.len() as u32);
        if place as usize == self.places.len() {
            self.places.push((0, None));
        }
        let (turn, held) = &mut self.places[place as usize];
        *held = Some(transfer);
        u64::from(*turn) << 32 | u64::from(place)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Transfer> {
        let (turn, held) = self.places.get_mut(id as u32 as usize)?;
        held.as_mut().filter(|_| u64::from(*turn) == id >> 32)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Transfer> {
        let transfer = *self.get_mut(id)?;
        let (turn, held) = &mut self.places[id as u32 as usize];
        (*turn, *held) = (turn.wrapping_add(1), None);
        self.vacant.push(id as u32);
        Some(transfer)
    }
}
