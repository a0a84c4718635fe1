//! A [`Picture`] as a frame that a [`Preprocess`] takes.

use super::{Picture, Preprocess};
use crate::error::Result;
use crate::frame::{Format, Frame, Plane, Scratch};

impl Picture {
    /// The picture as an RGB frame.
    ///
    /// # Errors
    /// `Shape` when its fields do not fit each other.
    pub fn frame(&self) -> Result<Frame<'_>> {
        let rows = Plane::new(&self.rgb, 3 * self.width as usize);
        Frame::new(Format::Rgb, self.width, self.height, &[rows])
    }
}

impl Preprocess {
    /// Resizes and crops, still in 8 bits.
    ///
    /// # Errors
    /// As [`Preprocess::write`].
    pub fn fit(&self, picture: &Picture) -> Result<Picture> {
        let (width, height) = self.output_size()?;
        let mut rgb = vec![0; self.output_len()?];
        self.write_rgb(&picture.frame()?, &mut Scratch::new(), &mut rgb)?;
        Picture::new(width, height, rgb)
    }

    /// Writes the picture as `[3, height, width]` into `out`.
    ///
    /// # Errors
    /// As [`Preprocess::write`].
    pub fn apply(&self, picture: &Picture, out: &mut [f32]) -> Result<()> {
        self.write(&picture.frame()?, &mut Scratch::new(), out)
    }
}
