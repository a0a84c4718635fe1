//! One cell of the table: a file, and what is tried with it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array4, ArrayD};
use perennial::adapter::{Blocks, Lora, Mechanism, Named, Role, Roles, Sharing, inject, named};
use perennial::backbone::Backbone;
use perennial::engine::{Data, Engine, by_name};
use perennial::gradcheck;
use perennial::graph::Graph;
use perennial::joint::joint;
use serde_json::Value;

use super::reasons;

const BATCH: usize = 2;

/// A row of `zoo.json`.
pub struct Row {
    document: Value,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo")
}

pub fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(folder().join("zoo.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    document["rows"].as_array().unwrap().iter().map(|r| Row { document: r.clone() }).collect()
}

/// Why the exporter could not write the file.
pub fn unwritten(row: &Row) -> Option<&str> {
    Some(row.text("export_error")).filter(|e| !e.is_empty())
}

impl Row {
    pub fn text(&self, key: &str) -> &str {
        self.document[key].as_str().unwrap_or("")
    }

    pub fn plain(&self) -> bool {
        self.document["plain"] == true
    }

    /// `vit.dynamo18.fixed`.
    pub fn name(&self) -> String {
        format!(
            "{}.{}{}.{}",
            self.text("model"),
            self.text("exporter"),
            self.document["opset"],
            self.text("batch")
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let file = std::fs::File::open(folder().join(self.text("file"))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn images(&self) -> Array4<f32> {
        let image = &self.document["image"];
        let size = |i: usize| image[i].as_u64().unwrap() as usize;
        let shape = match image[0] == 3 {
            true => (BATCH, 3, size(1), size(2)),
            false => (BATCH, size(0), size(1), size(2)),
        };
        let numbers = (0..shape.0 * shape.1 * shape.2 * shape.3)
            .map(|i| ((i * 7919 + 104_729) % 257) as f32 / 128.0 - 1.0)
            .collect();
        Array4::from_shape_vec(shape, numbers).unwrap()
    }
}

/// What was found in a cell that passes.
#[derive(Default)]
pub struct Found {
    pub blocks: usize,
    pub roles: String,
    pub gradients: usize,
    outputs: f32,
    cut: f32,
    worst: f64,
}

pub struct Cell {
    pub row: Row,
    pub outcome: Result<Found, String>,
}

impl Cell {
    pub fn measure(row: &Row) -> Self {
        let row = Row { document: row.document.clone() };
        let outcome = std::panic::catch_unwind(|| measure(&row)).unwrap_or_else(|_| Err("it panics".into()));
        Self { row, outcome }
    }

    /// Why the cell fails.
    pub fn reason(&self) -> Option<&'static str> {
        reasons::of(&self.row)
    }

    /// What the outcome and the list of reasons disagree in.
    pub fn contradiction(&self) -> Option<String> {
        match (&self.outcome, self.reason()) {
            (Err(e), None) => Some(format!("{}: {e}", self.row.name())),
            (Ok(_), Some(reason)) => Some(format!("{} passes; remove its reason: {reason}", self.row.name())),
            _ => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44} ", self.row.name())?;
        match &self.outcome {
            Ok(o) => write!(
                f,
                "{} blocks ({}); outputs {:.0e}, cut {:.0e}, {} gradients {:.0e}",
                o.blocks, o.roles, o.outputs, o.cut, o.gradients, o.worst
            ),
            Err(e) => write!(f, "FAILS: {e}"),
        }
    }
}

/// The model of a row, for images of the row's size where the file leaves it open.
pub fn backbone(row: &Row) -> perennial::Result<Backbone> {
    let images = row.images();
    Backbone::from_bytes_sized(&row.bytes(), Some([images.shape()[2], images.shape()[3]]))
}

fn engine() -> Arc<dyn Engine> {
    let name = std::env::var("PERENNIAL_ENGINE").unwrap_or_else(|_| "tract".into());
    by_name(&name, 1).unwrap()
}

type Outcome<T> = Result<T, String>;

fn say<T>(doing: &str, result: perennial::Result<T>) -> Outcome<T> {
    result.map_err(|e| format!("{doing}: {e}"))
}

fn measure(row: &Row) -> Outcome<Found> {
    let images = row.images();
    let backbone = say("reading", backbone(row))?;
    let outputs = outputs(row, backbone.graph(), &images)?;
    let (backbone, roles) = understood(row, backbone)?;
    let cut = cut(&backbone, roles, &images)?;
    let (gradients, worst) = gradients(&backbone, roles)?;
    let blocks = &backbone.anatomy().blocks;
    let named = blocks.iter().any(|b| b.sites.iter().any(|s| s.role == Role::Named));
    let roles = if named { format!("{} named", blocks[0].sites.len()) } else { roles.to_string() };
    Ok(Found { blocks: blocks.len(), roles, gradients, outputs, cut, worst })
}

/// Distance to the outputs of the framework, over the largest of them.
fn outputs(row: &Row, graph: &Graph, images: &Array4<f32>) -> Outcome<f32> {
    let session = say("compiling", engine().compile(graph, BATCH))?;
    let results = say("running", session.run(&[images.clone().into()]))?;
    let mut worst: f32 = 0.0;
    for (port, result) in session.outputs().iter().zip(results) {
        let want = &row.document["outputs"][&port.name]["data"];
        let Some(want) = want.as_array() else {
            return Err(format!("no output {:?} is expected", port.name));
        };
        let want: Vec<f32> = want.iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let got = say("output", result.into_f32())?;
        let scale = want.iter().fold(1f32, |m, x| m.max(x.abs()));
        let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f32::max);
        worst = worst.max(if off.is_finite() { off } else { f32::INFINITY });
    }
    match worst < 1e-4 {
        true => Ok(worst),
        false => Err(format!("outputs off by {worst:.0e}")),
    }
}

/// The backbone with blocks found, or sites named where there are none; and the roles that its last blocks share. Bottlenecks are
/// left to tests/joint.rs: their kinks are no matter of the exporter.
fn understood(row: &Row, backbone: Backbone) -> Outcome<(Backbone, Roles)> {
    let blocks = &backbone.anatomy().blocks;
    if blocks.is_empty() {
        if row.plain() {
            return Err("no blocks found in a plain transformer".into());
        }
        let named = Named { sites: Some(last_layers(&backbone)), boundary: None };
        return Ok((say("naming", backbone.named(&named))?, Roles::Q));
    }
    let last = &blocks[blocks.len().saturating_sub(2)..];
    let shared = |role: Role| last.iter().all(|b| b.sites.iter().any(|s| s.role == role));
    let names: Vec<_> = Role::FOUND
        .into_iter()
        .filter(|&r| shared(r) && r.mechanism() == Mechanism::Lora)
        .map(Role::name)
        .collect();
    let needed: &[&str] = if row.plain() { &["q", "k", "v", "o", "fc1", "fc2"] } else { &[] };
    if let Some(missing) = needed.iter().find(|n| !names.contains(n)) {
        return Err(format!("no {missing} in the last blocks, which share {}", names.join(",")));
    }
    let roles = say("roles", names.join(",").parse())?;
    Ok((backbone, roles))
}

/// The names of the last four linear layers.
fn last_layers(backbone: &Backbone) -> String {
    let layers = named::layers(backbone.graph(), backbone.feature()).unwrap();
    let names = layers.iter().rev().take(4).map(|l| named::names(backbone.graph(), l)[0]);
    names.collect::<Vec<_>>().join(",")
}

fn last(backbone: &Backbone) -> Blocks {
    Blocks::Last(backbone.anatomy().blocks.len().min(2))
}

/// Distance of the suffix of the prefix to the whole.
fn cut(backbone: &Backbone, roles: Roles, images: &Array4<f32>) -> Outcome<f32> {
    let parts = say("cutting", backbone.parts(last(backbone), roles))?;
    let (whole, _) = say("whole", backbone.whole(last(backbone), roles))?;
    let run = |graph: &Graph, inputs: &[Data]| -> Outcome<Vec<Data>> {
        say("running a part", engine().compile(graph, BATCH).and_then(|s| s.run(inputs)))
    };
    let whole = floats(run(&whole, &[images.clone().into()])?)?;
    let tokens = run(&parts.prefix, &[images.clone().into()])?;
    let cut = floats(run(&parts.suffix, &tokens)?)?;
    let scale = whole.iter().fold(1f32, |m, x| m.max(x.abs()));
    let off = whole.iter().zip(&cut).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f32::max);
    match off < 1e-5 {
        true => Ok(off),
        false => Err(format!("prefix and suffix are off by {off:.0e}")),
    }
}

fn floats(data: Vec<Data>) -> Outcome<ArrayD<f32>> {
    say("output", data.into_iter().next().unwrap().into_f32())
}

/// Number of gradients of a training step, and the worst relative error.
fn gradients(backbone: &Backbone, roles: Roles) -> Outcome<(usize, f64)> {
    let lora = Lora { rank: 2, alpha: 3.0, blocks: last(backbone), roles };
    let parts = say("cutting", backbone.parts(lora.blocks, roles))?;
    let (graph, slots) = say("injecting", inject(parts.suffix, &parts.sites, &lora, Sharing::Shared))?;
    let step = say("differentiating", joint(graph, &slots, 8))?;
    let checks = say("checking", gradcheck::run(engine().as_ref(), &step.graph, BATCH, 7))?;
    let worst = checks.iter().max_by(|a, b| a.relative_error.total_cmp(&b.relative_error)).unwrap();
    match worst.relative_error < gradcheck::tolerance(&step.graph) {
        true => Ok((checks.len(), worst.relative_error)),
        false => Err(format!("gradient of {} is off by {:.0e}", worst.input, worst.relative_error)),
    }
}
