//! What a frame takes on its way: no more than was said before.
#![allow(unsafe_code, clippy::unwrap_used)]

mod counting;

use counting::peak_of;
use perennial::frame::{Format, Frame, Plane, Preprocess, Region, Scratch};

/// The resizer makes its weights anew for every frame, and they are gone with it.
const WEIGHTS: usize = 256 << 10;

#[test]
fn scratch_is_as_promised_and_kept() {
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
