//! `perennial fleet simulate`.

use bytesize::ByteSize;
use clap::ValueEnum;
use serde_json::json;

use super::super::{Global, show};
use crate::error::Result;
use crate::fleet::simulation::{
    Bundles, DAY_S, Grain, Link, Outcome, Presence, Protocol, Setup, Wire, simulate,
};

/// Options of `simulate`.
#[derive(clap::Args)]
pub struct Args {
    /// Devices of the fleet; may be given more than once
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 10_000])]
    devices: Vec<u32>,
    /// Who passes bundles on
    #[arg(long, value_delimiter = ',', default_values = ["everyone", "storages", "sketch"])]
    protocol: Vec<Way>,
    /// Lengths of bundles, each as often as any other
    #[arg(long, value_delimiter = ',', default_values = ["200kB", "1.2MB", "7.7MB"], value_name = "SIZE")]
    sizes: Vec<ByteSize>,
    /// Bundles that the whole fleet makes in a day
    #[arg(long, default_value_t = 9.0)]
    bundles: f64,
    /// Days that are watched; bundles are made on the first
    #[arg(long, default_value_t = 3.0)]
    days: f64,
    /// Speed of the link between a site and its region, in Mbit/s
    #[arg(long, default_value_t = 1.0)]
    uplink: f64,
    /// Loss on every link, in percent
    #[arg(long, default_value_t = 2.0)]
    loss: f64,
    /// Devices of a site
    #[arg(long, default_value_t = 20)]
    per_site: u32,
    /// Sites of a region
    #[arg(long, default_value_t = 50)]
    per_region: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// Devices keep bundles, routers nothing; whoever comes asks everybody
    Everyone,
    /// Routers keep copies, and tell whoever comes all that there is
    Storages,
    /// As storages; whoever comes says in few bytes what it has
    Sketch,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let mut outcomes = Vec::new();
    if !global.json {
        println!(
            "{:>8} {:<9} {:>10} {:>22} {:>22} {:>17} {:>12} {:>20}",
            "devices",
            "protocol",
            "99 % after",
            "wait 50/90/99 %, s",
            "MB/day, payload/lists",
            "busiest uplink",
            "its queue",
            "cloud router, 1/s"
        );
    }
    for &devices in &args.devices {
        for &way in &args.protocol {
            let outcome = simulate(&setup(global, args, devices, way))?;
            if !global.json {
                print(devices, &outcome);
            }
            outcomes.push(outcome);
        }
    }
    if global.json {
        return show::json(&json!(outcomes));
    }
    Ok(())
}

fn setup(global: &Global, args: &Args, devices: u32, way: Way) -> Setup {
    let link = |bits_per_s, latency_s| Link { bits_per_s, latency_s, loss: args.loss / 100.0 };
    Setup {
        seed: global.seed,
        devices,
        devices_per_site: args.per_site,
        sites_per_region: args.per_region,
        access: link(20e6, 0.005),
        site_uplink: link(args.uplink * 1e6, 0.02),
        region_uplink: link(100e6, 0.02),
        presence: Presence {
            mean_online_s: DAY_S * 2.0 / 3.0,
            mean_offline_s: DAY_S / 3.0,
            gone: 0.01,
            joins_per_day: 0.01,
        },
        bundles: Bundles::Drawn {
            per_device_day: args.bundles / f64::from(devices.max(1)),
            until_s: DAY_S.min(args.days * DAY_S),
            sizes: args.sizes.iter().map(ByteSize::as_u64).collect(),
        },
        protocol: match way {
            Way::Everyone => Protocol::Everyone,
            Way::Storages => Protocol::Storages,
            Way::Sketch => Protocol::Sketch,
        },
        grain: Grain::Bundle,
        wire: Wire { history: 100, ..Wire::default() },
        window_s: args.days * DAY_S,
        slice_s: 300.0,
    }
}

fn print(devices: u32, outcome: &Outcome) {
    let seconds = |time: Option<f64>| time.map_or("-".into(), |s| format!("{s:.0}"));
    let Outcome { wait, device_day, links, routers, ninety_nine, .. } = outcome;
    let waits = [wait.half_s, wait.ninety_s, wait.ninety_nine_s].map(seconds).join(" / ");
    let (up, down) = (&links.region.up, &links.region.down);
    println!(
        "{devices:>8} {:<9} {:>10} {waits:>22} {:>22} {:>17} {:>12} {:>20}",
        format!("{:?}", outcome.protocol).to_lowercase(),
        ninety_nine.median_s.map_or("never".into(), |s| format!("{:.1} h", s / 3600.0)),
        format!("{:.2} / {:.3}", device_day.payload_received / 1e6, device_day.discovery_received / 1e6),
        format!("{:.1} % / {:.1} %", 100.0 * up.busy_most, 100.0 * down.busy_most),
        format!("{:.1} MB", up.queue_most_bytes.max(down.queue_most_bytes) / 1e6),
        format!("{:.1}, at most {:.0}", routers.cloud.messages_per_s_mean, routers.cloud.messages_per_s_peak),
    );
}
