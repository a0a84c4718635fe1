//! What happened, for people.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Events that are held.
const HELD: usize = 100;

/// Something that happened.
#[derive(Clone, Serialize)]
pub struct Event {
    /// Seconds since 1970.
    pub at: f64,
    /// What.
    pub kind: Kind,
    /// Of which task or class, or why.
    pub text: String,
}

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A task was kept and saved.
    Learned,
    /// A task was taken back.
    TakenBack,
    /// Classes were forgotten.
    Forgotten,
    /// Something went wrong.
    Failed,
}

impl Kind {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::TakenBack => "taken_back",
            Self::Forgotten => "forgotten",
            Self::Failed => "failed",
        }
    }
}

/// The last few events, the newest last.
#[derive(Default)]
pub struct Events {
    held: VecDeque<Event>,
}

impl Events {
    pub fn push(&mut self, kind: Kind, text: impl Into<String>) {
        if self.held.len() == HELD {
            self.held.pop_front();
        }
        self.held.push_back(Event { at: now(), kind, text: text.into() });
    }

    /// Lets go of what names one of `names`.
    pub fn forget(&mut self, names: &[String]) {
        self.held.retain(|event| !names.iter().any(|name| event.text.contains(name.as_str())));
    }

    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.held.iter().rev()
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
