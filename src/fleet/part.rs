//! A file that is being fetched, chunk by chunk, and goes on where it was cut off.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::notice::{CHUNK, Notice};
use crate::error::{Context, Result};

/// The chunks of a bundle that came so far: the first ones, each with the SHA-256 that the notice tells.
pub struct Part {
    file: File,
    path: PathBuf,
    notice: Notice,
    next: u32,
}

impl Part {
    /// Opens the file at `path`; chunks that were written to it before are looked at again, and what follows the last good one is cut off.
    pub(super) fn open(path: &Path, notice: Notice) -> Result<Self> {
        let place = || path.display().to_string();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at(place)?;
        let mut next = 0;
        while (next as usize) < notice.chunks.len() {
            let mut chunk = Vec::new();
            (&mut file).take(notice.length(next)).read_to_end(&mut chunk).at(place)?;
            if !notice.is_chunk(next, &chunk) {
                break;
            }
            next += 1;
        }
        file.set_len((u64::from(next) * CHUNK).min(notice.bytes)).at(place)?;
        file.seek(SeekFrom::End(0)).at(place)?;
        Ok(Self { file, path: path.into(), notice, next })
    }

    /// The chunk that is asked for next; none when all are here.
    pub fn next(&self) -> Option<u32> {
        ((self.next as usize) < self.notice.chunks.len()).then_some(self.next)
    }

    /// Bytes that are here.
    pub fn here(&self) -> u64 {
        (u64::from(self.next) * CHUNK).min(self.notice.bytes)
    }

    /// Appends the next chunk, if that is what `bytes` are.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for anything else; [`Io`](crate::ErrorKind::Io). Nothing is appended then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.notice.is_chunk(self.next, bytes) {
            crate::bail!(Corrupt, "chunk {} is not what the bundle's maker signed", self.next);
        }
        self.file.write_all(bytes).at(|| self.path.display().to_string())?;
        self.next += 1;
        Ok(())
    }

    /// The whole file.
    pub(super) fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.notice.bytes as usize);
        self.file.rewind().at(|| self.path.display().to_string())?;
        (&mut self.file)
            .take(self.notice.bytes)
            .read_to_end(&mut bytes)
            .at(|| self.path.display().to_string())?;
        Ok(bytes)
    }
}
