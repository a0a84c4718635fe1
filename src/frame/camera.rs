//! A frame as a camera's driver delivers it: planes of bytes, each with a stride.
//!
//! Invariant: a [`Frame`] that exists has all bytes of all its rows, and its region lies inside it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::{MAX_SIDE, Yuv};
use crate::error::{Error, Result};
use crate::{bail, err};

/// Layout of the pixels of a frame, 8 bits a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Red, green, blue (V4L2 `RGB3`).
    Rgb,
    /// Blue, green, red, as OpenCV holds pictures (V4L2 `BGR3`).
    Bgr,
    /// One level, which becomes all three channels (V4L2 `GREY`).
    Gray,
    /// Luma, then interleaved chroma of a quarter of the pixels (V4L2 `NV12`, `NM12`).
    Nv12,
    /// Luma and chroma in turn, chroma of half the pixels; YUY2 elsewhere (V4L2 `YUYV`).
    Yuyv,
    /// Luma, then both chromas of a quarter of the pixels one after the other; what most decoders give (V4L2 `YU12`).
    I420,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Rgb => "RGB",
            Format::Bgr => "BGR",
            Format::Gray => "GRAY8",
            Format::Nv12 => "NV12",
            Format::Yuyv => "YUYV",
            Format::I420 => "I420",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    /// As it is displayed, in any case.
    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|format| format.to_string().eq_ignore_ascii_case(text));
        named.ok_or_else(|| {
            let known = Self::ALL.map(|format| format.to_string());
            err!(InvalidArgument, "no format {text:?}; one of {}", known.join(", "))
        })
    }
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Rgb, Self::Bgr, Self::Gray, Self::Nv12, Self::Yuyv, Self::I420];

    /// Bytes of `width` pixels in a row of the first plane: the stride where rows have no gap.
    pub fn row_bytes(self, width: u32) -> usize {
        self.pixel_bytes() * width as usize
    }

    /// Channels that are resized.
    pub(super) fn channels(self) -> usize {
        if self == Format::Gray { 1 } else { 3 }
    }

    /// The channel of a pixel that channel `channel` of the tensor (red first) comes from.
    pub(super) fn input(self, channel: usize) -> usize {
        match self {
            Format::Gray => 0,
            Format::Bgr => 2 - channel,
            Format::Rgb | Format::Nv12 | Format::Yuyv | Format::I420 => channel,
        }
    }

    /// Bytes of one pixel in a row of a plane.
    fn pixel_bytes(self) -> usize {
        match self {
            Format::Rgb | Format::Bgr => 3,
            Format::Yuyv => 2,
            Format::Gray | Format::Nv12 | Format::I420 => 1,
        }
    }

    /// Columns and rows that share their colour.
    fn shared(self) -> (u32, u32) {
        match self {
            Format::Nv12 | Format::I420 => (2, 2),
            Format::Yuyv => (2, 1),
            Format::Rgb | Format::Bgr | Format::Gray => (1, 1),
        }
    }
}

/// The bytes of one plane, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> Plane<'a> {
    /// `stride` bytes from the start of a row to the start of the next (V4L2: `bytesperline`).
    pub fn new(bytes: &'a [u8], stride: usize) -> Self {
        Self { bytes, stride }
    }

    /// This plane, if it has `rows` rows of `row` bytes.
    fn holding(self, what: impl Fn() -> String, row: usize, rows: usize) -> Result<Self> {
        let stride = self.stride;
        if stride < row {
            bail!(
                Shape,
                "{} has rows of {row} bytes and a stride of {stride}; give the bytes from one row to the next",
                what()
            );
        }
        let needed = stride
            .checked_mul(rows.saturating_sub(1))
            .and_then(|before| before.checked_add(row))
            .ok_or_else(|| {
                err!(Shape, "{} has {rows} rows of stride {stride}: more bytes than there can be", what())
            })?;
        if self.bytes.len() < needed {
            bail!(
                Shape,
                "{} takes {needed} bytes ({rows} rows of stride {stride}), and there are {}; give the whole buffer or the size it has",
                what(),
                self.bytes.len()
            );
        }
        Ok(self)
    }

    /// What lies behind `rows` whole rows, with rows of `stride`.
    fn behind(self, rows: usize, stride: usize) -> Self {
        let start = self.stride.saturating_mul(rows).min(self.bytes.len());
        Self { bytes: &self.bytes[start..], stride }
    }

    /// Row `y` from byte `from` on.
    fn row(self, y: usize, from: usize, bytes: usize) -> &'a [u8] {
        &self.bytes[y * self.stride..][from..bytes]
    }
}

/// A rectangle of pixels: upper left corner and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// Columns left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A view of one frame in the caller's buffers.
///
/// | format | planes | bytes of a row | sides |
/// |---|---|---|---|
/// | `Rgb`, `Bgr` | 1 | 3 `width` | any |
/// | `Gray` | 1 | `width` | any |
/// | `Yuyv` | 1: `Y0 U Y1 V` for two pixels | 2 `width` | even width |
/// | `Nv12` | luma; chroma `U V` for 2x2 pixels, `height / 2` rows | `width`, `width` | both even |
/// | `I420` | luma; `U` for 2x2 pixels, `height / 2` rows; `V` likewise | `width`, `width / 2`, `width / 2` | both even |
///
/// The planes of `Nv12` may lie in two buffers (V4L2's `NM12`) or in one, the chroma behind `stride * height` bytes of luma (`NV12`); those of
/// `I420` in three (`YM12`) or in one, where a chroma has half the stride of the luma (`YU12`).
/// The last row of a plane needs no padding.
///
/// ```
/// use perennial::frame::{Format, Frame, Plane, Preprocess, Region, Scratch};
///
/// let buffer = vec![128; 1280 * 720 * 3 / 2];
/// let frame = Frame::new(Format::Nv12, 1280, 720, &[Plane::new(&buffer, 1280)])?
///     .region(Region { x: 280, y: 0, width: 720, height: 720 })?;
/// let preprocess = Preprocess::vit(224);
/// let mut scratch = Scratch::new();
/// let mut tensor = vec![0.0; preprocess.output_len()?];
/// preprocess.write(&frame, &mut scratch, &mut tensor)?;
/// # Ok::<(), perennial::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    format: Format,
    width: u32,
    height: u32,
    first: Plane<'a>,
    chroma: Chroma<'a>,
    region: Region,
    yuv: Yuv,
}

/// Colour that lies apart from the luma.
#[derive(Clone, Copy, Debug)]
enum Chroma<'a> {
    None,
    /// `U` and `V` in turn.
    Pairs(Plane<'a>),
    /// `U`, `V`.
    Planes([Plane<'a>; 2]),
}

impl<'a> Frame<'a> {
    /// A frame of `width` x `height` pixels, all of it of interest. `Nv12` takes two planes and `I420` three, or one with the chroma
    /// behind the luma; other formats take one.
    ///
    /// # Errors
    /// `Shape` for a side that is zero, above [`MAX_SIDE`], or odd where pixels share their colour, for a stride below the bytes of a
    /// row, and for a buffer that is too short. `InvalidArgument` for another number of planes.
    pub fn new(format: Format, width: u32, height: u32, planes: &[Plane<'a>]) -> Result<Self> {
        let (columns, rows) = format.shared();
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            bail!(
                Shape,
                "the {format} frame of {width}x{height}: each side must be between 1 and {MAX_SIDE}"
            );
        }
        if !width.is_multiple_of(columns) || !height.is_multiple_of(rows) {
            bail!(
                Shape,
                "the {format} frame of {width}x{height}: {columns}x{rows} pixels share their colour; give the size in the buffer and a region"
            );
        }
        let what = || format!("the {format} frame of {width}x{height}");
        let row = width as usize * format.pixel_bytes();
        let rows = height as usize;
        let (first, chroma) = match (format, planes) {
            (Format::Nv12, &[one]) => (one, Chroma::Pairs(one.behind(rows, one.stride))),
            (Format::Nv12, &[luma, chroma]) => (luma, Chroma::Pairs(chroma)),
            (Format::I420, &[one]) => {
                let u = one.behind(rows, one.stride / 2);
                (one, Chroma::Planes([u, u.behind(rows / 2, u.stride)]))
            }
            (Format::I420, &[luma, u, v]) => (luma, Chroma::Planes([u, v])),
            (Format::Nv12 | Format::I420, _) => {
                let all = if format == Format::Nv12 { "two" } else { "three" };
                bail!(InvalidArgument, "{} takes one plane or {all}, not {}", what(), planes.len())
            }
            (_, &[one]) => (one, Chroma::None),
            _ => bail!(InvalidArgument, "{} takes one plane, not {}", what(), planes.len()),
        };
        let first = first.holding(what, row, rows)?;
        let colour = |plane: Plane<'a>, row: usize| {
            plane.holding(|| format!("the chroma of {}", what()), row, rows / 2)
        };
        let chroma = match chroma {
            Chroma::None => Chroma::None,
            Chroma::Pairs(plane) => Chroma::Pairs(colour(plane, row)?),
            Chroma::Planes([u, v]) => Chroma::Planes([colour(u, row / 2)?, colour(v, row / 2)?]),
        };
        let region = Region { x: 0, y: 0, width, height };
        Ok(Self { format, width, height, first, chroma, region, yuv: Yuv::default() })
    }

    /// The same frame, of which `region` is of interest. It may begin and end anywhere, on odd pixels too.
    ///
    /// # Errors
    /// `Shape` when it is empty or leaves the frame.
    pub fn region(self, region: Region) -> Result<Self> {
        let fits =
            |at: u32, size: u32, limit: u32| size > 0 && at.checked_add(size).is_some_and(|end| end <= limit);
        let Region { x, y, width, height } = region;
        if !fits(x, width, self.width) || !fits(y, height, self.height) {
            bail!(
                Shape,
                "a region of {width}x{height} at ({x}, {y}) is not inside a frame of {}x{}; cut it to what the frame has",
                self.width,
                self.height
            );
        }
        Ok(Self { region, ..self })
    }

    /// The same frame with another meaning of its luma and chroma. `Rgb`, `Bgr` and `Gray` have none.
    #[must_use]
    pub fn yuv(self, yuv: Yuv) -> Self {
        Self { yuv, ..self }
    }

    /// Layout of the pixels.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What is of interest; the whole frame unless [`Frame::region`] was called.
    pub fn interest(&self) -> Region {
        self.region
    }

    /// The rows of the region with all that lies beside it, and pixels from a row to the next; none where rows are no whole pixels of
    /// red, green and blue or of grey, or the last one is shorter.
    pub(super) fn rows(&self) -> Option<(&'a [u8], u32)> {
        let (bytes, stride) = (self.format.pixel_bytes(), self.first.stride);
        let whole =
            matches!(self.format, Format::Rgb | Format::Bgr | Format::Gray) && stride.is_multiple_of(bytes);
        let start = self.region.y as usize * stride;
        let rows = self.first.bytes.get(start..start.checked_add(stride * self.region.height as usize)?)?;
        whole.then_some(())?;
        Some((rows, u32::try_from(stride / bytes).ok()?))
    }

    /// Bytes of [`Frame::pack`]'s result, where it is needed.
    pub(super) fn packed_bytes(&self) -> u64 {
        match self.rows() {
            Some(_) => 0,
            None => (self.columns().len() * self.region.height as usize * self.format.channels()) as u64,
        }
    }

    /// Writes the region into `packed`, in red, green and blue where it is luma and chroma, and widened to whole groups of pixels that
    /// share their colour; pixels of a row, and those of them left of the region.
    pub(super) fn pack(&self, packed: &mut Vec<u8>) -> (u32, u32) {
        let (columns, Region { x, y, height, .. }) = (self.columns(), self.region);
        let (bytes, factors) = (self.format.pixel_bytes(), self.yuv.factors());
        packed.clear();
        packed.reserve_exact(columns.len() * height as usize * self.format.channels());
        for row in (y..y + height).map(|row| row as usize) {
            let pixels = self.first.row(row, columns.start * bytes, columns.end * bytes);
            match self.chroma {
                Chroma::Pairs(chroma) => {
                    let pairs = chroma.row(row / 2, columns.start, columns.end).chunks_exact(2);
                    for (luma, chroma) in pixels.chunks_exact(2).zip(pairs) {
                        packed.extend(factors.pair([luma[0], luma[1]], chroma[0], chroma[1]));
                    }
                }
                Chroma::Planes(planes) => {
                    let [u, v] = planes.map(|p| p.row(row / 2, columns.start / 2, columns.end / 2));
                    for ((luma, &u), &v) in pixels.chunks_exact(2).zip(u).zip(v) {
                        packed.extend(factors.pair([luma[0], luma[1]], u, v));
                    }
                }
                Chroma::None if self.format == Format::Yuyv => {
                    for quad in pixels.chunks_exact(4) {
                        packed.extend(factors.pair([quad[0], quad[2]], quad[1], quad[3]));
                    }
                }
                Chroma::None => packed.extend_from_slice(pixels),
            }
        }
        (columns.len() as u32, x - columns.start as u32)
    }

    /// The columns of the region, widened to whole groups of pixels that share their colour.
    fn columns(&self) -> Range<usize> {
        let group = self.format.shared().0 as usize;
        let (from, to) = (self.region.x as usize, (self.region.x + self.region.width) as usize);
        from - from % group..to.next_multiple_of(group)
    }
}
