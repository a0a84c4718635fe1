//! A learner as a service of its own, for devices whose camera process is somebody else's.
//!
//! ```text
//!            Unix socket, or HTTP on loopback with a token
//!   frame ──> image ──> answer            the last few of both are held: RecentFrames
//!              └── label ──> example      until they are learned: Examples
//!   learn ──> background lesson ──> undecided ──> keep (saved at once) | take back
//!   forget ─> gone from the state, from the examples and from the recent frames
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `desk` | [`Desk`]: everything the service does, without HTTP; frames and labels |
//! | `lesson`, `stage` | lessons, decisions and forgetting, on the learner's thread; what it is doing, and what may be asked of it then |
//! | `answer`, `status` | what is said of a frame, and of everything else |
//! | `recent`, `examples`, `history`, `events` | what is held in memory, each with its limit |
//! | `picture` | the body of a request to pixels |
//! | `metrics` | counters, as Prometheus reads them |
//! | `routes`, `reply`, `guard`, `listen` | HTTP: paths, errors as statuses, token and rate, sockets and their end |
//! | `page` | the live page |
//!
//! Invariants: nothing grows without a limit; no picture is written to a disk; pictures of a lesson are gone once it is kept; what was
//! kept is saved before anybody is told; predictions do not wait for lessons.
//!
//! What it does not do: speak TLS, listen beyond loopback, read a camera.
//!
//! Floor 9.

mod answer;
mod desk;
mod events;
mod examples;
mod guard;
mod history;
mod lesson;
mod listen;
mod metrics;
mod picture;
mod recent;
mod reply;
mod routes;
mod stage;
mod status;

pub use answer::{Answer, Ranked};
pub use desk::{Desk, Limits};
pub use guard::Token;
pub use lesson::Keep;
pub use listen::{Listen, serve};
pub use picture::Asked;
pub use recent::RecentFrame;
pub use routes::Takes;
pub use stage::Stage;
pub use status::Status;
