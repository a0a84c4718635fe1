//! Camera frames: from the bytes that a driver delivers to the input tensor of a network.
//!
//! ```text
//! Frame (RGB, BGR, GRAY8, NV12, YUYV; any stride) + Region
//!   16 rows at a time:  to RGB, resized along x -> 8 bits      only the columns and rows that the crop keeps
//!   then row by row:    resized along y -> 8 bits, (x * scale - mean) / std -> caller's [3, h, w]
//! ```
//!
//! * [`Frame`] is a view of the caller's buffers: size, planes with their strides, region of interest. What does not fit
//!   is refused when it is made.
//! * [`Preprocess`] says what a network was trained on. [`Preprocess::write`] is the one path from pixels to numbers; pictures of
//!   data sets take it too.
//! * [`Scratch`] is the memory in between. It is reused: a frame of a geometry that was seen before allocates nothing, and
//!   [`Preprocess::scratch_bytes`] says beforehand how large it becomes.
//!
//! The resize is Pillow's to the last bit: rows before columns, weights of 22 bits, both passes rounded to 8 bits
//! ([Resample.c](https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c)). It is all integers, so a
//! frame becomes the same numbers on every processor, wherever its region begins and whatever its strides are.
//!
//! A region is a frame of its own: no pixel beside it is read, which shows at its border.
//!
//! What it does not do: read a camera, decode JPEG, debayer, turn, mirror, or guess what luma and chroma mean ([`Yuv`] is told).
//!
//! Floor 2.

mod axis;
mod camera;
mod lanes;
mod preprocess;
mod resample;
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
