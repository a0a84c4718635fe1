//! Writes what fuzzing begins with: `fuzz/worlds` and the files `seed-*` of `fuzz/corpus`, from the fixtures of the tests.
//!
//! ```text
//! cargo run --release --example fuzz_seeds
//! ```
//!
//! Run it anew when a format changes. Files of other names in the corpus are regressions and stay.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;
#[path = "../tests/lessons/mod.rs"]
mod lessons;

use std::fs;
use std::path::{Path, PathBuf};

use lessons::{learn, learn_and_commit, settings};
use perennial::bundle::{Bundle, Content, SecretKey};
use perennial::data::Picture;
use perennial::graph::{Graph, Node, ValueId, infer, rewrite};
use perennial::learner::{Learner, Settings};
use perennial::store::{self, Header, record};
use perennial::{onnx, strategy};

/// Models that are taken apart.
const PARTS: [&str; 6] = [
    "fixtures/split_legacy_op13_dynamic",
    "fixtures/pooled_legacy_op17_dynamic",
    "fixtures/timm_dynamo_op22_dynamic",
    "fixtures/fused_legacy_op17_dynamic_f16",
    "fixtures_quantized/split_dynamic_channel",
    "fixtures_quantized/timm_dynamo_static_channel",
];
const MODEL: &str = "timm_legacy_op17_dynamic";
/// Bytes of a bundle before its content.
const HEAD: usize = 106;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn seed(target: &str, name: &str, parts: &[&[u8]]) {
    let folder = root().join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("seed-{name}")), parts.concat()).unwrap();
}

fn main() {
    for folder in fs::read_dir(root().join("corpus")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap().map(Result::unwrap) {
            if file.file_name().as_encoded_bytes().starts_with(b"seed-") {
                fs::remove_file(file.path()).unwrap();
            }
        }
    }
    models();
    states();
    adapters();
    pictures();
    frames();
    arguments();
}

/// A learner of one task, with few random features: what is searched is the format, not the numbers.
fn taught(strategy: &str) -> Learner {
    let settings = Settings { random_features: 6, ..settings() };
    let backbone = fixtures::one(MODEL).backbone();
    let mut learner = Learner::builder(backbone).strategy(strategy).settings(settings).build().unwrap();
    learn_and_commit(&mut learner, 0);
    learner
}

fn states() {
    let worlds = ["perennial", "perennial-compact", "ncm-frozen", "best-frozen"];
    fs::create_dir_all(root().join("worlds")).unwrap();
    for (mode, name) in (1u8..).zip(worlds) {
        let learner = taught(name);
        let payload = store::encoded(learner.state()).unwrap();
        let header = Header::new(1, learner.backbone_sha256(), &payload);
        fs::write(root().join(format!("worlds/{name}.state")), record::encode(&header, &payload).unwrap())
            .unwrap();
        let backbone = fixtures::one(MODEL).backbone();
        let mut maker =
            Learner::builder(backbone).resume(learner.state().clone()).sharing(true).build().unwrap();
        learn(&mut maker, 1, 1);
        let content =
            Content::new(maker.lesson().unwrap(), learner.state(), learner.backbone_sha256(), [7; 32])
                .unwrap();
        let bundle = Bundle::sign(&content, &SecretKey::from_seed([1; 32])).unwrap();
        println!("{name}: state {}, bundle {}", payload.len(), bundle.bytes().len());
        seed("bundle", name, &[&[mode], &bundle.bytes()[HEAD..]]);
        if name == "ncm-frozen" {
            seed("bundle", "file", &[&[0], bundle.bytes()]);
        }
        if ["perennial", "ncm-frozen"].contains(&name) {
            seed("store", &format!("state-{name}"), &[&[2], &payload]);
        }
    }
    for name in ["lae", "ntk-lite", "proteus"] {
        let payload = store::encoded(taught(name).state()).unwrap();
        println!("{name}: state {}", payload.len());
        seed("store", &format!("learner-{name}"), &[&[3], &payload]);
    }
    let header = Header::new(3, [0; 32], b"a state");
    let record = record::encode(&header, b"a state").unwrap();
    seed("store", "record", &[&[0], &record]);
    let slot = |counter: u64, backbone: u8, payload: &[u8]| {
        [&counter.to_le_bytes()[..], &[backbone], &(payload.len() as u16).to_le_bytes(), payload].concat()
    };
    seed("store", "slots", &[&[1], &slot(4, 0, b"old"), &slot(5, 0, b"newer")]);
    seed("store", "slots-damaged", &[&[1], &slot(9, 0, b"old"), &slot(10, 0, b"newer"), &[0, 1, 1]]);
    seed("store", "slots-end", &[&[1], &slot(u64::MAX, 0, &[7; 300]), &slot(0, 1, b"")]);
}

/// The model whose weights lie apart, and what stands between two of its values: small files of what exporters write.
fn models() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let external = fs::read(folder.join("fixtures/fused_dynamo_op20_fixed_external.onnx")).unwrap();
    seed("onnx", "external", &[&external]);
    for name in PARTS {
        let mut graph = onnx::read(folder.join(format!("{name}.onnx"))).unwrap();
        infer::all(&mut graph).unwrap();
        let parts =
            graph.nodes().chunks(5).filter_map(|window| part(&graph, window)).filter(|p| p.len() < 3000);
        let parts: Vec<_> = parts.step_by(3).take(4).collect();
        println!("{name}: {} parts", parts.len());
        for (i, part) in parts.iter().enumerate() {
            seed("onnx", &format!("{}-{i}", name.rsplit('/').next().unwrap()), &[part]);
        }
    }
}

/// Some nodes of `graph` as a model of their own.
fn part(graph: &Graph, window: &[Node]) -> Option<Vec<u8>> {
    let outputs: Vec<ValueId> = window.last()?.outputs.iter().flatten().copied().collect();
    let made = |v: &ValueId| window.iter().any(|n| n.outputs.contains(&Some(*v)));
    let mut inputs: Vec<ValueId> = window.iter().flat_map(|n| n.inputs.iter().flatten().copied()).collect();
    inputs.retain(|v| !made(v) && graph.constant(*v).is_none());
    inputs.sort_unstable();
    inputs.dedup();
    onnx::encode(&rewrite::extract(graph, &inputs, &outputs).ok()?).ok()
}

fn adapters() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/peft");
    for name in ["plain", "patterns", "stabilised"] {
        let read = |file: &str| fs::read(golden.join(name).join(file)).unwrap();
        let (config, tensors) = (read("adapter_config.json"), read("adapter_model.safetensors"));
        seed("peft", name, &[&(config.len() as u16).to_le_bytes(), &config, &tensors]);
    }
}

/// Geometries as `targets/frame.rs` reads them.
fn frames() {
    let pixels: Vec<u8> = (0..900).map(|i| (i * 37 % 251) as u8).collect();
    for (name, layout, stride, region, how, sides) in [
        ("rgb", 0u8, 62u16, [0u16; 4], 13u8, [9u16, 0, 8]),
        ("bgr", 1, 60, [3, 1, 9, 7], 14, [12, 10, 0]),
        ("gray", 2, 20, [0; 4], 0, [0, 0, 11]),
        ("nv12", 3, 20, [5, 3, 11, 9], 16, [30, 0, 24]),
        ("nv12-planes", 0x80 | 3, 24, [0; 4], 7, [9, 0, 8]),
        ("yuyv", 4, 41, [1, 0, 19, 14], 5, [40, 4, 0]),
    ] {
        let head = [20, 14, stride].into_iter().chain(region).flat_map(u16::to_le_bytes);
        let tail = sides.into_iter().flat_map(u16::to_le_bytes);
        let bytes: Vec<u8> = [layout].into_iter().chain(head).chain([how]).chain(tail).collect();
        seed("frame", name, &[&bytes, &pixels]);
    }
}

fn pictures() {
    let rgb = (0..3 * 7 * 5).map(|i| (i * 37 % 251) as u8).collect();
    let picture = Picture::new(7, 5, rgb).unwrap();
    seed("pictures", "png", &[&[0], &picture.to_png().unwrap()]);
    for (name, format) in [
        ("jpeg", image::ImageFormat::Jpeg),
        ("webp", image::ImageFormat::WebP),
        ("bmp", image::ImageFormat::Bmp),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let colour = image::ExtendedColorType::Rgb8;
        let written = image::write_buffer_with_format(&mut bytes, &picture.rgb, 7, 5, colour, format);
        written.unwrap();
        seed("pictures", name, &[&[0], bytes.get_ref()]);
    }
    for (name, names) in [
        ("classes", "train/cat/1.png\ntrain/dog/2.JPG\ntest/cat/3.png"),
        ("tasks", "train/a/cat/1.png\ntrain/b/cat/2.bmp\ntest/a/cat/3.webp\ntrain/b/cat/broken.png"),
        ("flat", "cat/1.png\ndog/.hidden.png\ndog/2.jpeg"),
    ] {
        seed("pictures", &format!("tree-{name}"), &[&[1], names.as_bytes()]);
    }
    for (name, text) in [
        ("options", "resize=36,crop=32,filter=bicubic,mean=0.5,std=0.5:0.4:0.3,scale=0.0039\n{}"),
        (
            "hf",
            "\n{\"do_resize\":true,\"size\":{\"shortest_edge\":36},\"do_center_crop\":true,\"crop_size\":{\"height\":32,\
             \"width\":32},\"resample\":3,\"do_rescale\":true,\"rescale_factor\":0.0039,\"do_normalize\":true,\
             \"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5],\"crop_pct\":0.9}",
        ),
        (
            "timm",
            "\n{\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5],\"input_size\":[3,32,32],\"crop_pct\":0.9,\
             \"crop_mode\":\"center\",\"interpolation\":\"bicubic\"}",
        ),
    ] {
        seed("pictures", &format!("config-{name}"), &[&[2], text.as_bytes()]);
    }
}

/// Every command with every option, as clap lists them, and values that they take.
fn arguments() {
    use clap::CommandFactory;
    let command = perennial::cli::Cli::command();
    let mut words: Vec<String> =
        ["0.5", "partition:a", "folder:a", "cifar100:a", "resize=36,crop=32,filter=bicubic", "224x320"]
            .map(String::from)
            .into();
    lines(&command, &mut Vec::new(), &mut words);
    words.extend(strategy::NAMES.map(String::from));
    words.retain(|word| !word.is_empty());
    words.sort();
    words.dedup();
    let quoted: Vec<String> = words.iter().map(|w| format!("{w:?}\n")).collect();
    fs::write(root().join("command_line.dict"), quoted.concat()).unwrap();
}

fn lines(command: &clap::Command, path: &mut Vec<String>, words: &mut Vec<String>) {
    let mut line = path.clone();
    for arg in command.get_arguments() {
        if let Some(long) = arg.get_long() {
            line.push(format!("--{long}"));
            words.push(format!("--{long}"));
        }
        if arg.get_action().takes_values() {
            let usual = arg.get_default_values().first().and_then(|value| value.to_str());
            let one = arg.get_possible_values().first().map(|value| value.get_name().to_string());
            let value = match arg.get_id().as_str() {
                "preprocess" => "resize=36,crop=32".into(),
                "data" => "folder:a".into(),
                _ => one.unwrap_or_else(|| usual.unwrap_or("1").into()),
            };
            words.push(value.clone());
            line.push(value);
        }
    }
    let name = if path.is_empty() { "none".into() } else { path.join("-") };
    seed("command_line", &name, &[line.join("\n").as_bytes()]);
    for inner in command.get_subcommands() {
        words.push(inner.get_name().into());
        path.push(inner.get_name().into());
        lines(inner, path, words);
        path.pop();
    }
}
