//! Times of what this project computes itself, at the sizes of ViT-Ti (width 192, LoRA rank 8 on the fused qkv).
//!
//! ```text
//! cargo bench --bench kernels
//! ```
//!
//! `differentiate` needs a backbone: the file in `PERENNIAL_BACKBONE`, or the small model of the tests.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(missing_docs)] // criterion's macro makes a public function.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::Array2;
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::backbone::Backbone;
use perennial::frame::{Format, Frame, Plane, Preprocess, Scratch};
use perennial::graph::fold;
use perennial::head::{Head, Lift, Ridge};
use perennial::joint::joint;
use perennial::learner::Encoded;
use perennial::linalg::gaussian;
use perennial::mixture::DpGmm;
use perennial::optim::{AdamW, Optimizer};
use perennial::subspace::{Basis, FrequentDirections, SecondMoment};

const WIDTH: usize = 192;
const TOKENS: usize = 197;
const RANK: usize = 8;

fn rows(n: usize, width: usize, seed: u64) -> Array2<f32> {
    gaussian(seed, n, width)
}

fn protection(c: &mut Criterion) {
    let mut moment = SecondMoment::new(WIDTH);
    moment.push_rows(rows(96, WIDTH, 1).view()).unwrap();
    let mut basis = Basis::new(WIDTH);
    basis.extend(&moment, 0.95).unwrap();
    let mut delta = rows(RANK, WIDTH, 2);
    c.bench_function(&format!("project a delta, {RANK}x{WIDTH} off {} directions", basis.protected()), |b| {
        b.iter(|| basis.project(black_box(delta.view_mut())).unwrap());
    });
    let tokens = rows(4 * TOKENS, WIDTH, 3);
    c.bench_function("second moment, 788 rows", |b| {
        b.iter(|| moment.push_rows(black_box(tokens.view())).unwrap());
    });
    let mut sketch = FrequentDirections::new(WIDTH, 64).unwrap();
    c.bench_function("covariance sketch (64 directions), 788 rows", |b| {
        b.iter(|| sketch.push_rows(black_box(tokens.view())).unwrap());
    });
}

fn recognition(c: &mut Criterion) {
    let points = rows(500, 64, 4).mapv(f64::from);
    let mixture = DpGmm::params(10).seed(0).fit(&DatasetBase::from(points.clone())).unwrap();
    c.bench_function("mixture fit, 500 points of width 64", |b| {
        b.iter(|| DpGmm::params(10).seed(0).fit(&DatasetBase::from(black_box(points.clone()))).unwrap());
    });
    let one = points.slice(ndarray::s![..1, ..]).to_owned();
    c.bench_function("mixture score, one point of width 64", |b| {
        b.iter(|| mixture.predictive(black_box(&one)));
    });
}

fn training(c: &mut Criterion) {
    let mut adam = AdamW::new(1e-3);
    let (a, b) = (rows(RANK, WIDTH, 5), rows(3 * WIDTH, RANK, 6));
    c.bench_function("AdamW, one adapter of rank 8 on qkv", |bench| {
        bench.iter(|| {
            adam.begin_step();
            black_box(adam.step(0, a.view(), a.view()).unwrap());
            black_box(adam.step(1, b.view(), b.view()).unwrap());
        });
    });
    let features = rows(64, WIDTH, 7);
    let labels: Vec<usize> = (0..64).map(|i| i % 10).collect();
    let mut ridge = Ridge::new(WIDTH, Lift::random_relu(2000, 0));
    c.bench_function("ridge update, 64 rows, 2000 random features", |b| {
        b.iter(|| ridge.observe(black_box(features.view()), &labels).unwrap());
    });
}

fn cache(c: &mut Criterion) {
    let tokens = rows(16 * TOKENS, WIDTH, 8);
    let tokens = tokens.into_shape_with_order(vec![16, TOKENS, WIDTH]).unwrap();
    let frozen = rows(16, WIDTH, 9);
    let encoded = Encoded::new(&tokens, frozen.view(), frozen.view());
    let all: Vec<usize> = (0..16).collect();
    c.bench_function("cache, encode 16 images to f16", |b| {
        b.iter(|| Encoded::new(black_box(&tokens), frozen.view(), frozen.view()));
    });
    c.bench_function("cache, decode 16 images", |b| b.iter(|| encoded.tokens(black_box(&all))));
}

fn frames(c: &mut Criterion) {
    let levels: Vec<u8> = (0..2 * 1280 * 720usize).map(|i| (i * 7919 % 251) as u8).collect();
    let preprocess = Preprocess::vit(224);
    let mut tensor = vec![0.0; preprocess.output_len().unwrap()];
    let mut scratch = Scratch::new();
    for (format, width, height, stride) in [
        (Format::Nv12, 1280, 720, 1280),
        (Format::Yuyv, 1280, 720, 2560),
        (Format::Rgb, 640, 480, 1920),
        (Format::Gray, 640, 480, 640),
    ] {
        let frame = Frame::new(format, width, height, &[Plane::new(&levels, stride)]).unwrap();
        c.bench_function(&format!("frame, {format} {width}x{height} to 3x224x224"), |b| {
            b.iter(|| preprocess.write(black_box(&frame), &mut scratch, &mut tensor).unwrap());
        });
    }
}

fn compilation(c: &mut Criterion) {
    let fixture =
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fused_legacy_op17_dynamic.onnx");
    let path = std::env::var_os("PERENNIAL_BACKBONE").map_or_else(fixture, PathBuf::from);
    let backbone = Backbone::read(&path).unwrap();
    let lora = Lora { rank: 4, alpha: 4.0, blocks: Blocks::All, roles: Roles::Q | Roles::V };
    c.bench_function("inject, differentiate, bind and fold", |b| {
        b.iter(|| {
            let (graph, sites) = backbone.whole(lora.blocks, lora.roles).unwrap();
            let (graph, slots) = inject(graph, &sites, &lora, Sharing::Shared).unwrap();
            let step = joint(graph, &slots, 16).unwrap().graph;
            let step = match fold::batch_symbol(&step).map(str::to_string) {
                Some(symbol) => fold::bind(step, &symbol, 8).unwrap(),
                None => step,
            };
            fold::constants(step).unwrap()
        });
    });
}

criterion_group!(benches, protection, recognition, training, cache, frames, compilation);
criterion_main!(benches);
