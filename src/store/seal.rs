//! What makes a payload unreadable and unforgeable, as a record sees it.
//!
//! ```text
//! head (magic .. header) | payload            -> close ->    head | ciphertext, as long as the payload | trailer, 48 bytes
//! ```
//!
//! The head stays readable, so that the right error comes (another backbone, a newer format, another key), and is authenticated with
//! the payload. [`StateKey`](super::StateKey) is the seal of this crate (feature `sealed`); a secure element that never gives its key
//! away can be another.
//!
//! Invariants: a sealed record is never read without a seal, a record that is not sealed never with one unless the seal says so:
//! else whoever can write the medium could put a state of his own there.
//!
//! What it does not do: find that an *older* record of the same key was put back. The header's counter is authenticated; who keeps
//! the last counter where an attacker cannot write compares.

use crate::bail;
use crate::error::Result;

/// Bytes that a seal puts behind a payload.
pub const TRAILER: usize = 48;

/// Seals payloads in place.
pub trait Seal: Send + Sync {
    /// Makes `payload` unreadable and gives what is needed, beside the key, to open it again. `head` is bound to it.
    ///
    /// # Errors
    /// What keeps the seal from working, such as an absent secure element.
    fn close(&self, head: &[u8], payload: &mut [u8]) -> Result<[u8; TRAILER]>;

    /// The payload as it was before [`Seal::close`].
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for another key, [`Corrupt`](crate::ErrorKind::Corrupt) where head, payload or
    /// trailer are not those that were closed.
    fn open(&self, head: &[u8], payload: &mut [u8], trailer: &[u8; TRAILER]) -> Result<()>;

    /// Whether a record that is not sealed is read, too.
    fn takes_plain(&self) -> bool {
        false
    }
}

/// Whether a record may be read at all beside this seal, or without one.
///
/// # Errors
/// `Mismatch` with the next move.
pub(super) fn admit(sealed: bool, seal: Option<&dyn Seal>) -> Result<()> {
    match (sealed, seal) {
        (true, None) => {
            bail!(Mismatch, "the state is encrypted; give its key (--state-key FILE on the command line)")
        }
        (false, Some(seal)) if !seal.takes_plain() => bail!(
            Mismatch,
            "a key was given and the state is not encrypted; if nobody can have replaced it, encrypt it with `perennial state seal`"
        ),
        _ => Ok(()),
    }
}
