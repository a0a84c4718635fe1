//! Stretches of the machine's memory as media that a state lies on.

use perennial::Result;
use perennial::store::Region;

/// Where the first one starts, and the bytes of each; `check.sh` fills them and names the same numbers.
const START: usize = 0x2100_0000;
const SIZES: [usize; 3] = [0x20_0000, 0x10_0000, 0x10_0000];
const SECTOR: u64 = 4096;

/// Memory that is erased and written as a flash chip would be.
pub struct Memory(&'static mut [u8]);

/// State, features and answers.
pub fn all() -> [Memory; 3] {
    let mut start = START;
    SIZES.map(|size| {
        let first = core::ptr::with_exposed_provenance_mut::<u8>(start);
        start += size;
        // SAFETY: the machine has memory from 0x21000000 to 0x22000000, which the linker script gives to nobody and the heap begins
        // behind; the stretches do not overlap, and `main` calls this once.
        Memory(unsafe { core::slice::from_raw_parts_mut(first, size) })
    })
}

impl Region for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn sector(&self) -> u64 {
        SECTOR
    }

    fn word(&self) -> u64 {
        1
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let at = at as usize;
        into.copy_from_slice(&self.0[at..at + into.len()]);
        Ok(())
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        self.0[from as usize..to as usize].fill(perennial::store::BLANK);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let at = at as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}
