//! `perennial eval` and `compare` as a user meets them: several runs, the cache, going on after a cut, page and table.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use perennial::data::Picture;
use perennial::data::draw::Family;
use serde_json::Value;

fn model() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx");
    path.to_str().unwrap().to_string()
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
    command.current_dir(folder);
    command
}

/// `eval` on the drawn pictures in `folder`, with small settings; `more` in words.
fn eval(folder: &Path, more: &str) -> Command {
    let mut command = program(folder);
    command.args([
        "--json",
        "eval",
        "--backbone",
        &model(),
        "--data",
        "folder:pictures",
        "--cache-dir",
        "cache",
    ]);
    command.args("--blocks 1 --rank 2 --random-features 32 --epochs 2 --batch 8 --jobs 2".split(' '));
    command.args(more.split_whitespace());
    command
}

fn succeeded(output: Output) -> Output {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "exit {:?}\n{errors}", output.status.code());
    output
}

fn json(command: &mut Command) -> Value {
    let output = succeeded(command.output().unwrap());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// `pictures/{train,test}/<theme>/<class>/<i>.png`, or without the theme; two classes a theme.
fn draw(folder: &Path, themes: bool, shared: bool) {
    for (half, seed, count) in [("train", 1, 10), ("test", 2, 8)] {
        for family in Family::themes() {
            for class in 0..2 {
                let name = if shared { format!("class {class}") } else { family.name(class) };
                let mut to = folder.join("pictures").join(half);
                if themes {
                    to = to.join(family.theme());
                }
                let to = to.join(name);
                std::fs::create_dir_all(&to).unwrap();
                for i in 0..count {
                    let picture = Picture::new(48, 48, family.draw(class, seed, i, 48)).unwrap();
                    std::fs::write(to.join(format!("{i}.png")), picture.to_png().unwrap()).unwrap();
                }
            }
        }
    }
}

/// The figures that must not depend on time and machine.
fn lasting(run: &Value) -> Value {
    let mut run = run.clone();
    let fields = run.as_object_mut().unwrap();
    for key in [
        "train_seconds",
        "train_seconds_by_task",
        "predict_ms_per_image",
        "rss_bytes_after_task",
        "peak_rss_bytes",
        "threads",
    ] {
        assert!(fields.remove(key).is_some(), "{key} is missing");
    }
    fields["provenance"].as_object_mut().unwrap().remove("command");
    run
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == ending));
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn strategies_orders_and_seeds_are_runs_with_page_and_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    draw(folder, false, false);
    let words =
        "--tasks 5 --strategy best-frozen,sequential --orders 1,listed --seeds 0,3 --out runs --title Drawn";
    let runs = json(&mut eval(folder, words));
    let runs = runs.as_array().unwrap();
    assert_eq!((runs.len(), files(&folder.join("runs"), "json").len()), (8, 8));
    for run in runs {
        for key in [
            "last",
            "last_macro",
            "bwt",
            "task_from_class",
            "retrieval",
            "retrieval_by_signature",
            "retrieval_context_4",
        ] {
            assert!(run[key].is_f64(), "{key} of {}", run["strategy"]);
        }
        // Sixteen test pictures a task are one context.
        assert!(run["retrieval_context_16"].is_f64() && run["retrieval_context_rule"].is_string());
        let made = &run["provenance"];
        for key in ["program_sha256", "backbone_sha256", "data_sha256", "preprocessing_sha256"] {
            assert_eq!(made[key].as_str().unwrap().len(), 64, "{key}");
        }
        assert_eq!(
            (made["engine"].as_str(), made["engine_version"].as_str()),
            (Some("tract"), Some("0.23.9"))
        );
        assert_eq!(made["order_list"].as_array().unwrap().len(), 10);
        assert!(made["command"].as_str().unwrap().contains("--orders 1,listed"));
        assert_eq!(run["train_seconds_by_task"].as_array().unwrap().len(), 5);
    }
    assert_ne!(runs[0]["provenance"]["order_list"], runs[2]["provenance"]["order_list"]);
    let page = std::fs::read_to_string(folder.join("runs/report.html")).unwrap();
    let table = std::fs::read_to_string(folder.join("runs/table.md")).unwrap();
    assert!(page.contains("Accuracy against state") && page.contains("Strategies on Drawn"));
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert!(table.contains("### Drawn") && rows == 2 && table.contains(" ± "), "{table}");

    // Nothing is run again, and the page can be made from the files alone.
    let before = std::fs::metadata(&files(&folder.join("runs"), "json")[0]).unwrap().modified().unwrap();
    let again = json(&mut eval(folder, words));
    assert_eq!(again.as_array().unwrap().as_slice(), runs.as_slice());
    assert_eq!(
        std::fs::metadata(&files(&folder.join("runs"), "json")[0]).unwrap().modified().unwrap(),
        before
    );
    succeeded(program(folder).args(["compare", "runs", "runs", "--out", "all"]).output().unwrap());
    assert_eq!(std::fs::read_to_string(folder.join("all/table.md")).unwrap(), table);
}

#[test]
fn a_run_that_was_cut_off_goes_on_and_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    draw(folder, false, false);
    let words = |out: &str| format!("--tasks 5 --strategy pegp --threads 1 --out {out}");
    let whole = json(&mut eval(folder, &words("whole")));

    let mut cut = false;
    // Where the machine is so fast that the run ends before it is killed, try again from nothing.
    for _ in 0..5 {
        let _ = std::fs::remove_dir_all(folder.join("cut"));
        let mut child =
            eval(folder, &words("cut")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while files(&folder.join("cut"), "part").is_empty() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The process that ran the job ends by itself when its parent is gone.
        std::thread::sleep(Duration::from_millis(500));
        cut = !files(&folder.join("cut"), "part").is_empty() && files(&folder.join("cut"), "json").is_empty();
        if cut {
            break;
        }
    }
    assert!(cut, "the run was never cut off in its middle");
    let output = succeeded(program_words(folder, &words("cut")).output().unwrap());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("goes on after task"), "{said}");
    let resumed = read(&files(&folder.join("cut"), "json")[0]);
    assert_eq!(whole["last"], resumed["last"]);
    assert_eq!(lasting(&resumed), lasting(&read(&files(&folder.join("whole"), "json")[0])));
    assert!(files(&folder.join("cut"), "part").is_empty(), "the checkpoint of a finished run was left");
}

/// As [`eval`], with text instead of JSON.
fn program_words(folder: &Path, more: &str) -> Command {
    let all = eval(folder, more);
    let mut command = program(folder);
    command.args(all.get_args().filter(|arg| *arg != "--json"));
    command
}

#[test]
fn the_cache_encodes_a_picture_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    draw(folder, false, false);
    let words = |out: &str| format!("--tasks 2 --strategy lda-frozen --out {out}");
    let first = json(eval(folder, &words("a")).args(["--train-per-class", "4"]));
    assert_eq!(first["tasks"][0]["train"], 20);
    let key = std::fs::read_dir(folder.join("cache")).unwrap().next().unwrap().unwrap().path();
    let count = || files(&key, "rows").len();
    let size = || files(&key, "rows").iter().map(|f| f.metadata().unwrap().len()).sum::<u64>();
    // A file for each half.
    assert_eq!(count(), 2);
    let (few, text) = (size(), program_words(folder, &words("b")).output().unwrap());
    // 100 + 80 pictures, of which 40 + 80 are there.
    assert!(String::from_utf8_lossy(&text.stderr).contains("encoded 60 pictures"), "{text:?}");
    assert_eq!(count(), 3);
    assert!(size() > few);
    let cached = read(&files(&folder.join("b"), "json")[0]);
    let again = json(eval(folder, &words("c")).args(["--validate", "0.2"]));
    assert_eq!(
        (count(), again["tasks"][0]["test"].as_u64()),
        (3, Some(10)),
        "held-out pictures are no new ones"
    );

    let mut without = program(folder);
    let args: Vec<_> = eval(folder, &words("d")).get_args().map(|a| a.to_os_string()).collect();
    let at = args.iter().position(|a| a == "--cache-dir").unwrap();
    without.args(args[..at].iter().chain(&args[at + 2..])).arg("--no-cache-dir");
    let fresh = json(&mut without);
    assert_eq!((&fresh["last"], &fresh["accuracy_matrix"]), (&cached["last"], &cached["accuracy_matrix"]));

    // Damage is found, and does not become a figure.
    let file = &files(&key, "rows")[0];
    let mut bytes = std::fs::read(file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let refused = eval(folder, &words("e")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("damaged; delete the file"), "{said}");
}

#[test]
fn domains_online_and_blurred_streams_are_settings_of_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    draw(folder, true, true);
    let words = "--tasks folders --strategy ridge-frozen,sequential --out runs";
    let domains = json(&mut eval(folder, &format!("{words} --scenario domain --orders listed,2")));
    assert_eq!(domains[0]["scenario"], "domain-incremental");
    assert_eq!(domains[0]["chance"], 50.0);
    let list = |run: &Value| run["provenance"]["order_list"].clone();
    assert_ne!(list(&domains[0]), list(&domains[1]), "a seed shuffles the folders");
    assert_eq!(list(&domains[0]).as_array().unwrap().len(), 5);
    let own = json(&mut eval(folder, words));
    assert_eq!((&own[0]["scenario"], own[0]["chance"].as_f64()), (&"class-incremental".into(), Some(10.0)));

    let online = json(&mut eval(folder, &format!("{words} --online --json-out online.json")));
    assert_eq!(online[1]["config"]["epochs"], "1");
    assert_eq!(
        (&online[1]["config"]["batch"], online[1]["provenance"]["online"].as_bool()),
        (&"10".into(), Some(true))
    );
    let steps = |run: &Value| run["loss"].as_array().map_or(0, Vec::len);
    assert_eq!(steps(&online[1]), 0, "losses stand in the stored run only");
    let stored = files(&folder.join("runs"), "json").iter().map(|f| read(f)).collect::<Vec<_>>();
    let stored =
        stored.iter().find(|r| r["provenance"]["online"] == true && r["strategy"] == "sequential").unwrap();
    assert_eq!(
        stored["trace"]["loss"].as_array().unwrap().len(),
        5 * 2,
        "twenty pictures a task are two steps"
    );

    let blurred = json(&mut eval(folder, &format!("{words} --blur 0.2")));
    let train = |run: &Value| {
        run["tasks"].as_array().unwrap().iter().map(|t| t["train"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(train(&blurred[0]), 100);
    assert_eq!(blurred[0]["provenance"]["blur"], 0.2);
    // Files of all settings lie beside each other, and are told apart.
    let compared = succeeded(program(folder).args(["compare", "runs"]).output().unwrap());
    let table = String::from_utf8_lossy(&compared.stdout).into_owned();
    for stream in
        ["### pictures\n", "### pictures, online", "### pictures, 20 % blurred", "domain-incremental"]
    {
        assert!(table.contains(stream), "{stream} in {table}");
    }
}

#[test]
fn mistakes_are_answered_with_the_next_move() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    draw(folder, false, false);
    let refused = |words: &str, parts: &[&str]| {
        let output = eval(folder, words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}\n{said}");
        parts
            .iter()
            .for_each(|part| assert!(said.contains(part), "{words} does not mention {part:?}: {said}"));
    };
    refused("--orders nosuch.txt", &["nosuch.txt", "seeds", "listed"]);
    refused("--tasks eleven", &["eleven", "folders"]);
    refused("--tasks 11", &["fewer tasks"]);
    refused("--scenario domain", &["--tasks folders", "<domain>"]);
    refused("--strategy nosuch", &["nosuch", "pegp"]);
    refused("--tasks 1 --blur 0.1", &["blurred", "two tasks"]);
    std::fs::write(folder.join("file"), "x").unwrap();
    refused("--tasks 2 --out file", &["choose another --out"]);
    let nothing = program(folder).args(["compare", "pictures"]).output().unwrap();
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("perennial eval --out"));
    // A run that fails names itself, and the others are kept.
    let words = "--tasks 5 --strategy best-frozen,pegp --learning-rate 1e30 --out some";
    refused(words, &["pegp order 0 seed 0", "lower the learning rate", "start again"]);
    assert_eq!(files(&folder.join("some"), "json").len(), 1);
}
