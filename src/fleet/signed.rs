//! Statements with a signature: who says it, that they said it, and nothing looked at before both are known.
//!
//! ```text
//! offset
//! 0    32 bytes      the maker's public key, Ed25519
//! 32   64 bytes      signature over the statement's domain | key | body
//! 96   the rest      the body, postcard
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::bundle::{PublicKey, SecretKey, Trust};
use crate::error::Result;
use crate::learner::Digest;

const HEAD: usize = 32 + 64;

/// Something that devices say to each other.
pub trait Statement: Serialize + DeserializeOwned {
    /// What keeps a signature over one kind from being one over another.
    const DOMAIN: &'static [u8];
    /// Most bytes, signed.
    const MOST: usize;

    /// Refuses what is beyond the limits.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
    fn check(&self) -> Result<()>;

    /// Whether `trust` lets `signer` say such things.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) where it does not.
    fn may(trust: &Trust, signer: &PublicKey) -> Result<()>;

    /// Whether it lets `signer` say this one.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) where it does not.
    fn said_by(&self, _: &Trust, _: &PublicKey) -> Result<()> {
        Ok(())
    }
}

/// A statement whose signature holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<S> {
    statement: S,
    maker: PublicKey,
    bytes: Vec<u8>,
}

impl<S: Statement> Signed<S> {
    /// Signs `statement`.
    ///
    /// # Errors
    /// As [`Statement::check`], and [`Budget`](crate::ErrorKind::Budget) for one that is too long.
    pub fn sign(statement: S, key: &SecretKey) -> Result<Self> {
        statement.check()?;
        let body = crate::store::encoded(&statement)?;
        if HEAD + body.len() > S::MOST {
            crate::bail!(
                Budget,
                "{} bytes, and at most {} are sent around; give the task fewer classes or shorter names",
                body.len(),
                S::MOST - HEAD
            );
        }
        let maker = key.public();
        let signature = key.sign(&message::<S>(&maker, &body));
        let bytes = [&maker.bytes()[..], &signature, &body].concat();
        Ok(Self { statement, maker, bytes })
    }

    /// Reads bytes of unknown origin. A stranger's signature is not even computed.
    ///
    /// # Errors
    /// As [`Statement::may`], [`Statement::check`] and [`Statement::said_by`]; [`Corrupt`](crate::ErrorKind::Corrupt) for anything else that is not intact.
    pub fn from_bytes(bytes: Vec<u8>, trust: &Trust) -> Result<Self> {
        if bytes.len() > S::MOST {
            crate::bail!(Corrupt, "{} bytes, and at most {} are looked at", bytes.len(), S::MOST);
        }
        let Some((maker, rest)) = bytes.split_first_chunk::<32>() else { return Err(short(bytes.len())) };
        let Some((signature, body)) = rest.split_first_chunk::<64>() else { return Err(short(bytes.len())) };
        let maker = PublicKey::from_bytes(maker)?;
        S::may(trust, &maker)?;
        if !maker.has_signed(&message::<S>(&maker, body), signature) {
            crate::bail!(Corrupt, "the signature does not hold: damaged, changed or forged");
        }
        let statement: S = match postcard::take_from_bytes(body) {
            Ok((statement, [])) => statement,
            _ => crate::bail!(Mismatch, "signed, but by a program of another version; update both"),
        };
        statement.check()?;
        statement.said_by(trust, &maker)?;
        Ok(Self { statement, maker, bytes })
    }

    /// What is said.
    pub fn statement(&self) -> &S {
        &self.statement
    }

    /// Who says it.
    pub fn maker(&self) -> &PublicKey {
        &self.maker
    }

    /// As it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn id(&self) -> Digest {
        id(&self.bytes)
    }
}

/// SHA-256 of a statement's bytes.
pub(super) fn id(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn message<S: Statement>(maker: &PublicKey, body: &[u8]) -> Vec<u8> {
    [S::DOMAIN, &maker.bytes(), body].concat()
}

fn short(bytes: usize) -> crate::Error {
    crate::err!(Corrupt, "{bytes} bytes are no statement")
}
