//! Photographs a [`Picture`]: pose, colours, backdrop, shadow, occlusion, light, noise.
//!
//! Everything here is nuisance: it varies inside a class and says nothing about it. A pixel at `u` looks up the
//! picture at `M^-1 (u + wobble - t)`, blends the layers by coverage from back to front, is lit and gets noise.
//!
//! Does not know classes.

use super::pattern::{field, patches, staggered, stripes, tiled};
use super::picture::{Hand, Ink, Picture};
use super::shape::{Point, Shape, disc, sin_cos, slab};

type Rgb = [f32; 3];

/// Paints `picture` as `size * size` RGB pixels, row by row from the top, and says what each pixel shows: 0 for the
/// backdrop, otherwise one more than the number of the ink, as if nothing stood in front.
pub(super) fn photograph(picture: &Picture, hand: &mut Hand, size: usize) -> (Vec<u8>, Vec<u8>) {
    let pose = Pose::draw(hand, picture.turn);
    let palette = Palette::draw(hand);
    let backdrop = Backdrop::draw(hand, &palette);
    let edge = Edge::draw(hand, &palette);
    let cover = Cover::draw(hand);
    let light = Light::draw(hand);
    let pixel = 2.0 / size as f32;
    let blur = pixel * hand.within(0.9, 1.7);
    let (mut out, mut shown) = (Vec::with_capacity(size * size * 3), Vec::with_capacity(size * size));
    for i in 0..size * size {
        let u =
            [(i % size) as f32 * pixel + pixel / 2.0 - 1.0, 1.0 - (i / size) as f32 * pixel - pixel / 2.0];
        let mut c = backdrop.colour(u);
        edge.blend(picture, &pose, u, blur, &mut c);
        let p = pose.local(u);
        let mut top = 0;
        for (ink, shape) in &picture.layers {
            let share = coverage(shape.distance(p) * pose.scale, blur);
            mix(&mut c, palette.colour(*ink), share);
            top = if share > 0.5 { *ink as u8 + 1 } else { top };
        }
        shown.push(top);
        cover.blend(u, blur, &mut c);
        out.extend(light.expose(u, c, hand));
    }
    (out, shown)
}

/// Share of a pixel that an edge at distance `d` leaves covered.
fn coverage(d: f32, blur: f32) -> f32 {
    (0.5 - d / blur).clamp(0.0, 1.0)
}

fn mix(c: &mut Rgb, over: Rgb, share: f32) {
    for (c, o) in c.iter_mut().zip(over) {
        *c += (o - *c) * share;
    }
}

/// Where the picture lies in the frame.
struct Pose {
    inverse: [f32; 4],
    shift: Point,
    scale: f32,
    wobble: f32,
    seed: u32,
}

impl Pose {
    fn draw(hand: &mut Hand, turn: f32) -> Self {
        let scale = hand.within(0.68, 0.96);
        let room = (1.0 - scale) * 0.7 + 0.03;
        let shift = [hand.within(-room, room), hand.within(-room, room)];
        let (s, c) = sin_cos(hand.within(-turn, turn));
        let (kx, shear) = (hand.within(0.9, 1.1), hand.within(-0.1, 0.1));
        let ky = 1.0 / kx;
        // Inverse of scale * shear * stretch * turn, row by row.
        let (a, b) = ([c / kx, s / kx], [-s / ky, c / ky]);
        let inverse =
            [a[0] / scale, (a[1] - shear * a[0]) / scale, b[0] / scale, (b[1] - shear * b[0]) / scale];
        let wobble = if hand.chance(0.5) { hand.within(0.0, 0.08) } else { 0.0 };
        Self { inverse, shift, scale, wobble, seed: hand.seed() }
    }

    fn local(&self, [mut x, mut y]: Point) -> Point {
        if self.wobble > 0.0 {
            let p = [x, y];
            x += self.wobble * (field(p, 0.5, self.seed) - 0.5);
            y += self.wobble * (field(p, 0.5, !self.seed) - 0.5);
        }
        let (x, y) = (x - self.shift[0], y - self.shift[1]);
        let [a, b, c, d] = self.inverse;
        [a * x + b * y, c * x + d * y]
    }
}

/// Colours of the paper and of the inks.
struct Palette {
    paper: Rgb,
    inks: [Rgb; 5],
}

impl Palette {
    fn draw(hand: &mut Hand) -> Self {
        let hue = hand.within(0.0, 1.0);
        let paper = match hand.below(4) {
            0 => hsv(hue, hand.within(0.0, 0.5), hand.within(0.08, 0.3)),
            1 => hsv(hue, hand.within(0.1, 0.5), hand.within(0.4, 0.7)),
            _ => hsv(hue, hand.within(0.0, 0.25), hand.within(0.78, 1.0)),
        };
        let main = Self::unlike(hand, &[(paper, 0.34)]);
        let second = Self::unlike(hand, &[(paper, 0.16), (main, 0.26)]);
        let accent = Self::unlike(hand, &[(main, 0.24), (second, 0.12)]);
        let dark = hsv(hand.within(0.0, 1.0), hand.within(0.0, 0.4), hand.within(0.04, 0.16));
        let light = hsv(hand.within(0.0, 1.0), hand.within(0.0, 0.1), hand.within(0.9, 1.0));
        // Details in Dark or Light must show on Main.
        let (dark, light) = match luminance(main) {
            l if l < 0.22 => (light, hsv(hue, 0.5, 0.6)),
            l if l > 0.78 => (dark, hsv(hue, 0.5, 0.45)),
            _ => (dark, light),
        };
        Self { paper, inks: [main, second, accent, dark, light] }
    }

    /// A saturated colour whose luminance differs from each of `others` by its margin, as far as 24 tries go.
    fn unlike(hand: &mut Hand, others: &[(Rgb, f32)]) -> Rgb {
        let mut best = (f32::MIN, [0.0; 3]);
        for _ in 0..24 {
            let c = hsv(hand.within(0.0, 1.0), hand.within(0.35, 0.95), hand.within(0.25, 1.0));
            let gaps = others.iter().map(|(o, need)| (luminance(c) - luminance(*o)).abs() - need);
            let slack = gaps.fold(f32::MAX, f32::min);
            if slack > 0.0 {
                return c;
            }
            if slack > best.0 {
                best = (slack, c);
            }
        }
        best.1
    }

    fn colour(&self, ink: Ink) -> Rgb {
        self.inks[ink as usize]
    }
}

fn luminance([r, g, b]: Rgb) -> f32 {
    0.3 * r + 0.59 * g + 0.11 * b
}

fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    [5.0, 3.0, 1.0].map(|n| {
        let k = (n + hue * 6.0) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

/// What lies behind: plain or graded paper, at times with a faint pattern or clutter.
struct Backdrop {
    colours: [Rgb; 2],
    slope: Point,
    pattern: Option<(Shape, Rgb, f32)>,
    clutter: Vec<(Shape, Rgb)>,
}

impl Backdrop {
    fn draw(hand: &mut Hand, palette: &Palette) -> Self {
        let paper = palette.paper;
        let tinted = |hand: &mut Hand, by: f32| paper.map(|c| (c + hand.within(-by, by)).clamp(0.0, 1.0));
        let other = if hand.chance(0.5) { tinted(hand, 0.18) } else { paper };
        let (s, c) = sin_cos(hand.within(0.0, 360.0));
        let pattern = hand.chance(0.35).then(|| {
            let period = hand.within(0.14, 0.5);
            let shape = match hand.below(4) {
                0 => stripes(period, 0.5).turned(hand.within(0.0, 180.0)),
                1 => tiled(period, disc(0.3 * period)),
                2 => staggered(period, period, slab(0.6 * period, 0.25 * period)),
                _ => patches(period, hand.seed()),
            };
            let colour = tinted(hand, 0.16);
            (shape, colour, hand.within(0.4, 1.0))
        });
        let pieces = if hand.chance(0.25) { 1 + hand.below(3) } else { 0 };
        let clutter = (0..pieces).map(|_| {
            let (s, c) = sin_cos(hand.within(0.0, 360.0));
            let (far, size) = (hand.within(0.85, 1.1), hand.within(0.06, 0.2));
            let shape = if hand.chance(0.5) {
                disc(size)
            } else {
                slab(size, 3.0 * size).turned(hand.within(0.0, 180.0))
            };
            (shape.at(far * c, far * s), tinted(hand, 0.3))
        });
        let clutter = clutter.collect();
        Self { colours: [paper, other], slope: [0.5 * c, 0.5 * s], pattern, clutter }
    }

    fn colour(&self, u: Point) -> Rgb {
        let mut c = self.colours[0];
        mix(&mut c, self.colours[1], (0.5 + u[0] * self.slope[0] + u[1] * self.slope[1]).clamp(0.0, 1.0));
        if let Some((shape, ink, strength)) = &self.pattern {
            mix(&mut c, *ink, strength * coverage(shape.distance(u), 0.04));
        }
        for (shape, ink) in &self.clutter {
            mix(&mut c, *ink, coverage(shape.distance(u), 0.04));
        }
        c
    }
}

/// What surrounds the silhouette: a shadow, a border, or nothing.
struct Edge {
    shadow: Option<(Point, f32)>,
    border: Option<(Rgb, f32)>,
}

impl Edge {
    fn draw(hand: &mut Hand, palette: &Palette) -> Self {
        let shadow = hand.chance(0.3).then(|| {
            let to = [hand.within(-0.12, 0.12), hand.within(-0.14, -0.03)];
            (to, hand.within(0.25, 0.5))
        });
        let border = hand.chance(0.15).then(|| {
            let ink = if luminance(palette.inks[0]) > 0.5 { Ink::Dark } else { Ink::Light };
            (palette.colour(ink), hand.within(0.04, 0.09))
        });
        Self { shadow, border }
    }

    fn blend(&self, picture: &Picture, pose: &Pose, u: Point, blur: f32, c: &mut Rgb) {
        if let Some((to, depth)) = self.shadow {
            let p = pose.local([u[0] - to[0], u[1] - to[1]]);
            mix(c, [0.0; 3], depth * coverage(picture.silhouette(p) * pose.scale, 0.14));
        }
        if let Some((ink, width)) = self.border {
            mix(c, ink, coverage((picture.silhouette(pose.local(u)) - width) * pose.scale, blur));
        }
    }
}

/// A bar in front of the picture, at times.
struct Cover(Option<(Shape, Rgb)>);

impl Cover {
    fn draw(hand: &mut Hand) -> Self {
        Self(hand.chance(0.15).then(|| {
            let bar = slab(4.0, hand.within(0.1, 0.2)).at(0.0, hand.within(0.35, 0.9));
            let colour = hsv(hand.within(0.0, 1.0), hand.within(0.0, 0.7), hand.within(0.1, 0.9));
            (bar.turned(hand.within(0.0, 360.0)), colour)
        }))
    }

    fn blend(&self, u: Point, blur: f32, c: &mut Rgb) {
        if let Some((shape, ink)) = &self.0 {
            mix(c, *ink, coverage(shape.distance(u), blur));
        }
    }
}

/// Exposure, a slope of light across the frame, and sensor noise.
struct Light {
    gain: f32,
    slope: Point,
    noise: f32,
}

impl Light {
    fn draw(hand: &mut Hand) -> Self {
        let slope = [hand.within(-0.14, 0.14), hand.within(-0.14, 0.14)];
        Self { gain: hand.within(0.82, 1.12), slope, noise: hand.within(0.0, 0.04) }
    }

    fn expose(&self, u: Point, c: Rgb, hand: &mut Hand) -> [u8; 3] {
        let lit = self.gain + u[0] * self.slope[0] + u[1] * self.slope[1];
        c.map(|c| ((c * lit + self.noise * hand.noise()).clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
    }
}
