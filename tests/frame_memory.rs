//! What a frame takes on its way: no more than was said before.
#![allow(unsafe_code, clippy::unwrap_used)]

mod counting;

use counting::peak_of;
use perennial::frame::{Filter, Format, Frame, Plane, Preprocess, Region, Resize, Scratch};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The resizer makes its weights anew for every frame, and they are gone with it.
const WEIGHTS: usize = 256 << 10;

/// One test, since the allocator counts for all threads.
#[test]
fn frames_take_what_was_promised() {
    known_geometries();
    any_geometry();
}

fn known_geometries() {
    let preprocess = Preprocess::vit(224);
    let buffer = vec![90; 640 * 480 * 3];
    let mut out = vec![0.0; preprocess.output_len().unwrap()];
    let sizes = [
        (Format::Nv12, 640),
        (Format::Yuyv, 1280),
        (Format::Rgb, 1920),
        (Format::Bgr, 1920),
        (Format::Gray, 640),
    ];
    let part = Region { x: 81, y: 3, width: 401, height: 467 };
    for (format, stride) in sizes {
        for region in [Region { x: 0, y: 0, width: 640, height: 480 }, part] {
            let frame = Frame::new(format, 640, 480, &[Plane::new(&buffer, stride)]).unwrap();
            let frame = frame.region(region).unwrap();
            let promised = preprocess.scratch_bytes(&frame).unwrap() as usize;
            let mut scratch = Scratch::new();
            let ((), first) = peak_of(|| preprocess.write(&frame, &mut scratch, &mut out).unwrap());
            let held = scratch.bytes();
            let ((), second) = peak_of(|| preprocess.write(&frame, &mut scratch, &mut out).unwrap());
            assert!(
                held <= promised && first <= promised + WEIGHTS,
                "{format}: {held}, {first} of {promised}"
            );
            assert!(second <= WEIGHTS && scratch.bytes() == held, "{format}: {second} once more");
        }
    }
}

/// What `fuzz/targets/frame.rs` holds frames to: scratch as promised, and weights by the sides.
fn any_geometry() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let buffer = vec![70; 3 * 4000 * 90];
    let mut tried = 0;
    for _ in 0..600 {
        let (width, height) = (2 * random.gen_range(1..2000), 2 * random.gen_range(1..45));
        let (width, height) = if random.r#gen() { (width, height) } else { (height, width) };
        let format = Format::ALL[random.gen_range(0..6)];
        let stride = format.row_bytes(width).max(2 * width as usize);
        let to = |random: &mut ChaCha8Rng| random.gen_range(1..400);
        let resize = Resize::Exact { width: to(&mut random), height: to(&mut random) };
        let filter = [Filter::Nearest, Filter::Bicubic, Filter::Lanczos][random.gen_range(0..3)];
        let preprocess = Preprocess { resize, filter, crop: None, ..Preprocess::vit(224) };
        let Ok(frame) = Frame::new(format, width, height, &[Plane::new(&buffer, stride)]) else { continue };
        let (w, h) = preprocess.output_size().unwrap();
        let promised = preprocess.scratch_bytes(&frame).unwrap() as usize;
        let weights = 256 * (width + height + w + h) as usize;
        let mut out = vec![0.0; preprocess.output_len().unwrap()];
        let ((), peak) = peak_of(|| preprocess.write(&frame, &mut Scratch::new(), &mut out).unwrap());
        assert!(
            peak <= promised + weights,
            "{format} {width}x{height} {preprocess}: {peak} of {promised} and {weights}"
        );
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}
