//! The program, as a user meets it: every command on a small model and drawn pictures.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use perennial::data::Picture;
use perennial::data::draw::Family;
use serde_json::Value;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx")
}

/// Runs the program in `folder`.
fn perennial(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perennial")).current_dir(folder).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: Output) -> Output {
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), stderr(&output));
    output
}

/// The JSON document on stdout, which must be alone there.
fn json(folder: &Path, args: &[&str]) -> Value {
    let args: Vec<&str> = ["--json"].into_iter().chain(args.iter().copied()).collect();
    let output = succeeded(perennial(folder, &args));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// A message that names all of `parts`, and exit status 1.
fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let output = perennial(folder, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}\n{text}");
    for part in parts {
        assert!(text.contains(part), "{args:?} does not mention {part:?}:\n{text}");
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// `folder/<theme>/<class>/<i>.png` for two classes of every theme; the themes' names.
fn draw(folder: &Path, per_class: u64) -> Vec<String> {
    let write = |family: &Family| {
        for class in 0..2 {
            let to = folder.join(family.theme()).join(family.name(class));
            std::fs::create_dir_all(&to).unwrap();
            for i in 0..per_class {
                let picture = Picture::new(48, 48, family.draw(class, 1, i, 48)).unwrap();
                std::fs::write(to.join(format!("{i}.png")), picture.to_png().unwrap()).unwrap();
            }
        }
        family.theme().to_string()
    };
    Family::themes().iter().map(write).collect()
}

/// `learn` with small settings, whatever the verdict: the model has random weights and hardly tells classes apart.
fn learn<'a>(model: &'a str, theme: &'a str, state: &'a str) -> Vec<&'a str> {
    let fixed = "--blocks 1 --rank 2 --random-features 64 --epochs 2 --anyway --seed 3";
    let mut args = vec!["learn", "--backbone", model, "--data", theme, "--task", theme, "--state", state];
    args.extend(fixed.split(' '));
    args
}

#[test]
fn inspect_shows_blocks_and_memory() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let document = json(folder.path(), &["inspect", model.to_str().unwrap(), "--blocks", "2"]);
    assert_eq!(document["blocks"].as_array().unwrap().len(), 2);
    assert_eq!(document["blocks"][1]["sites"][0]["name"], "block1.q");
    assert_eq!(document["image"], serde_json::json!([3, 32, 32]));
    assert!(document["footprint_total"].as_u64().unwrap() > 1 << 20);
    let text =
        succeeded(perennial(folder.path(), &["inspect", model.to_str().unwrap(), "--blocks", "2"])).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("qkv: 32x96") && text.contains("in all"), "{text}");
}

#[test]
fn compile_writes_graphs_that_pass_the_gradient_check() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let args = ["compile", model.to_str().unwrap(), "--blocks", "1", "--gradcheck", "--out", "step"];
    let document = json(folder.path(), &args);
    assert!(document["worst"].as_f64().unwrap() < 1e-3, "{}", document["worst"]);
    assert_eq!(document["gradcheck"].as_array().unwrap().len(), 6, "head, and A and B of q and v");
    for name in ["prefix", "suffix", "joint"] {
        perennial::onnx::read(folder.path().join(format!("step/{name}.onnx"))).unwrap().verify().unwrap();
    }
    let manifest = std::fs::read_to_string(folder.path().join("step/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["files"]["joint.onnx"]["outputs"][0]["name"], "loss");

    let again = [&args[..args.len() - 1], &["again", "--recompute"]].concat();
    let document = json(folder.path(), &again);
    assert!(document["worst"].as_f64().unwrap() < 1e-3, "{}", document["worst"]);
    let nodes = |name: &str| perennial::onnx::read(folder.path().join(name)).unwrap().nodes().len();
    assert!(nodes("again/joint.onnx") > nodes("step/joint.onnx"), "nothing is computed again");
}

#[test]
fn learning_twice_gives_the_same_files_and_predicting_finds_the_classes() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let themes = draw(folder, 8);
    for theme in &themes {
        let report = json(folder, &learn(model, theme, "one.state"));
        assert_eq!(report["report"]["images"], 16, "{report}");
        succeeded(perennial(folder, &learn(model, theme, "two.state")));
    }
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(read("one.state") == read("two.state"), "the same commands gave other bytes");

    let state = json(folder, &["state", "one.state"]);
    assert_eq!(state["tasks"].as_array().unwrap().len(), 5);
    assert_eq!(state["classes"].as_array().unwrap().len(), 10);
    assert_eq!(state["strategy"], "perennial");

    std::fs::write(folder.join("broken.png"), b"no picture").unwrap();
    let pictures: Vec<String> = Family::themes()
        .iter()
        .flat_map(|f| (0..2).map(move |c| format!("{}/{}/0.png", f.theme(), f.name(c))))
        .chain(["broken.png".to_string()])
        .collect();
    let mut args = vec!["predict", "--backbone", model, "--state", "one.state"];
    args.extend(pictures.iter().map(String::as_str));
    let answers = json(folder, &args);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 11);
    assert!(answers[10]["error"].as_str().unwrap().contains("broken.png"));
    let right = answers.iter().take(10).filter(|a| {
        let name = a["prediction"]["name"].as_str().unwrap();
        a["image"].as_str().unwrap().contains(&format!("/{name}/"))
    });
    let right = right.count();
    // The model is random: it can tell some of the pictures apart, not all.
    assert!(right >= 3, "{right} of 10 learned pictures are right; one is chance");
}

#[test]
fn a_promise_of_memory_is_kept_or_refused_before_the_start() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let theme = draw(folder, 6).remove(0);
    let inspect = |size: &str| {
        vec!["inspect", model, "--blocks", "1", "--budget", size]
            .into_iter()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let inspected = |size: &str| json(folder, &inspect(size).iter().map(String::as_str).collect::<Vec<_>>());
    let ample = inspected("1GB");
    assert_eq!(ample["budget"]["random_features"], 2000, "{ample}");
    let least = ample["budget"]["smallest"].as_u64().unwrap();
    let tight = inspected(&format!("{least}B"));
    assert_eq!(tight["budget"]["micro"], 1);
    assert_eq!(tight["footprint_total"].as_u64().unwrap(), least);
    let less = inspect(&format!("{}B", least - 1));
    refused(
        folder,
        &less.iter().map(String::as_str).collect::<Vec<_>>(),
        &[&least.to_string(), "least that would do"],
    );

    let promise = format!("{}B", least + (1 << 20));
    let mut small = learn(model, &theme, "a.state");
    small.extend(["--budget", &promise]);
    let report = json(folder, &small);
    assert_eq!(report["report"]["images"], 12, "{report}");
    assert!(report["memory"]["planned"].as_u64().unwrap() <= least + (1 << 20), "{report}");
    let mut large = learn(model, &theme, "b.state");
    large.extend(["--flash", "100B"]);
    refused(folder, &large, &["bytes and 100 were promised", "forget"]);
    assert!(!folder.join("b.state").exists(), "a task that was refused left a state");
}

#[test]
fn a_promise_of_time_is_kept_or_refused() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let inspect = |time| ["inspect", model, "--blocks", "1", "--step-time", time];
    let ample = json(folder, &inspect("1h"));
    assert_eq!(ample["budget"]["micro"], 4, "{ample}");
    refused(folder, &inspect("1ns"), &["training pass", "1.0ns", "promised"]);
    let eval =
        ["eval", "--data", "folder:x", "--strategy", "perennial", "--backbone", model, "--step-time", "1h"];
    refused(folder, &eval, &["--step-time", "learn or inspect"]);
}

#[test]
fn a_task_is_learned_again_from_its_receipt_and_anything_else_shows() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let themes = draw(folder, 6);
    succeeded(perennial(folder, &learn(model, &themes[0], "a.state")));
    std::fs::copy(folder.join("a.state"), folder.join("monday.state")).unwrap();
    let spill = ["--spill", ".", "--spill-size", "10KB"];
    succeeded(perennial(folder, &[&learn(model, &themes[1], "a.state")[..], &spill].concat()));
    let replay = |task: &str, data: &str, more: &[&str]| -> Vec<String> {
        let fixed = ["replay", "--backbone", model, "--state", "a.state", "--task", task, "--data", data];
        fixed.iter().chain(more).map(ToString::to_string).collect()
    };
    let (one, two) = (themes[0].as_str(), themes[1].as_str());
    let first = json(folder, &words(&replay(one, one, &[])));
    assert_eq!(first["different"].as_array().unwrap().len(), 0, "{first}");
    assert_eq!(first["then"]["passes"], 2);
    let second = json(folder, &words(&replay(two, two, &["--from", "monday.state"])));
    assert_eq!(second["different"].as_array().unwrap().len(), 0, "{second}");
    assert_eq!(
        second["then"]["file"], 10_000,
        "the file that took its pictures belongs to how it was learned"
    );
    refused(folder, &words(&replay(two, two, &[])), &["was not learned from this state", "--from"]);
    refused(folder, &words(&replay(one, two, &[])), &["came out differently", "pictures"]);
    refused(folder, &words(&replay("x", one, &[])), &["no task \"x\"", two]);

    // What makes room is kept elsewhere, where that is wanted, and comes back whole.
    let before = std::fs::read(folder.join("a.state")).unwrap();
    let forget = ["forget", "--state", "a.state", "--task", &themes[1], "--archive", "old.state"];
    succeeded(perennial(folder, &forget));
    let state = |name: &str| json(folder, &["state", name]);
    assert_eq!(state("a.state")["tasks"].as_array().unwrap().len(), 1);
    assert!(std::fs::read(folder.join("old.state")).unwrap() == before);
    refused(
        folder,
        &["forget", "--state", "a.state", "--class", "x", "--archive", "old.state"],
        &["no class"],
    );
}

#[test]
fn an_unreadable_picture_is_skipped_with_a_message() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let theme = draw(folder, 6).remove(0);
    let class = Family::themes()[0].name(0);
    std::fs::write(folder.join(&theme).join(class).join("broken.png"), b"no picture").unwrap();
    let output = succeeded(perennial(folder, &learn(model, &theme, "a.state")));
    assert!(
        stderr(&output).contains("skipped") && stderr(&output).contains("broken.png"),
        "{}",
        stderr(&output)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("12 pictures"));
}

#[test]
fn a_task_that_takes_known_classes_by_other_names_is_not_kept() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let theme = draw(folder, 6).remove(0);
    let first = json(folder, &learn(model, &theme, "a.state"));
    assert_eq!(first["report"]["verdict"]["held_out"], 12);
    let before = std::fs::read(folder.join("a.state")).unwrap();
    for class in 0..2 {
        let from = folder.join(&theme).join(Family::themes()[0].name(class));
        std::fs::create_dir_all(folder.join("again")).unwrap();
        std::fs::rename(from, folder.join("again").join(format!("other {class}"))).unwrap();
    }
    let mut careful = learn(model, "again", "a.state");
    careful.retain(|arg| *arg != "--anyway");
    refused(folder, &careful, &["was not kept", "under two names", "a.state is as it was", "--anyway"]);
    assert_eq!(std::fs::read(folder.join("a.state")).unwrap(), before);
    let kept = succeeded(perennial(folder, &learn(model, "again", "a.state")));
    assert!(String::from_utf8_lossy(&kept.stdout).contains("kept although other"), "{kept:?}");
    assert_ne!(std::fs::read(folder.join("a.state")).unwrap(), before);
}

#[test]
fn errors_exit_with_one_and_say_what_to_do() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let theme = draw(folder, 6).remove(0);
    refused(folder, &["inspect", "nosuch.onnx"], &["nosuch.onnx"]);
    std::fs::write(folder.join("text.onnx"), "no model").unwrap();
    refused(folder, &["inspect", "text.onnx"], &["text.onnx"]);
    refused(folder, &["inspect", model, "--blocks", "7"], &["7", "2"]);
    refused(
        folder,
        &["compile", model, "--blocks", "1", "--rank", "99", "--out", "step"],
        &["rank 99", "32"],
    );
    refused(folder, &["state", "nosuch.state"], &["nosuch.state"]);
    refused(folder, &["predict", "--backbone", model, "--state", "nosuch.state", "a.png"], &["nosuch.state"]);

    let mut small = learn(model, &theme, "a.state");
    small.extend(["--budget", "1MB"]);
    refused(folder, &small, &["least that would do"]);
    assert!(!folder.join("a.state").exists(), "a refused task left a state");
    let mut unknown = learn(model, &theme, "a.state");
    unknown.extend(["--strategy", "nosuch"]);
    refused(folder, &unknown, &["nosuch", "pegp"]);
    let mut empty = learn(model, "nosuch", "a.state");
    empty.truncate(empty.len() - 2);
    refused(folder, &empty, &["nosuch"]);

    succeeded(perennial(folder, &learn(model, &theme, "a.state")));
    refused(folder, &learn(model, &theme, "a.state"), &["already", "choose another name"]);
    let other = Path::new(model).with_file_name("split_legacy_op13_dynamic.onnx");
    refused(
        folder,
        &["predict", "--backbone", other.to_str().unwrap(), "--state", "a.state", "a.png"],
        &["backbone"],
    );
    let mut bytes = std::fs::read(folder.join("a.state")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(folder.join("a.state"), bytes).unwrap();
    refused(folder, &["state", "a.state"], &["a.state"]);
}

#[test]
fn an_encrypted_state_needs_its_key_in_every_command() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let (folder, model) = (folder.path(), model.to_str().unwrap());
    let themes = draw(folder, 6);
    let (first, second) = (themes[0].as_str(), themes[1].as_str());
    let class = Family::themes()[0].name(0).to_string();
    let picture = format!("{first}/{class}/0.png");
    assert_eq!(json(folder, &["state", "keygen", "a.key"])["name"].as_str().unwrap().len(), 16);
    succeeded(perennial(folder, &["state", "keygen", "b.key"]));
    refused(folder, &["state", "keygen", "a.key"], &["a.key"]);
    succeeded(perennial(folder, &["format", "partition:b.img", "--create", "1MiB"]));
    for state in ["a.state", "partition:b.img"] {
        let with = |args: &[&str], key: &str| -> Vec<String> {
            args.iter().chain(&["--state-key", key]).map(ToString::to_string).collect()
        };
        let run = |args: &[&str], key: &str| {
            let args = with(args, key);
            json(folder, &args.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let not = |args: &[&str], key: &str, parts: &[&str]| {
            let args = with(args, key);
            refused(folder, &args.iter().map(String::as_str).collect::<Vec<_>>(), parts);
        };
        run(&learn(model, first, state), "a.key");
        refused(folder, &learn(model, second, state), &["encrypted", "--state-key"]);
        not(&learn(model, second, state), "b.key", &["give that key"]);
        run(&learn(model, second, state), "a.key");

        let predict = ["predict", "--backbone", model, "--state", state, &picture];
        refused(folder, &predict, &["encrypted", "--state-key"]);
        assert!(run(&predict, "a.key")[0]["prediction"]["name"].is_string());
        let export = ["export", "--backbone", model, "--state", state, "--onnx", "adapted.onnx"];
        refused(folder, &export, &["--state-key"]);
        run(&export, "a.key");
        refused(folder, &["state", state], &["--state-key"]);
        not(&["state", state], "none.key", &["none.key"]);
        assert_eq!(run(&["state", state], "a.key")["classes"].as_array().unwrap().len(), 4);
        let forget = ["forget", "--state", state, "--class", &class];
        refused(folder, &forget, &["--state-key"]);
        assert_eq!(run(&forget, "a.key")["older_states_erased"], state != "a.state");

        // A new key: the old one opens nothing any more.
        let change = ["state", "seal", state, "--old-key", "a.key"];
        not(&["state", "seal", state], "b.key", &["give that key"]);
        assert_eq!(run(&change, "b.key")["older_states_erased"], state != "a.state");
        not(&["state", state], "a.key", &["give that key"]);
        assert_eq!(run(&["state", state], "b.key")["classes"].as_array().unwrap().len(), 3);
    }
    // One that was not encrypted is not believed beside a key, and is taken over when that is asked.
    succeeded(perennial(folder, &learn(model, first, "bare.state")));
    let show = ["state", "bare.state", "--state-key", "a.key"];
    refused(folder, &show, &["not encrypted", "perennial state seal"]);
    json(folder, &["state", "seal", "bare.state", "--state-key", "a.key"]);
    assert_eq!(json(folder, &show)["classes"].as_array().unwrap().len(), 2);
    refused(folder, &["state", "bare.state"], &["--state-key"]);
}

#[test]
fn bench_measures_every_work_and_compares() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let common =
        ["bench", "--backbone", model.to_str().unwrap(), "--blocks", "1", "--rank", "2", "--batch", "2"];
    let args = [&common[..], &["--roles", "q,v", "--repeats", "2", "--engines", "tract,tract@2"]].concat();
    let document = json(folder.path(), &args);
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8 * 2, "eight works on two engines");
    for row in rows {
        assert_eq!(row["error"], Value::Null, "{row}");
        assert_eq!(row["seconds"].as_array().unwrap().len(), 2);
        assert!(row["peak_bytes"].as_u64().unwrap_or(1) > 0 && row["share"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["ratio"].as_f64().unwrap() > 0.0);
    }
    let cached = rows.iter().find(|r| r["work"] == "step-cached").unwrap();
    assert!(cached["ratio_to_step"].as_f64().unwrap() > 0.0);
    let per_image = rows.iter().find(|r| r["work"] == "per-image").unwrap();
    assert!(per_image["ratio_to_merged"].as_f64().unwrap() > 0.0);

    let profile =
        [&common[..], &["--roles", "q,v", "--engines", "tract", "--work", "step-all", "--profile"]].concat();
    let text = String::from_utf8(succeeded(perennial(folder.path(), &profile)).stdout).unwrap();
    assert!(text.contains("OptMatMul") && text.contains("share"), "{text}");
}

#[test]
fn drawn_pictures_are_the_same_for_the_same_seed_and_can_be_learned() {
    let folder = tempfile::tempdir().unwrap();
    let (model, small) = (model(), ["--pictures", "3", "--side", "48"]);
    let drawn = |to: &str, seed: &str| {
        let document = json(folder.path(), &[&["draw", to, "--seed", seed], &small[..]].concat());
        assert_eq!(document["classes"], 30);
        std::fs::read(folder.path().join(to).join("tools/hammer/2.png")).unwrap()
    };
    let first = drawn("a", "1");
    assert_eq!(drawn("b", "1"), first);
    assert_ne!(drawn("c", "2"), first);
    let theme = folder.path().join("a/tools");
    let learned = learn(model.to_str().unwrap(), theme.to_str().unwrap(), "state");
    assert_eq!(json(folder.path(), &learned)["report"]["classes"].as_array().unwrap().len(), 6);
}

#[test]
fn latency_watches_a_camera_while_learning() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let common = ["latency", "--backbone", model.to_str().unwrap(), "--blocks", "1", "--rank", "2"];
    let look = ["--fps", "20,40", "--look", "300ms", "--rounds", "2", "--pictures", "8"];
    let document = json(folder.path(), &[&common[..], &look].concat());
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (row, fps) in rows.iter().zip([20.0, 40.0]) {
        assert_eq!(row["fps"], fps);
        for when in ["idle", "learning"] {
            let times = &row[when];
            let n = |name: &str| times[name].as_f64().unwrap();
            assert_eq!(n("frames"), fps * 0.3 * 2.0, "{row}");
            assert!(n("dropped") <= n("frames"), "{row}");
            assert!(0.0 < n("p50_ms") && n("p50_ms") <= n("p99_ms") && n("p99_ms") <= n("max_ms"), "{row}");
        }
        assert!(row["ratio"]["median"].as_f64().unwrap() > 0.0, "{row}");
    }
    assert!(document["shown"].as_u64().unwrap() > 0, "nothing was learned meanwhile: {document}");
    refused(folder.path(), &[&common[..], &["--fps", "0"]].concat(), &["above zero"]);
}

#[test]
fn bench_says_what_an_engine_needs() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let common = ["bench", "--backbone", model.to_str().unwrap(), "--engines"];
    refused(folder.path(), &[&common[..], &["abacus"]].concat(), &["abacus", "tract"]);
    if !perennial::engine::names().contains(&"onnxruntime") {
        let args = [&common[..], &["onnxruntime:cuda"]].concat();
        refused(folder.path(), &args, &["--features onnxruntime"]);
    }
    // A peer that cannot start is a row, not the end.
    let args = ["bench", "--backbone", model.to_str().unwrap(), "--engines", "tract", "--work", "step-all"];
    let more = [
        "--roles",
        "q,v",
        "--rank",
        "2",
        "--batch",
        "1",
        "--repeats",
        "1",
        "--peer",
        "gone=/no/such/program",
    ];
    let document = json(folder.path(), &[&args[..], &more].concat());
    let error = document["rows"][0]["error"].as_str().unwrap();
    assert!(error.contains("gone"), "{error}");
}
