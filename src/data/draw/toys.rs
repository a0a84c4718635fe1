//! Held-out theme: toys.

use super::Class;
use super::picture::{Hand, Ink, Picture};
use super::shape::{disc, half_disc, polygon, rounded, slab, star, stroke, union};

pub(super) const CLASSES: &[Class] =
    &[("duck", duck), ("car", car), ("robot", robot), ("rocket", rocket), ("boat", boat), ("teddy", teddy)];

const TURN: f32 = 15.0;

fn duck(h: &mut Hand) -> Picture {
    let body = half_disc(0.75).turned(180.0).stretched(1.1, 0.85).at(-0.1, -0.25);
    let tail = polygon(&[[-0.95, 0.2], [-0.4, 0.0], [-0.6, -0.35]]);
    let head = disc(h.near(0.36, 0.08)).at(0.35, 0.42);
    let beak = polygon(&[[0.62, 0.52], [0.98, 0.36], [0.62, 0.26]]);
    let wing = half_disc(0.32).turned(180.0).at(-0.22, -0.2);
    Picture::new(TURN)
        .with(Ink::Accent, beak)
        .with(Ink::Main, union(vec![body, tail, head]))
        .with(Ink::Second, wing)
        .with(Ink::Dark, disc(0.07).at(0.45, 0.5))
}

fn car(h: &mut Hand) -> Picture {
    let roof = h.near(0.42, 0.1);
    let cabin = polygon(&[[-0.62, 0.0], [-0.4, roof], [0.25, roof], [0.52, 0.0]]);
    let body = rounded(1.85, 0.42, 0.14).at(0.0, -0.14);
    let panes = polygon(&[[-0.45, 0.05], [-0.31, roof - 0.1], [0.16, roof - 0.1], [0.33, 0.05]]);
    let panes = panes.minus(slab(0.08, 1.0).at(-0.07, 0.2));
    Picture::new(TURN)
        .with(Ink::Main, cabin.or(body))
        .with(Ink::Light, panes)
        .with(Ink::Dark, disc(0.24).at(0.52, -0.36).both_sides())
        .with(Ink::Light, disc(0.1).at(0.52, -0.36).both_sides())
}

fn robot(h: &mut Hand) -> Picture {
    let head = rounded(h.near(0.8, 0.1), 0.55, 0.08).at(0.0, 0.48);
    let aerial = slab(0.06, 0.2).at(0.0, 0.82).or(disc(0.08).at(0.0, 0.94));
    let body = rounded(h.near(0.95, 0.1), 0.65, 0.06).at(0.0, -0.2);
    let limbs = slab(0.17, 0.5).at(0.66, -0.12).or(slab(0.22, 0.42).at(0.25, -0.7)).both_sides();
    Picture::new(TURN)
        .with(Ink::Second, limbs.or(aerial))
        .with(Ink::Main, head.or(body))
        .with(Ink::Light, disc(0.11).at(0.18, 0.54).both_sides())
        .with(Ink::Dark, slab(0.36, 0.07).at(0.0, 0.32))
        .with(Ink::Accent, slab(0.4, 0.26).at(0.0, -0.18))
}

fn rocket(h: &mut Hand) -> Picture {
    let hull = disc(1.3).at(-0.98, -0.1).and(disc(1.3).at(0.98, -0.1)).and(slab(2.0, 1.5).at(0.0, 0.25));
    let fins = polygon(&[[0.2, -0.05], [0.62, -0.6], [0.2, -0.45]]).both_sides();
    let flame = polygon(&[[-0.18, -0.48], [0.18, -0.48], [0.0, h.near(-0.92, 0.08)]]);
    Picture::new(25.0)
        .with(Ink::Accent, flame)
        .with(Ink::Second, fins)
        .with(Ink::Main, hull)
        .with(Ink::Light, disc(0.14).at(0.0, 0.22))
}

fn boat(h: &mut Hand) -> Picture {
    let hull = polygon(&[[-0.95, -0.35], [0.95, -0.35], [0.6, -0.8], [-0.6, -0.8]]);
    let mast = slab(0.08, 1.3).at(0.0, 0.3);
    let sail = polygon(&[[0.1, h.near(0.85, 0.1)], [0.75, -0.2], [0.1, -0.2]]);
    let jib = polygon(&[[-0.1, h.near(0.6, 0.1)], [-0.1, -0.2], [-0.6, -0.2]]);
    Picture::new(TURN)
        .with(Ink::Dark, mast)
        .with(Ink::Main, hull)
        .with(Ink::Second, sail)
        .with(Ink::Accent, jib)
}

fn teddy(h: &mut Hand) -> Picture {
    let ears = disc(h.near(0.25, 0.1)).at(0.52, 0.55).both_sides();
    let inner = disc(0.12).at(0.52, 0.55).both_sides();
    let smile = stroke(&[[-0.12, -0.42], [0.0, -0.48], [0.12, -0.42]], 0.06);
    let bow = if h.chance(0.5) { star(4, 0.3, 0.12).at(0.0, -0.82) } else { disc(0.0) };
    Picture::new(TURN)
        .with(Ink::Main, ears.or(disc(0.72).at(0.0, -0.05)))
        .with(Ink::Second, inner.or(disc(0.3).at(0.0, -0.32)))
        .with(Ink::Dark, union(vec![disc(0.08).at(0.26, 0.12).both_sides(), disc(0.1).at(0.0, -0.22), smile]))
        .with(Ink::Accent, bow)
}
