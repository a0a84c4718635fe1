//! Held-out theme: tools.

use super::Class;
use super::picture::{Hand, Ink, Picture};
use super::shape::{Point, disc, polygon, regular, ring, rounded, slab, stroke};

pub(super) const CLASSES: &[Class] = &[
    ("hammer", hammer),
    ("wrench", wrench),
    ("screwdriver", screwdriver),
    ("saw", saw),
    ("scissors", scissors),
    ("key", key),
];

const TURN: f32 = 25.0;

fn hammer(h: &mut Hand) -> Picture {
    let handle = rounded(h.near(0.22, 0.15), 1.6, 0.06).at(0.0, -0.15);
    let claw = polygon(&[[-0.1, 0.86], [-0.1, 0.46], [-0.45, 0.5], [-0.78, 0.3], [-0.6, 0.75]]);
    let face = slab(0.3, h.near(0.5, 0.1)).at(0.52, 0.65).or(slab(0.6, 0.36).at(0.15, 0.66));
    Picture::new(TURN).with(Ink::Second, handle).with(Ink::Main, face.or(claw))
}

fn wrench(h: &mut Hand) -> Picture {
    let jaw = disc(0.42).minus(slab(h.near(0.28, 0.12), 0.5).at(0.0, 0.3)).at(0.0, 0.6);
    let eye = disc(0.3).minus(regular(6, 0.16)).at(0.0, -0.7);
    let shank = slab(h.near(0.26, 0.15), 1.0).minus(disc(0.16).at(0.0, -0.7)).at(0.0, -0.02);
    Picture::new(TURN).with(Ink::Main, jaw.or(eye).or(shank))
}

fn screwdriver(h: &mut Hand) -> Picture {
    let grip = rounded(h.near(0.42, 0.12), 0.8, 0.14).at(0.0, 0.55);
    let grooves = slab(0.05, 0.5).at(0.09, 0.55).both_sides();
    let blade = slab(0.14, 0.85).at(0.0, -0.25);
    let tip =
        polygon(&[[-0.07, -0.6], [0.07, -0.6], [0.15, -0.8], [0.09, -0.96], [-0.09, -0.96], [-0.15, -0.8]]);
    Picture::new(TURN).with(Ink::Second, blade.or(tip)).with(Ink::Main, grip).with(Ink::Dark, grooves)
}

fn saw(h: &mut Hand) -> Picture {
    let low = h.near(-0.3, 0.15);
    let mut blade: Vec<Point> = vec![[-0.35, 0.32], [-0.35, low]];
    for i in 0..8u8 {
        let x = -0.35 + 0.16 * f32::from(i);
        let edge = low + 0.04 * f32::from(i);
        blade.extend([[x + 0.04, edge - 0.14], [x + 0.16, edge]]);
    }
    blade.push([0.98, 0.2]);
    let grip = rounded(0.6, 0.75, 0.2).minus(rounded(0.26, 0.36, 0.1)).at(-0.62, 0.02);
    Picture::new(TURN).with(Ink::Second, polygon(&blade)).with(Ink::Main, grip)
}

fn scissors(h: &mut Hand) -> Picture {
    let open = h.within(10.0, 24.0);
    let half = || {
        let blade = polygon(&[[0.1, -0.1], [0.1, 0.55], [-0.06, 0.98], [-0.1, -0.1]]);
        let arm = stroke(&[[0.0, -0.05], [0.06, -0.42]], 0.16);
        (blade, arm.or(ring(0.22, 0.13).at(0.1, -0.66)))
    };
    let ((left, grip), (right, other)) = (half(), half());
    let blades = left.turned(open).or(right.stretched(-1.0, 1.0).turned(-open));
    let grips = grip.turned(open).or(other.stretched(-1.0, 1.0).turned(-open));
    Picture::new(TURN).with(Ink::Second, blades).with(Ink::Main, grips).with(Ink::Dark, disc(0.07))
}

fn key(h: &mut Hand) -> Picture {
    let bow = ring(h.near(0.32, 0.08), 0.17).at(-0.58, 0.0);
    let shaft = slab(1.2, 0.15).at(0.28, 0.0);
    let bits = slab(0.14, 0.34).at(0.8, -0.2).or(slab(0.14, h.near(0.26, 0.2)).at(0.52, -0.16));
    Picture::new(TURN).with(Ink::Main, bow.or(shaft).or(bits))
}
