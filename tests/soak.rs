//! A short life inside a promise, by the program itself: nothing is lost, and the state never leaves its room.
//! `benches/soak.sh` leads a long one.
#![cfg(all(feature = "tract", feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use serde_json::Value;

const FLASH: u64 = 700_000;

#[test]
fn a_short_life_loses_nothing_and_stays_inside() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("soak.html");
    let done = Command::new(env!("CARGO_BIN_EXE_perennial"))
        .args([
            "soak",
            "--json",
            "--alone",
            "--tasks",
            "16",
            "--flash",
            &FLASH.to_string(),
            "--budget",
            "64MB",
            "--out",
        ])
        .arg(&page)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["lost"], 0);
    let life = &told["soak"]["lives"][0];
    let days = life["days"].as_array().unwrap();
    assert_eq!(days.len(), 16);
    assert!(days.iter().all(|day| day["state_bytes"].as_u64().unwrap() <= FLASH));
    // It could not stay inside by doing nothing: lessons were kept, and something was given up for them.
    let tried = |fate: &str| {
        let rows = life["fates"].as_array().unwrap();
        rows.iter().filter(|row| row["fate"] == fate).map(|row| row["tried"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(tried("learned") >= 12, "{life}");
    assert!(tried("power_cut") > 0 && tried("restarted") > 0);
    assert!(!life["given_up"].as_array().unwrap().is_empty());
    let last = days.last().unwrap();
    assert!(last["accuracy"].as_f64().unwrap() > 60.0 && last["classes"].as_u64().unwrap() > 20, "{last}");
    assert_eq!(days[2]["open_files"], last["open_files"]);
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("power cut in the middle of a save") && !html.contains("<script"));
}
