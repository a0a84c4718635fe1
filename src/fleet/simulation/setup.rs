//! What is simulated: the tree, its links, who is there when, what is made, and how it is passed on.

use serde::{Deserialize, Serialize};

use super::link::Link;
use crate::bail;
use crate::error::Result;

/// Seconds of a day.
pub const DAY_S: f64 = 86_400.0;
/// Pairs of a device and a bundle that one simulation takes.
pub const MAX_PAIRS: u64 = 400_000_000;
/// Routers times slices of time that one simulation takes.
pub const MAX_SLICES: u64 = 100_000_000;

/// How bundles are found and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Devices keep bundles, routers keep nothing. A device that comes online asks all devices that are online, and each of
    /// them answers with the notices that it lacks. Bundles come from the nearest device that has them.
    Everyone,
    /// Routers of all levels keep copies, fetched once from the next router when somebody below or above asks. A device that
    /// comes online gets the whole list of notices from its site's router.
    Storages,
    /// As `Storages`, but the device sends a sketch of what it has, and gets the notices that it lacks.
    Sketch,
}

/// How finely transfers are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// Every message and chunk on every link is an event: for up to about 10^4 devices (`Everyone`: 10^3).
    Chunk,
    /// One event a device and bundle, one a site and notice; answers to queries of others are a fluid.
    Bundle,
}

/// When devices are there. Times online and offline are exponential.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Mean time online, seconds; infinite for devices that never go.
    pub mean_online_s: f64,
    /// Mean time offline, seconds.
    pub mean_offline_s: f64,
    /// Probability, whenever a device goes offline, that it never comes back; also of those that are offline at the start.
    pub gone: f64,
    /// New devices a day, as a share of [`Setup::devices`]. Each joins a site drawn at random, online.
    pub joins_per_day: f64,
}

/// One bundle that is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Seconds from the start.
    pub at_s: f64,
    /// The device that makes it, below [`Setup::devices`]; where it is offline then, the next one that is online. `None`: the
    /// cloud router has it, and never goes offline.
    pub maker: Option<u32>,
    /// Length of its file, bytes.
    pub bytes: u64,
}

/// Which bundles are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bundles {
    /// A Poisson process.
    Drawn {
        /// Mean number a device of [`Setup::devices`] and day.
        per_device_day: f64,
        /// None is made after this time, seconds from the start.
        until_s: f64,
        /// Measured lengths, bytes, each drawn as often as any other.
        sizes: Vec<u64>,
    },
    /// These, in order of time.
    Given(Vec<Made>),
}

/// Lengths of messages, and what a device does at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wire {
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// Chunks that the first request for a bundle names; after it every chunk that comes asks for one more. [`Grain::Bundle`] takes
    /// all to be asked for at once, which is right where this is not less than the chunks of a bundle.
    pub asked_ahead: u32,
    /// Bytes of a request for chunks.
    pub ask_bytes: f64,
    /// Bytes of the notice of one bundle.
    pub notice_bytes: f64,
    /// Bytes of the question of a device that comes online.
    pub query_bytes: f64,
    /// Notices of bundles from before the start, which the whole lists of [`Protocol::Storages`] also carry.
    pub history: u32,
    /// Bytes of a sketch, however little is lacking.
    pub sketch_bytes: f64,
    /// Bytes that a sketch is longer for every notice that is lacking.
    pub sketch_bytes_per_notice: f64,
    /// Devices that a device serves at a time with one bundle; the others wait.
    pub served_at_once: u32,
}

impl Default for Wire {
    /// Chunks of 64 KiB, all asked for at once; notices of 1 kB. A sketch of 24-byte cells, two for every notice that is lacking.
    fn default() -> Self {
        Self {
            chunk_bytes: 65_536,
            asked_ahead: u32::MAX,
            ask_bytes: 100.0,
            notice_bytes: 1_000.0,
            query_bytes: 100.0,
            history: 0,
            sketch_bytes: 256.0,
            sketch_bytes_per_notice: 48.0,
            served_at_once: 4,
        }
    }
}

/// Everything that a simulation depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Seed of all random choices (ChaCha8).
    pub seed: u64,
    /// Devices at the start, online or not.
    pub devices: u32,
    /// Devices of a site at the start.
    pub devices_per_site: u32,
    /// Site routers of a regional router.
    pub sites_per_region: u32,
    /// Between a device and its site's router, in each direction.
    pub access: Link,
    /// Between a site's router and the regional one, in each direction.
    pub site_uplink: Link,
    /// Between a regional router and the cloud router, in each direction.
    pub region_uplink: Link,
    /// When devices are there.
    pub presence: Presence,
    /// What is made.
    pub bundles: Bundles,
    /// How it is passed on.
    pub protocol: Protocol,
    /// How finely that is simulated.
    pub grain: Grain,
    /// Lengths of messages.
    pub wire: Wire,
    /// Simulated time, seconds.
    pub window_s: f64,
    /// Slices of time in which the load of routers is counted, seconds.
    pub slice_s: f64,
}

impl Setup {
    /// Bytes that the simulation holds at most: 21 for a pair of device and bundle, 32 for site and bundle, 8 for router and slice, 400
    /// for a device, besides the transfers and messages that are under way.
    ///
    /// # Errors
    /// As [`simulate`](super::simulate()).
    pub fn footprint(&self) -> Result<u64> {
        self.check()?;
        let sites = u64::from(self.devices.div_ceil(self.devices_per_site));
        let bundles = self.bundles_at_most();
        let fleet = self.devices_at_most();
        Ok(21 * fleet * bundles + 32 * sites * bundles + 8 * self.routers() * self.slices() + 400 * fleet)
    }

    pub(super) fn links(&self) -> [Link; 3] {
        [self.region_uplink, self.site_uplink, self.access]
    }

    /// Bytes of the chunks `from..until` of a file.
    pub(super) fn chunks(&self, bytes: u64, from: u32, until: u32) -> f64 {
        let end = |chunk: u32| (u64::from(chunk) * self.wire.chunk_bytes).min(bytes);
        (end(until) - end(from)) as f64
    }

    pub(super) fn slices(&self) -> u64 {
        (self.window_s / self.slice_s).ceil() as u64
    }

    fn routers(&self) -> u64 {
        let sites = self.devices.div_ceil(self.devices_per_site);
        u64::from(sites) + u64::from(sites.div_ceil(self.sites_per_region)) + 1
    }

    fn devices_at_most(&self) -> u64 {
        let devices = f64::from(self.devices);
        (devices + at_most(devices * self.presence.joins_per_day * self.window_s / DAY_S)) as u64
    }

    fn bundles_at_most(&self) -> u64 {
        match &self.bundles {
            Bundles::Given(made) => made.len() as u64,
            Bundles::Drawn { per_device_day, until_s, .. } => {
                at_most(f64::from(self.devices) * per_device_day * until_s / DAY_S) as u64
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        self.check_tree()?;
        self.check_presence()?;
        self.check_wire()?;
        self.check_bundles()?;
        self.check_size()
    }

    fn check_tree(&self) -> Result<()> {
        if self.devices == 0 || self.devices_per_site == 0 || self.sites_per_region == 0 {
            bail!(InvalidArgument, "devices, devices a site and sites a region must be 1 or more");
        }
        if self.devices > 10_000_000 {
            bail!(InvalidArgument, "{} devices are too many; give up to 10000000", self.devices);
        }
        self.access.check("access")?;
        self.site_uplink.check("site_uplink")?;
        self.region_uplink.check("region_uplink")
    }

    fn check_presence(&self) -> Result<()> {
        let Presence { mean_online_s, mean_offline_s, gone, joins_per_day } = self.presence;
        if !(mean_online_s > 0.0 && mean_offline_s > 0.0 && mean_offline_s.is_finite()) {
            bail!(
                InvalidArgument,
                "means of {mean_online_s} s online and {mean_offline_s} s offline; give positive ones, the second finite"
            );
        }
        if !(0.0..=1.0).contains(&gone) || !(0.0..=100.0).contains(&joins_per_day) {
            bail!(
                InvalidArgument,
                "gone is {gone}, joins_per_day {joins_per_day}; give a probability, and 0 to 100"
            );
        }
        Ok(())
    }

    fn check_wire(&self) -> Result<()> {
        let wire = &self.wire;
        if wire.chunk_bytes == 0 || wire.asked_ahead == 0 || wire.served_at_once == 0 {
            bail!(InvalidArgument, "chunk_bytes, asked_ahead and served_at_once must be 1 or more");
        }
        let lengths = [
            wire.ask_bytes,
            wire.notice_bytes,
            wire.query_bytes,
            wire.sketch_bytes,
            wire.sketch_bytes_per_notice,
        ];
        match lengths.iter().find(|bytes| !(0.0..=1e9).contains(*bytes)) {
            Some(bytes) => bail!(InvalidArgument, "a message of {bytes} bytes; give 0 to 10^9"),
            None => Ok(()),
        }
    }

    fn check_bundles(&self) -> Result<()> {
        match &self.bundles {
            Bundles::Drawn { per_device_day, until_s, sizes } => {
                if !(0.0..=1e6).contains(per_device_day) || !(0.0..=self.window_s).contains(until_s) {
                    bail!(
                        InvalidArgument,
                        "{per_device_day} bundles a device and day until {until_s} s; give 0 to 10^6, until the window's end at most"
                    );
                }
                if sizes.is_empty() {
                    bail!(InvalidArgument, "no size to draw from; give the measured ones");
                }
                sizes.iter().try_for_each(|&bytes| self.check_length(bytes))
            }
            Bundles::Given(made) => {
                if !made.is_sorted_by(|a, b| a.at_s <= b.at_s) {
                    bail!(InvalidArgument, "the bundles given are not in order of time; sort them");
                }
                made.iter().try_for_each(|made| self.check_made(made))
            }
        }
    }

    fn check_made(&self, made: &Made) -> Result<()> {
        if !(0.0..=self.window_s).contains(&made.at_s) || made.maker.is_some_and(|d| d >= self.devices) {
            bail!(
                InvalidArgument,
                "a bundle made at {} s by {:?}; give a time in the window, and a device below {}",
                made.at_s,
                made.maker,
                self.devices
            );
        }
        self.check_length(made.bytes)
    }

    fn check_length(&self, bytes: u64) -> Result<()> {
        if bytes == 0 || bytes.div_ceil(self.wire.chunk_bytes) > u64::from(u32::MAX) {
            bail!(InvalidArgument, "a bundle of {bytes} bytes; give 1 to 2^32 - 1 chunks");
        }
        Ok(())
    }

    fn check_size(&self) -> Result<()> {
        if !(self.window_s > 0.0 && self.window_s.is_finite() && self.slice_s > 0.0) {
            bail!(InvalidArgument, "a window of {} s in slices of {} s", self.window_s, self.slice_s);
        }
        let (slices, routers) = (self.slices(), self.routers());
        if slices.saturating_mul(routers) > MAX_SLICES {
            let fits = self.window_s * routers as f64 / MAX_SLICES as f64;
            bail!(
                Budget,
                "{slices} slices of {routers} routers are too many; give slice_s of {fits:.0} or more"
            );
        }
        let pairs = self.devices_at_most().saturating_mul(self.bundles_at_most());
        if pairs > MAX_PAIRS {
            bail!(
                Budget,
                "{} bundles for {} devices are too many; {} would do",
                self.bundles_at_most(),
                self.devices_at_most(),
                MAX_PAIRS / self.devices_at_most()
            );
        }
        Ok(())
    }
}

/// More than a Poisson number of this mean is but once in 10^8 draws or less.
fn at_most(mean: f64) -> f64 {
    if mean == 0.0 { 0.0 } else { (mean + 6.0 * mean.sqrt() + 12.0).ceil() }
}
