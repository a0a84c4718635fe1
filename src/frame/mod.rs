//! Camera frames: from the bytes that a driver delivers to the input tensor of a network.
//!
//! ```text
//! Frame (RGB, BGR, GRAY8, NV12, I420, YUYV; any stride) + Region
//!   luma and chroma    to RGB, only the columns and rows of the region
//!   resize and crop    one pass over what the crop keeps -> 8 bits
//!   normalise          (x * scale - mean) / std -> caller's [3, h, w]
//! ```
//!
//! * [`Frame`] is a view of the caller's buffers: size, planes with their strides, region of interest. What does not fit
//!   is refused when it is made.
//! * [`Preprocess`] says what a network was trained on. [`Preprocess::write`] is the one path from pixels to numbers; pictures of
//!   data sets take it too.
//! * [`Scratch`] is the memory in between. It is reused, and [`Preprocess::scratch_bytes`] says beforehand how large it may become.
//!
//! The resize (`fast_image_resize`) works on 8-bit pixels in two passes with a kernel that is stretched where it shrinks, and rounds after each: what
//! Pillow does, within one level (`tests/frame.rs`). Why it matters: a backbone sees another picture under OpenCV's or a GPU's bicubic (no antialiasing,
//! another kernel), and frozen features lose a few points without any error being raised.
//!
//! A region is a frame of its own: no pixel beside it is read, which shows at its border.
//!
//! What it does not do: read a camera, decode JPEG, debayer, turn, mirror, or guess what luma and chroma mean ([`Yuv`] is told).
//!
//! Floor 2.

mod camera;
mod preprocess;
mod scratch;
mod yuv;

pub use camera::{Format, Frame, Plane, Region};
pub use preprocess::{Filter, Preprocess, Resize};
pub use scratch::Scratch;
pub use yuv::{Matrix, Range, Yuv};

/// Longest side of a frame or picture, in pixels, before and after its resize.
pub const MAX_SIDE: u32 = 16_384;

/// Most bytes of scratch memory: what a 64 megapixel photograph may take on its way.
pub const MAX_SCRATCH_BYTES: u64 = 256 << 20;
