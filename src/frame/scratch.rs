//! From a frame to its tensor, and the memory in between.
//!
//! ```text
//! packed    the region in RGB: luma and chroma only, and rows that are no whole pixels
//! across    channels * rows of the region * width of the result
//! levels    channels * height * width of the result
//! ```
//!
//! Two passes, rows first: each rounds to 8 bits, so the order shows, and this is Pillow's.

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};

use super::camera::{Format, Frame, Region};
use super::{Filter, MAX_SCRATCH_BYTES, MAX_SIDE, Preprocess};
use crate::error::Result;
use crate::{bail, err};

/// Reusable memory of [`Preprocess::write`]. One for each thread. It grows to what the largest frames so far needed and stays there.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    resizer: Resizer,
    packed: Vec<u8>,
    across: Vec<u8>,
    levels: Vec<u8>,
}

impl Scratch {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let own = self.packed.capacity() + self.across.capacity() + self.levels.capacity();
        own + self.resizer.size_of_internal_buffers()
    }
}

/// What a preprocessing makes of a region: its size after the resize, and what the crop keeps of it.
struct Geometry {
    resized: (u32, u32),
    kept: Region,
}

impl Geometry {
    fn new(preprocess: &Preprocess, frame: &Frame<'_>) -> Result<Self> {
        let (width, height) = preprocess.output_size()?;
        let Region { width: from_width, height: from_height, .. } = frame.interest();
        let resized = preprocess.resize.size(from_width, from_height);
        if resized.0 == 0 || resized.1 == 0 || resized.0 > MAX_SIDE || resized.1 > MAX_SIDE {
            bail!(
                Shape,
                "cannot resize {from_width}x{from_height} to {}x{}: each side must be between 1 and {MAX_SIDE}",
                resized.0,
                resized.1
            );
        }
        let (width, height) = if preprocess.crop.is_some() { (width, height) } else { resized };
        if width > resized.0 || height > resized.1 {
            bail!(
                Shape,
                "a {}x{} picture is smaller than crop={width}; set resize={width}",
                resized.0,
                resized.1
            );
        }
        let (x, y) = (half_to_even(resized.0 - width), half_to_even(resized.1 - height));
        Ok(Self { resized, kept: Region { x, y, width, height } })
    }

    /// Bytes on the way.
    fn bytes(&self, frame: &Frame<'_>) -> Result<u64> {
        let (Region { width, height, .. }, region) = (self.kept, frame.interest());
        let rows = u64::from(region.height) + u64::from(height);
        let bytes = frame.packed_bytes() + frame.format().channels() as u64 * u64::from(width) * rows;
        if bytes > MAX_SCRATCH_BYTES {
            bail!(
                Shape,
                "{} of {}x{} takes {bytes} bytes on its way, and {MAX_SCRATCH_BYTES} may be taken; resize to less, or take a smaller region",
                frame.format(),
                region.width,
                region.height
            );
        }
        Ok(bytes)
    }

    /// What is kept, in pixels of the region: left, top, width, height.
    fn source(&self, region: Region) -> [f64; 4] {
        let across = f64::from(region.width) / f64::from(self.resized.0);
        let down = f64::from(region.height) / f64::from(self.resized.1);
        let Region { x, y, width, height } = self.kept;
        let (left, top) = (f64::from(x) * across, f64::from(y) * down);
        // Rounding does not lead out of the region.
        let right = (f64::from(width) * across).min(f64::from(region.width) - left);
        let lower = (f64::from(height) * down).min(f64::from(region.height) - top);
        [left, top, right, lower]
    }
}

impl Preprocess {
    /// Most bytes that a new [`Scratch`] comes to hold through frames of this geometry.
    ///
    /// # Errors
    /// As [`Preprocess::write`].
    pub fn scratch_bytes(&self, frame: &Frame<'_>) -> Result<u64> {
        Geometry::new(self, frame)?.bytes(frame)
    }

    /// Writes the frame's region as `[3, height, width]`, red first, into `out`.
    ///
    /// # Errors
    /// `Shape` when `out` has another length than [`Preprocess::output_len`], when the region is resized to less than the crop
    /// or beyond [`MAX_SIDE`], and when that would take more than [`MAX_SCRATCH_BYTES`]; as [`Preprocess::output_size`].
    pub fn write(&self, frame: &Frame<'_>, scratch: &mut Scratch, out: &mut [f32]) -> Result<()> {
        let expected = self.output_len()?;
        if out.len() != expected {
            bail!(Shape, "room for {} numbers where {expected} are written", out.len());
        }
        self.planes(frame.format(), self.levels(frame, scratch)?, out);
        Ok(())
    }

    /// What [`Preprocess::write`] makes of the frame that became `rgb` in [`Preprocess::write_rgb`].
    ///
    /// # Errors
    /// `Shape` where one of both has another length than [`Preprocess::output_len`].
    pub fn normalise(&self, rgb: &[u8], out: &mut [f32]) -> Result<()> {
        let expected = self.output_len()?;
        if rgb.len() != expected || out.len() != expected {
            bail!(Shape, "{} levels to {} numbers where there are {expected}", rgb.len(), out.len());
        }
        self.planes(Format::Rgb, rgb, out);
        Ok(())
    }

    /// `levels`, pixel by pixel in the order of `format`, to numbers, plane by plane.
    fn planes(&self, format: Format, levels: &[u8], out: &mut [f32]) {
        let pixels = out.len() / 3;
        for (i, plane) in out.chunks_exact_mut(pixels.max(1)).enumerate() {
            let (mean, std, from) = (self.mean[i], self.std[i], format.input(i));
            for (x, pixel) in plane.iter_mut().zip(levels.chunks_exact(format.channels())) {
                *x = (f32::from(pixel[from]) * self.scale - mean) / std;
            }
        }
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
        let (format, levels) = (frame.format(), self.levels(frame, scratch)?);
        for (to, pixel) in out.chunks_exact_mut(3).zip(levels.chunks_exact(format.channels())) {
            to.iter_mut().enumerate().for_each(|(i, to)| *to = pixel[format.input(i)]);
        }
        Ok(())
    }

    /// The region resized and cropped, `[height, width, channels]` in the frame's order.
    fn levels<'s>(&self, frame: &Frame<'_>, scratch: &'s mut Scratch) -> Result<&'s [u8]> {
        let (geometry, region) = (Geometry::new(self, frame)?, frame.interest());
        geometry.bytes(frame)?;
        let Scratch { resizer, packed, across, levels } = scratch;
        // Rows that are whole pixels are read where they are.
        let (bytes, row, left) = match frame.rows() {
            Some((bytes, row)) => (bytes, row, region.x),
            None => {
                let (row, left) = frame.pack(packed);
                (&packed[..], row, left)
            }
        };
        let kind = if frame.format() == Format::Gray { PixelType::U8 } else { PixelType::U8x3 };
        let Region { width, height, .. } = geometry.kept;
        let [x, y, w, h] = geometry.source(region);
        let whole = Part { bytes, row, left, width: region.width, height: region.height, kind };
        whole.resize(
            resizer,
            self.filter,
            [x, 0.0, w, f64::from(region.height)],
            (width, region.height),
            across,
        )?;
        let rows = Part { bytes: across, row: width, left: 0, width, height: region.height, kind };
        rows.resize(resizer, self.filter, [0.0, y, f64::from(width), h], (width, height), levels)?;
        Ok(levels)
    }
}

/// A part of rows of pixels.
struct Part<'a> {
    bytes: &'a [u8],
    /// Pixels from a row to the next.
    row: u32,
    left: u32,
    width: u32,
    height: u32,
    kind: PixelType,
}

impl Part<'_> {
    /// Makes the box `[x, y, width, height]` of it an image of this size.
    fn resize(
        &self,
        resizer: &mut Resizer,
        filter: Filter,
        [x, y, w, h]: [f64; 4],
        (width, height): (u32, u32),
        to: &mut Vec<u8>,
    ) -> Result<()> {
        let Self { bytes, row, left, kind, .. } = *self;
        let failed = |e: &dyn std::fmt::Display| {
            err!(Bug, "resizing {}x{} to {width}x{height}: {e}", self.width, self.height)
        };
        let whole = ImageRef::new(row, self.height, bytes, kind).map_err(|e| failed(&e))?;
        let part = CroppedImage::new(&whole, left, 0, self.width, self.height).map_err(|e| failed(&e))?;
        to.clear();
        to.resize(width as usize * height as usize * kind.size(), 0);
        let mut target = Image::from_slice_u8(width, height, to, kind).map_err(|e| failed(&e))?;
        let options = ResizeOptions::new().resize_alg(filter.algorithm()).crop(x, y, w, h);
        resizer.resize(&part, &mut target, &options).map_err(|e| failed(&e))
    }
}

/// Half of `n`; an odd `n` goes to the even neighbour, as Python's `round`.
fn half_to_even(n: u32) -> u32 {
    n / 2 + u32::from(n % 4 == 3)
}
