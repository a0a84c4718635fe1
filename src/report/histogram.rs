//! Novelty scores of known and unknown pictures over one axis.

use maud::{Markup, html};

use super::format::px;
use super::scale::{Scale, tick_label, ticks};
use crate::eval::Unknown;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 14.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 42.0;

/// Both histograms as shares of their own side, and the threshold.
pub fn draw(unknown: &Unknown) -> Markup {
    let x = Scale::new((unknown.range[0], unknown.range[1]), (LEFT, WIDTH - RIGHT));
    let sides = [
        ("s0", &unknown.known_histogram, unknown.known),
        ("s7", &unknown.unknown_histogram, unknown.unknown),
    ];
    let share = |count: u32, of: usize| f64::from(count) / of.max(1) as f64;
    let most = sides.iter().flat_map(|(_, bars, of)| bars.iter().map(|&count| share(count, *of)));
    let y = Scale::new((0.0, most.fold(0.0, f64::max)), (HEIGHT - BOTTOM, TOP + 14.0));
    let marks = ticks(unknown.range[0], unknown.range[1], 7);
    let line = x.at(unknown.threshold);
    let near_right = line > 0.6 * WIDTH;
    html! {
        svg viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } role="img"
            aria-label="Histogram of novelty scores of known and unknown pictures" {
            @for (at, (class, name, of)) in [("s0", "known", unknown.known), ("s7", "never learned", unknown.unknown)]
                .into_iter().enumerate() {
                @let left = LEFT + 190.0 * at as f64;
                rect class={ "swatch " (class) } x=(px(left)) y="4" width="14" height="12" rx="3" {}
                text.axis x=(px(left + 21.0)) y="14" { (name) " (" (super::format::count(of)) ")" }
            }
            @for (class, bars, of) in sides {
                path class={ "hill " (class) } d=(hill(bars.iter().map(|&count| share(count, of)).collect(), x, y, unknown.range)) {}
            }
            line.base x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(HEIGHT - BOTTOM)) y2=(px(HEIGHT - BOTTOM)) {}
            line.limit x1=(px(line)) x2=(px(line)) y1=(px(TOP - 6.0)) y2=(px(HEIGHT - BOTTOM)) {}
            text.limit-label.end[near_right] x=(px(line + if near_right { -6.0 } else { 6.0 })) y=(px(TOP + 4.0)) {
                "accepts 95 % of the known"
            }
            @for mark in &marks {
                text.axis.mid x=(px(x.at(*mark).clamp(24.0, WIDTH - 24.0))) y=(px(HEIGHT - BOTTOM + 18.0)) {
                    (tick_label(*mark, &marks))
                }
            }
            text.muted.end x=(px(WIDTH - RIGHT)) y=(px(HEIGHT - 6.0)) { "novelty score: stranger to the right" }
        }
    }
}

/// The outline of a histogram, closed along the base.
fn hill(shares: Vec<f64>, x: Scale, y: Scale, [low, high]: [f64; 2]) -> String {
    let width = (high - low) / shares.len().max(1) as f64;
    let mut out = format!("M{} {}", px(x.at(low)), px(y.at(0.0)));
    for (at, share) in shares.iter().enumerate() {
        let left = low + width * at as f64;
        let top = px(y.at(*share));
        out += &format!("L{} {top}L{} {top}", px(x.at(left)), px(x.at(left + width)));
    }
    out += &format!("L{} {}Z", px(x.at(high)), px(y.at(0.0)));
    out
}
