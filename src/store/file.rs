//! A record as a file, replaced atomically.
//!
//! `save` writes `NAME.tmp` beside the file, syncs it, renames it over the file and syncs the folder. A power cut at
//! any point leaves the old record or the new one; a `NAME.tmp` that it left over is overwritten by the next save.
//! One writer per file: two at once may both succeed, and one of the two records remains.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use embedded_io::{ErrorType, Read, Seek, SeekFrom};

use super::medium;
use super::record::{self, Header};
use super::seal::Seal;
use crate::err;
use crate::error::{Context, Error, Result};

/// Writes the record to `path`, all or nothing.
///
/// # Errors
/// `Io` if the folder cannot be written; what stood at `path` is unchanged then.
pub fn save(path: &Path, header: &Header, payload: &[u8]) -> Result<()> {
    write(path, &record::encode(header, payload)?)
}

/// Puts the bytes of one record at `path`, all or nothing.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary(path)?;
    replace(path, &temporary, bytes).map_err(|e| {
        // Best effort: a file that stays is overwritten by the next save.
        let _ = fs::remove_file(&temporary);
        err!(Io, "not saved, the previous state is unchanged; check that the folder exists, is writable and not full")
            .caused_by(e)
            .at(path.display().to_string())
    })
}

/// Reads the record at `path`; where `backbone` is given the record must be its.
///
/// # Errors
/// `NotFound`, `Corrupt`, `Mismatch` (see [`record::decode`]) or `Io`.
pub fn load(path: &Path, backbone: Option<[u8; 32]>) -> Result<(Header, Vec<u8>)> {
    read(path, backbone, None)
}

/// As [`load`], of a record that is sealed where there is a seal.
pub(super) fn read(
    path: &Path,
    backbone: Option<[u8; 32]>,
    seal: Option<&dyn Seal>,
) -> Result<(Header, Vec<u8>)> {
    let place = || path.display().to_string();
    let file = File::open(path).map_err(Error::from).map_err(|e| match e.kind() {
        crate::ErrorKind::NotFound => {
            err!(NotFound, "no state here; learn something first, or check the path")
        }
        _ => e,
    });
    let mut source = Source(file.at(place)?);
    medium::read(&mut source, backbone, seal).and_then(|found| source.at_end().map(|()| found)).at(place)
}

fn temporary(path: &Path) -> Result<PathBuf> {
    let mut name = path
        .file_name()
        .ok_or_else(|| err!(InvalidArgument, "`{}` names no file; give a file name", path.display()))?
        .to_owned();
    name.push(".tmp");
    Ok(path.with_file_name(name))
}

fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, path)?;
    sync_folder(path)
}

/// Makes the rename itself durable. Windows has no such call and needs none.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// A file as embedded-io sees it.
struct Source(File);

impl Source {
    /// A file holds one record and nothing else.
    fn at_end(&mut self) -> Result<()> {
        let here = std::io::Seek::stream_position(&mut self.0)?;
        let size = self.0.metadata()?.len();
        match size == here {
            true => Ok(()),
            false => Err(err!(
                Corrupt,
                "{} bytes follow the record that ends at byte {here}; {}",
                size - here,
                record::RESTORE
            )),
        }
    }
}

impl ErrorType for Source {
    type Error = std::io::Error;
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        std::io::Read::read(&mut self.0, into)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        std::io::Seek::seek(&mut self.0, to.into())
    }
}
