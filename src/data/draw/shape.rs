//! Shapes as signed distance functions.
//!
//! A [`Shape`] maps a point (x to the right, y up, the picture spans -1..1) to a distance: negative inside, zero
//! on the edge, positive outside, about one unit a unit. Union is `min`, intersection `max`, difference
//! `max(a, -b)`, outline `|d| - w/2`; a pixel is covered by `clamp(1/2 - d / pixel)`, which is the anti-aliasing.
//! After unions the distance is a bound, not exact: edges are right, offsets far from them are approximate.
//!
//! Sines come from `libm` and roots are exact in IEEE 754, so a distance has the same bits on every platform.

/// A point or a vector.
pub(super) type Point = [f32; 2];

/// A signed distance function.
pub(super) struct Shape(Box<dyn Fn(Point) -> f32 + Send + Sync>);

fn length([x, y]: Point) -> f32 {
    (x * x + y * y).sqrt()
}

/// Sine and cosine of an angle in degrees.
pub(super) fn sin_cos(degrees: f32) -> (f32, f32) {
    libm::sincosf(degrees * (std::f32::consts::PI / 180.0))
}

/// The point at `degrees` (anticlockwise from the right) and distance `r`.
pub(super) fn polar(degrees: f32, r: f32) -> Point {
    let (s, c) = sin_cos(degrees);
    [r * c, r * s]
}

impl Shape {
    /// From a distance function.
    pub fn new(distance: impl Fn(Point) -> f32 + Send + Sync + 'static) -> Self {
        Self(Box::new(distance))
    }

    /// Signed distance of `p`.
    pub fn distance(&self, p: Point) -> f32 {
        (self.0)(p)
    }

    /// Moved by (`x`, `y`).
    pub fn at(self, x: f32, y: f32) -> Self {
        Self::new(move |p| self.distance([p[0] - x, p[1] - y]))
    }

    /// Turned anticlockwise about the origin.
    pub fn turned(self, degrees: f32) -> Self {
        let (s, c) = sin_cos(degrees);
        Self::new(move |[x, y]| self.distance([c * x + s * y, c * y - s * x]))
    }

    /// Enlarged `k` times about the origin.
    pub fn scaled(self, k: f32) -> Self {
        Self::new(move |[x, y]| self.distance([x / k, y / k]) * k)
    }

    /// Stretched along the axes, mirrored where a factor is negative; the distance is a bound.
    pub fn stretched(self, kx: f32, ky: f32) -> Self {
        let k = kx.abs().min(ky.abs());
        Self::new(move |[x, y]| self.distance([x / kx, y / ky]) * k)
    }

    /// Itself and its mirror image across the vertical axis; draw the right half.
    pub fn both_sides(self) -> Self {
        Self::new(move |[x, y]| self.distance([x.abs(), y]))
    }

    /// `n` copies, turned evenly about the origin.
    pub fn around(self, n: usize) -> Self {
        let turns: Vec<_> = (0..n).map(|i| sin_cos(360.0 * i as f32 / n as f32)).collect();
        Self::new(move |[x, y]| {
            let copies = turns.iter().map(|&(s, c)| self.distance([c * x + s * y, c * y - s * x]));
            copies.fold(f32::MAX, f32::min)
        })
    }

    /// Union.
    pub fn or(self, other: Self) -> Self {
        Self::new(move |p| self.distance(p).min(other.distance(p)))
    }

    /// Intersection.
    pub fn and(self, other: Self) -> Self {
        Self::new(move |p| self.distance(p).max(other.distance(p)))
    }

    /// Difference.
    pub fn minus(self, other: Self) -> Self {
        Self::new(move |p| self.distance(p).max(-other.distance(p)))
    }

    /// The edge as a line of `width`.
    pub fn outline(self, width: f32) -> Self {
        Self::new(move |p| self.distance(p).abs() - width / 2.0)
    }

    /// Grown by `by` on all sides (shrunk if negative); corners become round.
    pub fn grown(self, by: f32) -> Self {
        Self::new(move |p| self.distance(p) - by)
    }
}

/// Union of many.
pub(super) fn union(parts: Vec<Shape>) -> Shape {
    Shape::new(move |p| parts.iter().map(|s| s.distance(p)).fold(f32::MAX, f32::min))
}

/// Disc of radius `r`.
pub(super) fn disc(r: f32) -> Shape {
    Shape::new(move |p| length(p) - r)
}

/// Disc with a hole: mean radius `r`.
pub(super) fn ring(r: f32, width: f32) -> Shape {
    disc(r).outline(width)
}

/// Rectangle `width` by `height`.
pub(super) fn slab(width: f32, height: f32) -> Shape {
    Shape::new(move |[x, y]| {
        let (dx, dy) = (x.abs() - width / 2.0, y.abs() - height / 2.0);
        length([dx.max(0.0), dy.max(0.0)]) + dx.max(dy).min(0.0)
    })
}

/// Rectangle `width` by `height` over all, with corners of radius `r`.
pub(super) fn rounded(width: f32, height: f32, r: f32) -> Shape {
    slab(width - 2.0 * r, height - 2.0 * r).grown(r)
}

/// Everything below the line y = 0.
pub(super) fn below() -> Shape {
    Shape::new(|[_, y]| y)
}

/// Distance of `p` to the segment from `a` to `b`.
fn to_segment(p: Point, a: Point, b: Point) -> f32 {
    let (pa, ba) = ([p[0] - a[0], p[1] - a[1]], [b[0] - a[0], b[1] - a[1]]);
    let along = (pa[0] * ba[0] + pa[1] * ba[1]) / (ba[0] * ba[0] + ba[1] * ba[1]).max(1e-12);
    let t = along.clamp(0.0, 1.0);
    length([pa[0] - t * ba[0], pa[1] - t * ba[1]])
}

/// Line through `points` with round ends and joints.
pub(super) fn stroke(points: &[Point], width: f32) -> Shape {
    let points = points.to_vec();
    Shape::new(move |p| {
        let pieces = points.windows(2).map(|w| to_segment(p, w[0], w[1]));
        pieces.fold(f32::MAX, f32::min) - width / 2.0
    })
}

/// Polygon with these corners; inside is what a ray leaves an odd number of times.
pub(super) fn polygon(corners: &[Point]) -> Shape {
    let corners = corners.to_vec();
    Shape::new(move |p| {
        let (mut near, mut inside) = (f32::MAX, false);
        for (i, &a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            near = near.min(to_segment(p, a, b));
            let crosses = (a[1] > p[1]) != (b[1] > p[1]);
            if crosses && p[0] < a[0] + (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) {
                inside = !inside;
            }
        }
        if inside { -near } else { near }
    })
}

/// Regular polygon of circumradius `r`, one corner up.
pub(super) fn regular(n: usize, r: f32) -> Shape {
    polygon(&corners(n, |_| r))
}

/// Star with `n` points of radius `r` and dents of radius `dent`, one point up.
pub(super) fn star(n: usize, r: f32, dent: f32) -> Shape {
    polygon(&corners(2 * n, |i| if i % 2 == 0 { r } else { dent }))
}

fn corners(n: usize, r: impl Fn(usize) -> f32) -> Vec<Point> {
    (0..n).map(|i| polar(90.0 + 360.0 * i as f32 / n as f32, r(i))).collect()
}

/// Points on a circle of radius `r` from `from` to `to` degrees.
pub(super) fn arc_points(r: f32, from: f32, to: f32) -> Vec<Point> {
    let n = ((to - from).abs() / 15.0) as usize + 2;
    (0..n).map(|i| polar(from + (to - from) * i as f32 / (n - 1) as f32, r)).collect()
}

/// Part of a circle as a line, from `from` to `to` degrees.
pub(super) fn arc(r: f32, from: f32, to: f32, width: f32) -> Shape {
    stroke(&arc_points(r, from, to), width)
}

/// Sector of a disc, from `from` to `to` degrees.
pub(super) fn pie(r: f32, from: f32, to: f32) -> Shape {
    let mut corners = arc_points(1.6 * r, from, to);
    corners.push([0.0, 0.0]);
    disc(r).and(polygon(&corners))
}

/// Half a disc, flat side down.
pub(super) fn half_disc(r: f32) -> Shape {
    disc(r).minus(below()).at(0.0, -r * 0.45)
}

/// Moon, open to the right.
pub(super) fn crescent(r: f32) -> Shape {
    disc(r).minus(disc(r * 0.82).at(r * 0.52, 0.0))
}

/// Heart about `2 r` high.
pub(super) fn heart(r: f32) -> Shape {
    let cheek = disc(0.52 * r).at(0.46 * r, 0.38 * r);
    let tip = polygon(&[[0.0, 0.62 * r], [0.86 * r, 0.05 * r], [0.0, -0.95 * r], [-0.1 * r, 0.1 * r]]);
    cheek.or(tip).both_sides()
}

/// Drop with its tip up.
pub(super) fn drop(r: f32) -> Shape {
    disc(0.62 * r).at(0.0, -0.38 * r).or(polygon(&[[0.0, r], [0.55 * r, -0.1 * r], [-0.55 * r, -0.1 * r]]))
}

/// Gear with `n` teeth.
pub(super) fn gear(n: usize, r: f32) -> Shape {
    disc(0.72 * r).or(slab(0.3 * r, 0.4 * r).at(0.0, 0.8 * r).around(n))
}

/// `n` round petals.
pub(super) fn flower(n: usize, r: f32) -> Shape {
    disc(1.35 * r / n as f32 + 0.12 * r).at(0.0, 0.55 * r).around(n).or(disc(0.35 * r))
}

/// Arrow of length `2 r` to the right.
pub(super) fn arrow(r: f32, shaft: f32) -> Shape {
    let head = polygon(&[[r, 0.0], [0.1 * r, 0.68 * r], [0.1 * r, -0.68 * r]]);
    head.or(slab(1.15 * r, shaft * r).at(-0.42 * r, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_and_exact_for_primitives() {
        assert_eq!(disc(0.5).distance([0.0, 0.0]), -0.5);
        assert_eq!(slab(1.0, 0.5).distance([1.5, 0.0]), 1.0);
        assert!((slab(1.0, 1.0).distance([0.8, 0.9]) - 0.5).abs() < 1e-6);
        assert!((ring(0.5, 0.2).distance([0.5, 0.0]) + 0.1).abs() < 1e-6);
        assert!((stroke(&[[0.0, 0.0], [1.0, 0.0]], 0.2).distance([0.5, 0.4]) - 0.3).abs() < 1e-6);
        let square = polygon(&[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]);
        assert_eq!(square.distance([0.25, 0.0]), -0.75);
        assert_eq!(square.distance([3.0, 0.0]), 2.0);
    }

    #[test]
    fn operators_move_turn_and_combine() {
        let p = disc(0.2).at(0.5, 0.0).turned(90.0);
        assert!(p.distance([0.0, 0.5]) < 0.0 && p.distance([0.5, 0.0]) > 0.0);
        let moon = disc(0.5).minus(disc(0.5).at(0.4, 0.0));
        assert!(moon.distance([-0.3, 0.0]) < 0.0 && moon.distance([0.3, 0.0]) > 0.0);
        let petals = disc(0.1).at(0.0, 0.5).around(4);
        assert!([[0.5, 0.0], [-0.5, 0.0], [0.0, -0.5]].iter().all(|&p| petals.distance(p) < 0.0));
    }
}
