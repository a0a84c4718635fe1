//! Points with names: what is paid against what is got, the price on a logarithmic axis.
//!
//! A name stands at the first of eight places around its point where it covers no point, no other name and no edge; the
//! last resort is to the right. A short line leads from a name that had to move to its point.

use maud::{Markup, html};

use super::format::{px, short, tone};
use super::scale::{Scale, tick_label, ticks};
use super::unit::Unit;

/// A point.
pub struct Point {
    /// Its name.
    pub name: String,
    /// What is paid; must be above zero.
    pub x: f64,
    /// What is got.
    pub y: f64,
    /// Spread of `y`, drawn as a whisker.
    pub spread: Option<f64>,
    /// Its colour.
    pub colour: usize,
}

/// Axes and points.
pub struct Scatter<'a> {
    /// What the picture shows, for readers who hear it.
    pub label: &'a str,
    /// Title of the horizontal axis.
    pub x_title: &'a str,
    /// Title of the vertical axis.
    pub y_title: &'a str,
    /// What the horizontal axis counts.
    pub unit: Unit,
    /// The points.
    pub points: Vec<Point>,
}

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 42.0;
/// Mean width of a letter, height of a line.
const LETTER: f64 = 6.6;
const LINE: f64 = 13.0;
const MOST_LETTERS: usize = 26;

/// A rectangle: left, top, right, bottom.
type Box = [f64; 4];

impl Scatter<'_> {
    /// The drawing.
    pub fn draw(&self) -> Markup {
        let (x, y) = (self.x(), self.y());
        let places: Vec<(f64, f64)> = self.points.iter().map(|p| (x.at(p.x.log10()), y.at(p.y))).collect();
        let names = self.names(&places);
        html! {
            svg viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } role="img" aria-label=(self.label) {
                (self.axes(x, y))
                @for (point, &(at, up)) in self.points.iter().zip(&places) {
                    @if let Some(spread) = point.spread {
                        line class={ "whisker " (tone(point.colour)) } x1=(px(at)) x2=(px(at)) y1=(px(y.at(point.y - spread))) y2=(px(y.at(point.y + spread))) {}
                    }
                    g {
                        title { (point.name) ": " (super::format::Tenths(point.y)) ", " (self.unit.text(point.x)) }
                        circle.reach cx=(px(at)) cy=(px(up)) r="10" {}
                        circle class={ "dot " (tone(point.colour)) } cx=(px(at)) cy=(px(up)) r="5" {}
                    }
                }
                @for (name, &(at, up)) in names.iter().zip(&places) {
                    @if name.far { line.base x1=(px(at)) y1=(px(up)) x2=(px((name.at[0] + name.at[2]) / 2.0)) y2=(px(name.at[3] - 3.0)) {} }
                    @match name.at {
                        [_, _, right, low] if right < at => text.axis.end x=(px(right)) y=(px(low - 3.0)) { (name.text) },
                        [left, _, right, low] if left < at => text.axis.mid x=(px((left + right) / 2.0)) y=(px(low - 3.0)) { (name.text) },
                        [left, _, _, low] => text.axis x=(px(left)) y=(px(low - 3.0)) { (name.text) },
                    }
                }
            }
        }
    }

    fn x(&self) -> Scale {
        let values = || self.points.iter().map(|p| p.x.log10());
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        let room = ((high - low) * 0.12).max(0.15);
        Scale::new((low - room, high + room), (LEFT, WIDTH - RIGHT))
    }

    fn y(&self) -> Scale {
        let reach = |p: &Point| p.spread.unwrap_or(0.0);
        let low = self.points.iter().map(|p| p.y - reach(p)).fold(f64::MAX, f64::min);
        let high = self.points.iter().map(|p| p.y + reach(p)).fold(f64::MIN, f64::max);
        let room = ((high - low) * 0.1).max(1.0);
        Scale::new((low - room, high + room), (HEIGHT - BOTTOM, TOP))
    }

    fn axes(&self, x: Scale, y: Scale) -> Markup {
        let (low, high) = x.range();
        let columns = self.unit.log_ticks(10f64.powf(low), 10f64.powf(high));
        let (low, high) = y.range();
        let rows = ticks(low, high, 6);
        let base = px(HEIGHT - BOTTOM);
        html! {
            @for &row in &rows {
                @let line = px(y.at(row));
                line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(line) y2=(line) {}
                text.axis.end x=(px(LEFT - 8.0)) y=(px(y.at(row) + 4.0)) { (tick_label(row, &rows)) }
            }
            line.base x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(base) y2=(base) {}
            @for &column in &columns {
                @let at = px(x.at(column.log10()));
                line.grid x1=(at) x2=(at) y1=(px(TOP)) y2=(base) {}
                text.axis.mid x=(at) y=(px(HEIGHT - BOTTOM + 18.0)) { (self.unit.text(column)) }
            }
            text.muted.end x=(px(WIDTH - RIGHT)) y=(px(HEIGHT - 6.0)) { (self.x_title) }
            text.muted x="2" y=(px(TOP - 14.0)) { (self.y_title) }
        }
    }

    fn names(&self, places: &[(f64, f64)]) -> Vec<Name> {
        let mut taken: Vec<Box> = places.iter().map(|&(x, y)| [x - 6.0, y - 6.0, x + 6.0, y + 6.0]).collect();
        let mut names = Vec::new();
        for (point, &place) in self.points.iter().zip(places) {
            let text = short(&point.name, MOST_LETTERS);
            let all = around(place, LETTER * text.chars().count() as f64);
            let free = all.iter().position(|at| inside(at) && !taken.iter().any(|other| overlap(at, other)));
            let chosen = free.or_else(|| all.iter().position(inside)).unwrap_or(0);
            taken.push(all[chosen]);
            names.push(Name { text, at: all[chosen], far: chosen >= NEAR });
        }
        names
    }
}

struct Name {
    text: String,
    at: Box,
    /// Whether it stands too far away to be read with its point.
    far: bool,
}

/// Places that touch the point.
const NEAR: usize = 4;

/// Where a name of `width` may stand: right, left, above, below, then farther.
fn around((x, y): (f64, f64), width: f64) -> Vec<Box> {
    let at = |left: f64, middle: f64| [left, middle - LINE / 2.0, left + width, middle + LINE / 2.0];
    let half = width / 2.0;
    let near = [(x + 9.0, y), (x - 9.0 - width, y), (x - half, y - 14.0), (x - half, y + 14.0)];
    let far = [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().flat_map(|n| {
        let rise = 14.0 + LINE * n;
        [
            (x + 12.0, y - rise),
            (x + 12.0, y + rise),
            (x - 12.0 - width, y - rise),
            (x - 12.0 - width, y + rise),
        ]
    });
    near.into_iter().chain(far).map(|(left, middle)| at(left, middle)).collect()
}

fn inside(at: &Box) -> bool {
    at[0] >= LEFT + 2.0 && at[2] <= WIDTH - 2.0 && at[1] >= TOP - 8.0 && at[3] <= HEIGHT - BOTTOM - 1.0
}

fn overlap(a: &Box, b: &Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_neither_points_nor_each_other() {
        let point = |n: usize| Point {
            name: format!("strategy number {n}"),
            x: 1000.0 + 40.0 * n as f64,
            y: 70.0 + 0.3 * n as f64,
            spread: None,
            colour: n % 9,
        };
        let points: Vec<Point> = (0..9).map(point).collect();
        let chart = Scatter { label: "", x_title: "", y_title: "", unit: Unit::Bytes, points };
        let (x, y) = (chart.x(), chart.y());
        let places: Vec<(f64, f64)> = chart.points.iter().map(|p| (x.at(p.x.log10()), y.at(p.y))).collect();
        let names = chart.names(&places);
        for (n, name) in names.iter().enumerate() {
            assert!(inside(&name.at), "{} is cut off", name.text);
            assert!(
                names[..n].iter().all(|other| !overlap(&name.at, &other.at)),
                "{} covers a name",
                name.text
            );
        }
    }
}
