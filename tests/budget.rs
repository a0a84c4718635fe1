//! What a learner's plan says of every phase, against what is allocated in it: never below.
//!
//! Bytes are counted where they are asked for. What the C library's heap holds beyond that is in the plan as "heap in pieces", and
//! what a process takes in all `benches/budget.sh` measures, inside a limit that the system enforces.

#![allow(unsafe_code)]

mod counting;
mod fixtures;
mod skip;

use counting::{held, ignore_beyond, peak_of};
use ndarray::Array4;
use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::learner::{Budget, Footprint, Learner, Settings, Spill};

const CLASSES: usize = 8;
const PICTURES: usize = 48;

/// Bytes of an allocation beyond which it is not counted: the pictures of the real model, and room that is reserved and not touched.
const LARGEST: usize = 30 << 20;

/// Pictures of a task: waves of a frequency and a direction for every class, and noise.
fn pictures(task: usize, [c, h, w]: [usize; 3]) -> (Array4<f32>, Vec<String>) {
    let mut seed = task as u32 * 7919 + 1;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as f32 / 65_536.0
    };
    let images = Array4::from_shape_fn((PICTURES, c, h, w), |(n, channel, y, x)| {
        let class = (n % CLASSES + task * CLASSES) as f32;
        (class * 0.3 * x as f32 / 8.0 + channel as f32).sin() + (y as f32 / (3.0 + class)).cos() + noise()
    });
    (images, (0..PICTURES).map(|i| format!("{task}-{}", i % CLASSES)).collect())
}

/// Most bytes of `learner`'s phases beyond what was there before it: trains, ends, predicts.
fn lived(learner: &mut Learner, before: usize) -> [usize; 3] {
    let mut most = [0; 3];
    let image = learner.image_shape();
    for task in 0..3 {
        let (images, labels) = pictures(task, image);
        let mut measured =
            |phase: usize, held: usize, peak: usize| most[phase] = most[phase].max(held + peak - before);
        let bytes = images.len() * size_of::<f32>();
        let outside = if bytes > LARGEST { 0 } else { bytes };
        let start = held() - outside;
        let (_, peak) = peak_of(|| {
            learner.begin_task(&task.to_string()).unwrap();
            let batch = learner.settings().batch;
            for start in (0..PICTURES).step_by(batch) {
                let chunk = images.slice(ndarray::s![start..start + batch, .., .., ..]);
                // As a caller has them.
                let chunk = chunk.to_owned();
                let names: Vec<&str> = labels[start..start + batch].iter().map(String::as_str).collect();
                learner.observe(chunk.view(), &names).unwrap();
            }
            learner.epoch().unwrap();
        });
        measured(0, start, peak);
        let start = held() - outside;
        let (_, peak) = peak_of(|| {
            learner.end_task().unwrap();
            learner.commit_anyway().unwrap();
        });
        measured(1, start, peak);
        let start = held() - outside;
        let micro = learner.settings().micro;
        let (_, peak) = peak_of(|| {
            let some = images.slice(ndarray::s![..micro, .., .., ..]).to_owned();
            learner.predict(some.view()).unwrap();
        });
        measured(2, start, peak);
    }
    most
}

/// Planned bytes of every phase, but for the process and the heap's pieces.
fn planned(footprint: &Footprint) -> Vec<(&'static str, usize)> {
    let own = |name: &str| !["process", "heap in pieces"].contains(&name);
    let bytes = |p: &perennial::learner::MemoryPhase| {
        p.items.iter().filter(|item| own(item.name)).map(|item| item.bytes).sum::<usize>()
    };
    footprint.phases.iter().map(|phase| (phase.name, bytes(phase))).collect()
}

#[test]
fn phases_take_what_was_planned() {
    ignore_beyond(LARGEST);
    let fixture = || fixtures::one("timm_legacy_op17_dynamic").backbone();
    let real = skip::real_vit().map(|folder| folder.join("vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx"));
    let mut wrong = Vec::new();
    for strategy in ["perennial", "perennial-compact", "lda-frozen", "best-frozen", "ranpac-first", "pegp"] {
        for micro in [1, 4] {
            for path in [None, real.as_deref()].into_iter().take(1 + usize::from(real.is_some())) {
                if path.is_some() && (micro == 4 || !["perennial", "lda-frozen"].contains(&strategy)) {
                    continue;
                }
                let before = held();
                let ((mut learner, name), peak) = peak_of(|| {
                    let backbone = path.map_or_else(fixture, |path| Backbone::read(path).unwrap());
                    let lora =
                        Lora { blocks: Blocks::Last(if path.is_some() { 4 } else { 1 }), ..Lora::default() };
                    // Where memory is scarcest, activations are computed again and tokens lie in a file.
                    let recompute = micro == 1 && strategy == "perennial";
                    let settings =
                        Settings { lora, micro, random_features: 300, recompute, ..Settings::default() };
                    let spill = recompute.then(|| Spill { folder: std::env::temp_dir(), bytes: usize::MAX });
                    // Room for the pictures and no more, so that what is planned for them is there.
                    let mut cache = 1 << 16;
                    let budget = |cache: usize| Budget {
                        cache,
                        classes: 3 * CLASSES,
                        spill: spill.clone(),
                        ..Budget::default()
                    };
                    let builder = |cache: usize| {
                        Learner::builder(backbone.clone())
                            .strategy(strategy)
                            .settings(settings.clone())
                            .budget(budget(cache))
                    };
                    while builder(cache).fitted().unwrap().1.pictures < PICTURES {
                        cache += cache / 16;
                    }
                    (builder(cache).build().unwrap(), path.map_or("fixture", |_| "vit_tiny"))
                });
                let [trains, ends, predicts] = lived(&mut learner, before);
                // Tokens from 32 KiB on lie in memory of their own, which is not counted.
                let image = learner.image_shape();
                let (one, _) = pictures(9, image);
                let tokens =
                    learner.encode_crops(one.slice(ndarray::s![..1, .., .., ..])).unwrap().row_bytes();
                // In a file where there is one.
                let adapts = strategy != "lda-frozen" && !(micro == 1 && strategy == "perennial");
                let apart = if adapts && tokens > learner.crops() << 15 { PICTURES * tokens } else { 0 };
                let taken = [peak, trains + apart, ends + apart, predicts];
                print!("{strategy:<18} {name:<9} micro {micro}:");
                for ((phase, planned), taken) in planned(learner.footprint()).into_iter().zip(taken) {
                    print!("  {phase} {:.2} of {:.2} MB", taken as f64 / 1e6, planned as f64 / 1e6);
                    if taken > planned + (3 << 19) {
                        wrong.push(format!("{strategy} {name} micro {micro}: {phase} takes {taken} bytes, {planned} were planned"));
                    }
                }
                println!();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
