//! What a caller chooses to adapt; part of a stored state's settings.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::role::Roles;

/// What to adapt, and with how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lora {
    /// Rank of every adapter.
    pub rank: usize,
    /// Scaling is `alpha / rank`.
    pub alpha: f32,
    /// Which blocks.
    pub blocks: Blocks,
    /// Which of their layers.
    pub roles: Roles,
}

impl Lora {
    /// `alpha / rank`.
    pub fn scaling(&self) -> f32 {
        self.alpha / self.rank as f32
    }
}

impl Default for Lora {
    /// Rank 4, scaling 1, queries and values of the last four blocks.
    fn default() -> Self {
        Self { rank: 4, alpha: 4.0, blocks: Blocks::Last(4), roles: Roles::Q | Roles::V }
    }
}

/// Which blocks to adapt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blocks {
    /// Every one.
    All,
    /// The last `k`.
    Last(usize),
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last(k) => write!(f, "last {k}"),
        }
    }
}

/// What the user names; empty where structure decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Globs of linear layers, separated by commas.
    pub sites: Option<String>,
    /// Name of the value at which to cut.
    pub boundary: Option<String>,
}
