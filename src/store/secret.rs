//! Files of secret keys: one line, readable by their owner alone.
//!
//! ```text
//! KIND  64 hexadecimal digits
//! ```
//!
//! What is read and written here is wiped from memory when it is dropped. It does not encrypt the file.

use std::path::Path;

use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::read_limited;
use crate::err;
use crate::error::{Context, Result};

/// 32 bytes, wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Longest file of a key, in bytes.
const MAX_KEY: u64 = 4096;

/// A new secret from the system's randomness.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) where the system has none.
pub(crate) fn random_secret() -> Result<Secret> {
    let mut secret = Zeroizing::new([0; 32]);
    OsRng.try_fill_bytes(secret.as_mut()).map_err(|e| err!(Io, "no randomness from the system: {e}"))?;
    Ok(secret)
}

/// Reads a file that [`write_secret`] wrote for the same `kind`; `instead` is the next move where it is another file.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound), [`Parse`](crate::ErrorKind::Parse) for another file.
pub(crate) fn read_secret(path: &Path, kind: &str, instead: &str) -> Result<Secret> {
    let bytes = Zeroizing::new(read_limited(path, MAX_KEY)?);
    let mut words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut secret = Zeroizing::new([0; 32]);
    match (words.next(), words.next()) {
        (Some(found), Some(digits)) if found == kind.as_bytes() => {
            if hex::decode_to_slice(digits, secret.as_mut()).is_ok() {
                return Ok(secret);
            }
            Err(err!(Parse, "no 64 hexadecimal digits behind `{kind}`; {instead}"))
        }
        // Only words of ours are repeated: the file may be somebody's secret.
        (Some(found), _) if found.starts_with(b"perennial-") => {
            Err(err!(Parse, "a `{}` where a `{kind}` is needed; {instead}", String::from_utf8_lossy(found)))
        }
        _ => Err(err!(Parse, "no `{kind}`; {instead}")),
    }
    .at(|| path.display().to_string())
}

/// Writes `secret` where only its owner can read it, on systems that know owners. An existing file is not replaced.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) where the file exists or cannot be written.
pub(crate) fn write_secret(path: &Path, kind: &str, secret: &[u8; 32]) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let digits = Zeroizing::new(hex::encode(secret));
        let line = Zeroizing::new(format!("{kind} {}\n", digits.as_str()));
        let mut file = options.open(path)?;
        std::io::Write::write_all(&mut file, line.as_bytes())?;
        file.sync_all()
    };
    write().at(|| path.display().to_string())
}
