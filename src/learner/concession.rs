//! What was given up to stay inside a promise, and what it cost.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rows that a state keeps, a few bytes each; older ones are added up.
const ROWS: usize = 8;

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

impl Concession {
    /// Adds a step of the same lever that came later.
    pub(super) fn add(&mut self, later: &Self) {
        self.times = self.times.saturating_add(later.times);
        self.bytes = self.bytes.saturating_add(later.bytes);
        self.lost = match self.lever {
            Lever::Components | Lever::Tasks => self.lost + later.lost,
            // A share of what the steps before had left.
            _ => self.lost + later.lost - self.lost * later.lost,
        };
        self.confusion = match (self.confusion, later.confusion) {
            (Some([before, _]), Some([_, after])) => Some([before, after]),
            (own, other) => own.or(other),
        };
    }
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
pub struct Concessions(Vec<Concession>);

impl Concessions {
    /// The rows.
    pub fn rows(&self) -> &[Concession] {
        &self.0
    }

    /// Adds what one task took.
    pub(super) fn extend(&mut self, newer: &[Concession]) {
        self.0.extend_from_slice(newer);
        while self.0.len() > ROWS {
            let mut oldest = self.0.remove(0);
            // The next row of the same lever takes it in; a lever's only row goes to the back.
            match self.0.iter_mut().find(|row| row.lever == oldest.lever) {
                Some(next) => {
                    oldest.add(next);
                    oldest.task.clone_from(&next.task);
                    *next = oldest;
                }
                None => self.0.push(oldest),
            }
        }
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
    fn rows_are_bounded_and_nothing_is_lost_of_their_sums() {
        let mut all = Concessions::default();
        for task in 0..500u32 {
            let lever = Lever::ALL[task as usize % 5];
            let confusion = Some([task as f32, (task + 1) as f32]);
            all.extend(&[Concession {
                lever,
                task: task.to_string(),
                times: 1,
                bytes: 7,
                lost: 0.01,
                confusion,
            }]);
            assert!(all.rows().len() <= ROWS);
        }
        for lever in Lever::ALL {
            let of = || all.rows().iter().filter(|row| row.lever == lever);
            assert_eq!(of().map(|row| row.times).sum::<u32>(), 100, "{lever}");
            assert_eq!(of().map(|row| row.bytes).sum::<u64>(), 700);
            let lost = match lever {
                Lever::Components | Lever::Tasks => of().map(|row| row.lost).sum::<f32>() - 1.0,
                _ => of().map(|row| 1.0 - row.lost).product::<f32>() - 0.99f32.powi(100),
            };
            assert!(lost.abs() < 1e-4, "{lever}: off by {lost}");
        }
        assert_eq!(all.rows().last().map(|row| row.task.as_str()), Some("499"));
    }

    #[test]
    fn levers_are_read_as_they_are_written() {
        assert!(
            Lever::ALL.into_iter().all(|lever| lever.name().parse::<Lever>().is_ok_and(|read| read == lever))
        );
        assert!("pictures".parse::<Lever>().is_err_and(|e| e.to_string().contains("components")));
    }
}
