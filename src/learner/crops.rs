//! Pictures seen more than once: whole, and as windows of themselves.
//!
//! ```text
//! crop 0     the whole picture
//! crop 1..4  a corner window of 9/10 of each side, brought to full size: top left, bottom right, top right, bottom left
//! ```
//!
//! The statistics of a classifier take every crop as a row. A camera never frames a thing twice in the same way, and shifts of
//! the frame are what few pictures of a class do not show. Crops are made when a picture is learned; a prediction reads the
//! whole picture alone.
//!
//! What it does not do: mirror. Letters and signs have a direction.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array4, ArrayView2, ArrayView4, ArrayViewMut2, Axis};

use super::Encoded;
use crate::error::Result;

/// The most crops of a picture.
pub const MOST_CROPS: usize = 5;

/// Side of a window over the side of the picture.
const SIDE: f64 = 0.9;

/// Crop `index` of `[n, channels, height, width]`, of the same shape.
///
/// # Errors
/// `InvalidArgument` for an index of [`MOST_CROPS`] or more.
pub fn crop(images: ArrayView4<'_, f32>, index: usize) -> Result<Array4<f32>> {
    let mut out = images.as_standard_layout().into_owned();
    let (right, bottom) = match index {
        0 => return Ok(out),
        1 => (false, false),
        2 => (true, true),
        3 => (true, false),
        4 => (false, true),
        _ => crate::bail!(InvalidArgument, "crop {index}; a picture has at most {MOST_CROPS}"),
    };
    let mut resizer = Resizer::new();
    for (mut to, from) in out.axis_iter_mut(Axis(0)).zip(images.axis_iter(Axis(0))) {
        for (to, from) in to.axis_iter_mut(Axis(0)).zip(from.axis_iter(Axis(0))) {
            magnify(&mut resizer, from, to, [right, bottom])?;
        }
    }
    Ok(out)
}

/// A corner window of one channel, at full size.
fn magnify(
    resizer: &mut Resizer,
    from: ArrayView2<'_, f32>,
    mut to: ArrayViewMut2<'_, f32>,
    [right, bottom]: [bool; 2],
) -> Result<()> {
    let failed = |e: String| crate::err!(Bug, "a window of {:?} pixels: {e}", from.dim());
    let size = |n: usize| u32::try_from(n).map_err(|e| failed(e.to_string()));
    let (height, width) = (size(from.nrows())?, size(from.ncols())?);
    let plane: Vec<f32> = from.iter().copied().collect();
    let source = ImageRef::new(width, height, bytemuck::cast_slice(&plane), PixelType::F32)
        .map_err(|e| failed(e.to_string()))?;
    let mut target = Image::new(width, height, PixelType::F32);
    let (w, h) = (f64::from(width), f64::from(height));
    let rest = 1.0 - SIDE;
    let (left, top) = (w * rest * f64::from(u8::from(right)), h * rest * f64::from(u8::from(bottom)));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).crop(
        left,
        top,
        w * SIDE,
        h * SIDE,
    );
    resizer.resize(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
    let values = target.buffer().chunks_exact(size_of::<f32>());
    let values = values.map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    to.iter_mut().zip(values).for_each(|(to, x)| *to = x);
    Ok(())
}

/// Encoded pictures in one or more crops, the whole first.
#[derive(Clone, Debug)]
pub struct Crops(Vec<Encoded>);

impl From<Encoded> for Crops {
    fn from(whole: Encoded) -> Self {
        Self(vec![whole])
    }
}

impl Crops {
    /// From the crops of the same pictures in the same order, the whole first.
    ///
    /// # Errors
    /// `InvalidArgument` of none, or where crops differ in number of pictures.
    pub fn new(each: Vec<Encoded>) -> Result<Self> {
        match each.first() {
            Some(whole) if each.iter().all(|crop| crop.len() == whole.len()) => Ok(Self(each)),
            _ => Err(crate::err!(InvalidArgument, "crops need the same pictures, the whole ones first")),
        }
    }

    /// The whole pictures.
    pub fn whole(&self) -> &Encoded {
        &self.0[0]
    }

    /// Every crop.
    pub fn each(&self) -> &[Encoded] {
        &self.0
    }

    pub(super) fn each_mut(&mut self) -> &mut [Encoded] {
        &mut self.0
    }

    /// The crop whose turn it is in pass `pass`.
    pub(super) fn turn(&self, pass: usize) -> &Encoded {
        &self.0[pass % self.0.len()]
    }

    /// Crops a picture.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.whole().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` crops of every picture.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.0.truncate(count.max(1));
        self
    }

    /// Bytes of one picture.
    pub fn row_bytes(&self) -> usize {
        self.0.iter().map(Encoded::row_bytes).sum()
    }

    /// Puts picture `at` of `other`, which is in as many crops, in the place of picture `place`, or behind the last.
    pub(super) fn put(&mut self, place: usize, other: &Self, at: usize) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| own.put(place, other, at));
    }

    /// The pictures at `indices`, in that order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self(self.0.iter().map(|crop| crop.select(indices)).collect())
    }

    /// Adds the pictures of `other`, which are in as many crops.
    ///
    /// # Errors
    /// `InvalidArgument` where they are not.
    pub fn extend(&mut self, other: &Self) -> Result<()> {
        if self.count() != other.count() {
            crate::bail!(
                InvalidArgument,
                "pictures in {} crops after pictures in {}; give all of a task in as many",
                other.count(),
                self.count()
            );
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| own.extend(other));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_show_their_corner_and_nothing_else() -> Result<()> {
        // Brightness rises to the right in the first channel and to the bottom in the second.
        let ramp = Array4::from_shape_fn((2, 2, 40, 60), |(_, c, y, x)| if c == 0 { x } else { y } as f32);
        let corner = |index: usize| crop(ramp.view(), index);
        for (index, right, bottom) in [(1, 0, 0), (2, 1, 1), (3, 1, 0), (4, 0, 1)] {
            let seen = corner(index)?;
            assert_eq!(seen.dim(), ramp.dim());
            for (channel, at, length) in [(0, right, 60.0), (1, bottom, 40.0)] {
                let plane = seen.index_axis(Axis(0), 1);
                let plane = plane.index_axis(Axis(0), channel);
                let mean = plane.mean().unwrap_or_default();
                // The middle of nine tenths, moved by a tenth or not.
                let want = 0.45 * length + 0.1 * length * at as f32 - 0.5;
                assert!((mean - want).abs() < 0.05, "crop {index}, channel {channel}: {mean} {want}");
            }
        }
        assert_eq!(corner(0)?, ramp);
        assert!(corner(MOST_CROPS).is_err());
        Ok(())
    }
}
