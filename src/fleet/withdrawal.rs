//! A maker takes back what it made, or a steward of the fleet what anybody made: a request to erase.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::signed::Statement;
use crate::bundle::{PublicKey, Trust, source};
use crate::error::Result;
use crate::learner::Digest;

/// Longest reason, in bytes.
const MAX_REASON: usize = 256;

/// That a task is not to be held, sent or taken over any more. It names no task and no class, for it outlives what it erases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// SHA-256 of the backbone.
    pub backbone: Digest,
    /// The public key of the task's maker.
    pub maker: [u8; 32],
    /// SHA-256 of the task's name.
    pub task: Digest,
    /// The newest version that is withdrawn, and with it all older ones.
    pub counter: u64,
    /// Seconds since 1970 when it was said.
    pub created: u64,
    /// Why, for people. It should not repeat what is to be forgotten.
    pub reason: String,
}

impl Withdrawal {
    /// Of version `counter` and older ones of `task`, made by `maker`.
    pub fn of(backbone: Digest, maker: &PublicKey, task: &str, counter: u64) -> Self {
        let task = Digest(Sha256::digest(task).into());
        Self { backbone, maker: maker.bytes(), task, counter, created: 0, reason: String::new() }
    }

    /// What the versions of the task have in common.
    pub fn source(&self) -> Digest {
        source(&self.maker, self.task)
    }
}

impl Statement for Withdrawal {
    const DOMAIN: &'static [u8] = b"perennial withdrawal 1";
    const MOST: usize = 1024;

    fn check(&self) -> Result<()> {
        match self.reason.len() <= MAX_REASON && !self.reason.chars().any(char::is_control) {
            true => Ok(()),
            false => Err(crate::err!(
                InvalidArgument,
                "a reason of {} bytes; at most {MAX_REASON}, on one line",
                self.reason.len()
            )),
        }
    }

    fn may(trust: &Trust, signer: &PublicKey) -> Result<()> {
        if trust.is_steward(signer) { Ok(()) } else { trust.name(signer).map(drop) }
    }

    fn said_by(&self, trust: &Trust, signer: &PublicKey) -> Result<()> {
        match signer.bytes() == self.maker || trust.is_steward(signer) {
            true => Ok(()),
            false => Err(crate::err!(
                Mismatch,
                "{signer} takes back what somebody else made; only its maker or a steward can"
            )),
        }
    }
}
