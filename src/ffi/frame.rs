//! Camera frames, and the way from them to the input of a network.

use std::ffi::c_char;
use std::sync::Mutex;

use super::backbone::perennial_backbone;
use super::border;
use super::status::{call, perennial_error, perennial_status};
use crate::error::Result;
use crate::frame::{Filter, Format, Frame, Matrix, Plane, Preprocess, Range, Region, Resize, Scratch, Yuv};

/// Red, green, blue, 8 bits each.
pub const PERENNIAL_RGB: u32 = 0;
/// Blue, green, red, as OpenCV holds pictures.
pub const PERENNIAL_BGR: u32 = 1;
/// One level a pixel.
pub const PERENNIAL_GRAY8: u32 = 2;
/// Luma, then interleaved chroma of a quarter of the pixels; in one plane or in two.
pub const PERENNIAL_NV12: u32 = 3;
/// Luma and chroma in turn, chroma of half the pixels.
pub const PERENNIAL_YUYV: u32 = 4;
/// Luma, then both chromas of a quarter of the pixels; in one plane or in three.
pub const PERENNIAL_I420: u32 = 5;

/// A frame in the caller's memory. Set what is not needed to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_frame {
    /// `sizeof(perennial_frame)`.
    pub struct_size: usize,
    /// `PERENNIAL_RGB` and the like.
    pub format: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Not 0 for luma and chroma of BT.709; BT.601 otherwise.
    pub bt709: u32,
    /// Not 0 where luma and chroma have all 256 levels, as in JPEG.
    pub full_range: u32,
    /// What is of interest: its left column.
    pub x: u32,
    /// Its upper row.
    pub y: u32,
    /// Pixels in a row of it; 0 for the whole frame.
    pub region_width: u32,
    /// Its rows; 0 for the whole frame.
    pub region_height: u32,
    /// Not used; 0.
    pub reserved: u32,
    /// The planes; those behind the first are null unless chroma lies in buffers of its own.
    pub planes: [*const u8; 3],
    /// Bytes of each.
    pub lengths: [usize; 3],
    /// Bytes from a row to the next in each.
    pub strides: [usize; 3],
}

/// What a network expects of its images. Start from [`perennial_preprocess_default`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_preprocess_options {
    /// `sizeof(perennial_preprocess_options)`.
    pub struct_size: usize,
    /// The short side gets so many pixels; 0 where `resize_width` and `resize_height` are meant, or no resize.
    pub resize_short: u32,
    /// Pixels in a row after the resize.
    pub resize_width: u32,
    /// Rows after the resize.
    pub resize_height: u32,
    /// Side of the centred square that is kept; 0 keeps everything.
    pub crop: u32,
    /// "bicubic", "bilinear", "nearest", "box", "hamming" or "lanczos"; null for bicubic.
    pub filter: *const c_char,
    /// Factor on the levels, usually 1/255.
    pub scale: f32,
    /// Subtracted per channel, red first, after the scale.
    pub mean: [f32; 3],
    /// Divisor per channel, after the mean.
    pub std: [f32; 3],
}

/// Turns frames into the input of a network, with memory that it uses again. One thread at a time.
pub struct perennial_preprocess(Mutex<(Preprocess, Scratch)>);

impl perennial_preprocess {
    /// How pictures become pixels.
    pub(super) fn settings(&self) -> Result<Preprocess> {
        border::alone(&self.0, "preprocess").map(|own| own.0)
    }
}

impl perennial_preprocess_options {
    fn of(preprocess: &Preprocess) -> Self {
        let (resize_short, [resize_width, resize_height]) = match preprocess.resize {
            Resize::None => (0, [0; 2]),
            Resize::Short(n) => (n, [0; 2]),
            Resize::Exact { width, height } => (0, [width, height]),
        };
        Self {
            struct_size: size_of::<Self>(),
            resize_short,
            resize_width,
            resize_height,
            crop: preprocess.crop.unwrap_or(0),
            filter: std::ptr::null(),
            scale: preprocess.scale,
            mean: preprocess.mean,
            std: preprocess.std,
        }
    }

    /// SAFETY: `filter` as [`border::text`].
    unsafe fn preprocess(&self) -> Result<Preprocess> {
        let resize = match (self.resize_short, self.resize_width, self.resize_height) {
            (0, 0, 0) => Resize::None,
            (0, width, height) => Resize::Exact { width, height },
            (n, 0, 0) => Resize::Short(n),
            _ => crate::bail!(
                InvalidArgument,
                "give resize_short, or resize_width and resize_height, not both"
            ),
        };
        let filter = match self.filter.is_null() {
            true => Filter::Bicubic,
            // SAFETY: as this function's.
            false => unsafe { border::text(self.filter, "filter")? }.parse()?,
        };
        let crop = (self.crop > 0).then_some(self.crop);
        let Self { scale, mean, std, .. } = *self;
        let preprocess = Preprocess { resize, filter, crop, scale, mean, std };
        preprocess.output_size()?;
        Ok(preprocess)
    }
}

impl perennial_frame {
    /// The frame that the caller's memory holds.
    ///
    /// SAFETY: `frame` as [`border::sized`], its planes as [`border::slice`].
    unsafe fn view<'a>(frame: *const Self) -> Result<Frame<'a>> {
        let none = Self {
            struct_size: 0,
            format: 0,
            width: 0,
            height: 0,
            bt709: 0,
            full_range: 0,
            x: 0,
            y: 0,
            region_width: 0,
            region_height: 0,
            reserved: 0,
            planes: [std::ptr::null(); 3],
            lengths: [0; 3],
            strides: [0; 3],
        };
        // SAFETY: as this function's; every bit pattern is a frame.
        let own = unsafe { border::sized(frame, none, size_of::<Self>(), "frame")? };
        let format = match own.format {
            PERENNIAL_RGB => Format::Rgb,
            PERENNIAL_BGR => Format::Bgr,
            PERENNIAL_GRAY8 => Format::Gray,
            PERENNIAL_NV12 => Format::Nv12,
            PERENNIAL_YUYV => Format::Yuyv,
            PERENNIAL_I420 => Format::I420,
            other => crate::bail!(InvalidArgument, "no pixel format {other}; use PERENNIAL_RGB and the like"),
        };
        let count = 1 + own.planes[1..].iter().take_while(|plane| !plane.is_null()).count();
        let plane = |i: usize| {
            // SAFETY: as this function's.
            let bytes = unsafe { border::slice(own.planes[i], own.lengths[i], "plane")? };
            Ok(Plane::new(bytes, own.strides[i]))
        };
        let planes = (0..count).map(plane).collect::<Result<Vec<_>>>()?;
        let matrix = if own.bt709 != 0 { Matrix::Bt709 } else { Matrix::Bt601 };
        let range = if own.full_range != 0 { Range::Full } else { Range::Limited };
        let whole = Frame::new(format, own.width, own.height, &planes)?.yuv(Yuv { matrix, range });
        match (own.region_width, own.region_height) {
            (0, 0) => Ok(whole),
            (width, height) => whole.region(Region { x: own.x, y: own.y, width, height }),
        }
    }
}

/// Writes what vision transformers usually expect for images of `side` pixels: short side `side / 0.9`, bicubic, centre crop, mean and
/// deviation 0.5. `struct_size` is `sizeof(perennial_preprocess_options)`.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_preprocess_default(
    options: *mut perennial_preprocess_options,
    struct_size: usize,
    side: u32,
    error: *mut perennial_error,
) -> perennial_status {
    let usual = perennial_preprocess_options::of(&Preprocess::vit(side));
    let usual = perennial_preprocess_options { struct_size, ..usual };
    let smallest = size_of::<perennial_preprocess_options>();
    // SAFETY: the caller's promises, as the header has them.
    unsafe { call(error, || border::write_sized(options, struct_size, smallest, "options", &usual)) }
}

/// Makes what turns frames into images of `backbone`; `options` may be null for the usual ones. Another size than the backbone's is
/// refused.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_preprocess_create(
    backbone: *const perennial_backbone,
    options: *const perennial_preprocess_options,
    out: *mut *mut perennial_preprocess,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them; every bit pattern is one of these options.
    unsafe {
        call(error, || {
            let [channels, height, width] = border::read(backbone, "backbone")?.0.image()?;
            let side = u32::try_from(height.min(width)).unwrap_or(u32::MAX);
            let usual = perennial_preprocess_options::of(&Preprocess::vit(side));
            let given = match options.is_null() {
                true => usual,
                false => border::sized(options, usual, size_of::<perennial_preprocess_options>(), "options")?,
            };
            let preprocess = given.preprocess()?;
            let (w, h) = preprocess.output_size()?;
            if [channels, height, width] != [3, h as usize, w as usize] {
                crate::bail!(
                    Shape,
                    "images become 3x{h}x{w}, and the backbone takes {channels}x{height}x{width}; set the resize and crop that give it"
                );
            }
            border::give(out, "out", perennial_preprocess(Mutex::new((preprocess, Scratch::new()))))
        })
    }
}

/// Writes a frame's region as `[3, height, width]` into `image`, which has room for `length` numbers: resized, cropped, normalised. Nothing
/// is allocated for a frame of a geometry that was seen before.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_preprocess_frame(
    preprocess: *const perennial_preprocess,
    frame: *const perennial_frame,
    image: *mut f32,
    length: usize,
    error: *mut perennial_error,
) -> perennial_status {
    // SAFETY: the caller's promises, as the header has them.
    unsafe {
        call(error, || {
            let own = border::read(preprocess, "preprocess")?;
            let mut own = border::alone(&own.0, "preprocess")?;
            let (preprocess, scratch) = &mut *own;
            preprocess.write(
                &perennial_frame::view(frame)?,
                scratch,
                border::slice_mut(image, length, "image")?,
            )
        })
    }
}

/// Lets go of a preprocess.
///
/// `preprocess` is null or the address of a handle that no thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_preprocess_destroy(preprocess: *mut *mut perennial_preprocess) {
    // SAFETY: the caller's promise.
    drop(unsafe { border::take(preprocess) });
}
