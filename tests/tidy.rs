//! The floors of ARCHITECTURE.md, enforced: a file may use its own folder and lower floors, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Folder -> floor, read from the table under "## Floors".
fn floors() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Floors").nth(1).expect("ARCHITECTURE.md has a section Floors");
    let mut floors = BTreeMap::new();
    for line in section.lines().skip_while(|l| !l.starts_with("| floor")).take_while(|l| l.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(floor) = cells[0].parse::<usize>() else { continue };
        for name in cells[1].split(',') {
            let name = name.trim().trim_matches('`').trim_end_matches('/');
            assert!(floors.insert(name.to_string(), floor).is_none(), "{name} stands twice in the table");
        }
    }
    assert!(floors.len() > 10, "the floors table was not read: {floors:?}");
    floors
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// First component of a path below `src/`: the folder, or the file without its ending.
fn folder(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_string()
}

/// Code only: comments and doc links may point anywhere.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|l| l.split("//").next().unwrap_or(""))
}

/// The text up to the brace that closes the one before it, cut at the commas outside inner braces.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(&group[start..i]);
                start = i + 1;
                if c == '}' {
                    return items;
                }
            }
            _ => {}
        }
    }
    panic!("a group in a `use` is not closed: {group:.60}")
}

/// Modules named after `crate::`, in `use crate::{a, b::{c, d}}` too.
fn named(text: &str) -> BTreeSet<String> {
    let first = |path: &str| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut found = BTreeSet::new();
    for part in text.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => found.extend(items(group).into_iter().map(first)),
            None => {
                found.insert(first(part));
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn imports_go_down() {
    let floors = floors();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut complaints = Vec::new();
    for path in files {
        let from = folder(&path);
        if from == "lib" {
            continue;
        }
        let Some(&floor) = floors.get(&from) else {
            complaints.push(format!("{} stands on no floor; add it to ARCHITECTURE.md", path.display()));
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let text = code(&text).collect::<Vec<_>>().join("\n");
        for to in named(&text) {
            match floors.get(&to) {
                Some(&below) if below < floor || to == from => {}
                Some(&other) => complaints.push(format!(
                    "{}: {from} (floor {floor}) imports {to} (floor {other})",
                    path.strip_prefix(root()).unwrap().display()
                )),
                // Macros and re-exported items of floor 0 are named without their module.
                None => {}
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn pages_name_the_floor_of_the_table() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut named = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let Some((_, after)) = text.split_once("//! Floor ") else { continue };
        let floor = after.split('.').next().and_then(|n| n.parse::<usize>().ok());
        assert_eq!(floor, floors().get(&folder(&path)).copied(), "{}", path.display());
        named += 1;
    }
    assert!(named > 10, "only {named} pages name their floor");
}

#[test]
fn the_check_can_fail() {
    let names = |text: &str| named(text).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::{error::Result, learner::{Learner, State}, graph};"), "error graph learner");
    assert_eq!(
        names("use crate::{\n    graph,\n    onnx::{self, read::{a, b}},\n};\nuse crate::plan;"),
        "graph onnx plan"
    );
    assert_eq!(names("let x = crate::store::load(crate::engine::names());"), "engine store");
    assert_eq!(names("use ndarray::{graph, store};"), "");
}

#[test]
fn no_unwrap_and_no_unargued_unsafe_in_src() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut complaints = Vec::new();
    // A file `tests.rs` is compiled for tests only: its parent says so.
    for path in files.iter().filter(|p| !p.ends_with("tests.rs")) {
        let text = fs::read_to_string(path).unwrap();
        let tests = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| text.find(mark)).min();
        let before_tests = &text[..tests.unwrap_or(text.len())];
        let lines: Vec<&str> = before_tests.lines().collect();
        for (i, line) in code(before_tests).enumerate() {
            let forbidden = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("];
            // A block at the C border says just above it why it is sound; a type is not a block.
            let above = lines[..i].iter().rev().take_while(|l| l.trim_start().starts_with("//"));
            let argued = line.contains("unsafe extern") || above.clone().any(|l| l.contains("SAFETY:"));
            if forbidden.iter().any(|w| line.contains(w)) || (line.contains("unsafe ") && !argued) {
                complaints.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Whether the lines above line `at` put it behind a feature or a test.
fn is_behind(lines: &[&str], at: usize, mark: &str) -> bool {
    lines[..at].iter().rev().take_while(|l| l.trim_start().starts_with("#[")).any(|l| l.contains(mark))
}

/// The files of the small core: those that `lib.rs` reaches through modules that stand behind no feature.
fn core_files(path: &Path, below: &Path, out: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(path).unwrap();
    out.push(path.to_path_buf());
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let name = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let Some(name) = name.strip_prefix("mod ").and_then(|name| name.strip_suffix(';')) else { continue };
        if is_behind(&lines, i, "cfg(") {
            continue;
        }
        let places = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
        let place = places.iter().find(|place| place.exists()).unwrap_or_else(|| panic!("no file of {name}"));
        core_files(place, &below.join(name), out);
    }
}

/// Only a build for a target without a standard library proves it (`targets/thumbv7em-none-eabihf`); this finds most of it sooner.
#[test]
fn the_small_core_names_no_standard_library_and_a_file_is_core_or_it_is_not() {
    let src = root().join("src");
    let mut files = Vec::new();
    core_files(&src.join("lib.rs"), &src, &mut files);
    assert!(files.len() > 80, "only {} files of the core were found", files.len());
    let mut complaints = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        let lines: Vec<&str> = text[..tests].lines().collect();
        for (i, line) in code(&text[..tests]).enumerate() {
            let foreign = ["std::", "linfa", "tract_", "rayon::"].iter().any(|word| line.contains(word));
            if foreign && !is_behind(&lines, i, "cfg(") {
                complaints.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    let mut all = Vec::new();
    sources(&src, &mut all);
    let allowed = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use ", "#["];
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("#[cfg(")) {
            let next = lines.get(i + 1).unwrap_or(&"");
            if line.contains("\"std\"") && !allowed.iter().any(|start| next.starts_with(start)) {
                complaints.push(format!("{}:{}: {next} is half in the core", path.display(), i + 2));
            }
        }
        let inner = |line: &&str| line.starts_with(' ') && line.contains("feature = \"std\"");
        complaints
            .extend(lines.iter().copied().find(inner).map(|line| format!("{}: {line}", path.display())));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
