//! Pictures and data sets: from files to the numbers that a backbone takes.
//!
//! ```text
//! file --decode--> Picture (RGB, 8 bit) --Preprocess--> [3, h, w] f32
//!   ^                                        ^
//! Dataset (references only)               options > ONNX metadata > file beside the model > ViT default
//! ```
//!
//! * [`Picture`] holds 8-bit RGB pixels; decoding is bounded in size and applies the EXIF orientation.
//! * [`Preprocess`] repeats what Pillow and torchvision do (resize on 8-bit pixels with an antialiased kernel,
//!   centre crop, scale, normalise), on the path that camera frames take ([`crate::frame`]); [`config`] finds its numbers and says where they came from.
//! * [`Dataset`] lists samples without decoding them; [`folder`] and [`cifar`] fill it.
//! * [`identity`] says what a picture is by its bytes, so that results and caches can name their data.
//!
//! Invariant: memory is bounded by one picture a thread plus the sheet cache of [`cifar`], however large the set
//! is. Order is the order of sorted names or of the official file, so the same folder gives the same samples.
//!
//! What it does not do: augmentation, shuffling, splitting into tasks (that is [`crate::eval`]), downloading.

pub mod cifar;
pub mod config;
pub mod dataset;
pub mod draw;
mod fit;
pub mod folder;
pub mod identity;
pub mod picture;

pub use crate::frame::{Filter, Preprocess, Resize};
pub use config::{Hints, Overrides, Resolved, Source, resolve};
pub use dataset::{Batch, DataSpec, Dataset, Limits, Sample, Skipped, Split};
pub use folder::{ClassNames, Layout};
pub use identity::Identity;
pub use picture::Picture;
