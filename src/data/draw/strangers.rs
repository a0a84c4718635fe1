//! Held-out classes that are never learned: what a device should call unknown.

use super::Class;
use super::picture::{Hand, Ink, Picture};
use super::shape::{Point, arc, below, disc, half_disc, heart, polygon, ring, rounded, slab, stroke, union};

pub(super) const CLASSES: &[Class] = &[
    ("fish", fish),
    ("mug", mug),
    ("house", house),
    ("umbrella", umbrella),
    ("mushroom", mushroom),
    ("butterfly", butterfly),
    ("tree", tree),
    ("spectacles", spectacles),
];

const TURN: f32 = 15.0;

fn fish(h: &mut Hand) -> Picture {
    let body = disc(0.9).at(0.0, 0.5).and(disc(0.9).at(0.0, -0.5)).at(0.12, 0.0);
    let tail = polygon(&[[-0.5, 0.0], [-0.95, h.near(0.42, 0.15)], [-0.82, 0.0], [-0.95, -0.42]]);
    let fin = polygon(&[[0.0, 0.3], [0.3, 0.32], [-0.05, 0.62]]);
    Picture::new(TURN)
        .with(Ink::Second, tail.or(fin))
        .with(Ink::Main, body)
        .with(Ink::Dark, disc(0.08).at(0.55, 0.08))
        .with(Ink::Second, arc(0.4, -50.0, 50.0, 0.06).at(-0.1, 0.0))
}

fn mug(h: &mut Hand) -> Picture {
    let handle = ring(0.32, 0.15).at(0.5, -0.1);
    let band = slab(1.0, h.near(0.22, 0.2)).at(-0.15, -0.1);
    let steam = |x: f32| stroke(&[[x, 0.6], [x + 0.08, 0.7], [x - 0.04, 0.82], [x + 0.04, 0.95]], 0.07);
    Picture::new(TURN)
        .with(Ink::Main, handle.or(rounded(1.0, 1.15, 0.1).at(-0.15, -0.15)))
        .with(Ink::Second, band.or(steam(-0.3)).or(steam(0.02)))
}

fn house(h: &mut Hand) -> Picture {
    let roof = polygon(&[[-0.95, 0.15], [0.0, h.near(0.9, 0.08)], [0.95, 0.15]]);
    let panes = slab(0.26, 0.26).at(0.36, -0.1);
    Picture::new(TURN)
        .with(Ink::Accent, slab(0.2, 0.5).at(0.5, 0.6))
        .with(Ink::Main, slab(1.4, 1.0).at(0.0, -0.35))
        .with(Ink::Second, roof)
        .with(Ink::Light, panes)
        .with(Ink::Dark, slab(0.32, 0.6).at(-0.25, -0.55))
}

fn umbrella(h: &mut Hand) -> Picture {
    let scallops = union((0..3).map(|i| disc(0.32).at(0.6 * i as f32 - 0.6, -0.02)).collect());
    let canopy = disc(0.95).at(0.0, -0.05).minus(below().at(0.0, -0.02)).minus(scallops);
    let grip = stroke(&[[0.0, 0.8], [0.0, -0.7]], 0.09).or(arc(0.14, 180.0, 360.0, 0.09).at(0.14, -0.7));
    let rib = stroke(&[[0.0, 0.9], [h.near(0.3, 0.1), 0.28]], 0.05).both_sides();
    Picture::new(TURN).with(Ink::Second, grip).with(Ink::Main, canopy).with(Ink::Second, rib)
}

fn mushroom(h: &mut Hand) -> Picture {
    let stem = polygon(&[[-0.2, 0.1], [0.2, 0.1], [h.near(0.3, 0.15), -0.85], [-0.3, -0.85]]);
    let cap = disc(0.9).stretched(1.0, 0.85).minus(below());
    let spots = union(vec![disc(0.15).at(-0.35, 0.3), disc(0.12).at(0.15, 0.5), disc(0.14).at(0.5, 0.2)]);
    Picture::new(TURN).with(Ink::Light, stem).with(Ink::Main, cap).with(Ink::Light, spots)
}

fn butterfly(h: &mut Hand) -> Picture {
    let wings =
        heart(0.62).turned(90.0).at(0.5, 0.2).or(disc(h.near(0.33, 0.1)).at(0.36, -0.45)).both_sides();
    let spots = disc(0.13).at(0.58, 0.25).both_sides();
    let feelers = stroke(&[[0.0, 0.45], [0.25, 0.9]], 0.05).both_sides();
    Picture::new(TURN)
        .with(Ink::Main, wings)
        .with(Ink::Second, spots)
        .with(Ink::Dark, feelers.or(rounded(0.14, 1.1, 0.06).at(0.0, -0.1)))
}

fn tree(h: &mut Hand) -> Picture {
    let tier = |low: f32, half: f32| polygon(&[[-half, low], [half, low], [0.0, low + 0.75]] as &[Point]);
    let crown = union(vec![tier(-0.55, h.near(0.75, 0.1)), tier(-0.15, 0.58), tier(0.22, 0.4)]);
    Picture::new(TURN).with(Ink::Second, slab(0.22, 0.5).at(0.0, -0.72)).with(Ink::Main, crown)
}

fn spectacles(h: &mut Hand) -> Picture {
    let rims = ring(h.near(0.36, 0.08), 0.11).at(0.48, 0.0).both_sides();
    let bridge = half_disc(0.16).outline(0.09).at(0.0, 0.08);
    let arms = stroke(&[[0.84, 0.05], [0.96, 0.3]], 0.1).both_sides();
    Picture::new(TURN).with(Ink::Main, rims.or(bridge).or(arms))
}
