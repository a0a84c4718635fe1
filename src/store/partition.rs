//! A raw partition, or a file of fixed size that stands for one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use embedded_io::{ErrorType, Read, Seek, SeekFrom, Write};

use crate::err;
use crate::error::{Context, Error, ErrorKind, Result};

/// A partition opened for this process alone. It is never made longer; [`Write::flush`] returns when everything is on the medium.
#[derive(Debug)]
pub struct Partition(File);

impl Partition {
    /// Opens what lies at `path`.
    ///
    /// # Errors
    /// `NotFound` where nothing does, `State` while another process has it open, `Io` otherwise.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::from).map_err(|e| {
            match e.kind() {
                ErrorKind::NotFound => err!(
                    NotFound,
                    "no partition here; check the path, or make an image of the size that is wanted"
                ),
                _ => e,
            }
        });
        let place = || path.display().to_string();
        let file = file.at(place)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(err!(State, "another process has it open")).at(place),
            Err(TryLockError::Error(e)) => Err(Error::from(e)).at(place),
        }
    }

    /// Makes an image of `size` bytes at `path`, where nothing may lie.
    ///
    /// # Errors
    /// `Io` where it cannot be made, also where something is there already.
    pub fn create(path: &Path, size: u64) -> Result<Self> {
        let make = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            let blank = [super::BLANK; 4096];
            let mut left = size as usize;
            while left > 0 {
                let count = left.min(blank.len());
                file.write_all(&blank[..count])?;
                left -= count;
            }
            file.sync_all()
        };
        make().at(|| path.display().to_string())?;
        Self::open(path)
    }
}

impl ErrorType for Partition {
    type Error = io::Error;
}

impl Read for Partition {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut self.0, into)
    }
}

impl Write for Partition {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Seek for Partition {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        io::Seek::seek(&mut self.0, to.into())
    }
}
