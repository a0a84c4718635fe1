//! How bundles would spread in a fleet of 10^2 to 10^6 devices: how long it takes, what it costs, and which link or router fills first.
//!
//! Floor 8. A deterministic simulation of events, without any network; it shares no code with what sends bundles.
//!
//! ```text
//! cloud router --- regional routers --- site routers --- devices      each line: two queues, one a direction
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `setup` | [`Setup`]: all parameters, their checks and the footprint |
//! | `link`, `lanes`, `load` | what a message costs on a link; links as queues; what is counted |
//! | `tree` | numbers of nodes and ways between them |
//! | `history` | when devices come and go and bundles are made |
//! | `run`, `bundle` | the loop over events; who has what |
//! | `everyone`, `storages` | who gets a bundle from whom |
//! | `discovery`, `background`, `message` | notices, queries and lists |
//! | `transfer`, `slots` | chunks, or whole bundles, over the lanes |
//! | `outcome`, `waits` | [`Outcome`] |
//!
//! The two grains ([`Grain`]) share everything that decides who does what; they differ in how a message goes over lanes. By chunk it is an
//! event at every node. By bundle the whole transfer is put on all its lanes when it begins, and answers of whole fleets are a fluid. Both see
//! the same devices at the same times. How far they agree is tested (`tests/simulation.rs`, `grains_agree`): with storages to 1 %; where
//! everyone answers, bytes and messages to 10 %, times to 25 %, and that only where all chunks are asked for at once.
//!
//! Invariants: one seed gives one result, to the bit, on one platform; a device gets a chunk once; with storages a bundle crosses each link
//! above a site once in a direction at most, and no link that it would not cross without them.
//!
//! What it leaves out: processors and disks, routers that fail, losses in bursts, connections that are set up, devices that choose
//! what they take over. Devices that come and go are independent of each other and of the time of day.

mod background;
mod bundle;
mod discovery;
mod everyone;
mod history;
mod lanes;
mod link;
mod load;
mod message;
mod outcome;
mod run;
mod setup;
mod slots;
mod storages;
mod transfer;
mod tree;
mod waits;

pub use link::Link;
pub use outcome::{Coverage, DeviceDay, LaneLoad, Levels, LinkLoad, Outcome, Reached, RouterLoad, Wait};
pub use setup::{Bundles, DAY_S, Grain, MAX_PAIRS, MAX_SLICES, Made, Presence, Protocol, Setup, Wire};

use crate::error::Result;

/// Simulates a fleet from the start to the end of its window.
///
/// # Errors
/// `InvalidArgument` for a parameter out of its range, `Budget` for more pairs than [`MAX_PAIRS`] or more slices than [`MAX_SLICES`]; the text
/// says what would do.
pub fn simulate(setup: &Setup) -> Result<Outcome> {
    setup.check()?;
    let mut run = run::Run::new(setup);
    run.finish_window();
    Ok(Outcome::of(&run))
}
