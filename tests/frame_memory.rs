//! What a frame takes on its way: what was said before, and nothing once it is there.
#![allow(unsafe_code, clippy::unwrap_used)]

mod counting;

use counting::peak_of;
use perennial::frame::{Format, Frame, Plane, Preprocess, Region, Scratch};

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
    let region = Region { x: 81, y: 3, width: 401, height: 467 };
    for (format, stride) in sizes {
        for region in [Region { x: 0, y: 0, width: 640, height: 480 }, region] {
            let frame = || {
                Frame::new(format, 640, 480, &[Plane::new(&buffer, stride)]).unwrap().region(region).unwrap()
            };
            let promised = preprocess.scratch_bytes(&frame()).unwrap() as usize;
            let mut scratch = Scratch::new();
            let mut write = || preprocess.write(&frame(), &mut scratch, &mut out).unwrap();
            let ((), first) = peak_of(&mut write);
            let ((), second) = peak_of(&mut write);
            assert_eq!((first, second), (promised, 0), "{format} {region:?}");
            assert_eq!(scratch.bytes(), promised, "{format}");
            assert!(promised < 400_000, "{promised}");
        }
    }
    // A stream of two geometries in turn: after the first of each nothing more.
    let mut scratch = Scratch::new();
    let whole = Frame::new(Format::Nv12, 640, 480, &[Plane::new(&buffer, 640)]).unwrap();
    let part =
        Frame::new(Format::Rgb, 640, 480, &[Plane::new(&buffer, 1920)]).unwrap().region(region).unwrap();
    for round in 0..3 {
        let ((), peak) = peak_of(|| {
            preprocess.write(&whole, &mut scratch, &mut out).unwrap();
            preprocess.write(&part, &mut scratch, &mut out).unwrap();
        });
        assert!(round == 0 || peak == 0, "{peak}");
    }
}
