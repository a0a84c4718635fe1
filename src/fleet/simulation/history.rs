//! When devices come and go and when bundles are made, in order of time.
//!
//! Nothing here depends on the network or on how finely it is simulated, so that two simulations of one seed see the same devices at
//! the same times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

use super::setup::{Bundles, DAY_S, Made, Presence, Setup};

/// What happens to the fleet. In order of precedence at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// A device is there.
    On(u32),
    /// A device is not there any more.
    Off(u32),
    /// The bundle of this number is made.
    Made(u32),
}

pub(super) struct History {
    rng: ChaCha8Rng,
    presence: Presence,
    window_s: f64,
    /// Times as bits, which for positive numbers are in the same order.
    ahead: BinaryHeap<Reverse<(u64, Change)>>,
    /// Bundles in order of time.
    pub(super) made: Vec<Made>,
    /// Sites of the devices that join.
    pub(super) joining: Vec<u32>,
}

impl History {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(setup.seed);
        let made = drawn(setup, &mut rng);
        let mut history = Self {
            rng,
            presence: setup.presence,
            window_s: setup.window_s,
            ahead: BinaryHeap::new(),
            made,
            joining: Vec::new(),
        };
        (0..history.made.len()).for_each(|at| history.plan(history.made[at].at_s, Change::Made(at as u32)));
        history.join(setup);
        history
    }

    /// Which devices are there at the start; the others and those that leave are planned.
    pub(super) fn start(&mut self, devices: u32) -> Vec<u32> {
        let Presence { mean_online_s, mean_offline_s, .. } = self.presence;
        let share = 1.0 / (1.0 + mean_offline_s / mean_online_s);
        let mut online = Vec::new();
        for device in 0..devices {
            if self.rng.gen_bool(share) {
                online.push(device);
                self.stay(device, 0.0);
            } else {
                self.away(device, 0.0);
            }
        }
        online
    }

    /// Time of what comes next; infinite at the end.
    pub(super) fn next_at(&self) -> f64 {
        self.ahead.peek().map_or(f64::INFINITY, |Reverse((at, _))| f64::from_bits(*at))
    }

    pub(super) fn next(&mut self) -> Option<(f64, Change)> {
        let Reverse((at, change)) = self.ahead.pop()?;
        let at = f64::from_bits(at);
        match change {
            Change::On(device) => self.stay(device, at),
            Change::Off(device) => self.away(device, at),
            Change::Made(_) => {}
        }
        Some((at, change))
    }

    fn stay(&mut self, device: u32, now: f64) {
        let until = now + self.presence.mean_online_s * self.exponential();
        self.plan(until, Change::Off(device));
    }

    fn away(&mut self, device: u32, now: f64) {
        let back = !self.rng.gen_bool(self.presence.gone);
        let until = now + self.presence.mean_offline_s * self.exponential();
        if back {
            self.plan(until, Change::On(device));
        }
    }

    fn exponential(&mut self) -> f64 {
        self.rng.sample::<f64, _>(Exp1)
    }

    fn plan(&mut self, at: f64, change: Change) {
        if at <= self.window_s {
            self.ahead.push(Reverse((at.to_bits(), change)));
        }
    }

    fn join(&mut self, setup: &Setup) {
        let rate = f64::from(setup.devices) * self.presence.joins_per_day / DAY_S;
        let sites = setup.devices.div_ceil(setup.devices_per_site);
        for at in poisson(rate, self.window_s, &mut self.rng) {
            let device = setup.devices + self.joining.len() as u32;
            let site = self.rng.gen_range(0..sites);
            self.joining.push(site);
            self.plan(at, Change::On(device));
        }
    }
}

fn drawn(setup: &Setup, rng: &mut ChaCha8Rng) -> Vec<Made> {
    match &setup.bundles {
        Bundles::Given(made) => made.clone(),
        Bundles::Drawn { per_device_day, until_s, sizes } => {
            let rate = per_device_day * f64::from(setup.devices) / DAY_S;
            let times = poisson(rate, *until_s, rng);
            let mut make = |at_s| {
                let maker = Some(rng.gen_range(0..setup.devices));
                Made { at_s, maker, bytes: sizes[rng.gen_range(0..sizes.len())] }
            };
            times.into_iter().map(&mut make).collect()
        }
    }
}

/// Times of a Poisson process.
fn poisson(rate: f64, until: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut times = Vec::new();
    // A rate of 0 makes the first time infinite.
    let mut at = rng.sample::<f64, _>(Exp1) / rate;
    while at <= until {
        times.push(at);
        at += rng.sample::<f64, _>(Exp1) / rate;
    }
    times
}
