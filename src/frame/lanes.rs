//! Sixteen rows side by side, so that a filter along the rows becomes one across vectors.
//!
//! ```text
//! 16 rows of bytes             lanes: one array a byte of the row
//! r0: a0 b0 c0 ..              [a0 a1 .. a15]
//! r1: a1 b1 c1 ..      ->      [b0 b1 .. b15]
//! ..                           ..
//! ```
//!
//! A row of RGB pixels becomes red, green, blue, red, .. lanes; luma and chroma become lanes of their own and are converted
//! there. Compilers turn every loop over lanes into vector instructions; no code here is written for a processor.

use super::camera::{Format, Frame};
use super::yuv::Factors;

/// Rows that are taken together.
pub(super) const LANES: usize = 16;

/// One byte of each of the rows.
pub(super) type Lanes = [u8; LANES];

/// Rows and columns exchanged.
#[inline(always)]
pub(super) fn transpose(mut block: [Lanes; LANES]) -> [Lanes; LANES] {
    // An element's place is eight bits, row then column. One round of interleaving turns them round by one bit; four by half.
    for _ in 0..4 {
        let mut next = [[0; LANES]; LANES];
        for i in 0..LANES / 2 {
            let (a, b) = (block[i], block[i + LANES / 2]);
            (next[2 * i], next[2 * i + 1]) = interleave(a, b);
        }
        block = next;
    }
    block
}

/// Of `a` and `b` in turn: first halves, second halves.
#[inline(always)]
fn interleave(a: Lanes, b: Lanes) -> (Lanes, Lanes) {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for j in 0..LANES / 2 {
        (low[2 * j], low[2 * j + 1]) = (a[j], b[j]);
        (high[2 * j], high[2 * j + 1]) = (a[j + LANES / 2], b[j + LANES / 2]);
    }
    (low, high)
}

/// Sixteen bytes of each row from byte `at` on, transposed; zeros behind the end of a row.
#[inline(always)]
fn block(rows: &[&[u8]; LANES], at: usize) -> [Lanes; LANES] {
    let mut block = [[0; LANES]; LANES];
    for (to, row) in block.iter_mut().zip(rows) {
        let rest = row.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(whole) => *to = *whole,
            None => to[..rest.len()].copy_from_slice(rest),
        }
    }
    transpose(block)
}

/// A tile has a multiple of so many lanes: whole blocks of bytes, and whole pixels of two blocks of luma and chroma.
pub(super) const TILE: usize = 3 * LANES;

/// The pixels of a frame from column `x` on, as many as the tile has room for, of sixteen rows from `y` on; rows behind `last` repeat it.
/// Channels are lanes in the order of the frame's, and red, green, blue of luma and chroma. Behind the end of a row they mean nothing.
#[inline(always)]
pub(super) fn load(frame: &Frame<'_>, factors: Factors, x: usize, y: usize, last: usize, tile: &mut [Lanes]) {
    let (mut rows, mut chroma): ([&[u8]; LANES], [&[u8]; LANES]) = Default::default();
    for (i, (row, chroma)) in rows.iter_mut().zip(&mut chroma).enumerate() {
        (*row, *chroma) = (frame.pixels(x, (y + i).min(last)), frame.chroma(x, (y + i).min(last)));
    }
    match frame.format() {
        Format::Rgb | Format::Bgr | Format::Gray => {
            for (i, to) in tile.as_chunks_mut().0.iter_mut().enumerate() {
                *to = block(&rows, i * LANES);
            }
        }
        Format::Yuyv => {
            for (i, to) in tile.as_chunks_mut::<{ TILE / 2 }>().0.iter_mut().enumerate() {
                let quads = block(&rows, i * LANES);
                for (to, [y0, u, y1, v]) in to.as_chunks_mut().0.iter_mut().zip(quads.as_chunks().0) {
                    pair(factors, [y0, y1], u, v, to);
                }
            }
        }
        Format::Nv12 => {
            for (i, to) in tile.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
                let (luma, chroma) = (block(&rows, i * LANES), block(&chroma, i * LANES));
                let pairs = luma.as_chunks().0.iter().zip(chroma.as_chunks().0);
                for (to, ([y0, y1], [u, v])) in to.as_chunks_mut().0.iter_mut().zip(pairs) {
                    pair(factors, [y0, y1], u, v, to);
                }
            }
        }
    }
}

/// Two pixels that share their colour.
#[inline(always)]
fn pair(factors: Factors, luma: [&Lanes; 2], u: &Lanes, v: &Lanes, to: &mut [Lanes; 6]) {
    let ([r0, g0, b0], [r1, g1, b1]) = (factors.rgb(luma[0], u, v), factors.rgb(luma[1], u, v));
    *to = [r0, g0, b0, r1, g1, b1];
}
