//! The classes to pre-train on, made by combining.
//!
//! | part | rule |
//! |---|---|
//! | treated shapes | 28 shapes x (solid, outline, striped, dotted, nested) |
//! | emblems | one of 8 shapes inside one of 6 |
//! | arrangements | 2 to 5 discs, squares or triangles in a row or in a ring |
//! | glyphs | code words of distance 4 over the 12 edges of a hexagon with spokes |
//! | patterns, lines | one generator each |

use std::sync::LazyLock;

use super::Class;
use super::pattern::{
    checks, contours, lattice, patches, rays, ripples, staggered, stripes, tiled, waves, zigzag,
};
use super::picture::{Hand, Ink, Picture};
use super::shape::{
    Point, Shape, arc, arc_points, arrow, crescent, disc, drop, flower, gear, half_disc, heart, pie, polar,
    polygon, regular, ring, rounded, slab, star, stroke, union,
};

const TREATMENTS: [&str; 5] = ["solid", "outline", "striped", "dotted", "nested"];
const MOTIFS: [&str; 3] = ["discs", "squares", "triangles"];
const GLYPHS: usize = 48;

type Named = (&'static str, fn() -> Shape);

const SHAPES: [Named; 28] = [
    ("disc", || disc(0.75)),
    ("ellipse", || disc(0.85).stretched(1.0, 0.55)),
    ("square", || slab(1.35, 1.35)),
    ("plank", || slab(1.75, 0.6)),
    ("triangle", || regular(3, 0.95)),
    ("wedge", || polygon(&[[-0.8, -0.7], [0.8, -0.7], [-0.8, 0.8]])),
    ("pentagon", || regular(5, 0.85)),
    ("hexagon", || regular(6, 0.85)),
    ("rhombus", || polygon(&[[0.0, 0.95], [0.55, 0.0], [0.0, -0.95], [-0.55, 0.0]])),
    ("trapezoid", || polygon(&[[-0.4, 0.6], [0.4, 0.6], [0.9, -0.6], [-0.9, -0.6]])),
    ("slant", || polygon(&[[-0.4, 0.55], [1.0, 0.55], [0.4, -0.55], [-1.0, -0.55]])),
    ("star4", || star(4, 1.0, 0.36)),
    ("star5", || star(5, 1.0, 0.42)),
    ("star8", || star(8, 0.95, 0.58)),
    ("plus", || slab(1.7, 0.55).or(slab(0.55, 1.7))),
    ("half", || half_disc(0.9)),
    ("crescent", || crescent(0.85)),
    ("heart", || heart(0.9)),
    ("drop", || drop(0.95)),
    ("gear", || gear(8, 0.9)),
    ("trefoil", || flower(3, 0.95)),
    ("flower", || flower(6, 0.95)),
    ("corner", || slab(0.5, 1.6).at(-0.5, 0.0).or(slab(1.5, 0.5).at(0.0, -0.55))),
    ("tee", || slab(1.6, 0.5).at(0.0, 0.55).or(slab(0.5, 1.6))),
    ("chevron", || stroke(&[[-0.7, -0.3], [0.0, 0.4], [0.7, -0.3]], 0.5)),
    ("three quarters", || pie(0.9, 0.0, 140.0).or(pie(0.9, 130.0, 270.0))),
    ("bow", || polygon(&[[-0.9, 0.6], [0.0, 0.1], [0.9, 0.6], [0.9, -0.6], [0.0, -0.1], [-0.9, -0.6]])),
    ("keyhole", || disc(0.5).at(0.0, 0.4).or(polygon(&[[0.0, 0.5], [0.5, -0.9], [-0.5, -0.9]]))),
];

const OUTER: [Named; 6] = [
    ("disc", || disc(0.9)),
    ("square", || rounded(1.6, 1.6, 0.1)),
    ("triangle", || regular(3, 1.15).at(0.0, -0.12)),
    ("hexagon", || regular(6, 0.95)),
    ("flower", || flower(8, 1.0).or(disc(0.6))),
    ("shield", || slab(1.5, 0.8).at(0.0, 0.45).or(disc(1.5).at(-0.75, 0.05).and(disc(1.5).at(0.75, 0.05)))),
];

const INNER: [Named; 8] = [
    ("star", || star(5, 0.5, 0.21)),
    ("ring", || ring(0.32, 0.17)),
    ("heart", || heart(0.45)),
    ("drop", || drop(0.5)),
    ("moon", || crescent(0.45)),
    ("three dots", || disc(0.15).at(0.0, 0.28).around(3)),
    ("two squares", || slab(0.27, 0.27).at(0.24, 0.0).both_sides()),
    ("trefoil", || flower(3, 0.48)),
];

const PATTERNS: [Class; 20] = [
    ("wide stripes", |h| Picture::texture(stripes(h.near(0.55, 0.12), 0.5), 40.0)),
    ("narrow stripes", |h| Picture::texture(stripes(h.near(0.24, 0.12), 0.5), 40.0)),
    ("pinstripes", |h| Picture::texture(stripes(h.near(0.4, 0.15), 0.2), 40.0)),
    ("large checks", |h| Picture::texture(checks(h.near(0.5, 0.12)), 30.0)),
    ("small checks", |h| Picture::texture(checks(h.near(0.24, 0.12)), 30.0)),
    ("mesh", |h| Picture::texture(lattice(h.near(0.4, 0.15), 0.09), 30.0)),
    ("large dots", |h| Picture::texture(tiled(h.near(0.55, 0.1), disc(0.17)), 30.0)),
    ("small dots", |h| Picture::texture(staggered(0.3, h.near(0.26, 0.1), disc(0.085)), 30.0)),
    ("rings", |h| Picture::texture(tiled(h.near(0.6, 0.1), ring(0.19, 0.09)), 30.0)),
    ("pluses", |h| Picture::texture(tiled(h.near(0.55, 0.1), slab(0.34, 0.1).or(slab(0.1, 0.34))), 20.0)),
    ("dashes", |h| Picture::texture(staggered(0.5, h.near(0.24, 0.1), slab(0.28, 0.09)), 40.0)),
    ("triangles", |h| Picture::texture(tiled(h.near(0.55, 0.1), regular(3, 0.23)), 30.0)),
    ("stars", |h| Picture::texture(staggered(0.6, h.near(0.5, 0.1), star(5, 0.24, 0.1)), 30.0)),
    ("zigzag", |h| Picture::texture(zigzag(h.near(0.5, 0.1), 0.14, 0.36, 0.13), 40.0)),
    ("waves", |h| Picture::texture(waves(h.near(0.7, 0.1), 0.1, 0.3, 0.12), 40.0)),
    ("ripples", |h| Picture::texture(ripples(h.near(0.36, 0.15), 0.5), 0.0)),
    ("rays", |h| Picture::texture(rays(7), h.within(10.0, 90.0))),
    ("fine rays", |h| Picture::texture(rays(14), h.within(10.0, 90.0))),
    ("patches", |h| Picture::texture(patches(h.near(0.4, 0.15), h.seed()), 40.0)),
    ("contours", |h| Picture::texture(contours(h.near(0.8, 0.15), 0.08, h.seed()), 40.0)),
];

/// A drawing in one ink that may be turned by `turn` degrees.
fn line_art(shape: Shape, turn: f32) -> Picture {
    Picture::new(turn).with(Ink::Main, shape)
}

/// Width of a pen.
fn pen(h: &mut Hand) -> f32 {
    h.within(0.1, 0.2)
}

fn spiral(turns: f32, width: f32) -> Shape {
    let n = (turns * 14.0) as usize;
    let points: Vec<Point> = (0..=n)
        .map(|i| polar(360.0 * turns * i as f32 / n as f32, 0.08 + 0.8 * i as f32 / n as f32))
        .collect();
    stroke(&points, width)
}

fn grid(cells: usize, width: f32) -> Shape {
    let bar = |i: usize| slab(width, 1.6 + width).at(1.6 * i as f32 / cells as f32 - 0.8, 0.0);
    let bars = |n| union((0..=n).map(bar).collect());
    bars(cells).or(bars(cells).turned(90.0))
}

const LINES: [Class; 16] = [
    ("loose spiral", |h| line_art(spiral(1.6, pen(h)), 180.0)),
    ("tight spiral", |h| line_art(spiral(3.2, 0.6 * pen(h)), 180.0)),
    ("arrow", |h| line_art(arrow(0.95, h.within(0.25, 0.5)), 25.0)),
    ("double arrow", |h| line_art(arrow(0.9, h.near(0.35, 0.25)).at(0.12, 0.0).both_sides(), 25.0)),
    ("turning arrow", |h| {
        let head = polygon(&[[0.3, 0.0], [0.95, 0.0], [0.63, -0.45]]).at(0.0, 0.05);
        line_art(arc(0.62, 0.0, 270.0, pen(h)).or(head), 180.0)
    }),
    ("grid of four", |h| line_art(grid(2, pen(h)), 40.0)),
    ("grid of nine", |h| line_art(grid(3, 0.8 * pen(h)), 40.0)),
    ("ladder", |h| {
        let (w, rung) = (pen(h), slab(0.8, 0.1));
        let rungs = union(vec![slab(0.8, 0.1).at(0.0, 0.5), rung, slab(0.8, 0.1).at(0.0, -0.5)]);
        line_art(slab(w, 1.8).at(0.4, 0.0).both_sides().or(rungs), 25.0)
    }),
    ("comb", |h| {
        let teeth = slab(0.14, 0.9).at(0.22, -0.2).or(slab(0.14, 0.9).at(0.66, -0.2)).both_sides();
        line_art(teeth.or(slab(1.5, 0.15 + pen(h)).at(0.0, 0.35)), 25.0)
    }),
    ("twig", |h| {
        let w = pen(h);
        let side = stroke(&[[0.0, -0.5], [0.5, 0.0]], w).or(stroke(&[[0.0, 0.05], [0.45, 0.5]], w));
        line_art(side.both_sides().or(slab(w, 1.8)), 50.0)
    }),
    ("asterisk", |h| line_art(slab(pen(h), 0.9).at(0.0, 0.45).around(6), 30.0)),
    ("target", |h| line_art(union(vec![ring(0.85, 0.7 * pen(h)), ring(0.48, 0.13), disc(0.16)]), 0.0)),
    ("chain", |h| {
        line_art(
            union((0..3).map(|i| ring(0.32, 0.12).at(0.55 * i as f32 - 0.55, 0.0)).collect()),
            h.within(60.0, 90.0),
        )
    }),
    ("stairs", |h| {
        let points: Vec<Point> = (0..8u8).map(|i| [f32::from(i.div_ceil(2)), f32::from(i / 2)]).collect();
        let points: Vec<Point> = points.iter().map(|[x, y]| [0.42 * x - 0.84, 0.42 * y - 0.63]).collect();
        line_art(stroke(&points, pen(h)), 25.0)
    }),
    ("coil", |h| {
        let mut points = arc_points(0.3, 180.0, 0.0);
        points.extend(arc_points(0.3, 180.0, 360.0).iter().map(|[x, y]| [x + 0.6, *y]));
        let half = stroke(&points, pen(h)).at(-0.6, 0.0);
        line_art(half.or(arc(0.3, 180.0, 360.0, 0.14).at(-1.2, 0.0)).at(0.3, 0.0), 90.0)
    }),
    ("orbit", |h| {
        let path = disc(0.85).stretched(1.0, 0.4).outline(0.6 * pen(h));
        line_art(path.around(3).or(disc(0.17)), 25.0)
    }),
];

/// Edge sets of the glyphs: 12-bit words of weight 4 to 6 that differ pairwise in at least four edges.
static CODE: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut code: Vec<u16> = Vec::with_capacity(GLYPHS);
    // An odd multiplier visits every word once, in an order without runs.
    for word in (0..4096u32).map(|i| (i * 1597 + 355) as u16 & 4095) {
        let fits = (4..=6).contains(&word.count_ones());
        if fits && code.len() < GLYPHS && code.iter().all(|c| (c ^ word).count_ones() >= 4) {
            code.push(word);
        }
    }
    code
});

fn glyph(number: usize, h: &mut Hand) -> Picture {
    let word = CODE.get(number).copied().unwrap_or(0);
    let corner: Vec<Point> =
        (0..6).map(|i| polar(60.0 * i as f32 + h.within(-6.0, 6.0), h.near(0.8, 0.1))).collect();
    let centre = [h.within(-0.08, 0.08), h.within(-0.08, 0.08)];
    let width = h.within(0.1, 0.24);
    let edge = |i: usize| match i {
        // Odd glyphs have round rims.
        0..6 if number % 2 == 1 => arc(0.8, 60.0 * i as f32, 60.0 * (i + 1) as f32, width),
        0..6 => stroke(&[corner[i], corner[(i + 1) % 6]], width),
        _ => stroke(&[corner[i - 6], centre], width),
    };
    line_art(union((0..12).filter(|i| word >> i & 1 == 1).map(edge).collect()), 12.0)
}

fn treated(number: usize, h: &mut Hand) -> Picture {
    let shape = SHAPES[number / TREATMENTS.len()].1;
    let picture = Picture::new(20.0);
    let angle = h.within(0.0, 180.0);
    match number % TREATMENTS.len() {
        0 => picture.with(Ink::Main, shape()),
        1 => picture.with(Ink::Main, shape().grown(-0.06).outline(h.within(0.1, 0.18))),
        2 => {
            let bars = stripes(h.near(0.34, 0.2), 0.5).turned(angle);
            picture.with(Ink::Second, shape()).with(Ink::Main, shape().and(bars))
        }
        3 => {
            let dots = tiled(h.near(0.32, 0.12), disc(0.09)).turned(angle);
            picture.with(Ink::Main, shape()).with(Ink::Second, shape().and(dots))
        }
        _ => {
            let inner = shape().scaled(h.near(0.62, 0.06));
            picture.with(Ink::Main, shape()).with(Ink::Second, inner).with(Ink::Main, shape().scaled(0.28))
        }
    }
}

fn emblem(number: usize, h: &mut Hand) -> Picture {
    let (outer, inner) = (OUTER[number / INNER.len()].1, INNER[number % INNER.len()].1);
    let inner = inner().scaled(h.near(1.0, 0.12));
    if h.chance(0.5) {
        return Picture::new(20.0).with(Ink::Main, outer()).with(Ink::Second, inner);
    }
    Picture::new(20.0).with(Ink::Main, outer().outline(h.within(0.09, 0.16))).with(Ink::Main, inner)
}

/// Numbers of an arrangement: how many, which motif, ring or row.
fn arrangement_of(number: usize) -> (usize, usize, bool) {
    (2 + number / 6, number / 2 % 3, number % 2 == 1)
}

fn arrangement(number: usize, h: &mut Hand) -> Picture {
    let (n, motif, in_ring) = arrangement_of(number);
    let size = h.near(if in_ring { 0.25 } else { 0.72 / n as f32 }, 0.15);
    let one = || match motif {
        0 => disc(size),
        1 => slab(1.8 * size, 1.8 * size),
        _ => regular(3, 1.25 * size),
    };
    let shape = if in_ring {
        one().at(0.0, 0.62).around(n)
    } else {
        union((0..n).map(|i| one().at(1.8 * ((i as f32 + 0.5) / n as f32 - 0.5), 0.0)).collect())
    };
    line_art(shape, 20.0)
}

/// Which part of the table a class belongs to, and its number there.
enum Part {
    Treated(usize),
    Emblem(usize),
    Arrangement(usize),
    Glyph(usize),
    Single(&'static Class),
}

const SIZES: [usize; 6] =
    [SHAPES.len() * TREATMENTS.len(), OUTER.len() * INNER.len(), 24, GLYPHS, PATTERNS.len(), LINES.len()];

fn part(mut class: usize) -> Part {
    let mut kind = 0;
    while kind < 5 && class >= SIZES[kind] {
        class -= SIZES[kind];
        kind += 1;
    }
    match kind {
        0 => Part::Treated(class),
        1 => Part::Emblem(class),
        2 => Part::Arrangement(class),
        3 => Part::Glyph(class),
        4 => Part::Single(&PATTERNS[class]),
        _ => Part::Single(&LINES[class]),
    }
}

/// Number of classes.
pub(super) fn count() -> usize {
    SIZES.iter().sum()
}

/// Name of `class`, below [`count`].
pub(super) fn name(class: usize) -> String {
    match part(class) {
        Part::Treated(n) => {
            format!("{} {}", TREATMENTS[n % TREATMENTS.len()], SHAPES[n / TREATMENTS.len()].0)
        }
        Part::Emblem(n) => format!("{} in {}", INNER[n % INNER.len()].0, OUTER[n / INNER.len()].0),
        Part::Arrangement(n) => {
            let (count, motif, in_ring) = arrangement_of(n);
            format!("{count} {} in a {}", MOTIFS[motif], if in_ring { "ring" } else { "row" })
        }
        Part::Glyph(n) => format!("glyph {n}"),
        Part::Single((name, _)) => (*name).into(),
    }
}

/// A picture of `class`, below [`count`].
pub(super) fn picture(class: usize, h: &mut Hand) -> Picture {
    match part(class) {
        Part::Treated(n) => treated(n, h),
        Part::Emblem(n) => emblem(n, h),
        Part::Arrangement(n) => arrangement(n, h),
        Part::Glyph(n) => glyph(n, h),
        Part::Single((_, draw)) => draw(h),
    }
}
