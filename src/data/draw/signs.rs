//! Held-out theme: traffic signs.

use super::Class;
use super::picture::{Hand, Ink, Picture};
use super::shape::{Shape, arrow, disc, polygon, regular, rounded, slab, stroke, union};

pub(super) const CLASSES: &[Class] = &[
    ("stop", stop),
    ("give way", give_way),
    ("no entry", no_entry),
    ("no parking", no_parking),
    ("crossroads", crossroads),
    ("one way", one_way),
];

/// A sign with a rim: the shape in Main, its inside in `face`.
fn plate(shape: impl Fn() -> Shape, rim: f32, face: Ink) -> Picture {
    Picture::new(12.0).with(Ink::Main, shape()).with(face, shape().grown(-rim))
}

fn stop(h: &mut Hand) -> Picture {
    let octagon = || regular(8, 0.98).turned(22.5);
    let rim = octagon().grown(-0.12).outline(0.07);
    let (tall, gap) = (h.near(0.5, 0.1), h.near(0.27, 0.06));
    let strokes = (0..4).map(|i| slab(0.13, tall).at((i as f32 - 1.5) * gap, 0.0)).collect();
    Picture::new(12.0).with(Ink::Main, octagon()).with(Ink::Light, rim).with(Ink::Light, union(strokes))
}

fn give_way(h: &mut Hand) -> Picture {
    plate(|| regular(3, 1.1).turned(180.0).at(0.0, 0.15).grown(0.05), h.near(0.22, 0.15), Ink::Light)
}

fn no_entry(h: &mut Hand) -> Picture {
    Picture::new(12.0)
        .with(Ink::Main, disc(0.92))
        .with(Ink::Light, slab(h.near(1.2, 0.06), h.near(0.32, 0.12)))
}

fn no_parking(h: &mut Hand) -> Picture {
    let rim = h.near(0.19, 0.12);
    let face = if h.chance(0.5) { Ink::Light } else { Ink::Second };
    plate(|| disc(0.92), rim, face).with(Ink::Main, slab(1.6, rim).turned(-45.0))
}

fn crossroads(h: &mut Hand) -> Picture {
    let w = h.near(0.15, 0.15);
    let plus = slab(0.62, w).or(slab(w, 0.72)).at(0.0, -0.12);
    plate(|| regular(3, 1.1).at(0.0, -0.18).grown(0.05), h.near(0.17, 0.12), Ink::Light).with(Ink::Dark, plus)
}

fn one_way(h: &mut Hand) -> Picture {
    let tail = stroke(&[[-0.62, 0.0], [0.2, 0.0]], h.near(0.17, 0.15));
    let head = polygon(&[[0.68, 0.0], [0.2, 0.32], [0.2, -0.32]]);
    let pointer = if h.chance(0.5) { tail.or(head) } else { arrow(0.66, 0.36) };
    Picture::new(12.0).with(Ink::Main, rounded(1.85, 0.95, 0.12)).with(Ink::Light, pointer)
}
