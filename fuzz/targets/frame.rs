//! A camera frame of any geometry: refused, or written whole in the memory that was promised. 22 bytes say how, the rest are pixels.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, and whether chroma has a plane of its own |
//! | 2 + 2, 2 | width and height, stride |
//! | 2 + 2 + 2 + 2 | region; none where its width is 0 |
//! | 1, 2 + 2, 2 | resize and filter, sides, crop |
#![no_main]

use perennial::frame::{Filter, Format, Frame, Plane, Preprocess, Region, Resize, Scratch};
use perennial_fuzz::{bounded, number, sound};

/// Tensors of more numbers are not made: time.
const LARGE: usize = 1 << 18;
/// More scratch memory is promised, but not tried.
const MUCH: u64 = 16 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let layout = number::<1>(&mut rest);
    let mut side = || number::<2>(&mut rest) as u32;
    let (width, height, stride) = (side(), side(), side() as usize);
    let region = Region { x: side(), y: side(), width: side(), height: side() };
    let preprocess = preprocessing(&mut rest);
    let formats = Format::ALL;
    let (luma, chroma) = rest.split_at(rest.len().min(stride.saturating_mul(height as usize)));
    let two = [Plane::new(luma, stride), Plane::new(chroma, stride)];
    let one = [Plane::new(rest, stride)];
    let planes = if layout & 0x80 == 0 { &one[..] } else { &two };
    let Some(mut frame) =
        sound(Frame::new(formats[(layout & 0x7f) as usize % formats.len()], width, height, planes))
    else {
        return;
    };
    if region.width > 0 {
        let Some(part) = sound(frame.region(region)) else { return };
        frame = part;
    }
    written(&preprocess, &frame);
});

fn preprocessing(rest: &mut &[u8]) -> Preprocess {
    let how = number::<1>(rest);
    let mut side = || number::<2>(rest) as u32;
    let (width, height, crop) = (side(), side(), side());
    let filters =
        [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];
    let resize = match how % 3 {
        0 => Resize::None,
        1 => Resize::Short(width),
        _ => Resize::Exact { width, height },
    };
    let crop = (crop > 0).then_some(crop);
    Preprocess { resize, crop, filter: filters[how as usize / 3 % 6], ..Preprocess::vit(224) }
}

/// Every number is set, and no more memory is taken than was said.
fn written(preprocess: &Preprocess, frame: &Frame<'_>) {
    let Some(promised) = sound(preprocess.scratch_bytes(frame)) else { return };
    let length = preprocess.output_len().expect("a geometry has a size");
    if length > LARGE || promised > MUCH {
        return;
    }
    let mut out = vec![f32::NAN; length];
    // The resizer's weights go by the sides.
    let sides = frame.interest().width + frame.interest().height;
    let (width, height) = preprocess.output_size().expect("a geometry has a size");
    let weights = 256 * (sides + width + height) as usize;
    bounded(promised as usize + weights, || preprocess.write(frame, &mut Scratch::new(), &mut out))
        .expect("it was promised");
    assert!(out.iter().all(|x| (-1.0..=1.0).contains(x)));
}
