//! A matrix of shares as coloured cells with their numbers.
//!
//! One hue, from the page's surface (low) to full strength (high): it works on light and dark without a second palette,
//! and the eye reads strength as size. The low end never lies above 50 %, so that small differences stay small.

use maud::{Markup, html};

use super::format::{Tenths, px, short};

/// A matrix to draw.
pub struct Heatmap<'a> {
    /// What the picture shows, for readers who hear it.
    pub label: &'a str,
    /// Names of the rows, from above.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// Title of the rows.
    pub row_title: &'a str,
    /// Title of the columns.
    pub column_title: &'a str,
    /// Percent; `None` leaves the cell empty.
    pub cells: Vec<Vec<Option<f64>>>,
    /// Text of a cell's tooltip.
    pub tooltip: &'a dyn Fn(usize, usize) -> String,
    /// A further column at the right, set apart: its title and values.
    pub total: Option<(&'a str, Vec<Option<f64>>)>,
}

const WIDTH: f64 = 520.0;
const LEFT: f64 = 116.0;
const TOP: f64 = 44.0;
const LEGEND: f64 = 46.0;
/// Beyond so many columns, numbers would not fit into the cells.
const MOST_NUMBERED: usize = 16;

impl Heatmap<'_> {
    /// The matrix with its axes and legend.
    pub fn draw(&self) -> Markup {
        let columns = self.columns.len().max(1);
        let total = self.total.as_ref().map_or(0.0, |_| 1.0);
        let gap = 10.0 * total;
        let cell = ((WIDTH - LEFT - gap) / (columns as f64 + total)).min(52.0);
        let size = if self.rows.len() > 6 { cell.min(38.0) } else { cell.min(46.0) };
        let height = TOP + size * self.rows.len() as f64 + LEGEND;
        let low = self.low();
        html! {
            svg viewBox={ "0 0 " (px(WIDTH)) " " (px(height)) } role="img" aria-label=(self.label) {
                (self.titles(cell, columns))
                @for (r, name) in self.rows.iter().enumerate() {
                    @let y = TOP + size * r as f64;
                    text.axis.end x=(px(LEFT - 10.0)) y=(px(y + size / 2.0 + 4.0)) { (short(name, 16)) title { (name) } }
                    @for (c, value) in self.cells[r].iter().enumerate() {
                        (draw_cell([LEFT + cell * c as f64, y, cell, size], *value, low, columns, &(self.tooltip)(r, c)))
                    }
                    @if let Some((title, values)) = &self.total {
                        @let x = LEFT + cell * columns as f64 + gap;
                        (draw_cell([x, y, cell, size], values[r], low, columns, &format!("{title}, {name}")))
                    }
                }
                (legend(low, height - 18.0))
            }
        }
    }

    /// Lower end of the colours: the least value, rounded down to ten, at most 50.
    fn low(&self) -> f64 {
        let least = self.cells.iter().flatten().flatten().copied().fold(f64::INFINITY, f64::min);
        if least.is_finite() { ((least / 10.0).floor() * 10.0).clamp(0.0, 50.0) } else { 0.0 }
    }

    fn titles(&self, cell: f64, columns: usize) -> Markup {
        let most = ((cell - 2.0) / 6.4) as usize;
        let every = (20.0 / cell).ceil().max(1.0) as usize;
        html! {
            text.muted.end x=(px(LEFT - 10.0)) y=(px(TOP - 9.0)) { (self.row_title) }
            text.muted x=(px(LEFT)) y="12" { (self.column_title) }
            @for (c, name) in self.columns.iter().enumerate().step_by(every) {
                text.axis.mid x=(px(LEFT + cell * (c as f64 + 0.5))) y=(px(TOP - 9.0)) {
                    (short(name, most.max(2))) title { (name) }
                }
            }
            @if let Some((title, _)) = &self.total {
                text.axis.mid.strong x=(px(LEFT + cell * (columns as f64 + 0.5) + 10.0)) y=(px(TOP - 9.0)) { (title) }
            }
        }
    }
}

fn draw_cell([x, y, w, h]: [f64; 4], value: Option<f64>, low: f64, columns: usize, tooltip: &str) -> Markup {
    let Some(value) = value else {
        return html! {
            rect.empty x=(px(x + 1.0)) y=(px(y + 1.0)) width=(px(w - 2.0)) height=(px(h - 2.0)) rx="4" {}
        };
    };
    let strength = ((value - low) / (100.0 - low)).clamp(0.0, 1.0);
    let text = if w >= 38.0 { format!("{}", Tenths(value)) } else { format!("{value:.0}") };
    html! {
        g {
            title { (tooltip) ": " (Tenths(value)) " %" }
            rect.heat x=(px(x + 1.0)) y=(px(y + 1.0)) width=(px(w - 2.0)) height=(px(h - 2.0)) rx="4"
                fill-opacity=(format!("{:.2}", 0.06 + 0.94 * strength)) {}
            @if columns <= MOST_NUMBERED {
                text.cell.mid.on-heat[strength > 0.52] x=(px(x + w / 2.0)) y=(px(y + h / 2.0 + 4.0)) { (text) }
            }
        }
    }
}

fn legend(low: f64, y: f64) -> Markup {
    const STEPS: usize = 24;
    const SPAN: f64 = 144.0;
    html! {
        @for step in 0..STEPS {
            rect.heat x=(px(LEFT + SPAN * step as f64 / STEPS as f64)) y=(px(y)) width=(px(SPAN / STEPS as f64)) height="8"
                fill-opacity=(format!("{:.2}", 0.06 + 0.94 * step as f64 / (STEPS - 1) as f64)) {}
        }
        text.muted.end x=(px(LEFT - 6.0)) y=(px(y + 8.0)) { (format!("{low:.0} %")) }
        text.muted x=(px(LEFT + SPAN + 6.0)) y=(px(y + 8.0)) { "100 %" }
    }
}
