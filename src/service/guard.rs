//! Who may ask, and how often.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use rand::RngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::error::{Context, ErrorKind, Result};

/// Longest file that a token is read from.
const LONGEST: u64 = 4096;

/// Shortest token, in characters: 128 bits in hexadecimal.
const SHORTEST: usize = 32;

/// What a caller has to show on HTTP, as `Authorization: Bearer TOKEN`.
#[derive(Clone)]
pub struct Token {
    text: String,
    digest: [u8; 32],
}

impl Token {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the system gives no randomness.
    pub fn random() -> Result<Self> {
        let mut bits = [0; 32];
        OsRng.try_fill_bytes(&mut bits).map_err(|e| crate::err!(Io, "no randomness from the system: {e}"))?;
        Ok(Self::of(hex::encode(bits)))
    }

    /// The one in the file `path`; where there is no file, a new one is written to it that only its owner can read.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a file that holds no token of 32 characters or more;
    /// [`Io`](crate::ErrorKind::Io).
    pub fn open(path: &Path) -> Result<Self> {
        match Self::read(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let token = Self::random()?;
                token.write(path).at(|| path.display().to_string())?;
                Ok(token)
            }
            read => read.at(|| path.display().to_string()),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|b| b.is_ascii_graphic()) {
            crate::bail!(
                InvalidArgument,
                "no token: {SHORTEST} printable characters or more without a space; remove the file, and one is made"
            );
        }
        Ok(Self::of(text.to_string()))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(format!("{}\n", self.text).as_bytes())?;
        Ok(())
    }

    fn of(text: String) -> Self {
        Self { digest: Sha256::digest(&text).into(), text }
    }

    /// What a caller shows.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `headers` show it. Digests are compared, so that the time it takes says nothing of the token.
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| <[u8; 32]>::from(Sha256::digest(shown)) == self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = Token::open(&path).unwrap();
        assert_eq!(made.text().len(), 64);
        assert_eq!(Token::open(&path).unwrap().text(), made.text());
        assert_ne!(Token::random().unwrap().text(), made.text());
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert_eq!(Token::open(&path).err().unwrap().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn only_the_whole_token_is_taken() {
        let token = Token::random().unwrap();
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            token.is_shown(&headers)
        };
        assert!(shown(&format!("Bearer {}", token.text())));
        for wrong in ["", "Bearer ", token.text(), &format!("Bearer {}", &token.text()[1..])] {
            assert!(!shown(wrong), "{wrong:?}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
    }
}
