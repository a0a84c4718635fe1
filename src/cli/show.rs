//! Small things that commands print.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ndarray::ArrayView4;

use super::Global;
use crate::error::Result;

/// Prints a JSON document.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
    println!("{text}");
    Ok(())
}

/// Preprocessed pixels as a batch of images of `shape`, `[channels, height, width]`.
pub fn images(pixels: &[f32], shape: [usize; 3]) -> Result<ArrayView4<'_, f32>> {
    let [c, h, w] = shape;
    let n = pixels.len() / (c * h * w).max(1);
    ArrayView4::from_shape((n, c, h, w), pixels)
        .map_err(|_| crate::err!(Shape, "{} pixels are not images of {shape:?}", pixels.len()))
}

/// `8.0 MiB`.
pub fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A bar on stderr for `length` steps; silent with `--json` or when stderr is no terminal.
pub fn bar(global: &Global, length: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if global.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg:<28} {bar:32} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
