//! The simulation against what can be computed by hand, and its two grains against each other.
#![cfg(feature = "fleet")]

use perennial::error::ErrorKind;
use perennial::fleet::simulation::{
    Bundles, DAY_S, Grain, LaneLoad, Link, Made, Outcome, Presence, Protocol, Setup, Wire, simulate,
};

const GRAINS: [Grain; 2] = [Grain::Chunk, Grain::Bundle];
const PROTOCOLS: [Protocol; 3] = [Protocol::Everyone, Protocol::Storages, Protocol::Sketch];

/// Fast everywhere, so that one slow link decides.
const FAST: Link = Link { bits_per_s: 1e15, latency_s: 0.0, loss: 0.0 };
const ALWAYS: Presence =
    Presence { mean_online_s: f64::INFINITY, mean_offline_s: 1.0, gone: 0.0, joins_per_day: 0.0 };
/// Half of the devices are there at the start, and nothing changes.
const HALF: Presence = Presence { mean_online_s: 1e18, mean_offline_s: 1e18, gone: 0.0, joins_per_day: 0.0 };
const CHURN: Presence =
    Presence { mean_online_s: DAY_S / 3.0, mean_offline_s: DAY_S / 6.0, gone: 0.05, joins_per_day: 0.05 };

/// Control messages of no length, so that only latency and payload cost.
fn bare() -> Wire {
    Wire { ask_bytes: 0.0, notice_bytes: 0.0, query_bytes: 0.0, sketch_bytes: 0.0, ..Wire::default() }
}

fn one(maker: Option<u32>, bytes: u64) -> Bundles {
    Bundles::Given(vec![Made { at_s: 0.0, maker, bytes }])
}

fn fleet(devices: u32, protocol: Protocol, grain: Grain) -> Setup {
    Setup {
        seed: 7,
        devices,
        devices_per_site: 5,
        sites_per_region: 4,
        access: Link { bits_per_s: 20e6, latency_s: 0.005, loss: 0.02 },
        site_uplink: Link { bits_per_s: 1e6, latency_s: 0.02, loss: 0.02 },
        region_uplink: Link { bits_per_s: 10e6, latency_s: 0.02, loss: 0.02 },
        presence: ALWAYS,
        bundles: one(Some(0), 1_200_000),
        protocol,
        grain,
        wire: Wire::default(),
        window_s: DAY_S,
        slice_s: 300.0,
    }
}

/// One chain of `[region, site, access]` links to one device, of a bundle that the cloud makes.
fn chain(links: [Link; 3], bytes: u64, protocol: Protocol, grain: Grain) -> f64 {
    let setup = Setup {
        region_uplink: links[0],
        site_uplink: links[1],
        access: links[2],
        bundles: one(None, bytes),
        wire: bare(),
        ..fleet(1, protocol, grain)
    };
    simulate(&setup).unwrap().ninety_nine.median_s.unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let limit = tolerance * expected.abs().max(1e-9);
    assert!((found - expected).abs() <= limit, "{what}: {found} where {expected} is expected");
}

#[test]
fn one_link_takes_its_service_and_three_latencies() {
    for grain in GRAINS {
        let link = Link { bits_per_s: 1e6, latency_s: 0.02, loss: 0.0 };
        // The notice, the request and the data each cross once.
        let expected = 1_200_000.0 * 8.0 / 1e6 + 3.0 * 0.02;
        close(chain([FAST, FAST, link], 1_200_000, Protocol::Everyone, grain), expected, 1e-7, "one link");
    }
}

#[test]
fn losses_cost_repeats_and_round_trips() {
    for grain in GRAINS {
        let (p, latency) = (0.2, 0.05);
        let link = Link { bits_per_s: 1e6, latency_s: latency, loss: p };
        let delay = latency + 2.0 * latency * p / (1.0 - p);
        let expected = 200_000.0 * 8.0 / 1e6 / (1.0 - p) + 3.0 * delay;
        close(chain([FAST, FAST, link], 200_000, Protocol::Everyone, grain), expected, 1e-7, "losses");
    }
}

/// Chunks follow each other over the links, so that only one link's time is of the whole bundle.
#[test]
fn a_line_of_links_is_a_pipeline() {
    for grain in GRAINS {
        let link = Link { bits_per_s: 1e6, latency_s: 0.02, loss: 0.0 };
        let (chunks, chunk) = (10, 65_536.0 * 8.0 / 1e6);
        let expected = 9.0 * 0.02 + f64::from(chunks + 2) * chunk;
        close(chain([link; 3], 655_360, Protocol::Everyone, grain), expected, 1e-9, "a line");
    }
}

/// A storage passes on what it has whole.
#[test]
fn a_line_of_storages_is_not() {
    for grain in GRAINS {
        let link = Link { bits_per_s: 1e6, latency_s: 0.02, loss: 0.0 };
        let whole = 655_360.0 * 8.0 / 1e6;
        // The notice over three links, then three requests that are passed on at once where the copy lacks.
        let site = chain([FAST, FAST, link], 655_360, Protocol::Storages, grain);
        close(site, whole + 3.0 * 0.02, 1e-7, "one storage");
        let line = chain([link; 3], 655_360, Protocol::Storages, grain);
        close(line, 3.0 * whole + 3.0 * 0.02 + 3.0 * 2.0 * 0.02, 1e-9, "three storages");
    }
}

/// n devices behind one slow link, each of which gets its own copy over it.
#[test]
fn devices_behind_one_uplink_wait_for_each_other() {
    for grain in GRAINS {
        for devices in [1, 3, 4] {
            let slow = Link { bits_per_s: 1e6, latency_s: 0.0, loss: 0.0 };
            let setup = Setup {
                region_uplink: FAST,
                site_uplink: slow,
                access: FAST,
                bundles: one(None, 655_360),
                wire: bare(),
                ..fleet(devices, Protocol::Everyone, grain)
            };
            let last = simulate(&setup).unwrap().ninety_nine.greatest_s.unwrap();
            let expected = f64::from(devices) * 655_360.0 * 8.0 / 1e6;
            close(last, expected, 1e-6, &format!("{devices} devices, {grain:?}"));
        }
    }
}

#[test]
fn coverage_is_the_share_that_can_be_reached() {
    for grain in GRAINS {
        for protocol in PROTOCOLS {
            let outcome = simulate(&Setup { presence: HALF, ..fleet(200, protocol, grain) }).unwrap();
            let what = format!("{protocol:?}, {grain:?}");
            assert!((60..140).contains(&outcome.ever_online), "{what}: {} online", outcome.ever_online);
            assert_eq!(outcome.delivered, u64::from(outcome.ever_online), "{what}");
            assert_eq!(outcome.delivered, outcome.reachable, "{what}");
            assert_eq!(outcome.coverage.median.last(), Some(&1.0), "{what}");
            assert_eq!(outcome.ninety_nine.bundles, 1, "{what}");
        }
    }
}

#[test]
fn what_is_received_is_what_devices_have() {
    for grain in GRAINS {
        for protocol in PROTOCOLS {
            let outcome = simulate(&fleet(200, protocol, grain)).unwrap();
            // The maker received nothing.
            let expected = (outcome.delivered - 1) as f64 * 1_200_000.0;
            assert_eq!(outcome.accepted_bytes, expected, "{protocol:?}, {grain:?}");
            let received = outcome.device_day.payload_received * f64::from(outcome.ever_online);
            close(received, expected, 1e-9, &format!("on the lanes, {protocol:?}, {grain:?}"));
        }
    }
}

/// With devices that come and go, what is beyond whole bundles belongs to transfers that broke off.
#[test]
fn no_byte_is_accepted_twice() {
    for grain in GRAINS {
        for protocol in PROTOCOLS {
            let outcome = simulate(&busy(200, protocol, grain)).unwrap();
            let whole = |size: f64| (outcome.delivered - u64::from(outcome.bundles)) as f64 * size;
            let (least, most) = (whole(1.2e6), outcome.reachable as f64 * 1.2e6);
            let what = format!("{protocol:?}, {grain:?}: {} of {least}", outcome.accepted_bytes);
            assert!((least..=most).contains(&outcome.accepted_bytes), "{what}");
        }
    }
}

fn busy(devices: u32, protocol: Protocol, grain: Grain) -> Setup {
    let made =
        |n: u32| Made { at_s: f64::from(n) * 7_200.0, maker: Some(n * 37 % devices), bytes: 1_200_000 };
    Setup {
        presence: CHURN,
        bundles: Bundles::Given((0..6).map(made).collect()),
        window_s: 2.0 * DAY_S,
        ..fleet(devices, protocol, grain)
    }
}

fn upper(outcome: &Outcome) -> [LaneLoad; 4] {
    let links = &outcome.links;
    [links.cloud.up, links.cloud.down, links.region.up, links.region.down]
}

#[test]
fn storages_send_no_more_over_an_upper_link() {
    for grain in GRAINS {
        for (devices, presence) in [(3, ALWAYS), (20, ALWAYS), (200, ALWAYS), (200, CHURN)] {
            let run = |protocol| simulate(&Setup { presence, ..busy(devices, protocol, grain) }).unwrap();
            let (everyone, storages) = (run(Protocol::Everyone), run(Protocol::Storages));
            for (with, without) in upper(&storages).iter().zip(upper(&everyone)) {
                let what = format!("{devices} devices, {grain:?}: {} of {}", with.bytes, without.bytes);
                assert!(with.payload_bytes <= without.payload_bytes * (1.0 + 1e-9), "{what}");
                assert!(with.bytes <= without.bytes * (1.0 + 1e-9), "{what}");
            }
        }
    }
}

#[test]
fn with_storages_a_bundle_crosses_an_upper_link_once() {
    for grain in GRAINS {
        let outcome = simulate(&fleet(200, Protocol::Storages, grain)).unwrap();
        assert_eq!((outcome.regions, outcome.sites), (10, 40));
        let crossings =
            upper(&outcome).map(|lane| (lane.payload_bytes * 0.98 / 1_200_000.0 * 1e6).round() / 1e6);
        // Up from the maker's site and region, down to all the others.
        assert_eq!(crossings, [1.0, 9.0, 1.0, 39.0], "{grain:?}");
    }
}

#[test]
fn one_seed_gives_one_result() {
    for grain in GRAINS {
        for protocol in PROTOCOLS {
            let bytes = |seed| {
                let outcome = simulate(&Setup { seed, ..busy(100, protocol, grain) }).unwrap();
                serde_json::to_vec(&outcome).unwrap()
            };
            assert_eq!(bytes(1), bytes(1), "{protocol:?}, {grain:?}");
            assert_ne!(bytes(1), bytes(2), "{protocol:?}, {grain:?}");
        }
    }
}

#[test]
fn sketches_cost_by_what_is_lacking() {
    let discovery = |protocol, history| {
        let wire = Wire { history, ..Wire::default() };
        let outcome = simulate(&Setup { wire, ..busy(100, protocol, Grain::Chunk) }).unwrap();
        outcome.device_day.discovery_received + outcome.device_day.discovery_sent
    };
    assert_eq!(discovery(Protocol::Sketch, 0), discovery(Protocol::Sketch, 1000));
    assert!(discovery(Protocol::Storages, 1000) > 10.0 * discovery(Protocol::Sketch, 1000));
}

#[test]
fn the_cloud_never_goes() {
    for grain in GRAINS {
        for protocol in PROTOCOLS {
            let setup = Setup { bundles: one(None, 200_000), ..fleet(200, protocol, grain) };
            let outcome = simulate(&setup).unwrap();
            assert_eq!((outcome.delivered, outcome.reachable), (200, 200), "{protocol:?}, {grain:?}");
        }
    }
}

/// The same fleet by chunk and by bundle, with the tolerance of each figure: 25 % for times where transfers wait for each other, because
/// a lane takes whole transfers in the order in which they begin; 10 % or less for all the rest.
#[test]
fn grains_agree() {
    let mut failures = Vec::new();
    let mut compare = |what: String, exact: Option<f64>, coarse: Option<f64>, tolerance: f64| {
        let (exact, coarse) = (exact.unwrap_or(-1.0), coarse.unwrap_or(-1.0));
        let off = (coarse - exact).abs() / exact.abs().max(1e-9);
        println!("{what}: by chunk {exact:.5}, by bundle {coarse:.5}, off by {:.1} %", 100.0 * off);
        if off > tolerance {
            failures.push(format!("{what}: by chunk {exact}, by bundle {coarse}"));
        }
    };
    for devices in [100, 1000, 10_000] {
        for protocol in PROTOCOLS {
            // By chunk, 10^4 devices that all answer would be 10^9 events.
            if devices == 10_000 && protocol == Protocol::Everyone {
                continue;
            }
            let exact = simulate(&busy(devices, protocol, Grain::Chunk)).unwrap();
            let coarse = simulate(&busy(devices, protocol, Grain::Bundle)).unwrap();
            let mut row = |what: &str, of: fn(&Outcome) -> Option<f64>, tolerance| {
                compare(format!("{devices} {protocol:?} {what}"), of(&exact), of(&coarse), tolerance);
            };
            row("delivered", |o| Some(o.delivered as f64), 0.01);
            row("reachable", |o| Some(o.reachable as f64), 0.0);
            row("half", |o| o.half.median_s, 0.25);
            row("ninety", |o| o.ninety.median_s, 0.05);
            row("wait of half", |o| o.wait.half_s, 0.25);
            row("payload received", |o| Some(o.device_day.payload_received), 0.01);
            row("discovery received", |o| Some(o.device_day.discovery_received), 0.05);
            row("site uplink up", |o| Some(o.links.region.up.bytes), 0.05);
            row("site uplink down", |o| Some(o.links.region.down.bytes), 0.05);
            row("region uplink up", |o| Some(o.links.cloud.up.bytes), 0.10);
            row("region uplink down", |o| Some(o.links.cloud.down.bytes), 0.10);
            row("cloud messages", |o| Some(o.routers.cloud.messages_per_s_mean), 0.05);
            row("region messages", |o| Some(o.routers.region.messages_per_s_mean), 0.05);
            row("site messages", |o| Some(o.routers.site.messages_per_s_mean), 0.05);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn parameters_are_checked() {
    let good = fleet(10, Protocol::Storages, Grain::Bundle);
    let many = (0..1000).map(|_| Made { at_s: 0.0, maker: None, bytes: 1 }).collect();
    let late = Bundles::Given(vec![Made { at_s: 1e9, maker: None, bytes: 1 }]);
    let empty = Bundles::Drawn { per_device_day: 1.0, until_s: 1.0, sizes: Vec::new() };
    let bad = [
        (Setup { devices: 0, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { site_uplink: Link { loss: 1.0, ..FAST }, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { access: Link { bits_per_s: f64::NAN, ..FAST }, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { presence: Presence { gone: 1.5, ..ALWAYS }, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { bundles: one(Some(10), 1), ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { bundles: one(None, 0), ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { bundles: late, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { bundles: empty, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { window_s: f64::INFINITY, ..good.clone() }, ErrorKind::InvalidArgument),
        (Setup { slice_s: 1e-6, ..good.clone() }, ErrorKind::Budget),
        (Setup { devices: 1_000_000, bundles: Bundles::Given(many), ..good.clone() }, ErrorKind::Budget),
    ];
    for (at, (setup, kind)) in bad.into_iter().enumerate() {
        assert_eq!(simulate(&setup).map(|_| ()).unwrap_err().kind(), kind, "row {at}");
        assert!(setup.footprint().is_err(), "row {at}");
    }
    assert!(good.footprint().is_ok());
}

#[test]
fn drawn_bundles_come_at_their_rate() {
    let sizes = vec![200_000, 1_200_000];
    let bundles = Bundles::Drawn { per_device_day: 0.5, until_s: DAY_S, sizes };
    let outcome = simulate(&Setup { bundles, ..fleet(400, Protocol::Sketch, Grain::Bundle) }).unwrap();
    // 200 +- 3.5 standard deviations.
    assert!((150..250).contains(&outcome.bundles), "{}", outcome.bundles);
}
