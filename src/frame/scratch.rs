//! The memory between a frame and its tensor, and the calls that use it.
//!
//! ```text
//! weights   (8 + 4 taps) bytes a pixel of the result's width, and of its height
//! tile      16 rows of the columns that are read, in steps of 16 pixels
//! rows      channels * rows that are read * width of the result, in steps of 16 bytes
//! line      one row of the result
//! ```
//!
//! Invariant: nothing else is allocated, and [`Preprocess::scratch_bytes`] is the exact sum for a frame's geometry.

use std::ops::Range;

use super::axis::{Axis, Weights};
use super::camera::Frame;
use super::lanes::{LANES, Lanes, TILE};
use super::resample::{Job, Sink};
use super::{MAX_SCRATCH_BYTES, MAX_SIDE, Preprocess};
use crate::bail;
use crate::error::Result;

/// Reusable memory of [`Preprocess::write`]. One for each thread.
///
/// It grows to what the largest frames so far needed and stays there; weights are computed anew when the size of the region or the
/// preprocessing changes.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    across: Weights,
    down: Weights,
    tile: Vec<Lanes>,
    rows: Vec<Lanes>,
    line: Vec<Lanes>,
}

impl Scratch {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let lanes = self.tile.capacity() + self.rows.capacity() + self.line.capacity();
        self.across.bytes() + self.down.bytes() + lanes * LANES
    }
}

/// Gives `items` this length, and room for no more than that if it has to grow.
pub(super) fn size<T: Copy + Default>(items: &mut Vec<T>, length: usize) {
    items.truncate(length);
    items.reserve_exact(length - items.len());
    items.resize(length, T::default());
}

/// What a frame and a preprocessing make of each other.
struct Geometry {
    across: Axis,
    down: Axis,
    /// Columns of the frame that are loaded.
    columns: Range<usize>,
    /// Rows of the region that are read.
    span: Range<usize>,
    channels: usize,
}

impl Geometry {
    fn new(preprocess: &Preprocess, frame: &Frame<'_>) -> Result<Self> {
        let region = frame.interest();
        let (width, height) = preprocess.output_size()?;
        let (wide, high) = preprocess.resize.size(region.width, region.height);
        if wide.max(high) > MAX_SIDE || wide.min(high) == 0 {
            bail!(
                Shape,
                "cannot resize {}x{} to {wide}x{high}: sides must be between 1 and {MAX_SIDE}",
                region.width,
                region.height
            );
        }
        if width > wide || height > high {
            bail!(Shape, "a {wide}x{high} picture is smaller than crop={width}; set resize={width}");
        }
        let filter = preprocess.filter;
        let axis = |from: u32, to: u32, count: u32| Axis {
            filter,
            from,
            to,
            first: half_to_even(to - count),
            count,
        };
        let (across, down) = (axis(region.width, wide, width), axis(region.height, high, height));
        let left = region.x as usize;
        let read = across.span();
        let columns = frame.whole(left + read.start, left + read.end);
        let span = down.span();
        let geometry = Self { across, down, columns, span, channels: frame.format().channels() };
        let bytes = geometry.bytes();
        if bytes > MAX_SCRATCH_BYTES {
            bail!(
                Shape,
                "cannot resize {}x{} to {wide}x{high}: that takes {bytes} bytes on the way, and at most {MAX_SCRATCH_BYTES} are spent; resize to less",
                region.width,
                region.height
            );
        }
        Ok(geometry)
    }

    fn tile(&self) -> usize {
        (self.columns.len() * self.channels).next_multiple_of(TILE)
    }

    fn line(&self) -> usize {
        (self.across.count as usize).div_ceil(LANES)
    }

    fn rows(&self) -> usize {
        self.channels * self.span.len() * self.line()
    }

    fn bytes(&self) -> u64 {
        let lanes = (self.tile() + self.rows() + self.line()) * LANES;
        (lanes + Weights::bytes_of(&self.across) + Weights::bytes_of(&self.down)) as u64
    }
}

impl Preprocess {
    /// Bytes that a new [`Scratch`] comes to hold through frames of this geometry (format, size of the region, its first column).
    ///
    /// # Errors
    /// As [`Preprocess::write`].
    pub fn scratch_bytes(&self, frame: &Frame<'_>) -> Result<u64> {
        Ok(Geometry::new(self, frame)?.bytes())
    }

    /// Writes the frame's region as `[3, height, width]`, red first, into `out`. Allocates nothing where `scratch` has seen
    /// the geometry.
    ///
    /// # Errors
    /// `Shape` when `out` has another length than [`Preprocess::output_len`], when the region is resized to less than the crop
    /// or beyond [`MAX_SIDE`], and when that would take more than [`MAX_SCRATCH_BYTES`]; as [`Preprocess::output_size`].
    pub fn write(&self, frame: &Frame<'_>, scratch: &mut Scratch, out: &mut [f32]) -> Result<()> {
        let expected = self.output_len()?;
        if out.len() != expected {
            bail!(Shape, "room for {} numbers where {expected} are written", out.len());
        }
        self.run(frame, scratch, Tensor { preprocess: self, plane: expected / 3, out })
    }

    /// Resizes and crops the frame's region, still in 8 bits: `[height, width, 3]`, red first, into `out`.
    ///
    /// # Errors
    /// As [`Preprocess::write`].
    pub fn write_rgb(&self, frame: &Frame<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Result<()> {
        let expected = self.output_len()?;
        if out.len() != expected {
            bail!(Shape, "room for {} bytes where {expected} are written", out.len());
        }
        self.run(frame, scratch, Rgb(out))
    }

    fn run(&self, frame: &Frame<'_>, scratch: &mut Scratch, sink: impl Sink) -> Result<()> {
        let geometry = Geometry::new(self, frame)?;
        scratch.across.set(geometry.across);
        scratch.down.set(geometry.down);
        size(&mut scratch.tile, geometry.tile());
        size(&mut scratch.rows, geometry.rows());
        size(&mut scratch.line, geometry.line());
        pulp::Arch::new().dispatch(Job {
            frame,
            across: &scratch.across,
            down: &scratch.down,
            column: geometry.columns.start,
            span: geometry.span,
            width: geometry.across.count as usize,
            tile: &mut scratch.tile,
            rows: &mut scratch.rows,
            line: &mut scratch.line,
            sink,
        });
        Ok(())
    }
}

/// Half of `n`; an odd `n` goes to the even neighbour, as Python's `round`.
fn half_to_even(n: u32) -> u32 {
    n / 2 + u32::from(n % 4 == 3)
}

/// `[3, height, width]` of normalised numbers.
struct Tensor<'a> {
    preprocess: &'a Preprocess,
    plane: usize,
    out: &'a mut [f32],
}

impl Sink for Tensor<'_> {
    #[inline(always)]
    fn row(&mut self, channel: usize, y: usize, levels: &[u8]) {
        let Preprocess { scale, mean, std, .. } = *self.preprocess;
        let (mean, std) = (mean[channel], std[channel]);
        let row = &mut self.out[channel * self.plane + y * levels.len()..][..levels.len()];
        row.iter_mut().zip(levels).for_each(|(x, &level)| *x = (f32::from(level) * scale - mean) / std);
    }
}

/// `[height, width, 3]` of levels.
struct Rgb<'a>(&'a mut [u8]);

impl Sink for Rgb<'_> {
    #[inline(always)]
    fn row(&mut self, channel: usize, y: usize, levels: &[u8]) {
        let row = &mut self.0[3 * y * levels.len()..][..3 * levels.len()];
        row.chunks_exact_mut(3).zip(levels).for_each(|(pixel, &level)| pixel[channel] = level);
    }
}
