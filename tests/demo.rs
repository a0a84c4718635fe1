//! The demonstration, small: the program runs without files, and what it reports is whole.
#![cfg(feature = "cli")]

use std::process::{Command, Output};

const THEMES: [&str; 5] = ["signs", "tools", "letters", "textures", "toys"];

fn demo(dir: &std::path::Path, options: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_perennial"))
        .current_dir(dir)
        .args(["demo", "--train", "4", "--test", "2", "--epochs", "1"])
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn prints_one_json_document_and_writes_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let output = demo(dir.path(), &["--json", "--out", "page.html"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let strategies: Vec<&str> =
        document["results"].as_array().unwrap().iter().map(|r| r["strategy"].as_str().unwrap()).collect();
    assert_eq!(strategies, ["perennial", "pegp", "ranpac-frozen", "sequential"]);
    for result in document["results"].as_array().unwrap() {
        let tasks: Vec<&str> =
            result["tasks"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(tasks, THEMES);
        let matrix = result["accuracy_matrix"].as_array().unwrap();
        assert_eq!(matrix.len(), 5);
        assert!(matrix[4].as_array().unwrap().iter().all(|x| x.is_number()), "{matrix:?}");
        assert_eq!(result["unknown"]["known"], 60, "30 classes, 2 test pictures each");
        assert_eq!(result["unknown"]["unknown"], 16, "8 strangers, 2 test pictures each");
    }
    let restart = &document["restart"];
    assert_eq!((&restart["after_task"], &restart["tasks_after"]), (&3.into(), &2.into()));
    assert_eq!(restart["same_predictions"], 76);
    assert_eq!(document["backbone_sha256"].as_str().unwrap().len(), 64);

    let page = std::fs::read_to_string(dir.path().join("page.html")).unwrap();
    for title in THEMES.iter().chain(&["never learned"]) {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "no row of pictures of {title}");
    }
    let map = page.split("Accuracy on each task after each task").nth(1).unwrap();
    let map = &map[..map.find("</svg>").unwrap()];
    for (at, title) in THEMES.iter().enumerate() {
        assert!(map.contains(&format!("{} {title}", at + 1)), "no row of {title} in the accuracy matrix");
    }
    assert!(page.contains("byte for byte"), "the note on the restart");
}

#[test]
fn prints_a_row_a_task_and_goes_on_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let text = String::from_utf8(demo(dir.path(), &[]).stdout).unwrap();
    let rows: Vec<&str> =
        text.lines().filter(|l| l.starts_with("after ") || l.starts_with("-- power")).collect();
    assert_eq!(rows.len(), 6, "{text}");
    assert!(rows[3].starts_with("-- power off; restored from "), "{text}");
    assert!(dir.path().join("perennial-report.html").exists());
}
