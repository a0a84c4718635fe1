//! The zoo: small models with random weights, as exporters write them (`tests/golden/export_zoo.py`).
//!
//! Every cell is a model, an exporter and a fixed or an open batch. It passes if the file loads, an engine gives the
//! outputs of the framework it came from, blocks and sites are found (or named), prefix and suffix make the whole, and
//! every gradient of a training step of its last blocks agrees with central differences. A cell that does not pass
//! has its reason in `reasons.rs`; a reason that is no longer needed fails the test.
//!
//! `cargo test --release --test zoo -- --nocapture` prints the table; with `PERENNIAL_WRITE=1` it becomes `README.md`.
#![cfg(feature = "tract")]

mod cell;
mod learning;
mod reasons;
mod table;

use cell::{Cell, Row};
use rayon::prelude::*;

/// Cells to look at alone: `PERENNIAL_ZOO=swin cargo test --release --test zoo -- --nocapture`.
fn wanted(row: &Row) -> bool {
    std::env::var("PERENNIAL_ZOO").map_or(true, |only| row.name().contains(&only))
}

#[test]
fn every_cell_passes_or_has_its_reason() {
    let (unwritten, rows): (Vec<Row>, Vec<Row>) =
        cell::rows().into_iter().filter(wanted).partition(|r| cell::unwritten(r).is_some());
    let cells: Vec<Cell> = rows.par_iter().map(Cell::measure).collect();
    for cell in &cells {
        println!("{cell}");
    }
    let passed = cells.iter().filter(|c| c.outcome.is_ok()).count();
    println!("{passed} of {} cells pass", cells.len());
    let wrong: Vec<String> = cells.iter().filter_map(Cell::contradiction).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let plain = cells.iter().find(|c| c.row.plain() && c.outcome.is_err());
    assert!(plain.is_none(), "{} is a plain transformer and fails", plain.unwrap());
    if std::env::var_os("PERENNIAL_ZOO").is_none() {
        assert!(10 * passed >= 9 * cells.len(), "fewer than nine in ten cells pass");
        table::check(&cells, &unwritten);
    }
}
