//! Tasks go from device to device: bundles, told of, fetched and taken back.
//!
//! Floor 8. A device puts the [`Bundle`](crate::bundle::Bundle) of a task that it learned on its [`Shelf`] and tells the others of it with a signed
//! [`Notice`]. Whoever wants it fetches it chunk by chunk, from the nearest device that has it; each chunk is checked against the notice before the next is
//! asked for, and the bundle's own signature at the end. What a maker takes back, by a signed [`Withdrawal`], is removed and never fetched again.
//!
//! ```text
//! learner ── bundle ── Shelf ── Transport ── .. ── Transport ── Shelf ── bundle::intake ── learner
//! ```
//!
//! What lies on the shelf is one question; whether it becomes part of a state is another, which [`bundle::intake`](crate::bundle::intake()) answers as for any
//! file.
//!
//! | file | holds |
//! |---|---|
//! | `topic` | [`Topic`]: under which key something is found |
//! | `signed` | [`Signed`]: statements whose signature holds |
//! | `notice` | [`Notice`]: what a bundle is, chunk by chunk |
//! | `withdrawal` | [`Withdrawal`]: a request to erase |
//! | `shelf` | [`Shelf`]: what this device holds, within limits, in a folder |
//! | `part` | [`Part`]: a file that is being fetched |
//! | `transport` | [`Transport`]: a way to others |
//! | `folder` | [`Folder`]: a USB stick, a share |
//! | `network` | [`Network`]: Zenoh, without a router on a LAN or through routers |
//! | `simulation` | [`simulation::simulate`]: how bundles would spread among a million devices |
//! | `exchange` | [`round()`]: hear, fetch, offer |
//! | `policy` | [`Policy`]: what may leave |
//! | `take` | [`take()`]: from the shelf into a state |
//!
//! Invariants: nothing is looked at before its signature holds and its maker is trusted; what is withdrawn never comes back; a shelf keeps within its limits
//! and throws nothing out to do so; a failure of one peer costs what that peer was asked for.

mod exchange;
mod folder;
mod network;
mod notice;
mod part;
mod policy;
mod shelf;
mod signed;
pub mod simulation;
mod take;
mod topic;
mod transport;
mod withdrawal;

pub use exchange::{Progress, Round, offer, round};
pub use folder::Folder;
pub use network::{Network, Reach};
pub use notice::{CHUNK, Notice};
pub use part::Part;
pub use policy::Policy;
pub use shelf::{Limits, Shelf, Want};
pub use signed::{Signed, Statement};
pub use take::{Refusal, Taken, take};
pub use topic::{Site, Topic, What};
pub use transport::{Answer, Heard, Item, MAX_ANSWERS, MAX_HEARD, Peer, Transport};
pub use withdrawal::Withdrawal;
