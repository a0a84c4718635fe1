//! Held-out theme: materials that fill the frame.

use super::Class;
use super::pattern::{basket, bricks, pebbles, staggered, stripes};
use super::picture::{Hand, Ink, Picture};
use super::shape::{Shape, regular, ring};

pub(super) const CLASSES: &[Class] = &[
    ("brick wall", |h| Picture::texture(bricks(h.near(0.6, 0.12), h.near(0.27, 0.1), 0.06), 10.0)),
    ("honeycomb", honeycomb),
    ("basket weave", |h| Picture::texture(basket(h.near(0.52, 0.12), 0.06), 30.0)),
    ("fish scales", scales),
    ("tartan", tartan),
    ("pebbles", |h| Picture::texture(pebbles(h.near(0.4, 0.15), 0.07, h.seed()), 40.0)),
];

fn honeycomb(h: &mut Hand) -> Picture {
    let r = h.near(0.24, 0.12);
    Picture::texture(staggered(1.732 * r, 1.5 * r, regular(6, r - 0.035)), 30.0)
}

fn scales(h: &mut Hand) -> Picture {
    let (p, w) = (h.near(0.42, 0.12), 0.07);
    let row = |shift: f32| {
        let arcs = staggered(p, p, ring(0.5 * p, w).and(Shape::new(|[_, y]| y)));
        arcs.at(shift * p / 2.0, shift * p / 2.0)
    };
    Picture::texture(row(0.0).or(row(1.0)), 15.0)
}

fn tartan(h: &mut Hand) -> Picture {
    let p = h.near(0.62, 0.12);
    let bands = || stripes(p, 0.42);
    let threads = || stripes(p, 0.1).at(p / 2.0, 0.0);
    Picture::new(30.0)
        .with(Ink::Second, Shape::new(|_| -1.0))
        .with(Ink::Accent, bands().or(bands().turned(90.0)))
        .with(Ink::Main, bands().and(bands().turned(90.0)))
        .with(Ink::Main, threads().or(threads().turned(90.0)))
}
