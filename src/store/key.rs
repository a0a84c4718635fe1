//! The key that makes a state unreadable and unforgeable: XChaCha20-Poly1305 under a nonce made from what is sealed.
//!
//! ```text
//! sub(p)  = HMAC-SHA256(key, p | 1)                            HKDF-Expand of RFC 5869, one block
//! nonce   = HMAC-SHA256(sub("perennial state nonce"), head | payload), its first 24 bytes
//! c, tag  = XChaCha20-Poly1305(sub("perennial state cipher"), nonce, associated data: head, payload)
//! trailer = tag (16) | nonce (24) | name (8)                   name = the first 8 bytes of sub("perennial state name")
//! ```
//!
//! **Why the nonce is computed and not drawn.** A cipher under a nonce loses everything where a nonce comes twice, and a small device
//! may have no randomness, or start with the same after every power cut. A nonce that is a pseudorandom function of all that is
//! sealed comes twice only for the same state (Rogaway and Shrimpton, "Deterministic Authenticated-Encryption", Eurocrypt 2006, section 4; RFC 5297
//! is that with AES; draft-madden-generalised-siv is it with XChaCha20 and HMAC-SHA256). So the same state, counter and key give the
//! same bytes, like everywhere here. The price: whoever sees two media sees whether they hold the same state, and sealing reads
//! the payload twice.
//!
//! The file of a key is one line: `perennial-state-key` and 64 hexadecimal digits. A key is 32 random bytes, no password.
//!
//! What it does not do: hide the length, the backbone's hash and the counter; protect a state in memory; wipe the copies of key bytes
//! that the hash function's own state leaves on the stack. Keys are wiped when they are dropped.

use std::path::Path;

use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::seal::{Seal, TRAILER};
use super::secret::{Secret, random_secret, read_secret, write_secret};
use crate::error::Result;
use crate::{bail, err};

const KIND: &str = "perennial-state-key";
const TAG: usize = 16;
const NONCE: usize = 24;
const NAME: usize = 8;

/// Encrypts states and opens them again. See the [store's page](super) for where it is put in.
pub struct StateKey(Secret);

/// Opens what was not encrypted, or was with the key before, and encrypts with the new one.
pub struct Handover {
    to: StateKey,
    from: Option<StateKey>,
}

impl StateKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the system has none.
    pub fn generate() -> Result<Self> {
        random_secret().map(Self)
    }

    /// The key of 32 bytes that nobody can guess, such as those of a secure element.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the file that [`StateKey::save`] wrote.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Parse`](crate::ErrorKind::Parse) for another file.
    pub fn read(path: &Path) -> Result<Self> {
        read_secret(path, KIND, "make one with `perennial state keygen`").map(Self)
    }

    /// Writes the key where only its owner can read it, on systems that know owners. An existing file is not replaced.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_secret(path, KIND, &self.0)
    }

    /// What tells this key from others, and says nothing about it: 16 hexadecimal digits.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) only.
    pub fn name(&self) -> Result<String> {
        self.short_name().map(hex::encode)
    }

    /// To take over states that were encrypted with `from`, or not at all where there is none.
    pub fn taking_over(self, from: Option<Self>) -> Handover {
        Handover { to: self, from }
    }

    fn short_name(&self) -> Result<[u8; NAME]> {
        self.derived(b"perennial state name").map(|long| std::array::from_fn(|i| long[i]))
    }

    fn has_sealed(&self, trailer: &[u8; TRAILER]) -> Result<bool> {
        Ok(trailer[TAG + NONCE..] == self.short_name()?)
    }

    /// A key of its own for every purpose.
    fn derived(&self, purpose: &[u8]) -> Result<Secret> {
        hmac(&self.0, &[purpose, &[1]])
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305> {
        let key = self.derived(b"perennial state cipher")?;
        let key: &Key = (&*key).into();
        Ok(XChaCha20Poly1305::new(key))
    }
}

impl Seal for StateKey {
    fn close(&self, head: &[u8], payload: &mut [u8]) -> Result<[u8; TRAILER]> {
        let long = hmac(&*self.derived(b"perennial state nonce")?, &[head, payload])?;
        let nonce: [u8; NONCE] = std::array::from_fn(|i| long[i]);
        let tag = self
            .cipher()?
            .encrypt_inout_detached(&nonce.into(), head, payload.into())
            .map_err(|_| err!(InvalidArgument, "a state too long to be encrypted"))?;
        let mut trailer = [0; TRAILER];
        trailer[..TAG].copy_from_slice(&tag);
        trailer[TAG..TAG + NONCE].copy_from_slice(&nonce);
        trailer[TAG + NONCE..].copy_from_slice(&self.short_name()?);
        Ok(trailer)
    }

    fn open(&self, head: &[u8], payload: &mut [u8], trailer: &[u8; TRAILER]) -> Result<()> {
        let (tag, nonce) = parts(trailer);
        if !self.has_sealed(trailer)? {
            bail!(
                Mismatch,
                "encrypted with the key {}, and {} was given; give that key",
                hex::encode(&trailer[TAG + NONCE..]),
                self.name()?
            );
        }
        self.cipher()?.decrypt_inout_detached(&nonce, head, payload.into(), &tag).map_err(|_| {
            err!(
                Corrupt,
                "altered by somebody without the key, or put together from several states; {}",
                super::record::RESTORE
            )
        })
    }
}

impl Seal for Handover {
    fn close(&self, head: &[u8], payload: &mut [u8]) -> Result<[u8; TRAILER]> {
        self.to.close(head, payload)
    }

    fn open(&self, head: &[u8], payload: &mut [u8], trailer: &[u8; TRAILER]) -> Result<()> {
        match &self.from {
            Some(from) if from.has_sealed(trailer)? => from.open(head, payload, trailer),
            _ => self.to.open(head, payload, trailer),
        }
    }

    fn takes_plain(&self) -> bool {
        self.from.is_none()
    }
}

fn parts(trailer: &[u8; TRAILER]) -> (Tag, XNonce) {
    let tag: [u8; TAG] = std::array::from_fn(|i| trailer[i]);
    let nonce: [u8; NONCE] = std::array::from_fn(|i| trailer[TAG + i]);
    (tag.into(), nonce.into())
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Result<Secret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|e| err!(Bug, "a key for HMAC: {e}"))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}
