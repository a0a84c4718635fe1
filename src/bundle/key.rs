//! Keys as one line of text, and whom to trust.
//!
//! ```text
//! perennial-public-key   64 hexadecimal digits  what it is called
//! perennial-steward-key  64 hexadecimal digits  what it is called
//! perennial-revoked-key  64 hexadecimal digits  why
//! perennial-secret-key   64 hexadecimal digits
//! ```
//!
//! A steward may take back what anybody made, and makes nothing. What is revoked anywhere is trusted nowhere.

use std::path::Path;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::error::{Context, Result};
use crate::store::{random_secret, read_limited, read_secret, write_secret};

const PUBLIC: &str = "perennial-public-key";
const STEWARD: &str = "perennial-steward-key";
const REVOKED: &str = "perennial-revoked-key";
const SECRET: &str = "perennial-secret-key";
/// Longest file of keys, in bytes.
const MAX_KEYS: u64 = 1 << 20;

/// Signs bundles. Keep it off devices that need not sign.
pub struct SecretKey(SigningKey);

/// Says who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Makers whose bundles are taken, stewards, and keys that are trusted no longer.
#[derive(Clone, Debug, Default)]
pub struct Trust(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    key: PublicKey,
    role: Role,
    /// What it is called, or why it was revoked.
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Maker,
    Steward,
    Revoked,
}

impl SecretKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the system has none.
    pub fn generate() -> Result<Self> {
        random_secret().map(|seed| Self(SigningKey::from_bytes(&seed)))
    }

    /// The key of 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads the file that [`SecretKey::save`] wrote.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Parse`](crate::ErrorKind::Parse) for another file.
    pub fn read(path: &Path) -> Result<Self> {
        let instead = "to sign, give the secret one, or make one with `perennial bundle keygen`";
        read_secret(path, SECRET, instead).map(|seed| Self(SigningKey::from_bytes(&seed)))
    }

    /// Writes the key where only its owner can read it, on systems that know owners. An existing file is not replaced.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_secret(path, SECRET, self.0.as_bytes())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// From 32 bytes.
    ///
    /// # Errors
    /// [`Parse`](crate::ErrorKind::Parse) for bytes that are no key, or one under which anybody can sign.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(crate::err!(Parse, "32 bytes that are no public key")),
        }
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// As a line of a file of keys.
    pub fn line(&self, name: &str) -> String {
        format!("{PUBLIC} {} {name}", hex::encode(self.bytes()))
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.bytes()))
    }
}

impl Trust {
    /// Trusts one more maker.
    #[must_use]
    pub fn with(mut self, key: PublicKey, name: &str) -> Self {
        self.0.push(Known { key, role: Role::Maker, name: name.into() });
        self
    }

    /// A file of public keys, one a line, or a folder of such files called `*.pub`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Parse`](crate::ErrorKind::Parse) with the line for one that is no key.
    pub fn read(path: &Path) -> Result<Self> {
        let mut files = vec![path.to_path_buf()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).at(|| path.display().to_string())?;
            files = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
            files.retain(|file| file.extension().is_some_and(|e| e == "pub"));
            files.sort();
        }
        let mut trust = Self::default();
        for file in &files {
            let text = text_of(file)?;
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
            for (i, line) in lines {
                trust.0.push(known(line).at(|| format!("{}:{}", file.display(), i + 1))?);
            }
        }
        Ok(trust)
    }

    /// What the maker that owns `key` is called.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) where the key is not trusted.
    pub fn name(&self, key: &PublicKey) -> Result<&str> {
        if let Some(why) = self.find(key, Role::Revoked) {
            crate::bail!(
                Mismatch,
                "signed by {key}, which was revoked ({why}); ask for a bundle with another key"
            );
        }
        self.find(key, Role::Maker).ok_or_else(|| {
            crate::err!(
                Mismatch,
                "signed by {key}, which is none of the {} trusted keys; if you know whose it is, add the line \
                 `{PUBLIC} {key} NAME` to them",
                self.makers().count()
            )
        })
    }

    /// The makers.
    pub fn makers(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(|known| known.role == Role::Maker).map(|known| &known.key)
    }

    /// Whether the owner of `key` may take back what anybody made.
    pub fn is_steward(&self, key: &PublicKey) -> bool {
        self.find(key, Role::Revoked).is_none() && self.find(key, Role::Steward).is_some()
    }

    fn find(&self, key: &PublicKey, role: Role) -> Option<&str> {
        self.0.iter().find(|known| known.role == role && known.key == *key).map(|known| known.name.as_str())
    }
}

fn known(line: &str) -> Result<Known> {
    let mut words = line.split_whitespace();
    let role = match words.next() {
        Some(PUBLIC) => Some(Role::Maker),
        Some(STEWARD) => Some(Role::Steward),
        Some(REVOKED) => Some(Role::Revoked),
        _ => None,
    };
    match (role, words.next().and_then(unhex)) {
        (Some(role), Some(bytes)) => {
            let key = PublicKey::from_bytes(&bytes)?;
            Ok(Known { key, role, name: words.collect::<Vec<_>>().join(" ") })
        }
        _ => Err(crate::err!(
            Parse,
            "no public key; a line is `{PUBLIC} 64-HEX-DIGITS NAME`, or begins with {STEWARD} or {REVOKED}"
        )),
    }
}

fn text_of(path: &Path) -> Result<String> {
    let text = String::from_utf8(read_limited(path, MAX_KEYS)?);
    text.map_err(|_| crate::err!(Parse, "no text, so no keys").at(path.display().to_string()))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
