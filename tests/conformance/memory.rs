//! Peak memory of a process that trains ViT-Tiny: all twelve blocks, every role, rank 8, one image.
//!
//! The peak belongs to a process, so each engine gets one of its own: this program again, running one ignored test.
#![cfg(all(target_os = "linux", feature = "eval"))]

use std::process::Command;

use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Data, Port};
use perennial::joint::joint;

use crate::fixtures::{random, rng};
use crate::real;
use crate::skip;
use crate::suite::subjects;

/// Megabytes that every engine should need at most.
const MOST: f64 = 150.0;

/// Those that need more, how much, and why.
const MORE: [(&str, f64, &str); 1] = [(
    "tract",
    200.0,
    "packs every weight for the forward pass and again, transposed, for the backward pass",
)];

#[test]
fn training_vit_tiny_stays_below_150_megabytes() {
    if skip::real_vit().is_none() {
        return;
    }
    let mut failures = Vec::new();
    for subject in subjects() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::one_process", "--ignored", "--nocapture"])
            .env("PERENNIAL_ENGINES", &subject.name)
            // glibc keeps what was freed once a large block has been: its threshold grows. A fixed one gives it back.
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|l| l.split_once("peak MB: ")).map(|(_, n)| n.trim().to_string());
        let peak: f64 = line.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no figure in {text}"));
        let told: Vec<&str> = text.lines().filter(|l| l.contains("MB: ") || l.contains("step: ")).collect();
        println!("{:<30} {}", subject.name, told.join(", "));
        let more = MORE.iter().find(|(name, ..)| *name == subject.name);
        let most = more.map_or(MOST, |(_, most, _)| *most);
        // A vendor's provider brings memory of its own; it is printed and not judged.
        if peak > most && !subject.name.contains(':') {
            failures.push(format!("{}: {peak:.0} MB of {most}", subject.name));
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn one_process() {
    let Some(folder) = skip::real_vit() else { return };
    let subject = subjects().swap_remove(0);
    let roles = Roles::Q | Roles::K | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    let lora = Lora { rank: 8, alpha: 8.0, blocks: Blocks::All, roles };
    let (whole, sites) = real::backbone(&folder).whole(lora.blocks, roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
    let graph = joint(graph, &slots, 16).unwrap().graph;
    let session = subject.engine().compile(&graph, 1).unwrap();
    drop(graph);
    println!("\ncompiled MB: {:.1}", megabytes("VmHWM:"));
    let value = |port: &Port| match port.name.as_str() {
        "labels" => Data::I64(ndarray::arr1(&[3i64]).into_dyn()),
        _ => random(&port.shape.known().unwrap(), 0.1, &mut rng(1)),
    };
    let inputs: Vec<Data> = session.inputs().iter().map(value).collect();
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = std::time::Instant::now();
        session.run(&inputs).unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("median step: {:.1?}", times[2]);
    println!("peak MB: {:.1}", megabytes("VmHWM:"));
}

/// The most memory this process has held (`VmHWM:`) or holds (`VmRSS:`), in megabytes of 10^6.
fn megabytes(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}
