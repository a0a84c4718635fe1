//! Lines over a common pair of axes.

use std::fmt::Write;

use maud::{Markup, html};

use super::format::{px, short, tone};
use super::scale::{Scale, tick_label, ticks};

/// One line; its colour is its place in the list.
pub struct Series {
    /// Name in the legend; empty for none.
    pub name: String,
    /// `(x, y)`, from left to right; `None` breaks the line.
    pub points: Vec<Option<(f64, f64)>>,
    /// `(x, low, high)` of a band behind the line; empty for none.
    pub band: Vec<(f64, f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line.
    Line,
    /// A line with a dot and a tooltip at every point.
    Dots,
    /// A thin pale line in the colour of the next series.
    Faint,
    /// A dashed grey line that is no data, such as chance.
    Guide,
}

/// Axes and lines.
pub struct Chart<'a> {
    /// What the picture shows, for readers who hear it.
    pub label: &'a str,
    /// Width and height of the drawing.
    pub size: (f64, f64),
    /// Title of the horizontal axis.
    pub x_title: &'a str,
    /// Title of the vertical axis.
    pub y_title: &'a str,
    /// Ends of the horizontal axis.
    pub x: (f64, f64),
    /// Ends of the vertical axis.
    pub y: (f64, f64),
    /// Marks on the horizontal axis with their names; empty for round numbers.
    pub x_marks: Vec<(f64, String)>,
    /// Marks on the vertical axis with their names; empty for round numbers.
    pub y_marks: Vec<(f64, String)>,
    /// Where a band of the background begins, with its name; every other one is tinted.
    pub bands: Vec<(f64, String)>,
    /// Whether names are written above, where there is more than one; another picture may show them.
    pub legend: bool,
    /// The lines.
    pub series: Vec<Series>,
}

const LEFT: f64 = 48.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 42.0;
const LEGEND_ROW: f64 = 20.0;

impl Chart<'_> {
    /// The chart with its axes and, above it, a legend where there is more than one name.
    pub fn draw(&self) -> Markup {
        let legend = self.legend();
        let top = 26.0 + LEGEND_ROW * legend.last().map_or(0.0, |(_, row, ..)| *row as f64 + 1.0);
        let (width, height) = self.size;
        let x = Scale::new(self.x, (LEFT, width - RIGHT));
        let y = Scale::new(self.y, (height - BOTTOM, top));
        html! {
            svg viewBox={ "0 0 " (px(width)) " " (px(height)) } role="img" aria-label=(self.label) {
                @for (at, row, colour, name) in &legend {
                    @let line = 11.0 + LEGEND_ROW * *row as f64;
                    line class={ "line " (tone(*colour)) } x1=(px(*at)) x2=(px(at + 18.0)) y1=(px(line)) y2=(px(line)) {}
                    text.axis x=(px(at + 24.0)) y=(px(line + 4.0)) { (short(name, 34)) }
                }
                (self.bands(x, top))
                (self.axes(x, y, top))
                @for (at, series) in self.series.iter().enumerate() { (area(series, self.colour(at), x, y, self.y)) }
                @for (at, series) in self.series.iter().enumerate() { (line(series, self.colour(at), x, y)) }
            }
        }
    }

    /// `(x, row, colour, name)` of each named line.
    fn legend(&self) -> Vec<(f64, usize, usize, &str)> {
        let named: Vec<usize> =
            (0..self.series.len()).filter(|&at| !self.series[at].name.is_empty()).collect();
        if named.len() < 2 || !self.legend {
            return Vec::new();
        }
        let mut out = Vec::new();
        let (mut at, mut row) = (LEFT, 0);
        for n in named {
            let name = self.series[n].name.as_str();
            let room = 44.0 + 6.6 * name.chars().count().min(34) as f64;
            if at > LEFT && at + room > self.size.0 {
                (at, row) = (LEFT, row + 1);
            }
            out.push((at, row, self.colour(n), name));
            at += room;
        }
        out
    }

    /// Colour of the series at `at`: guides take none, a faint line shares that of the next.
    fn colour(&self, at: usize) -> usize {
        let own = |series: &&Series| matches!(series.style, Style::Line | Style::Dots);
        self.series[..at].iter().filter(own).count()
    }

    fn bands(&self, x: Scale, top: f64) -> Markup {
        let bottom = self.size.1 - BOTTOM;
        let ends = self.bands.iter().skip(1).map(|(start, _)| *start).chain([self.x.1]);
        html! {
            @for (at, ((start, name), end)) in self.bands.iter().zip(ends).enumerate() {
                @let (from, to) = (x.at(*start), x.at(end));
                rect.band[at % 2 == 0] fill="none" x=(px(from)) y=(px(top)) width=(px((to - from).max(0.0)))
                    height=(px(bottom - top)) { title { (name) } }
                @if at > 0 { line.grid x1=(px(from)) x2=(px(from)) y1=(px(top)) y2=(px(bottom)) {} }
                @let most = ((to - from - 6.0) / 6.4).max(0.0) as usize;
                @if most >= 3 {
                    text.muted.mid x=(px((from + to) / 2.0)) y=(px(top + 14.0)) { (short(name, most)) title { (name) } }
                }
            }
        }
    }

    fn axes(&self, x: Scale, y: Scale, top: f64) -> Markup {
        let (width, height) = self.size;
        let rows = match self.y_marks.is_empty() {
            true => named(&ticks(self.y.0, self.y.1, 5)),
            false => self.y_marks.clone(),
        };
        let columns = ticks(self.x.0, self.x.1, 8);
        let marks = if self.x_marks.is_empty() { named(&columns) } else { self.x_marks.clone() };
        let base = px(height - BOTTOM);
        html! {
            @for (value, name) in &rows {
                @let line = px(y.at(*value));
                line.grid x1=(px(LEFT)) x2=(px(width - RIGHT)) y1=(line) y2=(line) {}
                text.axis.end x=(px(LEFT - 8.0)) y=(px(y.at(*value) + 4.0)) { (name) }
            }
            line.base x1=(px(LEFT)) x2=(px(width - RIGHT)) y1=(base) y2=(base) {}
            @for (value, name) in &marks {
                text.axis.mid x=(px(x.at(*value))) y=(px(height - BOTTOM + 18.0)) { (name) }
            }
            text.muted.end x=(px(width - RIGHT)) y=(px(height - 6.0)) { (self.x_title) }
            text.muted x="2" y=(px(top - 12.0)) { (self.y_title) }
        }
    }
}

/// Round numbers with their names.
fn named(values: &[f64]) -> Vec<(f64, String)> {
    values.iter().map(|&value| (value, tick_label(value, values))).collect()
}

/// The band, cut off at the ends of the axis.
fn area(series: &Series, colour: usize, x: Scale, y: Scale, (low, high): (f64, f64)) -> Markup {
    let corner = |(at, value): (f64, f64)| format!("{} {}", px(x.at(at)), px(y.at(value.max(low).min(high))));
    let above = series.band.iter().map(|&(at, _, high)| (at, high));
    let below = series.band.iter().rev().map(|&(at, low, _)| (at, low));
    let corners: Vec<String> = above.chain(below).map(corner).collect();
    html! { @if !corners.is_empty() { path class={ "area " (tone(colour)) } d={ "M" (corners.join("L")) "Z" } {} } }
}

fn line(series: &Series, colour: usize, x: Scale, y: Scale) -> Markup {
    let class = match series.style {
        Style::Line | Style::Dots => format!("line {}", tone(colour)),
        Style::Faint => format!("line faint {}", tone(colour)),
        Style::Guide => "line guide".into(),
    };
    html! {
        path class=(class) d=(path(&series.points, x, y)) {}
        @if series.style == Style::Dots {
            @for (px_, py) in series.points.iter().flatten() {
                g {
                    title { (series.name) ": " (super::format::Tenths(*py)) }
                    circle.reach cx=(px(x.at(*px_))) cy=(px(y.at(*py))) r="11" {}
                    circle class={ "dot " (tone(colour)) } cx=(px(x.at(*px_))) cy=(px(y.at(*py))) r="4" {}
                }
            }
        }
    }
}

/// `M` and `L` commands; a gap in the points starts anew.
fn path(points: &[Option<(f64, f64)>], x: Scale, y: Scale) -> String {
    let mut out = String::new();
    let mut pen_down = false;
    for point in points {
        if let Some((px_, py)) = point {
            let command = if pen_down { 'L' } else { 'M' };
            // Writing to a string cannot fail.
            let _ = write!(out, "{command}{} {}", px(x.at(*px_)), px(y.at(*py)));
        }
        pen_down = point.is_some();
    }
    out
}
