//! The table as Markdown, in `README.md` of this folder.

use super::cell::{Cell, Row, folder, unwritten};

const HEAD: &str = "# The zoo

Written by `PERENNIAL_WRITE=1 cargo test --release --test zoo`, which fails when this page is stale. Models of `timm`, `transformers`
and Keras with random weights, exported by `tests/golden/export_zoo.py`. A cell passes if the file loads, the outputs are the
framework's, sites are found, prefix and suffix make the whole, and the gradients of a training step of the last two blocks
agree with central differences. \"named\": no attention over linear layers; the sites are named by a pattern.

";

fn page(cells: &[Cell], not_written: &[Row]) -> String {
    let passed = cells.iter().filter(|c| c.outcome.is_ok()).count();
    let mut page = format!("{HEAD}{passed} of {} cells pass.\n\n", cells.len());
    page += "| model | family | exporter | batch | blocks | sites | gradients | |\n|---|---|---|---|---|---|---|---|\n";
    for cell in cells {
        let row = &cell.row;
        let name = row.name();
        let exporter = name.split('.').nth(1).unwrap_or("");
        let found = match (&cell.outcome, cell.reason()) {
            (Ok(f), _) => format!("{} | {} | {} | pass", f.blocks, f.roles, f.gradients),
            (_, Some(reason)) => format!(" | | | {reason}"),
            (Err(e), None) => format!(" | | | {e}"),
        };
        let family = row.text("family");
        page +=
            &format!("| {} | {family} | {exporter} | {} | {found} |\n", row.text("model"), row.text("batch"));
    }
    page += "\nWhat an exporter could not write, and what it said:\n\n";
    for row in not_written {
        let said: String = unwritten(row).unwrap_or("").chars().take(160).collect();
        page += &format!("* {}: {}\n", row.name(), said.trim());
    }
    page
}

pub fn check(cells: &[Cell], not_written: &[Row]) {
    let (path, page) = (folder().join("README.md"), page(cells, not_written));
    if std::env::var_os("PERENNIAL_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "tests/zoo/README.md is stale; write it with PERENNIAL_WRITE=1");
}
