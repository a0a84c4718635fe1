//! What was given up to stay inside a promise, and what it cost.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a learner may give up when its state would outgrow [`Budget::flash`](super::Budget::flash).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// Random features of the classifier: their sums take the square of their number. Loss: share of the features.
    Features,
    /// Components of one class in one signature, merged pair by pair (Runnalls 2007). Loss: nats a picture, at most.
    Components,
    /// Two tasks that share classes become one: their signatures are united, and centres of one class in both become one. They
    /// cannot be told apart any more, nor forgotten one by one. Loss: nats a picture, at most.
    Tasks,
    /// Protected directions that anchor rows of finished tasks use least. Loss: share of the rows' energy.
    Directions,
    /// Ranks of adapters that are not trained any more, by singular values. Loss: share of the energy; features move by it.
    Ranks,
}

impl Lever {
    /// All of them, in the order in which they cost least where it was measured (ARCHITECTURE.md, Staying inside).
    pub const ALL: [Self; 5] = [Self::Features, Self::Components, Self::Tasks, Self::Directions, Self::Ranks];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Components => "components",
            Self::Tasks => "tasks",
            Self::Directions => "directions",
            Self::Ranks => "ranks",
        }
    }

    /// What its loss is measured in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Features => "of the random features",
            Self::Components | Self::Tasks => "nats a picture at most",
            Self::Directions => "of the anchor rows' energy",
            Self::Ranks => "of the adapters' energy",
        }
    }
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Lever {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|lever| lever.name() == name);
        found.ok_or_else(|| {
            crate::err!(InvalidArgument, "nothing to give up is called {name:?}; use {}", known())
        })
    }
}

/// One thing given up, as often as one task took it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concession {
    /// What.
    pub lever: Lever,
    /// Name of the task that needed the room.
    pub task: String,
    /// How often.
    pub times: u32,
    /// Bytes that the state became smaller.
    pub bytes: u64,
    /// What was lost by all steps together, in [`Lever::unit`].
    pub lost: f32,
    /// Bound on how often signatures alone take one task for another, before and after
    /// ([`Overlap::total`](crate::mixture::Overlap)), where signatures changed.
    pub confusion: Option<[f32; 2]>,
}

impl fmt::Display for Concession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lever, times, bytes, lost, .. } = self;
        let lost = match lever {
            Lever::Components | Lever::Tasks => format!("{lost:.3}"),
            _ => format!("{:.1} %", 100.0 * lost),
        };
        write!(f, "{lever}, {times} times: {bytes} bytes; {lost} {}", lever.unit())?;
        match self.confusion {
            Some([before, after]) => {
                write!(
                    f,
                    "; bound on taking one task for another {:.1} %, was {:.1} %",
                    100.0 * after,
                    100.0 * before
                )
            }
            None => Ok(()),
        }
    }
}

/// All that was given up so far, the oldest first; of those beyond the newest eight one sum a lever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Concessions(pub(super) Vec<Concession>);

impl Concessions {
    /// The rows.
    pub fn rows(&self) -> &[Concession] {
        &self.0
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|row| row.task.len() + size_of::<[f32; 3]>() + size_of::<[u32; 3]>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levers_are_read_as_they_are_written() {
        assert!(
            Lever::ALL.into_iter().all(|lever| lever.name().parse::<Lever>().is_ok_and(|read| read == lever))
        );
        assert!("pictures".parse::<Lever>().is_err_and(|e| e.to_string().contains("components")));
    }
}
