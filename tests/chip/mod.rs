//! A NOR flash chip whose power goes when told, and slots on it.
#![allow(dead_code)]

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use perennial::Result;
use perennial::store::{self, Nor, Slots};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A NOR chip: writes only clear bits, only in whole words, once after an erase. Its power goes after so many bytes.
#[derive(Clone)]
pub struct Chip {
    pub bytes: Vec<u8>,
    left: usize,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
pub struct Off;

impl NorFlashError for Off {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

pub const SECTOR: usize = 256;
const WORD: usize = 4;

impl Chip {
    pub fn new(size: usize) -> Self {
        // What a chip holds before it is formatted.
        Self { bytes: vec![store::BLANK; size], left: usize::MAX, rng: ChaCha8Rng::seed_from_u64(1) }
    }

    pub fn powered(mut self, left: usize) -> Self {
        self.left = left;
        self
    }

    /// How many of `bytes` are still dealt with before the power goes.
    fn take(&mut self, bytes: usize) -> (usize, std::result::Result<(), Off>) {
        let done = bytes.min(self.left);
        self.left -= done;
        (done, if done == bytes { Ok(()) } else { Err(Off) })
    }
}

impl ErrorType for Chip {
    type Error = Off;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 4;

    fn read(&mut self, at: u32, into: &mut [u8]) -> std::result::Result<(), Off> {
        assert!((at as usize).is_multiple_of(Self::READ_SIZE) && into.len().is_multiple_of(Self::READ_SIZE));
        into.copy_from_slice(&self.bytes[at as usize..at as usize + into.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> std::result::Result<(), Off> {
        assert!((from as usize).is_multiple_of(SECTOR) && (to as usize).is_multiple_of(SECTOR));
        let (done, result) = self.take((to - from) as usize);
        let (from, to) = (from as usize, to as usize);
        self.bytes[from..from + done].fill(store::BLANK);
        if done < to - from {
            // The sector that was being erased holds anything.
            let torn = from + done..(from + done).next_multiple_of(SECTOR).min(to);
            torn.for_each(|i| self.bytes[i] |= self.rng.r#gen::<u8>());
        }
        result
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> std::result::Result<(), Off> {
        let at = at as usize;
        assert!(at.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        let (done, result) = self.take(bytes.len());
        for (to, from) in self.bytes[at..].iter_mut().zip(&bytes[..done]) {
            assert_eq!(*to, store::BLANK, "a word is written once after an erase");
            *to &= from;
        }
        if let Some(from) = bytes.get(done) {
            // The byte that was being written has some of its bits.
            self.bytes[at + done] &= from | self.rng.r#gen::<u8>();
        }
        result
    }
}

/// Does `what` with the power going after every byte that it erases or writes. `survives` is told what is found afterwards.
pub fn cut_everywhere(
    chip: &Chip,
    open: impl Fn(Chip) -> Result<Slots<Nor<Chip>>>,
    what: impl Fn(&mut Slots<Nor<Chip>>) -> Result<()>,
    survives: impl Fn(&Chip, bool),
) -> usize {
    for left in 0.. {
        let mut slots = open(chip.clone().powered(left)).unwrap();
        let done = what(&mut slots).is_ok();
        survives(&slots.into_region().0, done);
        if done {
            return left;
        }
    }
    0
}
