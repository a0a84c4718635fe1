//! Held-out theme: letters, written with a pen of varying width and slant.

use super::Class;
use super::picture::{Hand, Ink, Picture};
use super::shape::{Point, Shape, arc_points, stroke};

pub(super) const CLASSES: &[Class] = &[
    ("letter A", |h| written(h, &[&[[-0.6, -0.8], [0.0, 0.8], [0.6, -0.8]], &[[-0.4, -0.25], [0.4, -0.25]]])),
    ("letter B", |h| {
        let upper = bowl([-0.05, 0.4], 0.4, 90.0, -90.0);
        let lower = bowl([0.0, -0.4], 0.42, 90.0, -90.0);
        written(
            h,
            &[
                &[[-0.45, -0.8], [-0.45, 0.8], [-0.05, 0.8]],
                &upper,
                &[[-0.45, 0.0], [0.0, 0.0]],
                &lower,
                &[[-0.45, -0.8], [0.0, -0.82]],
            ],
        )
    }),
    ("letter E", |h| {
        written(h, &[&[[0.5, 0.8], [-0.45, 0.8], [-0.45, -0.8], [0.5, -0.8]], &[[-0.45, 0.02], [0.35, 0.02]]])
    }),
    ("letter G", |h| written(h, &[&bowl([0.0, 0.0], 0.75, 45.0, 350.0), &[[0.15, -0.08], [0.74, -0.08]]])),
    ("letter R", |h| {
        let loops = bowl([0.0, 0.38], 0.42, 90.0, -90.0);
        written(
            h,
            &[
                &[[-0.45, -0.8], [-0.45, 0.8], [0.0, 0.8]],
                &loops,
                &[[-0.45, -0.04], [0.0, -0.04], [0.5, -0.8]],
            ],
        )
    }),
    ("letter S", |h| {
        let mut path = bowl([0.0, 0.4], 0.4, 40.0, 270.0);
        path.extend(bowl([0.0, -0.4], 0.4, 90.0, -140.0));
        written(h, &[&path])
    }),
];

/// Points on a circle about `centre`.
fn bowl([x, y]: Point, r: f32, from: f32, to: f32) -> Vec<Point> {
    arc_points(r, from, to).iter().map(|[u, v]| [u + x, v + y]).collect()
}

/// Strokes in Main: nib, slant and width vary.
fn written(h: &mut Hand, strokes: &[&[Point]]) -> Picture {
    let (nib, slant, wide) = (h.within(0.12, 0.34), h.within(-0.08, 0.25), h.near(1.0, 0.18));
    let lean = |p: &Point| [wide * p[0] + slant * p[1], p[1]];
    let mut lines: Vec<Shape> = Vec::with_capacity(strokes.len());
    for points in strokes {
        let points: Vec<Point> = points.iter().map(lean).collect();
        lines.push(stroke(&points, nib));
    }
    Picture::new(12.0).with(Ink::Main, super::shape::union(lines))
}
