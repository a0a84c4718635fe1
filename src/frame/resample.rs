//! The two passes of a resize, and what becomes of each finished row.
//!
//! ```text
//! tile   16 rows of the frame as lanes        --across-->  rows   [channel, row, x]  of the kept width
//! rows   a column's window of them            --down---->  line   one row of one channel  -->  sink
//! ```
//!
//! Both passes sum `level * weight` in 32 bits from one half on, shift by 22 and clip to 8 bits, as Pillow's `clip8` does.

use std::{hint::black_box, ops::Range};

use pulp::{Simd, WithSimd};

use super::axis::{BITS, Weights};
use super::camera::Frame;
use super::lanes::{LANES, Lanes, load, transpose};

/// Where the rows of the result go.
pub(super) trait Sink {
    /// Takes row `y` of channel `channel` (red first).
    fn row(&mut self, channel: usize, y: usize, levels: &[u8]);
}

/// A resize with all that it needs; [`super::scratch`] makes the sizes fit.
pub(super) struct Job<'a, S> {
    pub frame: &'a Frame<'a>,
    /// Weights along a row and along a column, over the region.
    pub across: &'a Weights,
    pub down: &'a Weights,
    /// First column of the frame that is loaded.
    pub column: usize,
    /// Rows of the region that are read.
    pub span: Range<usize>,
    /// Pixels in a row of the result.
    pub width: usize,
    /// `[columns, channels]`, and what [`super::lanes::TILE`] adds.
    pub tile: &'a mut [Lanes],
    /// `[channels, rows of the span, width in lanes]`.
    pub rows: &'a mut [Lanes],
    /// `[width in lanes]`.
    pub line: &'a mut [Lanes],
    pub sink: S,
}

impl<S: Sink> WithSimd for Job<'_, S> {
    type Output = ();

    /// Compiled once for every generation of vector instructions that is looked for.
    #[inline(always)]
    fn with_simd<V: Simd>(mut self, _: V) {
        self.across();
        self.down();
    }
}

impl<S: Sink> Job<'_, S> {
    /// All rows of the span, sixteen at a time.
    #[inline(always)]
    fn across(&mut self) {
        let (region, channels) = (self.frame.interest(), self.frame.format().channels());
        let (top, left) = (region.y as usize + self.span.start, region.x as usize);
        let factors = self.frame.meaning().factors();
        let (count, breadth) = (self.span.len(), self.line.len());
        for done in (0..count).step_by(LANES) {
            load(self.frame, factors, self.column, top + done, top + count - 1, self.tile);
            for (channel, rows) in self.rows.chunks_exact_mut(count * breadth).enumerate() {
                let mut each = self.across.each();
                for x in 0..breadth {
                    // Of what lies behind the width nothing is read.
                    let mut block = [[0; LANES]; LANES];
                    for (to, (first, weights)) in block.iter_mut().zip(each.by_ref()) {
                        let at = (left + first - self.column) * channels + channel;
                        *to = sums(&self.tile[at..], channels, weights);
                    }
                    for (to, row) in rows.chunks_exact_mut(breadth).skip(done).zip(transpose(block)) {
                        to[x] = row;
                    }
                }
            }
        }
    }

    /// All rows of the result.
    #[inline(always)]
    fn down(&mut self) {
        let (count, breadth) = (self.span.len(), self.line.len());
        for (channel, rows) in self.rows.chunks_exact(count * breadth).enumerate() {
            for (y, (first, weights)) in self.down.each().enumerate() {
                let window = &rows[(first - self.span.start) * breadth..][..weights.len() * breadth];
                for (x, to) in self.line.iter_mut().enumerate() {
                    *to = sums(&window[x..], breadth, weights);
                }
                let levels = &self.line.as_flattened()[..self.width];
                for channel in self.frame.format().outputs(channel) {
                    self.sink.row(channel, y, levels);
                }
            }
        }
    }
}

const ROUND: i32 = 1 << (BITS - 1);

/// One pixel of the result in sixteen rows, or sixteen pixels of one row: every `step`th of `levels` by its weight.
#[inline(always)]
fn sums(levels: &[Lanes], step: usize, weights: &[i32]) -> Lanes {
    let mut sums = [ROUND; LANES];
    for (levels, &weight) in levels.iter().step_by(step).zip(weights) {
        // Vectors are to be made of lanes. Compilers that see through this loop make them of weights: four times as slow.
        let weight = black_box(weight);
        for (sum, &level) in sums.iter_mut().zip(levels) {
            *sum += i32::from(level) * weight;
        }
    }
    let mut clipped = [0; LANES];
    for (to, sum) in clipped.iter_mut().zip(sums) {
        *to = (sum >> BITS).clamp(0, 255) as u8;
    }
    clipped
}
