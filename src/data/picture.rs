//! Pictures as rows of 8-bit RGB, and their way from and to encoded bytes.
//!
//! Grey and palette pictures become RGB, an alpha channel is dropped, and the EXIF orientation of a phone or
//! camera is applied, so that a picture learned upright is not met lying on its side.
//!
//! Invariant: `rgb.len() == 3 * width * height`, and neither side is zero or above [`MAX_SIDE`].

use std::{fs::File, io::BufRead, io::BufReader, io::Cursor, io::Seek, path::Path};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::{Context, Result};
use crate::{bail, err};

pub use crate::frame::MAX_SIDE;

/// Most bytes that decoding one picture may allocate: a 64 megapixel photograph passes, a bomb does not.
const MAX_DECODE_BYTES: u64 = 256 << 20;

/// An 8-bit RGB picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width, 3]`, row by row.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A picture of the given pixels, `[height, width, 3]`.
    ///
    /// # Errors
    /// `Shape` when the length does not fit or a side is zero or above [`MAX_SIDE`].
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            bail!(Shape, "a picture of {width}x{height}: each side must be between 1 and {MAX_SIDE}");
        }
        let expected = 3 * width as usize * height as usize;
        if rgb.len() != expected {
            bail!(Shape, "a {width}x{height} RGB picture has {expected} bytes, not {}", rgb.len());
        }
        Ok(Self { width, height, rgb })
    }

    /// Reads a JPEG, PNG, WebP or BMP file; the format is told from its first bytes.
    ///
    /// # Errors
    /// `NotFound`, `Io`, or `Parse` for bytes that are no whole picture, each with the path.
    pub fn open(path: &Path) -> Result<Self> {
        let read = || decode(BufReader::new(File::open(path)?));
        read().at(|| path.display().to_string())
    }

    /// Decodes a JPEG, PNG, WebP or BMP picture held in memory.
    ///
    /// # Errors
    /// `Parse` for bytes that are no whole picture.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        decode(Cursor::new(bytes))
    }

    /// Reads no more than the header: `(width, height)` as stored, before the EXIF orientation.
    ///
    /// # Errors
    /// As [`Picture::open`]. A file cut off after its header passes here and fails there.
    pub fn probe(path: &Path) -> Result<(u32, u32)> {
        let read = || reader(BufReader::new(File::open(path)?))?.into_dimensions().map_err(unreadable);
        read().at(|| path.display().to_string())
    }

    /// The rectangle of `width` x `height` pixels whose upper left corner is at (`x`, `y`).
    ///
    /// # Errors
    /// `Shape` when the rectangle leaves the picture.
    pub fn crop(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Self> {
        let fits = |at: u32, size: u32, limit: u32| at.checked_add(size).is_some_and(|end| end <= limit);
        if !fits(x, width, self.width) || !fits(y, height, self.height) {
            bail!(
                Shape,
                "a {width}x{height} crop at ({x}, {y}) leaves a picture of {}x{}; resize it first",
                self.width,
                self.height
            );
        }
        let stride = 3 * self.width as usize;
        let columns = 3 * x as usize..3 * (x + width) as usize;
        let rows = self.rgb.chunks_exact(stride).skip(y as usize).take(height as usize);
        let rgb = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
        Self::new(width, height, rgb)
    }

    /// The picture as PNG bytes.
    ///
    /// # Errors
    /// `Bug` if the encoder refuses a valid picture.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut png = Cursor::new(Vec::new());
        image::write_buffer_with_format(
            &mut png,
            &self.rgb,
            self.width,
            self.height,
            image::ExtendedColorType::Rgb8,
            ImageFormat::Png,
        )
        .map_err(|e| err!(Bug, "cannot encode a PNG").caused_by(e))?;
        Ok(png.into_inner())
    }
}

fn reader<R: BufRead + Seek>(source: R) -> Result<ImageReader<R>> {
    let mut reader = ImageReader::new(source).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    Ok(reader)
}

fn decode<R: BufRead + Seek>(source: R) -> Result<Picture> {
    let mut decoder = reader(source)?.into_decoder().map_err(unreadable)?;
    let needed = decoder.total_bytes();
    if needed > MAX_DECODE_BYTES {
        bail!(
            Unsupported,
            "a picture of {needed} bytes; at most {MAX_DECODE_BYTES} are decoded: scale it down"
        );
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    Picture::new(rgb.width(), rgb.height(), rgb.into_raw())
}

fn unreadable(e: image::ImageError) -> crate::Error {
    match e {
        image::ImageError::IoError(io) if io.kind() != std::io::ErrorKind::UnexpectedEof => io.into(),
        other => err!(Parse, "not a readable picture").caused_by(other),
    }
}
