//! What an adapter stands at in its block, and sets of that.

use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;

use crate::error::Result;

/// What an adapter stands at in its block: a linear layer, the feed-forward part, or the attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Queries, keys and values by one layer.
    Qkv,
    /// Output projection of the attention.
    O,
    /// First layer of the feed-forward part.
    Fc1,
    /// Last layer of the feed-forward part.
    Fc2,
    /// The layer beside the first one in a gated feed-forward part (SwiGLU).
    Gate,
    /// A bottleneck beside the feed-forward part: reads what it reads, adds to what it gives.
    Parallel,
    /// A bottleneck behind the feed-forward part: reads what it gives, adds to it.
    Series,
    /// Tokens that the block's queries meet beside its own: a key and a value each (prefix tuning).
    Prefix,
    /// Tokens that the block's key and value layers read beside its own (deep prompt tuning).
    Prompt,
    /// Named by the user.
    Named,
}

impl Role {
    /// Every role that structure tells, in the order in which adapters are put in. Bottlenecks come first: one behind the
    /// feed-forward part then reads what its last layer gives with that layer's own adapter, injected or merged.
    pub const FOUND: [Self; 12] = [
        Self::Parallel,
        Self::Series,
        Self::Q,
        Self::K,
        Self::V,
        Self::Qkv,
        Self::O,
        Self::Fc1,
        Self::Fc2,
        Self::Gate,
        Self::Prefix,
        Self::Prompt,
    ];

    /// As written in names and options.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 13] = [
            "q", "k", "v", "qkv", "o", "fc1", "fc2", "gate", "parallel", "series", "prefix", "prompt",
            "named",
        ];
        NAMES[self as usize]
    }

    /// What an adapter is there.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Self::Parallel | Self::Series => Mechanism::Bottleneck,
            Self::Prefix => Mechanism::Prefix,
            Self::Prompt => Mechanism::Prompt,
            _ => Mechanism::Lora,
        }
    }
}

/// What an adapter computes from A and B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Mechanism {
    /// `(x A^T) B^T`: adapters add up to one.
    Lora,
    /// `relu(x A^T) B^T`: adapters add up to a wider one.
    Bottleneck,
    /// Rows of A are keys, columns of B values, `rank` tokens that share the attention with those of the image. Adapters do
    /// not add up: every token takes attention from the others.
    Prefix,
    /// Rows of A pass the block's frozen key and value layers; there is no B.
    Prompt,
}

impl Mechanism {
    /// Whether several adapters act as the sum of what each does.
    pub fn adds_up(self) -> bool {
        matches!(self, Self::Lora | Self::Bottleneck)
    }
}

/// A set of roles: `Roles::Q | Roles::V`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Roles(u16);

#[allow(missing_docs)]
impl Roles {
    pub const Q: Self = Self::of(Role::Q);
    pub const K: Self = Self::of(Role::K);
    pub const V: Self = Self::of(Role::V);
    pub const QKV: Self = Self::of(Role::Qkv);
    pub const O: Self = Self::of(Role::O);
    pub const FC1: Self = Self::of(Role::Fc1);
    pub const FC2: Self = Self::of(Role::Fc2);
    pub const GATE: Self = Self::of(Role::Gate);
    pub const PARALLEL: Self = Self::of(Role::Parallel);
    pub const SERIES: Self = Self::of(Role::Series);
    pub const PREFIX: Self = Self::of(Role::Prefix);
    pub const PROMPT: Self = Self::of(Role::Prompt);

    const fn of(role: Role) -> Self {
        Self(1 << role as u16)
    }

    /// Whether `role` is in the set.
    pub fn has(self, role: Role) -> bool {
        self.0 & Self::of(role).0 != 0
    }

    /// The roles in the set.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::FOUND.into_iter().filter(move |&r| self.has(r))
    }
}

impl BitOr for Roles {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::str::FromStr for Roles {
    type Err = crate::Error;

    /// From `q,v` and the like.
    fn from_str(text: &str) -> Result<Self> {
        text.split([',', '+']).map(str::trim).filter(|t| !t.is_empty()).try_fold(Self(0), |set, name| {
            let role = Role::FOUND.into_iter().find(|r| r.name() == name).ok_or_else(|| {
                let names = Role::FOUND.map(Role::name).join(", ");
                crate::err!(InvalidArgument, "no role {name:?}; use a list of {names}")
            })?;
            Ok(set | Self::of(role))
        })
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Role::name).collect::<Vec<_>>().join(","))
    }
}
