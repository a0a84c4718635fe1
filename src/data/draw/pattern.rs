//! Endless patterns, as signed distance functions.
//!
//! A pattern is a [`Shape`] without bounds: intersected with another shape it fills it, alone it is a texture.
//! Distances are right near edges and bounded by the period elsewhere.

use super::shape::{Point, Shape, polar, slab};

/// Nearest multiple of `period`, and what is left.
fn fold(x: f32, period: f32) -> (f32, f32) {
    let cell = (x / period).round();
    (cell, x - cell * period)
}

/// A number in 0..1 that depends on a lattice point alone.
fn hash(x: f32, y: f32, seed: u32) -> f32 {
    let mut h =
        seed ^ (x as i32 as u32).wrapping_mul(0x9E37_79B1) ^ (y as i32 as u32).wrapping_mul(0x85EB_CA77);
    for shift in [15, 13, 16] {
        h = (h ^ (h >> shift)).wrapping_mul(0x2C1B_3C6D);
    }
    (h >> 8) as f32 / (1 << 24) as f32
}

/// Bars along y: period and share of ink.
pub(super) fn stripes(period: f32, duty: f32) -> Shape {
    Shape::new(move |[x, _]| fold(x, period).1.abs() - period * duty / 2.0)
}

/// Squares of alternating ink.
pub(super) fn checks(side: f32) -> Shape {
    Shape::new(move |[x, y]| {
        let ((i, u), (j, v)) = (fold(x, side), fold(y, side));
        let edge = side / 2.0 - u.abs().max(v.abs());
        if (i + j).rem_euclid(2.0) < 0.5 { -edge } else { edge }
    })
}

/// `motif` on a square lattice.
pub(super) fn tiled(period: f32, motif: Shape) -> Shape {
    Shape::new(move |[x, y]| motif.distance([fold(x, period).1, fold(y, period).1]))
}

/// `motif` on a lattice whose odd rows are shifted by half a period; rows are `row` apart.
pub(super) fn staggered(period: f32, row: f32, motif: Shape) -> Shape {
    Shape::new(move |[x, y]| {
        let (j, _) = fold(y, row);
        let row_at = |j: f32| {
            let shift = if j.rem_euclid(2.0) < 0.5 { 0.0 } else { period / 2.0 };
            motif.distance([fold(x - shift, period).1, y - j * row])
        };
        row_at(j - 1.0).min(row_at(j)).min(row_at(j + 1.0))
    })
}

/// Lines along both axes.
pub(super) fn lattice(period: f32, width: f32) -> Shape {
    stripes(period, width / period).or(stripes(period, width / period).turned(90.0))
}

/// Triangle wave of `amplitude` and `period` at `x`.
fn zig(x: f32, period: f32, amplitude: f32) -> f32 {
    amplitude * (4.0 * fold(x, period).1.abs() / period - 1.0)
}

/// Zigzag lines, `row` apart.
pub(super) fn zigzag(period: f32, amplitude: f32, row: f32, width: f32) -> Shape {
    let steep = 4.0 * amplitude / period;
    let slant = (1.0 + steep * steep).sqrt();
    Shape::new(move |[x, y]| (fold(y - zig(x, period, amplitude), row).1.abs() / slant) - width / 2.0)
}

/// Soft waves, `row` apart.
pub(super) fn waves(period: f32, amplitude: f32, row: f32, width: f32) -> Shape {
    Shape::new(move |[x, y]| {
        let u = zig(x, period, 1.0);
        let smooth = u * (1.5 - 0.5 * u * u);
        (fold(y - amplitude * smooth, row).1.abs() - width / 2.0) * 0.8
    })
}

/// Circles about the origin.
pub(super) fn ripples(period: f32, duty: f32) -> Shape {
    Shape::new(move |[x, y]| fold((x * x + y * y).sqrt(), period).1.abs() - period * duty / 2.0)
}

/// `n` wedges from the origin.
pub(super) fn rays(n: usize) -> Shape {
    let edges: Vec<Point> = (0..n).map(|i| polar(180.0 * i as f32 / n as f32, 1.0)).collect();
    Shape::new(move |[x, y]| {
        let sides = edges.iter().map(|e| x * e[1] - y * e[0]);
        sides.fold(-1.0f32, |d, s| if d * s < 0.0 { d.abs().min(s.abs()) } else { -d.abs().min(s.abs()) })
    })
}

/// Bricks `width` by `height` with `gap` between.
pub(super) fn bricks(width: f32, height: f32, gap: f32) -> Shape {
    staggered(width, height, slab(width - gap, height - gap))
}

/// Three bars side by side, turned a quarter from cell to cell.
pub(super) fn basket(side: f32, gap: f32) -> Shape {
    let bar = slab(side - gap, side / 3.0 - gap);
    Shape::new(move |[x, y]| {
        let ((i, u), (j, v)) = (fold(x, side), fold(y, side));
        let (u, v) = if (i + j).rem_euclid(2.0) < 0.5 { (u, v) } else { (v, u) };
        bar.distance([u, fold(v, side / 3.0).1])
    })
}

/// Cells around scattered points, with `gap` between: pebbles, or cracked ground.
pub(super) fn pebbles(period: f32, gap: f32, seed: u32) -> Shape {
    Shape::new(move |p| {
        let (u, v) = (p[0] / period, p[1] / period);
        let (i, j) = (u.round(), v.round());
        let (mut first, mut second) = (f32::MAX, f32::MAX);
        for (di, dj) in (0..25).map(|k| ((k % 5) as f32 - 2.0, (k / 5) as f32 - 2.0)) {
            let (a, b) = (i + di, j + dj);
            let (dx, dy) = (a + 0.8 * hash(a, b, seed) - 0.4 - u, b + 0.8 * hash(a, b, !seed) - 0.4 - v);
            let d = (dx * dx + dy * dy).sqrt();
            second = second.min(d.max(first));
            first = first.min(d);
        }
        (gap / period - (second - first)) * period / 2.0
    })
}

/// Soft random field in 0..1 with features about `period` wide.
pub(super) fn field([x, y]: Point, period: f32, seed: u32) -> f32 {
    let (u, v) = (x / period, y / period);
    let (i, j) = (u.floor(), v.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (s, t) = (ease(u - i), ease(v - j));
    let row = |j: f32| hash(i, j, seed) * (1.0 - s) + hash(i + 1.0, j, seed) * s;
    row(j) * (1.0 - t) + row(j + 1.0) * t
}

/// Random patches: where the field exceeds one half.
pub(super) fn patches(period: f32, seed: u32) -> Shape {
    Shape::new(move |p| (0.5 - field(p, period, seed)) * period * 0.6)
}

/// Random contour lines of the field.
pub(super) fn contours(period: f32, width: f32, seed: u32) -> Shape {
    Shape::new(move |p| (fold(field(p, period, seed), 0.2).1.abs() * period * 0.6) - width / 2.0)
}
