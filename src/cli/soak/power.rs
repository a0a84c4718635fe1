//! A medium whose power goes in the middle of a save.

use crate::error::Result;
use crate::store::Region;

/// A region that takes so many more bytes, then nothing.
pub struct Power<R> {
    region: R,
    left: usize,
}

impl<R> Power<R> {
    /// Power for `left` bytes, erased or written.
    pub fn new(region: R, left: usize) -> Self {
        Self { region, left }
    }

    /// How many of `bytes` are dealt with before it goes.
    fn take(&mut self, bytes: usize) -> usize {
        let done = bytes.min(self.left);
        self.left -= done;
        done
    }
}

/// What a device without power says: nothing; this stands for it.
fn off() -> crate::Error {
    crate::err!(Io, "the power went")
}

impl<R: Region> Region for Power<R> {
    fn size(&self) -> u64 {
        self.region.size()
    }

    fn sector(&self) -> u64 {
        self.region.sector()
    }

    fn word(&self) -> u64 {
        self.region.word()
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        if self.left == 0 { Err(off()) } else { self.region.read(at, into) }
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        let (all, sector) = ((to - from) as usize, self.sector());
        let done = self.take(all);
        // Whole sectors only; the one that was being erased is as it was.
        self.region.erase(from, from + done as u64 / sector * sector)?;
        if done < all { Err(off()) } else { Ok(()) }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let done = self.take(bytes.len());
        let whole = done / self.word() as usize * self.word() as usize;
        self.region.write(at, &bytes[..whole])?;
        if done < bytes.len() { Err(off()) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        if self.left == 0 { Err(off()) } else { self.region.sync() }
    }
}
