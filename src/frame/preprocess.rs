//! What a network was trained on: size, kernel, crop and levels.
//!
//! ```text
//! resize (8-bit, antialiased)  ->  centre crop  ->  (x * scale - mean) / std   ->  [3, h, w]
//! ```
//!
//! The resize is Pillow's; the long side is truncated and the offset of the crop rounded half to even, as in torchvision's
//! `Resize` and `CenterCrop`. Only what the crop keeps is computed.
//!
//! Why it matters: a backbone sees another picture under OpenCV's or a GPU's bicubic (no antialiasing, another
//! kernel), and frozen features lose a few points without any error being raised.
//!
//! What it does not do: augmentation, padding (a picture smaller than its crop is an error).

use std::{fmt, str::FromStr};

use fast_image_resize::{FilterType, ResizeAlg};
use serde::{Deserialize, Serialize};

use super::MAX_SIDE;
use crate::error::{Error, Result};
use crate::{bail, err};

/// Resampling kernels, as Pillow defines them (bicubic has a = -0.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The nearest pixel.
    Nearest,
    /// The mean over a box.
    Box,
    /// A triangle two pixels wide.
    Bilinear,
    /// A Hamming window two pixels wide.
    Hamming,
    /// Keys' cubic with a = -0.5, four pixels wide. What vision transformers expect.
    Bicubic,
    /// A Lanczos window six pixels wide.
    Lanczos,
}

const FILTERS: [(&str, Filter); 6] = [
    ("nearest", Filter::Nearest),
    ("box", Filter::Box),
    ("bilinear", Filter::Bilinear),
    ("hamming", Filter::Hamming),
    ("bicubic", Filter::Bicubic),
    ("lanczos", Filter::Lanczos),
];

impl Filter {
    pub(super) fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Filter::Nearest => return ResizeAlg::Nearest,
            Filter::Box => FilterType::Box,
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Hamming => FilterType::Hamming,
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Lanczos => FilterType::Lanczos3,
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = FILTERS.iter().find(|(_, filter)| filter == self);
        f.write_str(named.map_or("", |(name, _)| *name))
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = FILTERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(_, filter)| *filter).ok_or_else(|| {
            let known: Vec<&str> = FILTERS.iter().map(|(name, _)| *name).collect();
            err!(InvalidArgument, "no filter {text:?}; one of {}", known.join(", "))
        })
    }
}

/// How the picture's size changes before the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Not at all.
    None,
    /// The short side gets this many pixels, the long side follows.
    Short(u32),
    /// Both sides, whatever that does to the aspect.
    Exact {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl Resize {
    /// Size of a `width` x `height` picture after this resize.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        let follow =
            |n: u32, long: u32, short: u32| (u64::from(n) * u64::from(long) / u64::from(short)) as u32;
        match self {
            Resize::None => (width, height),
            Resize::Exact { width, height } => (width, height),
            Resize::Short(n) if width <= height => (n, follow(n, height, width.max(1))),
            Resize::Short(n) => (follow(n, width, height.max(1)), n),
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resize::None => f.write_str("none"),
            Resize::Short(n) => write!(f, "{n}"),
            Resize::Exact { width, height } => write!(f, "{width}x{height}"),
        }
    }
}

/// The whole path from pixels to input tensor; layout `[3, height, width]`, red first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Change of size.
    pub resize: Resize,
    /// Kernel of the resize.
    pub filter: Filter,
    /// Side of the centred square that is kept; `None` keeps everything.
    pub crop: Option<u32>,
    /// Factor on the 8-bit levels, usually 1/255.
    pub scale: f32,
    /// Subtracted per channel, after the scale.
    pub mean: [f32; 3],
    /// Divisor per channel, after the mean.
    pub std: [f32; 3],
}

impl Preprocess {
    /// The default of vision transformers for an input of `n` pixels: short side `n / 0.9` bicubic, centre crop
    /// `n`, mean and deviation 0.5 (248 and 224 for the usual backbone).
    pub fn vit(n: u32) -> Self {
        Self { resize: Resize::Short((f64::from(n) / 0.9) as u32), ..Self::direct(n) }
    }

    /// The same without losing the margin: short side `n`, crop `n`. For pictures that are smaller than the
    /// input, such as CIFAR's 32x32.
    pub fn direct(n: u32) -> Self {
        Self {
            resize: Resize::Short(n),
            filter: Filter::Bicubic,
            crop: Some(n),
            scale: 1.0 / 255.0,
            mean: [0.5; 3],
            std: [0.5; 3],
        }
    }

    /// `(width, height)` of every result.
    ///
    /// # Errors
    /// `InvalidArgument` when the size would depend on the picture (no crop and no exact resize), when the crop
    /// is larger than what the resize leaves, or when a number is zero or not finite.
    pub fn output_size(&self) -> Result<(u32, u32)> {
        let numbers = self.mean.iter().chain(&self.std).chain([&self.scale]);
        if numbers.clone().any(|x| !x.is_finite()) || self.std.contains(&0.0) {
            bail!(InvalidArgument, "mean, std and scale must be finite and std not zero: {self}");
        }
        let left = match self.resize {
            Resize::None => u32::MAX,
            Resize::Short(n) => n,
            Resize::Exact { width, height } => width.min(height),
        };
        let too_large = |n: u32| n == 0 || n > MAX_SIDE;
        match (self.crop, self.resize) {
            (Some(n), _) if n > left => {
                bail!(InvalidArgument, "crop={n} is larger than resize={}", self.resize)
            }
            (Some(n), _) if too_large(n) || left == 0 => {
                bail!(InvalidArgument, "resize={} and crop={n} must be above zero", self.resize)
            }
            (Some(n), _) => Ok((n, n)),
            (None, Resize::Exact { width, height }) if !too_large(width) && !too_large(height) => {
                Ok((width, height))
            }
            _ => bail!(
                InvalidArgument,
                "resize={} needs crop=N so that every picture gets one size",
                self.resize
            ),
        }
    }

    /// How many numbers one picture becomes.
    ///
    /// # Errors
    /// As [`Preprocess::output_size`].
    pub fn output_len(&self) -> Result<usize> {
        let (width, height) = self.output_size()?;
        Ok(3 * width as usize * height as usize)
    }
}

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crop = self.crop.map_or("none".into(), |n| n.to_string());
        let three = |x: [f32; 3]| format!("{}:{}:{}", x[0], x[1], x[2]);
        write!(
            f,
            "resize={},crop={crop},filter={},scale={},mean={},std={}",
            self.resize,
            self.filter,
            self.scale,
            three(self.mean),
            three(self.std)
        )
    }
}
