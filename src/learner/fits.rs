//! A state as it is read: bytes whose parts fit each other, or an error.
//!
//! Checksums find accidents. Whoever makes a record by hand decides what is predicted, but gets no index out of bounds and no
//! memory without limit: what lengths, widths and indices all other code takes for granted is checked here, once.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::State;
use crate::error::{Result, fitting};
use crate::head::{Head, TrainingHead};
use crate::strategy;

/// Most columns of a random-feature head, and pictures a pass.
const MOST: usize = 1 << 20;

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> core::result::Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(from: D) -> core::result::Result<Self, D::Error> {
        let state = Self::deserialize(from)?;
        state.fits().map_err(de::Error::custom)?;
        Ok(state)
    }
}

impl State {
    fn fits(&self) -> Result<()> {
        let settings = &self.settings;
        let counts = [settings.random_features, settings.batch, settings.micro, settings.lora.rank];
        fitting(counts.iter().all(|&n| n <= MOST), "settings")?;
        self.memory.fits()?;
        self.statistics.as_ref().map_or(Ok(()), |s| s.fits())?;
        self.training.as_ref().map_or(Ok(()), TrainingHead::fits)?;
        self.recognition.fits(self.tasks.len())?;
        fitting(self.own.fits(0) || self.own.fits(self.tasks.len()), "signatures of networks and tasks")?;

        let known = |class: &usize| self.classes.get(*class).is_some_and(|name| !name.is_empty());
        let tasks = self.tasks.iter().all(|task| !task.classes.is_empty() && task.classes.iter().all(known));
        let answered = [
            self.statistics.as_ref().map_or(0, |s| s.head().classes()),
            self.training.as_ref().and_then(TrainingHead::classifier).map_or(0, Head::classes),
        ];
        fitting(tasks && answered.iter().all(|&n| n <= self.classes.len()), "classes and tasks")?;
        let widths = |all: &[usize]| all.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)).is_some();
        fitting(widths(&self.summary) && widths(&self.late), "widths of summaries")?;

        let choice = strategy::by_name(&self.strategy, settings.random_features)?;
        if self.adapted {
            // Whatever it says, a strategy that cannot read its memory was not the one that wrote it.
            let networks = choice.strategy.networks(&self.memory);
            fitting(
                networks.is_ok_and(|all| all.iter().all(|n| n.len() == self.memory.slots.len())),
                "networks",
            )?;
        }
        Ok(())
    }
}
