//! Files of unknown origin, read up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Context, Result};

/// The whole file, of at most `most` bytes. Not more are read, whatever the file system says of its length.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound), [`Io`](crate::ErrorKind::Io), [`Parse`](crate::ErrorKind::Parse) for a longer one.
pub fn read_limited(path: &Path, most: u64) -> Result<Vec<u8>> {
    let place = || path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path).at(place)?.take(most.saturating_add(1)).read_to_end(&mut bytes).at(place)?;
    match bytes.len() as u64 > most {
        true => Err(crate::err!(Parse, "longer than {most} bytes, the most that is read").at(place())),
        false => Ok(bytes),
    }
}
