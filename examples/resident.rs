//! What a backbone takes in memory, at rest and on an engine (Linux).
//!
//!     cargo run --release --features onnxruntime --example resident -- vit_tiny.onnx [ENGINE] [keep]
//!
//! Prints the resident set of the process after the file was read, after it was compiled for one image, and after ten
//! images, in MiB above what the process took before. The graph is dropped before it is measured what the session takes,
//! unless `keep` is given.

use std::time::Instant;

use ndarray::Array4;
use perennial::backbone::Backbone;
use perennial::engine::by_name;
use perennial::plan;

fn resident(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(field)).unwrap_or("0 0");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() -> perennial::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: resident MODEL [ENGINE] [keep]");
        return Ok(());
    };
    let engine = by_name(rest.first().map_or("tract", String::as_str), 2)?;
    let start = resident("VmRSS");
    let backbone = Backbone::read(model.as_ref())?;
    let read = resident("VmRSS") - start;
    let weights = plan::weights(backbone.graph()) as f64 / f64::from(1 << 20);
    let [c, h, w] = backbone.image()?;
    let session = engine.compile(backbone.graph(), 1)?;
    let kept = rest.iter().any(|a| a == "keep").then_some(backbone);
    let compiled = resident("VmRSS") - start;
    let image = [Array4::<f32>::from_elem((1, c, h, w), 0.5).into()];
    session.run(&image)?;
    let clock = Instant::now();
    for _ in 0..10 {
        session.run(&image)?;
    }
    let ran = resident("VmRSS") - start;
    println!(
        "{model}: constants {weights:.1}, read {read:.1}, compiled {compiled:.1}, after runs {ran:.1}, peak {:.1} MiB; \
         {:.1} ms an image",
        resident("VmHWM") - start,
        clock.elapsed().as_secs_f64() * 100.0
    );
    drop(kept);
    Ok(())
}
