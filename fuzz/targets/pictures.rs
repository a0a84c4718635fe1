//! Pictures and their folders. The first byte says which.
//!
//! | it modulo 3 | the rest |
//! |---|---|
//! | 0 | an encoded picture: decoded, fitted, encoded and decoded again |
//! | 1 | names of files, one a line: laid out in a folder and listed as a data set |
//! | 2 | preprocessing: options on the first line, then JSON as a model's metadata holds it |
#![no_main]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use perennial::data::{ClassNames, Dataset, Hints, Layout, Limits, Picture, Preprocess, folder, resolve};
use perennial_fuzz::{bounded, sound};

/// A picture decodes in at most 256 MiB; turned by its EXIF and made RGB there are three of it.
const DECODED: usize = 800 << 20;
/// A picture of at most 16 MiB that is resized.
const FITTED: usize = 600 << 20;
/// Pictures of more pixels are not encoded again: time.
const SMALL: u32 = 1 << 18;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => picture(rest),
        1 => tree(rest),
        _ => preprocessing(rest),
    }
});

fn picture(bytes: &[u8]) {
    let Some(picture) = sound(bounded(DECODED, || Picture::decode(bytes))) else { return };
    let (width, height) = (picture.width, picture.height);
    assert_eq!(picture.rgb.len(), 3 * width as usize * height as usize);
    if width * height <= SMALL {
        let png = picture.to_png().expect("a picture can be encoded");
        assert!(Picture::decode(&png).expect("what was encoded can be decoded") == picture);
        fits(&Preprocess::vit(32), &picture);
    }
}

/// Either an error or exactly what was asked for.
fn fits(preprocess: &Preprocess, picture: &Picture) {
    let Some(size) = sound(preprocess.output_len()) else { return };
    let mut pixels = vec![0.0; size];
    if sound(bounded(FITTED, || preprocess.apply(picture, &mut pixels))).is_some() {
        assert!(pixels.iter().all(|x| !x.is_nan()));
    }
}

fn preprocessing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (options, json) = text.split_once('\n').unwrap_or((&text, ""));
    let Some(overrides) = sound(options.parse()) else { return };
    let pictures = [(40, 30), (1, 700)].map(|(width, height)| {
        Picture::new(width, height, vec![9; 3 * width as usize * height as usize]).expect("a picture")
    });
    for key in ["preprocessor_config", "pretrained_cfg"] {
        let metadata = BTreeMap::from([(key.to_string(), json.to_string())]);
        let hints = Hints { metadata: Some(&metadata), model: None, input: Some((32, 32)), pictures: None };
        let Some(resolved) = sound(resolve(&overrides, &hints)) else { continue };
        pictures.iter().for_each(|picture| fits(&resolved.preprocess, picture));
    }
}

fn tree(bytes: &[u8]) {
    let root = scratch();
    for (i, line) in bytes.split(|&b| b == b'\n').take(12).enumerate() {
        let path = Path::new(OsStr::from_bytes(line));
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if inside && !line.contains(&0) && line.len() < 200 {
            // A name that is a folder already, or below a file, is no file then.
            let path = root.join(path);
            let _ = path.parent().map(fs::create_dir_all);
            let _ = fs::write(path, if i % 4 == 3 { &b"no picture"[..] } else { PIXEL });
        }
    }
    listed(folder::image_folder(&root));
    for layout in [Layout::Classes, Layout::Tasks(ClassNames::Shared), Layout::Tasks(ClassNames::PerTask)] {
        listed(folder::open(&root, layout, Limits { train_per_class: Some(2), test_per_class: None }));
    }
    fs::remove_dir_all(&root).expect("the scratch folder can be removed");
}

fn listed(dataset: perennial::Result<Dataset>) {
    let Some(dataset) = sound(dataset) else { return };
    for sample in dataset.train.iter().chain(&dataset.test) {
        assert!(sample.class < dataset.classes.len());
        assert!(sample.task.is_none_or(|task| task < dataset.tasks.len()));
    }
}

/// An empty folder of this process, in memory where there is one.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    let root = base.join(format!("perennial-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).expect("a scratch folder can be made");
    root
}

/// A bitmap of one pixel.
const PIXEL: &[u8] =
    b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\x20\x30\0";
