//! What a simulation found. Every figure in SI units; a day is 86 400 s.

use serde::{Deserialize, Serialize};

use super::bundle::Spread;
use super::load::{Class, Flow};
use super::run::Run;
use super::setup::{DAY_S, Grain, Protocol};
use super::tree::{DEVICE, REGION, SITE};

/// Ages of bundles at which coverage is told, besides 0.
const AGES: usize = 100;

/// The result of [`simulate`](super::simulate()).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How bundles were passed on.
    pub protocol: Protocol,
    /// How finely it was simulated.
    pub grain: Grain,
    /// Devices, with those that joined.
    pub devices: u32,
    /// Devices that were online at any time.
    pub ever_online: u32,
    /// Site routers.
    pub sites: u32,
    /// Regional routers.
    pub regions: u32,
    /// Bundles that were made.
    pub bundles: u32,
    /// Simulated time, seconds.
    pub window_s: f64,
    /// Events that were simulated.
    pub events: u64,
    /// Pairs of a device and a bundle that it has at the end, its maker's own included.
    pub delivered: u64,
    /// Pairs of a device and a bundle where the device was online at any time since the bundle was made.
    pub reachable: u64,
    /// Payload bytes that devices accepted, each byte of a bundle once a device; of transfers that broke off as well.
    pub accepted_bytes: f64,
    /// Coverage by age.
    pub coverage: Coverage,
    /// Age at which half of the devices had a bundle. Shares are always of the devices that were online at any time from when it was
    /// made to the window's end.
    pub half: Reached,
    /// Age at which 90 % had it.
    pub ninety: Reached,
    /// Age at which 99 % had it.
    pub ninety_nine: Reached,
    /// From when a device could have a bundle until it had it.
    pub wait: Wait,
    /// Bytes of a mean device and day.
    pub device_day: DeviceDay,
    /// Links below the cloud router, below regional routers and below site routers.
    pub links: Levels<LinkLoad>,
    /// The cloud router, regional routers and site routers.
    pub routers: Levels<RouterLoad>,
}

/// One figure for each level of the tree, from the cloud downwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels<T> {
    /// The cloud router, or the links between it and regional routers.
    pub cloud: T,
    /// Regional routers, or the links between them and site routers.
    pub region: T,
    /// Site routers, or the links between them and devices.
    pub site: T,
}

/// Shares of devices that have a bundle, by its age. A bundle made too late for an age counts with what it reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Ages of bundles, seconds.
    pub age_s: Vec<f64>,
    /// The share below which a tenth of the bundles is, 0 to 1.
    pub low: Vec<f64>,
    /// The share below which half of the bundles is.
    pub median: Vec<f64>,
    /// The share below which nine tenths of the bundles are.
    pub high: Vec<f64>,
}

/// Ages of bundles at which they had reached a share of devices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Bundles that reached it in the window.
    pub bundles: u32,
    /// The median of their ages then, seconds.
    pub median_s: Option<f64>,
    /// The greatest of their ages then, seconds.
    pub greatest_s: Option<f64>,
}

/// Seconds from when the bundle was made, or the device came online the last time if that is later, until it had it; of the pairs
/// that came to it. Upper ends of classes that are 9 % wide.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Median, seconds.
    pub half_s: Option<f64>,
    /// 90 % of the pairs waited less, seconds.
    pub ninety_s: Option<f64>,
    /// 99 % of the pairs waited less, seconds.
    pub ninety_nine_s: Option<f64>,
}

/// Bytes a day of a device, mean over those that were ever online. Sent with repeats, received without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceDay {
    /// Chunks sent, bytes a day.
    pub payload_sent: f64,
    /// Chunks received, bytes a day.
    pub payload_received: f64,
    /// Notices, queries, lists and sketches sent, bytes a day.
    pub discovery_sent: f64,
    /// Notices, queries and lists received, bytes a day.
    pub discovery_received: f64,
    /// Requests for chunks sent, bytes a day.
    pub asks_sent: f64,
    /// Requests for chunks received, bytes a day.
    pub asks_received: f64,
}

/// The links of one level, each direction by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkLoad {
    /// Towards the cloud.
    pub up: LaneLoad,
    /// Towards the devices.
    pub down: LaneLoad,
}

/// One direction of the links of one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneLoad {
    /// Bytes sent over all links of the level together in the window, with repeats.
    pub bytes: f64,
    /// The part of them that is chunks, bytes.
    pub payload_bytes: f64,
    /// The part of them that is notices, queries, lists and sketches, bytes.
    pub discovery_bytes: f64,
    /// Share of the window for which a link sent, mean over the links, 0 to 1.
    pub busy_mean: f64,
    /// The same of the busiest link.
    pub busy_most: f64,
    /// Longest queue that a message found, bytes.
    pub queue_most_bytes: f64,
    /// Queue of a link, mean over time and links, bytes.
    pub queue_mean_bytes: f64,
}

/// What the routers of one level sent, over all their links, with repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterLoad {
    /// Of a router, mean over time and routers, bytes a second.
    pub bytes_per_s_mean: f64,
    /// Of the busiest router in its busiest slice ([`Setup::slice_s`](super::Setup)), bytes a second.
    pub bytes_per_s_peak: f64,
    /// Of a router, mean over time and routers, messages a second; a chunk is one.
    pub messages_per_s_mean: f64,
    /// Of the busiest router in its busiest slice, messages a second.
    pub messages_per_s_peak: f64,
}

impl Outcome {
    pub(super) fn of(run: &Run<'_>) -> Self {
        let ever = run.devices.iter().filter(|device| device.left.is_some()).count() as u32;
        Self {
            protocol: run.setup.protocol,
            grain: run.setup.grain,
            devices: run.tree.devices(),
            ever_online: ever,
            sites: run.tree.sites,
            regions: run.tree.regions,
            bundles: run.spreads.len() as u32,
            window_s: run.setup.window_s,
            events: run.events,
            delivered: run.spreads.iter().map(|spread| spread.ages.len() as u64).sum(),
            reachable: run.spreads.iter().map(|spread| u64::from(spread.audience)).sum(),
            accepted_bytes: run.accepted,
            coverage: coverage(&run.spreads, run.setup.window_s),
            half: reached(&run.spreads, 0.5),
            ninety: reached(&run.spreads, 0.9),
            ninety_nine: reached(&run.spreads, 0.99),
            wait: Wait {
                half_s: run.waits.quantile(0.5),
                ninety_s: run.waits.quantile(0.9),
                ninety_nine_s: run.waits.quantile(0.99),
            },
            device_day: device_day(run, ever),
            links: Levels { cloud: link(run, REGION), region: link(run, SITE), site: link(run, DEVICE) },
            routers: routers(run),
        }
    }
}

fn coverage(spreads: &[Spread], window_s: f64) -> Coverage {
    let mut coverage = Coverage { age_s: Vec::new(), low: Vec::new(), median: Vec::new(), high: Vec::new() };
    for at in 0..=AGES {
        let age = window_s * at as f64 / AGES as f64;
        let share = |spread: &Spread| {
            let have = spread.ages.partition_point(|&got| got <= age);
            have as f64 / f64::from(spread.audience.max(1))
        };
        let mut shares: Vec<f64> = spreads.iter().map(share).collect();
        shares.sort_by(f64::total_cmp);
        coverage.age_s.push(age);
        coverage.low.push(quantile(&shares, 0.1).unwrap_or(0.0));
        coverage.median.push(quantile(&shares, 0.5).unwrap_or(0.0));
        coverage.high.push(quantile(&shares, 0.9).unwrap_or(0.0));
    }
    coverage
}

fn reached(spreads: &[Spread], share: f64) -> Reached {
    let age = |spread: &Spread| {
        let rank = (share * f64::from(spread.audience)).ceil() as usize;
        spread.ages.get(rank.max(1) - 1).copied()
    };
    let mut ages: Vec<f64> = spreads.iter().filter_map(age).collect();
    ages.sort_by(f64::total_cmp);
    Reached { bundles: ages.len() as u32, median_s: quantile(&ages, 0.5), greatest_s: ages.last().copied() }
}

/// The least value that the share `q` of all is not above.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

fn device_day(run: &Run<'_>, devices: u32) -> DeviceDay {
    let days = f64::from(devices.max(1)) * run.setup.window_s / DAY_S;
    let [up, down] = &run.lanes.load.flows[DEVICE];
    let sent = |class: Class| run.setup.access.sent(up.bytes[class as usize]) / days;
    let received = |class: Class| down.bytes[class as usize] / days;
    DeviceDay {
        payload_sent: sent(Class::Payload),
        payload_received: received(Class::Payload),
        discovery_sent: sent(Class::Discovery),
        discovery_received: received(Class::Discovery),
        asks_sent: sent(Class::Asks),
        asks_received: received(Class::Asks),
    }
}

fn link(run: &Run<'_>, level: usize) -> LinkLoad {
    LinkLoad { up: lane(run, level, 0), down: lane(run, level, 1) }
}

fn lane(run: &Run<'_>, level: usize, direction: usize) -> LaneLoad {
    let flow: &Flow = &run.lanes.load.flows[level][direction];
    let link = run.setup.links()[level];
    let time = f64::from(run.tree.nodes_of(level)) * run.setup.window_s;
    let (sum, most) = run.lanes.busy(&run.tree, level, direction);
    LaneLoad {
        bytes: link.sent(flow.bytes.iter().sum()),
        payload_bytes: link.sent(flow.bytes[Class::Payload as usize]),
        discovery_bytes: link.sent(flow.bytes[Class::Discovery as usize]),
        busy_mean: sum / time,
        busy_most: most / run.setup.window_s,
        queue_most_bytes: flow.queue,
        queue_mean_bytes: flow.waited / time,
    }
}

fn routers(run: &Run<'_>) -> Levels<RouterLoad> {
    let (region, site) = (1, 1 + run.tree.regions as usize);
    Levels {
        cloud: router(run, 0..region),
        region: router(run, region..site),
        site: router(run, site..run.tree.routers()),
    }
}

fn router(run: &Run<'_>, of: std::ops::Range<usize>) -> RouterLoad {
    let time = of.len() as f64 * run.setup.window_s;
    let slice_s = run.setup.slice_s.min(run.setup.window_s);
    let [bytes, messages] = run.lanes.load.routers(of);
    RouterLoad {
        bytes_per_s_mean: bytes.0 / time,
        bytes_per_s_peak: bytes.1 / slice_s,
        messages_per_s_mean: messages.0 / time,
        messages_per_s_peak: messages.1 / slice_s,
    }
}
