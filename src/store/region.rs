//! A stretch of a medium: what [`super::slots`] writes on.
//!
//! ```text
//! |  sector 0  |  sector 1  |  ..            erased together, to 0xFF
//! |w|w|w|w|w|w|w|w| ..                       written together, once after an erase
//! ```
//!
//! [`Nor`] is a flash chip behind embedded-storage's traits, [`Blocks`] anything that reads, writes and seeks, such as a raw
//! partition ([`super::file::Partition`]) or a buffer: erasing is then writing 0xFF.

use alloc::vec;

use embedded_io::{Read, ReadExactError, SeekFrom};
use embedded_storage::nor_flash::NorFlash;

use super::medium::{Medium, failed};
use super::record::RESTORE;
use crate::error::{Error, Result};
use crate::{bail, err};

/// What a byte holds after an erase.
pub const BLANK: u8 = 0xff;

/// Sectors of anything that has none.
const BLOCK: u64 = 4096;

/// A stretch of a medium that is erased in sectors and written in words.
///
/// A write may be lost, torn or reordered with other writes until [`Region::sync`] returned.
pub trait Region {
    /// Bytes in all, whole sectors.
    fn size(&self) -> u64;

    /// Bytes that are erased together.
    fn sector(&self) -> u64;

    /// Bytes that are written together.
    fn word(&self) -> u64;

    /// Reads `into.len()` bytes at `at`.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) with what the medium said.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()>;

    /// Erases the sectors from `from` up to `to`, both multiples of [`Region::sector`].
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) with what the medium said.
    fn erase(&mut self, from: u64, to: u64) -> Result<()>;

    /// Writes whole words at `at`, into erased sectors.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) with what the medium said.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;

    /// Returns when all that was written would survive a power cut.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) with what the medium said.
    fn sync(&mut self) -> Result<()>;
}

/// A NOR flash, whose writes are durable when they return.
pub struct Nor<F>(pub F);

impl<F: NorFlash> Region for Nor<F> {
    fn size(&self) -> u64 {
        (self.0.capacity() / F::ERASE_SIZE * F::ERASE_SIZE) as u64
    }

    fn sector(&self) -> u64 {
        F::ERASE_SIZE as u64
    }

    fn word(&self) -> u64 {
        // What is written must be readable word by word, too.
        (F::WRITE_SIZE.max(F::READ_SIZE)) as u64
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let (word, end) = (F::READ_SIZE as u64, at + into.len() as u64);
        let from = at / word * word;
        let mut words = vec![0; (end.next_multiple_of(word) - from) as usize];
        self.0.read(offset(from)?, &mut words).map_err(|e| flash(&e))?;
        into.copy_from_slice(&words[(at - from) as usize..(end - from) as usize]);
        Ok(())
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        self.0.erase(offset(from)?, offset(to)?).map_err(|e| flash(&e))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.0.write(offset(at)?, bytes).map_err(|e| flash(&e))
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

fn offset(at: u64) -> Result<u32> {
    u32::try_from(at).map_err(|e| err!(InvalidArgument, "byte {at} of a flash chip of 32 bits").caused_by(e))
}

fn flash(e: &impl embedded_storage::nor_flash::NorFlashError) -> Error {
    err!(Io, "the flash failed ({:?}); check its driver and that the region is inside the chip", e.kind())
}

/// A medium without sectors of its own.
pub struct Blocks<M> {
    medium: M,
    size: u64,
}

impl<M: Medium> Blocks<M> {
    /// All of `medium`, but for what does not fill a block of 4,096 bytes.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where its length cannot be told, [`Budget`](crate::ErrorKind::Budget) where it has no room for
    /// two blocks.
    pub fn new(mut medium: M) -> Result<Self> {
        let size = medium.seek(SeekFrom::End(0)).map_err(|e| failed(&e))? / BLOCK * BLOCK;
        if size < 2 * BLOCK {
            bail!(Budget, "two slots need {} bytes at least and the medium has {size}", 2 * BLOCK);
        }
        Ok(Self { medium, size })
    }

    fn go(&mut self, at: u64) -> Result<()> {
        self.medium.seek(SeekFrom::Start(at)).map(drop).map_err(|e| failed(&e))
    }
}

impl<M: Medium> Region for Blocks<M> {
    fn size(&self) -> u64 {
        self.size
    }

    fn sector(&self) -> u64 {
        BLOCK
    }

    fn word(&self) -> u64 {
        1
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        self.go(at)?;
        self.medium.read_exact(into).map_err(|e| match e {
            ReadExactError::UnexpectedEof => err!(Corrupt, "the medium ends behind byte {at}; {RESTORE}"),
            ReadExactError::Other(e) => failed(&e),
        })
    }

    fn erase(&mut self, from: u64, to: u64) -> Result<()> {
        self.go(from)?;
        let blank = [BLANK; BLOCK as usize];
        (from..to)
            .step_by(blank.len())
            .try_for_each(|_| self.medium.write_all(&blank).map_err(|e| failed(&e)))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.go(at)?;
        self.medium.write_all(bytes).map_err(|e| failed(&e))
    }

    fn sync(&mut self) -> Result<()> {
        self.medium.flush().map_err(|e| failed(&e))
    }
}

/// Part of a region as embedded-io sees it.
pub(super) struct Window<'a, R> {
    pub(super) region: &'a mut R,
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) at: u64,
}

impl<R: Region> embedded_io::ErrorType for Window<'_, R> {
    type Error = Failed;
}

/// What a region said, as embedded-io wants it.
#[derive(Debug)]
pub(super) struct Failed(Error);

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Failed {}

impl embedded_io::Error for Failed {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::Other
    }
}

impl<R: Region> Read for Window<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failed> {
        let count = (into.len() as u64).min(self.size.saturating_sub(self.at)) as usize;
        self.region.read(self.start + self.at, &mut into[..count]).map_err(Failed)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Region> embedded_io::Seek for Window<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Failed> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.size, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = base.saturating_add_signed(by);
        Ok(self.at)
    }
}
