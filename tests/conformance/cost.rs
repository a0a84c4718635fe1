//! What adapters cost at prediction, as inputs and as one an image, over weights they were merged into.
//!
//! ```text
//! cargo test --release --features rten,onnxruntime --test conformance -- --ignored cost --nocapture
//! ```
//! Runs are interleaved, so that what else the machine does falls on all alike; medians of 15 runs.
#![cfg(feature = "eval")]

use std::sync::Arc;
use std::time::Instant;

use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Data, Session};

use crate::fixtures::{random, rng};
use crate::real;
use crate::suite::subjects;

const RUNS: usize = 15;
const BATCH: usize = 8;

#[test]
#[ignore = "a measurement"]
fn cost_of_adapters_at_prediction() {
    let Some(folder) = real::folder() else { return };
    let backbone = real::backbone(&folder);
    let all = Roles::Q | Roles::K | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    for subject in subjects() {
        let engine = subject.engine();
        for (name, roles) in [("q,v", Roles::Q | Roles::V), ("all roles", all)] {
            let lora = Lora { rank: 8, alpha: 8.0, blocks: Blocks::All, roles };
            let (whole, sites) = backbone.whole(lora.blocks, roles).unwrap();
            let with = |sharing| inject(whole.clone(), &sites, &lora, sharing).unwrap().0;
            let graphs = [whole.clone(), with(Sharing::Shared), with(Sharing::PerImage)];
            let sessions = graphs.map(|g| engine.compile(&g, BATCH).unwrap());
            let [merged, inputs, images] = medians(&sessions);
            println!(
                "{:<12} rank 8, {name:<9} merged {merged:>6.1} ms, inputs {:.3}, an adapter an image {:.3}",
                subject.name,
                inputs / merged,
                images / merged
            );
        }
    }
}

/// Milliseconds of a run.
fn medians(sessions: &[Arc<dyn Session>; 3]) -> [f64; 3] {
    let inputs = sessions.each_ref().map(|s| {
        let value = |p: &perennial::engine::Port| random(&p.shape.known().unwrap(), 0.1, &mut rng(1));
        s.inputs().iter().map(value).collect::<Vec<Data>>()
    });
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=RUNS {
        for ((session, inputs), times) in sessions.iter().zip(&inputs).zip(&mut times) {
            let start = Instant::now();
            session.run(inputs).unwrap();
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    times.map(|mut t| {
        t.sort_by(f64::total_cmp);
        t[RUNS / 2]
    })
}
