//! Pictures, preprocessing and the readers of data sets.
#![cfg(feature = "eval")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use perennial::ErrorKind;
use perennial::data::{
    ClassNames, DataSpec, Dataset, Hints, Layout, Limits, Overrides, Picture, Preprocess, Resize, Source,
    Split, config, folder, resolve,
};

/// The formula of `tests/golden/resize_golden.py`.
fn drawn(width: u32, height: u32) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..height as usize {
        for x in 0..width as usize {
            for c in 0..3 {
                let smooth = (x * (3 + c) + y * (5 - c)) % 256;
                let edges = if ((x / 7) + (y / 5) + c) % 3 == 0 { 255 } else { 0 };
                let noise = (x * 7919 + y * 104_729 + c * 1_299_709) % 251;
                rgb.push(((2 * smooth + edges + noise) / 4) as u8);
            }
        }
    }
    Picture::new(width, height, rgb).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn resize_and_crop_match_pillow() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/resize_golden.json")).unwrap();
    let mut failures = Vec::new();
    for case in golden.as_array().unwrap() {
        let side = |key: &str| case[key].as_u64().unwrap() as u32;
        let text = case["options"].as_str().unwrap();
        let options: Overrides = text.parse().unwrap();
        let got = options.over(Preprocess::vit(224)).fit(&drawn(side("width"), side("height"))).unwrap();
        assert_eq!((got.width, got.height), (side("out_width"), side("out_height")), "{text}");
        let want = unhex(case["rgb"].as_str().unwrap());
        let differences: Vec<u8> = got.rgb.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).collect();
        let worst = differences.iter().max().unwrap();
        let share = differences.iter().filter(|d| **d > 0).count() as f64 / want.len() as f64;
        println!("{}x{} {text}: worst {worst}, {:.2} % differ", side("width"), side("height"), 100.0 * share);
        if *worst > 1 || share > 0.05 {
            failures.push(format!("{text}: worst {worst}, {share} differ"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn apply_is_planar_and_normalised() {
    let picture = Picture::new(2, 1, vec![255, 0, 51, 0, 255, 102]).unwrap();
    let preprocess = Preprocess {
        resize: Resize::None,
        crop: Some(1),
        mean: [0.5, 0.25, 0.0],
        std: [0.5, 0.5, 2.0],
        ..Preprocess::vit(224)
    };
    let mut out = [0.0; 3];
    preprocess.apply(&picture, &mut out).unwrap();
    // The offset of a crop of 1 from 2 is round(0.5) = 0: the left pixel.
    let want = [1.0, -0.5, 0.1];
    assert!(out.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    assert_eq!(preprocess.apply(&picture, &mut [0.0; 4]).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn sizes_that_cannot_work_are_refused_with_the_next_move() {
    let text = |options: &str| {
        let preprocess = options.parse::<Overrides>().unwrap().over(Preprocess::vit(224));
        preprocess.output_size().unwrap_err().to_string()
    };
    assert!(text("resize=200").contains("crop=224 is larger than resize=200"));
    assert!(text("crop=none").contains("needs crop=N"));
    assert!(text("std=0").contains("std not zero"));
    assert!("crop=224,colour=3".parse::<Overrides>().unwrap_err().to_string().contains("the fields are"));
    // A picture of one row would get a huge long side.
    let sliver = Picture::new(9000, 1, vec![0; 27_000]).unwrap();
    assert_eq!(Preprocess::vit(224).fit(&sliver).unwrap_err().kind(), ErrorKind::Shape);
    let small = Preprocess { resize: Resize::None, ..Preprocess::vit(224) };
    assert_eq!(small.fit(&drawn(32, 32)).unwrap_err().kind(), ErrorKind::Shape);
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()
}

#[test]
fn configuration_is_taken_from_the_first_source_that_speaks() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.onnx");
    let none = Overrides::default();
    let bare = Hints { model: Some(&model), ..Hints::default() };

    let guessed = resolve(&none, &bare).unwrap();
    assert_eq!((guessed.source.clone(), guessed.preprocess), (Source::Default, Preprocess::vit(224)));
    assert_eq!(guessed.preprocess.resize, Resize::Short(248));
    assert!(guessed.to_string().contains("the model does not say"), "{guessed}");

    let cifar = Hints { pictures: Some((32, 32)), ..bare };
    assert_eq!(resolve(&none, &cifar).unwrap().preprocess, Preprocess::direct(224));

    let timm = r#"{"pretrained_cfg": {"input_size": [3, 384, 384], "crop_pct": 1.0, "interpolation": "bilinear",
                   "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}"#;
    std::fs::write(dir.path().join("config.json"), timm).unwrap();
    let found = resolve(&none, &bare).unwrap();
    assert_eq!(found.source, Source::File(dir.path().join("config.json")));
    assert_eq!(
        found.preprocess.to_string(),
        "resize=384,crop=384,filter=bilinear,scale=0.003921569,mean=0.1:0.2:0.3,std=0.4:0.5:0.6"
    );

    let hugging_face = r#"{"do_resize": true, "size": {"height": 224, "width": 224}, "resample": 2,
        "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00392156862745098}"#;
    let beside = dir.path().join("preprocessor_config.json");
    std::fs::write(&beside, hugging_face).unwrap();
    let found = resolve(&none, &bare).unwrap();
    assert_eq!(found.source, Source::File(beside));
    assert_eq!(found.preprocess.resize, Resize::Exact { width: 224, height: 224 });
    assert_eq!((found.preprocess.crop, found.preprocess.scale), (None, 1.0 / 255.0));

    let plain =
        metadata(&[("mean", "[0.485, 0.456, 0.406]"), ("std", "0.229,0.224,0.225"), ("producer", "x")]);
    let found = resolve(&none, &Hints { metadata: Some(&plain), ..bare }).unwrap();
    assert_eq!(found.preprocess.mean, [0.485, 0.456, 0.406]);
    assert_eq!((found.preprocess.std, found.preprocess.resize), ([0.229, 0.224, 0.225], Resize::Short(256)));
    assert!(matches!(found.source, Source::Metadata(_)));

    let options: Overrides = "resize=224,crop=224".parse().unwrap();
    let found = resolve(&options, &Hints { metadata: Some(&plain), ..bare }).unwrap();
    assert_eq!((found.preprocess.resize, found.preprocess.mean[0]), (Resize::Short(224), 0.485));
    assert!(found.overridden && found.to_string().ends_with("with options"));
}

#[test]
fn hugging_face_forms() {
    let of = |json: &str| {
        let metadata = metadata(&[("preprocessor_config", json)]);
        resolve(&Overrides::default(), &Hints { metadata: Some(&metadata), ..Hints::default() })
            .map(|r| (r.preprocess.resize, r.preprocess.crop))
    };
    let norm = r#""image_mean": [0,0,0], "image_std": [1,1,1]"#;
    let rows = [
        (r#""size": 224"#, (Resize::Exact { width: 224, height: 224 }, None)),
        (r#""size": 256, "do_center_crop": true, "crop_size": 224"#, (Resize::Short(256), Some(224))),
        (
            r#""size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}"#,
            (Resize::Short(256), Some(224)),
        ),
        (r#""size": {"shortest_edge": 224}, "crop_pct": 0.875"#, (Resize::Short(256), Some(224))),
        (r#""do_resize": false, "crop_size": 96"#, (Resize::None, Some(96))),
    ];
    for (json, want) in rows {
        assert_eq!(of(&format!("{{{json}, {norm}}}")).unwrap(), want, "{json}");
    }
    assert_eq!(of(r#"{"image_mean": [1, 2]}"#).unwrap_err().kind(), ErrorKind::Parse);
    assert_eq!(of("not json").unwrap_err().kind(), ErrorKind::Parse);
    // A size that the model does not take is refused, with the options that would work.
    let hints = Hints { input: Some((224, 224)), ..Hints::default() };
    let error = resolve(&"resize=384,crop=384".parse().unwrap(), &hints).unwrap_err();
    assert!(error.to_string().contains("pass resize=248,crop=224"), "{error}");
    let tall = Hints { input: Some((112, 224)), ..Hints::default() };
    assert_eq!(
        resolve(&config::Overrides::default(), &tall).unwrap().preprocess.output_size().unwrap(),
        (112, 224)
    );
}

fn write_png(path: &Path, picture: &Picture) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, picture.to_png().unwrap()).unwrap();
}

#[test]
fn image_folder_skips_what_it_cannot_read_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for (class, n) in [("b_cat", 3), ("a_dog", 2)] {
        for i in 0..n {
            write_png(&dir.path().join(class).join(format!("{i}.PNG")), &drawn(8 + i, 9));
        }
    }
    std::fs::write(dir.path().join("b_cat/1a.jpg"), b"no picture").unwrap();
    std::fs::write(dir.path().join("b_cat/notes.txt"), b"ignored").unwrap();
    std::fs::create_dir(dir.path().join(".hidden")).unwrap();
    let whole = drawn(40, 40).to_png().unwrap();
    std::fs::write(dir.path().join("b_cat/2a.png"), &whole[..whole.len() / 2]).unwrap();

    let mut dataset = folder::image_folder(dir.path()).unwrap();
    assert_eq!(dataset.classes, ["a_dog", "b_cat"]);
    assert_eq!(dataset.skipped.len(), 1);
    assert!(dataset.skipped[0].to_string().contains("1a.jpg"), "{}", dataset.skipped[0]);
    // The half picture has a whole header: it is found when it is decoded.
    let preprocess = Preprocess::direct(16);
    let all: Vec<usize> = (0..dataset.train.len()).collect();
    let batch = dataset.load(Split::Train, &all, &preprocess).unwrap();
    assert_eq!(
        (batch.classes.as_slice(), batch.ids.as_slice()),
        (&[0, 0, 1, 1, 1][..], &[0, 1, 2, 3, 4][..])
    );
    assert_eq!(batch.pixels.len(), 5 * 3 * 16 * 16);
    assert!(batch.skipped[0].path.ends_with("b_cat/2a.png"));
    let mut one = vec![0.0; 768];
    preprocess.apply(&drawn(8 + 2, 9), &mut one).unwrap();
    assert_eq!(batch.pixels[4 * 768..], one[..]);
    dataset.verify().unwrap();
    assert_eq!((dataset.train.len(), dataset.skipped.len()), (5, 2));

    std::fs::create_dir(dir.path().join("c_empty")).unwrap();
    let error = folder::image_folder(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("c_empty"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(folder::image_folder(empty.path()).unwrap_err().to_string().contains("<class>/<picture>"));
    assert_eq!(folder::image_folder(Path::new("/nonexistent")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn task_folders_share_classes_or_own_them() {
    let dir = tempfile::tempdir().unwrap();
    for half in ["train", "test"] {
        for task in ["photo", "sketch"] {
            for class in ["cat", "dog"] {
                for i in 0..3 {
                    write_png(
                        &dir.path().join(half).join(task).join(class).join(format!("{i}.png")),
                        &drawn(4, 4),
                    );
                }
            }
        }
    }
    let spec: DataSpec = format!("folder:{}", dir.path().display()).parse().unwrap();
    let limits = Limits { train_per_class: Some(2), test_per_class: Some(1) };
    let shared = Dataset::open(&spec, Layout::Tasks(ClassNames::Shared), limits).unwrap();
    assert_eq!(shared.classes, ["cat", "dog"]);
    assert_eq!((shared.train.len(), shared.test.len()), (8, 4));
    let own = Dataset::open(&spec, Layout::Tasks(ClassNames::PerTask), limits).unwrap();
    assert_eq!(own.classes, ["photo/cat", "photo/dog", "sketch/cat", "sketch/dog"]);
    assert_eq!(own.tasks, ["photo", "sketch"]);
    assert_eq!((own.test[2].class, own.test[2].task), (2, Some(1)));
    let wrong: DataSpec = "folder:/nonexistent".parse().unwrap();
    assert_eq!(Dataset::open(&wrong, Layout::Classes, limits).unwrap_err().kind(), ErrorKind::NotFound);
    assert!("mnist:x".parse::<DataSpec>().unwrap_err().to_string().contains("cifar100:DIR"));
}

/// Tile `index` of class `class`.
fn tile(class: usize, index: usize) -> Picture {
    let rgb = (0..3072).map(|at| ((at * 31 + class * 57 + index * 101) % 256) as u8).collect();
    Picture::new(32, 32, rgb).unwrap()
}

fn record(labels: &[u8], picture: &Picture) -> Vec<u8> {
    let plane = |c: usize| picture.rgb.iter().skip(c).step_by(3).copied();
    labels.iter().copied().chain(plane(0)).chain(plane(1)).chain(plane(2)).collect()
}

fn sheet(class: usize, columns: usize, rows: usize) -> Picture {
    let mut rgb = vec![0; 3072 * columns * rows];
    for index in 0..columns * rows {
        let (row, column) = (index / columns, index % columns);
        for (y, line) in tile(class, index).rgb.chunks_exact(96).enumerate() {
            let at = ((row * 32 + y) * columns + column) * 96;
            rgb[at..at + 96].copy_from_slice(line);
        }
    }
    Picture::new(32 * columns as u32, 32 * rows as u32, rgb).unwrap()
}

fn write_webp(path: PathBuf, picture: &Picture) {
    let file = std::fs::File::create(path).unwrap();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(file);
    encoder.encode(&picture.rgb, picture.width, picture.height, image::ExtendedColorType::Rgb8).unwrap();
}

#[test]
fn cifar_layouts_give_the_same_pictures() {
    let limits = Limits { train_per_class: Some(7), test_per_class: Some(2) };
    let root = tempfile::tempdir().unwrap();
    let dirs = ["one", "two", "sheets"].map(|name| root.path().join(name));
    for (dir, labels) in dirs.iter().zip([1, 2]) {
        std::fs::create_dir(dir).unwrap();
        for (half, n) in [("train", 12), ("test", 4)] {
            // Classes interleaved, as in the official files.
            let samples = (0..n).flat_map(|index| (0..3usize).map(move |class| (class, index)));
            let bytes: Vec<u8> = samples
                .flat_map(|(class, index)| record(&[99, class as u8][2 - labels..], &tile(class, index)))
                .collect();
            std::fs::write(dir.join(format!("{half}.bin")), bytes).unwrap();
        }
        std::fs::write(dir.join("classes.txt"), "apple\nbear\ncrab\n").unwrap();
    }
    for (half, columns, rows) in [("train", 4, 3), ("test", 2, 2)] {
        std::fs::create_dir_all(dirs[2].join(half)).unwrap();
        for (class, name) in ["apple", "bear", "crab"].iter().enumerate() {
            write_webp(
                dirs[2].join(half).join(format!("{class:02}_{name}.webp")),
                &sheet(class, columns, rows),
            );
        }
    }
    for dir in &dirs {
        let spec: DataSpec = format!("cifar100:{}", dir.display()).parse().unwrap();
        let dataset = Dataset::open(&spec, Layout::Classes, limits).unwrap();
        assert_eq!(dataset.classes, ["apple", "bear", "crab"]);
        assert_eq!(dataset.picture_size(), Some((32, 32)));
        assert_eq!((dataset.train.len(), dataset.test.len()), (21, 6), "{spec}");
        for (split, count) in [(Split::Train, 7), (Split::Test, 2)] {
            for class in 0..3 {
                let of_class = dataset.samples(split).iter().filter(|s| s.class == class);
                let pictures: Vec<Picture> = of_class.map(|s| dataset.picture(s).unwrap()).collect();
                let want: Vec<Picture> = (0..count).map(|index| tile(class, index)).collect();
                assert_eq!(pictures, want, "{spec} {split:?} class {class}");
            }
        }
    }
    std::fs::write(dirs[0].join("test.bin"), vec![0; 5000]).unwrap();
    let spec = DataSpec::Cifar(dirs[0].clone());
    assert_eq!(Dataset::open(&spec, Layout::Classes, limits).unwrap_err().kind(), ErrorKind::Parse);
}

#[test]
fn hostile_pictures_are_errors() {
    assert_eq!(Picture::decode(b"").unwrap_err().kind(), ErrorKind::Parse);
    // A BMP header that promises 2^31 - 1 rows.
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend(1_000_000i32.to_le_bytes());
    bmp.extend(i32::MAX.to_le_bytes());
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 24]);
    assert_eq!(Picture::decode(&bmp).unwrap_err().kind(), ErrorKind::Parse);
    let png = drawn(30, 20).to_png().unwrap();
    assert_eq!(Picture::decode(&png).unwrap(), drawn(30, 20));
    for cut in [1, 20, 60, png.len() - 30] {
        assert!(Picture::decode(&png[..cut]).is_err(), "cut at {cut}");
    }
    assert!(drawn(4, 4).crop(1, 1, 4, 1).is_err() && drawn(4, 4).crop(u32::MAX, 0, 2, 1).is_err());
    assert!(Picture::new(0, 4, vec![]).is_err() && Picture::new(2, 2, vec![0; 11]).is_err());
}

#[test]
fn shared_cifar100_has_the_official_pixels() {
    use sha2::Digest;
    let Some(dir) = skip::shared("cifar100") else { return };
    let limits = Limits { train_per_class: Some(0), test_per_class: None };
    let dataset = Dataset::open(&DataSpec::Cifar(dir), Layout::Classes, limits).unwrap();
    assert_eq!((dataset.classes.len(), dataset.train.len(), dataset.test.len()), (100, 0, 10_000));
    let mut hash = sha2::Sha256::new();
    for sample in &dataset.test {
        let planes = record(&[], &dataset.picture(sample).unwrap());
        hash.update(&planes);
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // From SOURCE.txt of that folder: pixel bytes in (class, rank) order, planes first.
    assert_eq!(hex, "b6dd12052ad1d66f6c86d32f26185e991a85fe2bc9e779f483d0efb7964e5c53");
}

#[test]
fn shared_task_folders_are_counted() {
    let cases = [
        ("pacs", ClassNames::Shared, 4, 7, (4 * 7 * 40, 4 * 7 * 20)),
        ("omniglot", ClassNames::PerTask, 8, 242, (242 * 15, 242 * 5)),
    ];
    for (name, names, tasks, classes, counts) in cases {
        let Some(dir) = skip::shared(name) else { continue };
        let dataset = Dataset::open(&DataSpec::Folder(dir), Layout::Tasks(names), Limits::default()).unwrap();
        assert_eq!((dataset.tasks.len(), dataset.classes.len()), (tasks, classes));
        assert_eq!((dataset.train.len(), dataset.test.len()), counts);
        assert!(dataset.skipped.is_empty());
        assert!(dataset.load(Split::Test, &[0, 99], &Preprocess::vit(224)).unwrap().skipped.is_empty());
    }
}

#[test]
fn a_data_set_is_known_by_its_bytes_wherever_it_lies() {
    let write = |folder: &Path, level: u8, class: &str| {
        for half in ["train", "test"] {
            let to = folder.join(half).join(class);
            std::fs::create_dir_all(&to).unwrap();
            for (name, level) in [("a.png", level), ("b.png", 9), ("c.png", 9)] {
                let picture = Picture::new(2, 2, vec![level; 12]).unwrap();
                std::fs::write(to.join(name), picture.to_png().unwrap()).unwrap();
            }
        }
        let spec = DataSpec::Folder(folder.into());
        let data = Dataset::open(&spec, Layout::Classes, Limits::default()).unwrap();
        let identities = [Split::Train, Split::Test].map(|split| data.identities(split).unwrap());
        (data.fingerprint(&identities[0], &identities[1]), identities)
    };
    let folder = || tempfile::tempdir().unwrap();
    let (one, other, paler, renamed) = (folder(), folder(), folder(), folder());
    let (hash, [train, test]) = write(one.path(), 1, "cat");
    assert_eq!(train, test, "the same bytes in both halves");
    assert!(train[0] != train[1] && train[1] == train[2]);
    assert_eq!(write(other.path(), 1, "cat").0, hash);
    assert_ne!(write(paler.path(), 2, "cat").0, hash);
    assert_ne!(write(renamed.path(), 1, "dog").0, hash);
}
