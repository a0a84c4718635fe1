//! What was taken over from elsewhere, and how new it was.

use alloc::collections::BTreeMap;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;

/// SHA-256 of something. Text is lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    /// From bytes; text is for people.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <[u8; 32]>::deserialize(from).map(Self)
    }
}

/// The newest of what came from every source. It stays when a task is forgotten, so that an older one cannot come back, and
/// holds no name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger(BTreeMap<Digest, (u64, Digest)>);

/// How something compares with what came from its source before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Nothing came from there, or something older.
    New,
    /// It came before.
    Same,
}

impl Ledger {
    /// Compares `id`, number `counter` of `source`, with what came before.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for an older one, and for another one of the same number.
    pub fn age(&self, source: Digest, counter: u64, id: Digest) -> Result<Age> {
        match self.0.get(&source) {
            Some((known, _)) if counter < *known => Err(crate::err!(
                Mismatch,
                "number {counter} of this maker's task, and number {known} was here before; ask for the newest"
            )),
            Some((known, other)) if counter == *known && *other != id => Err(crate::err!(
                Mismatch,
                "another one of number {counter} was here before ({other}); its maker must count up"
            )),
            Some((known, _)) if counter == *known => Ok(Age::Same),
            _ => Ok(Age::New),
        }
    }

    /// Number and id of the newest that came from `source`.
    pub fn newest(&self, source: Digest) -> Option<(u64, Digest)> {
        self.0.get(&source).copied()
    }

    /// Remembers `id` as the newest of `source`.
    pub fn remember(&mut self, source: Digest, counter: u64, id: Digest) {
        self.0.insert(source, (counter, id));
    }

    /// Sources so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing ever came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.0.len() * (2 * size_of::<Digest>() + size_of::<u64>())
    }
}
