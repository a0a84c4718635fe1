//! Bytes per task as bars, with the promised limit as a line.

use maud::{Markup, html};

use super::format::{bytes, px, short};
use super::scale::{Scale, byte_ticks};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 42.0;
const WIDEST: f64 = 36.0;

/// Bars for `values` (name, bytes) with `limit`; `label` is for readers who hear the page.
pub fn draw(label: &str, values: &[(String, Option<u64>)], limit: Option<u64>) -> Markup {
    let most = values.iter().filter_map(|(_, value)| *value).chain(limit).max().unwrap_or(1).max(1) as f64;
    let high = most * 1.12;
    let y = Scale::new((0.0, high), (HEIGHT - BOTTOM, TOP));
    let slot = (WIDTH - LEFT - RIGHT) / values.len().max(1) as f64;
    let width = (slot - 6.0).clamp(1.0, WIDEST);
    let base = HEIGHT - BOTTOM;
    let every = (26.0 / slot).ceil().max(1.0) as usize;
    html! {
        svg viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } role="img" aria-label=(label) {
            @for tick in byte_ticks(high, 4) {
                @let line = px(y.at(tick));
                line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(line) y2=(line) {}
                text.axis.end x=(px(LEFT - 8.0)) y=(px(y.at(tick) + 4.0)) { (bytes(tick as u64)) }
            }
            @for (at, (name, value)) in values.iter().enumerate() {
                @let middle = LEFT + slot * (at as f64 + 0.5);
                @if let Some(value) = value {
                    @let top = y.at(*value as f64);
                    g {
                        title { (name) ": " (bytes(*value)) }
                        path.bar.over[limit.is_some_and(|limit| *value > limit)] d=(bar(middle - width / 2.0, width, top, base)) {}
                        @if at + 1 == values.len() {
                            text.axis.mid.strong x=(px(middle.min(WIDTH - 34.0))) y=(px(top - 7.0)) { (bytes(*value)) }
                        }
                    }
                }
                @if at % every == 0 {
                    text.axis.mid x=(px(middle)) y=(px(base + 18.0)) {
                        (short(name, (slot * every as f64 / 6.6) as usize)) title { (name) }
                    }
                }
            }
            line.base x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(base)) y2=(px(base)) {}
            @if let Some(limit) = limit {
                @let line = y.at(limit as f64);
                line.limit x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(line)) y2=(px(line)) {}
                text.limit-label x=(px(LEFT + 4.0)) y=(px(line - 6.0)) { "budget " (bytes(limit)) }
            }
            text.muted.end x=(px(WIDTH - RIGHT)) y=(px(HEIGHT - 6.0)) { "after task" }
        }
    }
}

/// A bar with round shoulders that stands flat on the base line.
fn bar(x: f64, width: f64, top: f64, base: f64) -> String {
    let radius = 4f64.min(width / 2.0).min((base - top).max(0.0));
    let [left, right, shoulder, base, top, inner, outer] =
        [x, x + width, top + radius, base, top, x + radius, x + width - radius].map(px);
    format!(
        "M{left} {base}L{left} {shoulder}Q{left} {top} {inner} {top}L{outer} {top}Q{right} {top} {right} {shoulder}L{right} {base}Z"
    )
}
