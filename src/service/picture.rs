//! The body of a request: an encoded picture, or a raw frame.

use serde::Deserialize;

use crate::data::Picture;
use crate::error::Result;
use crate::frame::{Format, Frame, MAX_SIDE, Matrix, Plane, Preprocess, Range, Region, Scratch, Yuv};

/// What a request says of its frame. Without a format, the body is an encoded picture.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// `rgb`, `bgr`, `gray8`, `nv12`, `i420` or `yuyv`.
    pub format: Option<String>,
    /// Pixels in a row.
    pub width: Option<u32>,
    /// Rows.
    pub height: Option<u32>,
    /// Bytes from one row to the next; `None` for rows without a gap.
    pub stride: Option<usize>,
    /// `x,y,width,height` of what is looked at.
    pub region: Option<String>,
    /// `601` or `709`.
    pub matrix: Option<String>,
    /// `limited` or `full`.
    pub range: Option<String>,
    /// What it shows, for examples.
    pub label: Option<String>,
}

impl Asked {
    /// `body` as the network will see it, `[height, width, 3]`.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for what is missing or unknown; otherwise as [`Frame::new`],
    /// [`Picture::decode`] and [`Preprocess::write_rgb`].
    pub fn read(&self, body: &[u8], preprocess: &Preprocess, scratch: &mut Scratch) -> Result<Vec<u8>> {
        match &self.format {
            Some(format) => {
                let (format, [width, height]): (Format, _) = (format.parse()?, self.size()?);
                let row = self.stride.unwrap_or(format.row_bytes(width));
                let frame = Frame::new(format, width, height, &[Plane::new(body, row)])?.yuv(self.yuv()?);
                self.resized(frame, preprocess, scratch)
            }
            None => self.resized(Picture::decode(body)?.frame()?, preprocess, scratch),
        }
    }

    fn resized(&self, frame: Frame<'_>, preprocess: &Preprocess, scratch: &mut Scratch) -> Result<Vec<u8>> {
        let frame = match &self.region {
            Some(text) => frame.region(region(text)?)?,
            None => frame,
        };
        let mut rgb = vec![0; preprocess.output_len()?];
        preprocess.write_rgb(&frame, scratch, &mut rgb)?;
        Ok(rgb)
    }

    fn size(&self) -> Result<[u32; 2]> {
        match (self.width, self.height) {
            (Some(width), Some(height)) if width.max(height) <= MAX_SIDE => Ok([width, height]),
            (Some(_), Some(_)) => Err(crate::err!(Shape, "a frame has at most {MAX_SIDE} pixels a side")),
            _ => Err(crate::err!(InvalidArgument, "a raw frame needs width and height")),
        }
    }

    fn yuv(&self) -> Result<Yuv> {
        let usual = Yuv::default();
        let matrix = match self.matrix.as_deref() {
            None => usual.matrix,
            Some("601") => Matrix::Bt601,
            Some("709") => Matrix::Bt709,
            Some(other) => crate::bail!(InvalidArgument, "no matrix {other:?}; 601 or 709"),
        };
        let range = match self.range.as_deref() {
            None => usual.range,
            Some("limited") => Range::Limited,
            Some("full") => Range::Full,
            Some(other) => crate::bail!(InvalidArgument, "no range {other:?}; limited or full"),
        };
        Ok(Yuv { matrix, range })
    }
}

fn region(text: &str) -> Result<Region> {
    let numbers: Option<Vec<u32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[x, y, width, height]) => Ok(Region { x, y, width, height }),
        _ => Err(crate::err!(InvalidArgument, "region {text:?}; write x,y,width,height in pixels")),
    }
}
