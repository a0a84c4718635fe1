//! Camera frames: against OpenCV and Pillow, in any layout, and of any geometry.
#![allow(clippy::unwrap_used, clippy::panic)]

use perennial::ErrorKind;
use perennial::frame::{
    Filter, Format, Frame, MAX_SIDE, Matrix, Plane, Preprocess, Range, Region, Resize, Scratch, Yuv,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FORMATS: [Format; 6] = Format::ALL;

/// Bytes of a row and number of rows, chroma included.
fn layout(format: Format, width: u32, height: u32) -> (usize, usize) {
    let (width, height) = (width as usize, height as usize);
    match format {
        Format::Rgb | Format::Bgr => (3 * width, height),
        Format::Gray => (width, height),
        Format::Yuyv => (2 * width, height),
        Format::Nv12 | Format::I420 => (width, height + height / 2),
    }
}

/// Rows of every plane of a frame in one buffer of rows of `stride`: where they begin in a buffer without gaps and in this one, and their bytes.
fn rows(format: Format, width: u32, height: u32, stride: usize) -> Vec<[usize; 3]> {
    let (row, rows) = layout(format, width, height);
    let height = height as usize;
    let whole = |y: usize| [y * row, y * stride, row];
    // Both chromas: rows of half the bytes at half the stride.
    let half = |y: usize| [height * row + y * row / 2, height * stride + y * (stride / 2), row / 2];
    match format {
        Format::I420 => (0..height).map(whole).chain((0..height).map(half)).collect(),
        _ => (0..rows).map(whole).collect(),
    }
}

/// The formula of `tests/golden/frame_golden.py`, with rows of any stride. Padding has a level that would show.
fn drawn(format: Format, width: u32, height: u32, stride: usize) -> Vec<u8> {
    let (row, rows) = layout(format, width, height);
    let level = |x: usize, y: usize| {
        let edges = if (x / 7 + y / 5).is_multiple_of(3) { 255 } else { 0 };
        ((2 * ((3 * x + 5 * y) % 256) + edges + (x * 7919 + y * 104_729) % 251) / 4) as u8
    };
    let mut bytes = vec![0xa5; stride * rows];
    for [from, to, length] in self::rows(format, width, height, stride) {
        let levels = (from..from + length).map(|i| level(i % row, i / row));
        bytes[to..to + length].iter_mut().zip(levels).for_each(|(to, level)| *to = level);
    }
    bytes
}

fn tensor(preprocess: &Preprocess, frame: &Frame<'_>) -> Vec<f32> {
    let mut out = vec![f32::NAN; preprocess.output_len().unwrap()];
    preprocess.write(frame, &mut Scratch::new(), &mut out).unwrap();
    out
}

fn small(n: u32) -> Preprocess {
    Preprocess { resize: Resize::Short(n + n / 8), ..Preprocess::direct(n) }
}

/// The resize is Pillow's to one level on a few of a hundred. OpenCV's factors of luma and chroma have three decimals, ours are exact: where those are
/// meant, both deviations add up.
#[test]
fn frames_match_opencv_and_pillow() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/frame_golden.json")).unwrap();
    let mut failures = Vec::new();
    for case in golden.as_array().unwrap() {
        let n = |value: &serde_json::Value| value.as_u64().unwrap() as u32;
        let format = *FORMATS.iter().find(|f| f.to_string() == case["format"].as_str().unwrap()).unwrap();
        let (width, height) = (n(&case["width"]), n(&case["height"]));
        let at = |i: usize| n(&case["region"][i]);
        let yuv = Yuv {
            matrix: if case["matrix"] == "601" { Matrix::Bt601 } else { Matrix::Bt709 },
            range: if case["limited"] == true { Range::Limited } else { Range::Full },
        };
        let preprocess = Preprocess {
            resize: Resize::Short(n(&case["short"])),
            crop: Some(n(&case["crop"])),
            filter: case["filter"].as_str().unwrap().parse().unwrap(),
            ..Preprocess::vit(224)
        };
        let stride = layout(format, width, height).0;
        let bytes = drawn(format, width, height, stride);
        let region = Region { x: at(0), y: at(1), width: at(2), height: at(3) };
        let frame = Frame::new(format, width, height, &[Plane::new(&bytes, stride)]).unwrap();
        let frame = frame.region(region).unwrap().yuv(yuv);
        let mut got = vec![0; preprocess.output_len().unwrap()];
        preprocess.write_rgb(&frame, &mut Scratch::new(), &mut got).unwrap();

        let text = case["rgb"].as_str().unwrap();
        let want: Vec<u8> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        assert_eq!(got.len(), want.len());
        let worst = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let differ = got.iter().zip(&want).filter(|(a, b)| a != b).count() as f64 / want.len() as f64;
        println!("{format} {region:?} {preprocess} {yuv:?}: worst {worst}, {:.2} % differ", 100.0 * differ);
        let opencv = matches!(format, Format::Nv12 | Format::I420 | Format::Yuyv) && yuv == Yuv::default();
        let (most, share) = if opencv { (2, 0.15) } else { (1, 0.03) };
        if worst > most || differ > share {
            failures.push(format!("{format} {region:?} {yuv:?}: worst {worst}, {differ} differ"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn strides_do_not_matter() {
    let preprocess = small(24);
    for format in FORMATS {
        let row = layout(format, 50, 38).0;
        let tight = drawn(format, 50, 38, row);
        let want = tensor(&preprocess, &Frame::new(format, 50, 38, &[Plane::new(&tight, row)]).unwrap());
        for padding in [1, 3, 14, 64] {
            let mut wide = drawn(format, 50, 38, row + padding);
            // The last row needs no padding.
            let end = rows(format, 50, 38, row + padding).last().map(|[_, to, length]| to + length).unwrap();
            wide.truncate(end);
            let frame = Frame::new(format, 50, 38, &[Plane::new(&wide, row + padding)]).unwrap();
            assert_eq!(tensor(&preprocess, &frame), want, "{format}, {padding} bytes of padding");
        }
    }
}

#[test]
fn chroma_may_lie_in_a_buffer_of_its_own() {
    let whole = drawn(Format::Nv12, 48, 32, 50);
    let (luma, chroma) = whole.split_at(50 * 32);
    let spread: Vec<u8> = chroma.chunks(50).flat_map(|row| row.iter().copied().chain([7; 13])).collect();
    let one = Frame::new(Format::Nv12, 48, 32, &[Plane::new(&whole, 50)]).unwrap();
    let two = Frame::new(Format::Nv12, 48, 32, &[Plane::new(luma, 50), Plane::new(&spread, 63)]).unwrap();
    assert_eq!(tensor(&small(20), &one), tensor(&small(20), &two));
    // The same colours, one plane each.
    let each = |i: usize| chroma.chunks(50).flat_map(|row| row[i..48].iter().step_by(2).copied()).collect();
    let [u, v]: [Vec<u8>; 2] = [each(0), each(1)];
    let planes = [Plane::new(luma, 50), Plane::new(&u, 24), Plane::new(&v, 24)];
    let three = Frame::new(Format::I420, 48, 32, &planes).unwrap();
    assert_eq!(tensor(&small(20), &one), tensor(&small(20), &three));
    let refused = Frame::new(Format::I420, 48, 32, &planes[..2]).unwrap_err();
    assert!(refused.to_string().contains("one plane or three"), "{refused}");
}

/// Columns `x..x + width` and rows `y..y + height` of a frame as a frame of their own; whole pairs of pixels.
fn cut(format: Format, bytes: &[u8], size: (u32, u32), region: Region) -> Vec<u8> {
    let [y, height, above] = [region.y, region.height, size.1].map(|n| n as usize);
    let (stride, left, row) =
        (layout(format, size.0, 0).0, layout(format, region.x, 0).0, layout(format, region.width, 0).0);
    let lines = |plane: usize, stride: usize, y: usize, count: usize, left: usize, row: usize| {
        (y..y + count).flat_map(move |y| bytes[plane + y * stride + left..][..row].iter().copied())
    };
    let luma = lines(0, stride, y, height, left, row);
    let (u, v) = (above * stride, above * stride + above / 2 * (stride / 2));
    match format {
        Format::Nv12 => luma.chain(lines(u, stride, y / 2, height / 2, left, row)).collect(),
        Format::I420 => {
            let half = |plane| lines(plane, stride / 2, y / 2, height / 2, left / 2, row / 2);
            luma.chain(half(u)).chain(half(v)).collect()
        }
        _ => luma.collect(),
    }
}

#[test]
fn a_region_is_a_frame_of_its_own() {
    let (width, height) = (90, 62);
    let regions = [(0, 0, 90, 62), (2, 4, 60, 40), (20, 10, 66, 34), (6, 0, 32, 62), (88, 60, 2, 2)];
    for format in FORMATS {
        let stride = layout(format, width, height).0;
        let bytes = drawn(format, width, height, stride);
        for (x, y, w, h) in regions {
            let region = Region { x, y, width: w, height: h };
            let own = cut(format, &bytes, (width, height), region);
            let own = Frame::new(format, w, h, &[Plane::new(&own, layout(format, w, h).0)]).unwrap();
            let seen = Frame::new(format, width, height, &[Plane::new(&bytes, stride)]).unwrap();
            let seen = seen.region(region).unwrap();
            for filter in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
                let preprocess = Preprocess { filter, ..small(24) };
                assert_eq!(
                    tensor(&preprocess, &seen),
                    tensor(&preprocess, &own),
                    "{format} {region:?} {filter}"
                );
            }
        }
    }
}

#[test]
fn channels_come_red_first() {
    let preprocess = Preprocess { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6], ..small(16) };
    let rgb = drawn(Format::Rgb, 40, 30, 120);
    let bgr: Vec<u8> = rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
    let gray = drawn(Format::Gray, 40, 30, 40);
    let repeated: Vec<u8> = gray.iter().flat_map(|&level| [level; 3]).collect();
    let of = |format, bytes: &[u8], stride| {
        tensor(&preprocess, &Frame::new(format, 40, 30, &[Plane::new(bytes, stride)]).unwrap())
    };
    assert_eq!(of(Format::Rgb, &rgb, 120), of(Format::Bgr, &bgr, 120));
    assert_eq!(of(Format::Gray, &gray, 40), of(Format::Rgb, &repeated, 120));
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let bytes = vec![0; 4096];
    let plane = |stride: usize| Plane::new(&bytes, stride);
    let make = |format, width, height, planes: &[Plane<'_>]| {
        Frame::new(format, width, height, planes).map(|_| ()).map_err(|e| (e.kind(), e.to_string()))
    };
    let cut = |x, y, width, height| {
        let frame = Frame::new(Format::Rgb, 20, 20, &[plane(60)]).unwrap();
        frame.region(Region { x, y, width, height }).map(|_| ()).map_err(|e| (e.kind(), e.to_string()))
    };
    let write = |preprocess: Preprocess, room: usize| {
        let frame = Frame::new(Format::Rgb, 20, 20, &[plane(60)]).unwrap();
        let mut out = vec![0.0; room];
        let written = preprocess.write(&frame, &mut Scratch::new(), &mut out);
        written.map_err(|e| (e.kind(), e.to_string()))
    };
    let exact = |width, height| Preprocess {
        resize: Resize::Exact { width, height },
        crop: None,
        ..Preprocess::direct(8)
    };
    let (shape, argument) = (ErrorKind::Shape, ErrorKind::InvalidArgument);
    let (rgb, gray, nv12, yuyv) = (Format::Rgb, Format::Gray, Format::Nv12, Format::Yuyv);
    let rows = [
        (make(rgb, 0, 4, &[plane(60)]), shape, "0x4: each side must be between 1 and 16384"),
        (make(gray, 4, MAX_SIDE + 1, &[plane(4)]), shape, "4x16385"),
        (make(gray, u32::MAX, u32::MAX, &[plane(usize::MAX)]), shape, "each side"),
        (make(nv12, 31, 16, &[plane(32)]), shape, "31x16: 2x2 pixels share their colour"),
        (make(nv12, 32, 15, &[plane(32)]), shape, "give the size in the buffer and a region"),
        (make(yuyv, 31, 15, &[plane(62)]), shape, "2x1 pixels"),
        (make(rgb, 20, 20, &[plane(59)]), shape, "rows of 60 bytes and a stride of 59"),
        (make(rgb, 20, 20, &[plane(0)]), shape, "stride of 0"),
        (make(yuyv, 20, 20, &[plane(39)]), shape, "rows of 40 bytes and a stride of 39"),
        (make(gray, 20, 20, &[plane(usize::MAX / 4)]), shape, "more bytes than there can be"),
        (
            make(gray, 64, 65, &[plane(64)]),
            shape,
            "takes 4160 bytes (65 rows of stride 64), and there are 4096",
        ),
        (make(nv12, 64, 44, &[plane(64)]), shape, "chroma of the NV12 frame of 64x44 takes 1408 bytes"),
        (
            make(nv12, 64, 32, &[plane(64), plane(63)]),
            shape,
            "chroma of the NV12 frame of 64x32 has rows of 64",
        ),
        (make(nv12, 64, 32, &[plane(64), Plane::new(&[], 64)]), shape, "and there are 0"),
        (make(rgb, 20, 20, &[]), argument, "one plane, not 0"),
        (make(rgb, 20, 20, &[plane(60), plane(60)]), argument, "one plane, not 2"),
        (make(nv12, 20, 20, &[plane(60), plane(60), plane(60)]), argument, "one plane or two, not 3"),
        (cut(0, 0, 0, 4), shape, "a region of 0x4 at (0, 0) is not inside a frame of 20x20"),
        (cut(5, 5, 16, 15), shape, "cut it to what the frame has"),
        (cut(5, 6, 15, 15), shape, "15x15 at (5, 6)"),
        (cut(u32::MAX, 0, 2, 2), shape, "not inside"),
        (write(Preprocess::direct(8), 191), shape, "room for 191 numbers where 192"),
        (
            write(Preprocess { resize: Resize::None, ..Preprocess::direct(21) }, 3 * 441),
            shape,
            "set resize=21",
        ),
        (write(Preprocess { std: [0.0; 3], ..Preprocess::direct(8) }, 192), argument, "std not zero"),
        (write(Preprocess { crop: None, ..Preprocess::direct(8) }, 192), argument, "needs crop=N"),
        (
            write(Preprocess { resize: Resize::Short(MAX_SIDE + 1), ..Preprocess::direct(8) }, 192),
            shape,
            "cannot resize",
        ),
    ];
    let mut failures = Vec::new();
    for (i, (got, kind, part)) in rows.into_iter().enumerate() {
        match got {
            Err((got, text)) if got == kind && text.contains(part) => {}
            other => failures.push(format!("row {i}: {other:?}, not {kind:?} with {part:?}")),
        }
    }
    // Nothing is written, so no room is made for what would not fit on the way.
    let tall = vec![0; 16_384];
    let frame = Frame::new(gray, 1, MAX_SIDE, &[Plane::new(&tall, 1)]).unwrap();
    let most = exact(MAX_SIDE, MAX_SIDE).scratch_bytes(&frame).map_err(|e| (e.kind(), e.to_string()));
    if !matches!(&most, Err((kind, text)) if *kind == shape && text.contains("resize to less")) {
        failures.push(format!("{most:?}"));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn any_geometry_is_refused_or_filled() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let filters =
        [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];
    let (mut kept, mut written) = (Scratch::new(), 0);
    for round in 0..6000 {
        let format = FORMATS[random.gen_range(0..6)];
        let even = |n: u32, odd: bool| if odd { n } else { n + n % 2 };
        let odd = random.gen_bool(0.2);
        let (width, height) = (even(random.gen_range(0..70), odd), even(random.gen_range(0..70), odd));
        let (row, rows) = layout(format, width, height);
        let stride = (row + random.gen_range(0..9)).saturating_sub(usize::from(random.gen_bool(0.1)));
        let missing = if random.gen_bool(0.1) { random.gen_range(0..40) } else { 0 };
        let bytes: Vec<u8> = (0..(stride * rows).saturating_sub(missing)).map(|_| random.r#gen()).collect();
        let split = bytes.len().min(stride * height as usize);
        let planes = match format {
            Format::Nv12 if random.r#gen() => {
                vec![Plane::new(&bytes[..split], stride), Plane::new(&bytes[split..], stride)]
            }
            _ => vec![Plane::new(&bytes, stride)],
        };
        let mut side = |most: u32| random.gen_range(0..=most + most / 8);
        let region =
            Region { x: side(width) / 2, y: side(height) / 2, width: side(width), height: side(height) };
        let resize = match round % 3 {
            0 => Resize::None,
            1 => Resize::Short(side(60)),
            _ => Resize::Exact { width: side(60), height: side(60) },
        };
        let crop = random.gen_bool(0.7).then(|| random.gen_range(0..50));
        let filter = filters[random.gen_range(0..6)];
        let preprocess = Preprocess { resize, crop, filter, ..Preprocess::vit(224) };
        let frame = Frame::new(format, width, height, &planes);
        let frame = if random.r#gen() { frame.and_then(|frame| frame.region(region)) } else { frame };
        let mut out = vec![f32::NAN; preprocess.output_len().unwrap_or(5)];
        let done = frame.and_then(|frame| {
            preprocess.write(&frame, &mut kept, &mut out)?;
            // Scratch that has seen other frames makes no difference.
            assert_eq!(tensor(&preprocess, &frame), out, "{frame:?} {preprocess}");
            Ok(())
        });
        match done {
            Ok(()) => {
                assert!(out.iter().all(|x| (-1.0..=1.0).contains(x)), "{preprocess}");
                written += 1;
            }
            Err(e) => assert!(matches!(e.kind(), ErrorKind::Shape | ErrorKind::InvalidArgument), "{e}"),
        }
    }
    println!("{written} frames written");
    assert!(written > 1000, "{written}");
}
