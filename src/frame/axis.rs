//! Which pixels of a row or column make one, and with what weights.
//!
//! ```text
//! centre = (i + 1/2) scale        scale = from / to         pixels in  centre -+ support max(scale, 1)
//! weight = filter((pixel + 1/2 - centre) / max(scale, 1)), divided by the sum, in 22 fractional bits
//! ```
//!
//! Shrinking stretches the kernel over all pixels that it stands for. Bounds and rounding are those of `precompute_coeffs` and
//! `normalize_coeffs_8bpc` in Pillow's Resample.c, where the numbers of 22 bits come from.
//!
//! Invariant: the weights of one pixel lie inside the axis, and 255 times the sum of their magnitudes fits 31 bits.

use std::f64::consts::PI;
use std::ops::Range;

use super::Filter;

/// Fractional bits of a weight: 32 less 8 of a level, less 2 for the overshoot of negative weights.
pub(super) const BITS: u32 = 32 - 8 - 2;

impl Filter {
    /// Reach to each side, in pixels of the smaller picture; `None` for the nearest pixel.
    fn support(self) -> Option<f64> {
        match self {
            Filter::Nearest => None,
            Filter::Box => Some(0.5),
            Filter::Bilinear | Filter::Hamming => Some(1.0),
            Filter::Bicubic => Some(2.0),
            Filter::Lanczos => Some(3.0),
        }
    }

    /// The kernel at distance `x`.
    fn at(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        let far = x.abs();
        match self {
            Filter::Nearest => 1.0,
            Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Filter::Bilinear => (1.0 - far).max(0.0),
            Filter::Hamming if far >= 1.0 => 0.0,
            Filter::Hamming => sinc(far) * (0.54 + 0.46 * (far * PI).cos()),
            Filter::Bicubic if far < 1.0 => (1.5 * far - 2.5) * far * far + 1.0,
            Filter::Bicubic if far < 2.0 => (((far - 5.0) * far + 8.0) * far - 4.0) * -0.5,
            Filter::Bicubic => 0.0,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// A resize of `from` pixels to `to`, of which `count` from `first` on are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub filter: Filter,
    pub from: u32,
    pub to: u32,
    pub first: u32,
    pub count: u32,
}

impl Axis {
    fn scale(&self) -> f64 {
        f64::from(self.from) / f64::from(self.to)
    }

    fn centre(&self, i: u32) -> f64 {
        (f64::from(self.first + i) + 0.5) * self.scale()
    }

    /// Pixels that make the kept pixel `i`.
    fn window(&self, i: u32) -> Range<usize> {
        let centre = self.centre(i);
        let Some(support) = self.filter.support() else {
            let at = (centre as usize).min(self.from as usize - 1);
            return at..at + 1;
        };
        let reach = support * self.scale().max(1.0);
        let start = (centre - reach + 0.5).max(0.0) as usize;
        start..((centre + reach + 0.5) as usize).min(self.from as usize)
    }

    /// Pixels that make all that are kept.
    pub(super) fn span(&self) -> Range<usize> {
        self.window(0).start..self.window(self.count - 1).end
    }

    /// The most pixels that make one.
    pub(super) fn taps(&self) -> usize {
        let reach = self.filter.support().map_or(0.0, |support| support * self.scale().max(1.0));
        2 * reach.ceil() as usize + 1
    }
}

/// The weights of an [`Axis`], kept until another is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    axis: Option<Axis>,
    /// First pixel and number of weights of each kept pixel.
    windows: Vec<(u32, u32)>,
    /// `[count, taps]`; what a pixel does not use is left over.
    weights: Vec<i32>,
}

impl Weights {
    /// Bytes of the weights of `axis`.
    pub(super) fn bytes_of(axis: &Axis) -> usize {
        axis.count as usize * (size_of::<(u32, u32)>() + axis.taps() * size_of::<i32>())
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.windows.capacity() * size_of::<(u32, u32)>() + self.weights.capacity() * size_of::<i32>()
    }

    /// Holds the weights of `axis`.
    pub(super) fn set(&mut self, axis: Axis) {
        if self.axis == Some(axis) {
            return;
        }
        let (count, taps) = (axis.count as usize, axis.taps());
        super::scratch::size(&mut self.windows, count);
        super::scratch::size(&mut self.weights, count * taps);
        let each = self.windows.iter_mut().zip(self.weights.chunks_exact_mut(taps));
        for (i, (window, weights)) in (0..).zip(each) {
            *window = fill(&axis, i, weights);
        }
        self.axis = Some(axis);
    }

    /// Of every kept pixel the first pixel that makes it, and the weights from there on.
    #[inline(always)]
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let taps = self.axis.map_or(1, |axis| axis.taps());
        let windows = self.windows.iter().zip(self.weights.chunks_exact(taps));
        windows.map(|(&(first, count), weights)| (first as usize, &weights[..count as usize]))
    }
}

/// Writes the weights of the kept pixel `i` and says where they begin and how many there are. Zeros at both ends are left out.
fn fill(axis: &Axis, i: u32, weights: &mut [i32]) -> (u32, u32) {
    let (window, centre) = (axis.window(i), axis.centre(i));
    let shrink = 1.0 / axis.scale().max(1.0);
    let kernel = |pixel: usize| axis.filter.at((pixel as f64 - centre + 0.5) * shrink);
    let sum: f64 = window.clone().map(kernel).sum();
    let fixed = |pixel: usize| (kernel(pixel) / sum * f64::from(1 << BITS)).round() as i32;
    let start = window.clone().find(|&pixel| fixed(pixel) != 0).unwrap_or(window.start);
    let end = window.clone().rfind(|&pixel| fixed(pixel) != 0).map_or(window.end, |last| last + 1);
    weights.iter_mut().zip(start..end).for_each(|(weight, pixel)| *weight = fixed(pixel));
    (start as u32, (end - start) as u32)
}
