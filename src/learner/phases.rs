//! What is in RAM in every phase of a learner's life, from what its parts take ([`Wanted`](super::wanted::Wanted)).
//!
//! | phase | what is made in it |
//! |---|---|
//! | `starts` | the trunk is compiled while the whole backbone is there |
//! | `trains` | the training step is compiled; pictures pass the trunk, tokens the training step |
//! | `ends` | the adapted network is compiled, every kept picture passes it, the classifier is solved beside the one before |
//! | `predicts` | pictures pass trunk and network |
//!
//! What compiling, holding and running a graph takes says the engine ([`Engine::demand`]); what a classifier takes it says itself.
//! The tests (`tests/budget.rs`) and `benches/budget.sh` hold what is planned against what a process takes.

use super::extraction::CHUNK;
use super::footprint::{Footprint, Item, Phase};
use crate::head::Demand as Head;
use crate::plan::Demand;

/// What a process takes before anything is read: its heap's own bookkeeping, stacks, tables of the libraries
/// and of the kernel.
const PROCESS: usize = 8 << 20;

/// Where the heap lies in pieces it is larger than what is in it: by one part in so many, but for what is kept of pictures, which lies in
/// memory of its own.
const PIECES: usize = 5;

/// Name of what is kept of the open task's pictures.
const KEPT: &str = "pictures kept";

/// Bytes of everything that phases hold, from which a footprint follows for any cache.
pub struct Plan {
    pub(super) backbone: usize,
    pub(super) trunk: Demand,
    pub(super) network: Demand,
    pub(super) step: Demand,
    /// Constants of the suffix, which stay to be trained and merged anew.
    pub(super) suffix: usize,
    /// Constants of layers that adapters are merged into.
    pub(super) merged: usize,
    /// Trainable parameters.
    pub(super) parameters: usize,
    /// Second moments and bases at the end of a task.
    pub(super) bases: usize,
    /// A picture, as pixels.
    pub(super) pixels: usize,
    /// Tokens of a picture in all its crops.
    pub(super) tokens: usize,
    /// What is kept of it beside them, and instead of them.
    pub(super) kept: [usize; 2],
    /// Bytes of a file for tokens, where there is one.
    pub(super) spill: Option<usize>,
    /// What passes between trunk and network, of a picture.
    pub(super) encoded: usize,
    /// A row that the classifier reads.
    pub(super) row: usize,
    pub(super) head: Head,
    pub(super) crops: usize,
    pub(super) threads: usize,
    pub(super) micro: usize,
    pub(super) batch: usize,
    pub(super) classes: usize,
    /// Whether the first task adapts, and whether later ones do.
    pub(super) adapts: [bool; 2],
    pub(super) adapted: bool,
}

impl Plan {
    /// What is in RAM where at most `cache` bytes are kept of the pictures of a task.
    pub fn footprint(&self, cache: usize) -> Footprint {
        let mut phases = vec![self.starts(), self.trains(cache), self.ends(cache), self.predicts()];
        for phase in &mut phases {
            let heap =
                phase.items.iter().filter(|item| item.name != KEPT).map(|item| item.bytes).sum::<usize>();
            phase.items.push(item("heap in pieces", heap / PIECES, "of everything but pictures".into()));
        }
        Footprint { phases }
    }

    /// Bytes of RAM for `pictures` pictures as they are kept of a first task.
    pub fn cache(&self, pictures: usize) -> usize {
        let one = match (self.adapts[0], self.spill) {
            (false, _) => self.kept[1],
            (true, None) => self.kept[0] + self.tokens,
            (true, Some(_)) => self.kept[0],
        };
        pictures * one
    }

    /// Pictures of a first task that can be kept in `cache` bytes of RAM, and in the file.
    pub fn pictures(&self, cache: usize) -> usize {
        let file = self.spill.filter(|_| self.adapts[0]).map(|bytes| bytes / self.tokens.max(1));
        (cache / self.cache(1).max(1)).min(file.unwrap_or(usize::MAX))
    }

    fn starts(&self) -> Phase {
        let network = if self.adapted { self.network.compiling + self.merged } else { 0 };
        let compiling = self.trunk.compiling.max(self.trunk.held + network);
        let items = vec![
            process(),
            item("weights as read", self.backbone, "the whole backbone".into()),
            item("frozen network", compiling, "while it is compiled".into()),
            item("classifier", if self.adapted { self.head.held } else { 0 }, "as stored".into()),
        ];
        Phase { name: "starts", items }
    }

    /// What stands from the start to the end, with `networks` adapted networks.
    fn standing(&self, networks: usize) -> Vec<Item> {
        let batches = match self.micro {
            1 => "compiled".into(),
            micro => format!("compiled for micro-batches of {micro} and of 1"),
        };
        vec![
            process(),
            item("weights as read", self.suffix, "of the blocks that are adapted".into()),
            item("frozen network", self.trunk.held, batches),
            item(
                "adapted network",
                networks * (self.network.held + self.merged),
                format!("compiled, {networks}"),
            ),
        ]
    }

    fn trains(&self, cache: usize) -> Phase {
        let Self { batch, threads, micro, .. } = *self;
        let stepping = batch * self.encoded + (self.step.running + self.parameters) * threads;
        let passing = largest([
            (format!("{batch} pictures on their way through the frozen network"), self.encoding()),
            (format!("a step in micro-batches of {micro}, {threads} threads"), stepping),
            ("the training step while it is compiled".into(), self.step.compiling - self.step.held),
        ]);
        // A network of earlier tasks stands by where tasks go on adapting.
        let mut items = self.standing(usize::from(self.adapts[1]));
        items.extend([
            item("training step", self.step.held, "compiled".into()),
            self.optimizer(),
            kept(cache),
            item("classifier", self.head.held, format!("of {} classes", self.classes)),
            passing,
        ]);
        Phase { name: "trains", items }
    }

    fn optimizer(&self) -> Item {
        let why = "parameters, gradients, two moments, two copies to go back to";
        item("adapters and optimizer", 11 * self.parameters, why.into())
    }

    /// A step's pictures on their way through the trunk: pixels, those of a crop and their resizing, a chunk's outputs twice, and what
    /// is kept of all crops before it finds its place.
    fn encoding(&self) -> usize {
        let copies = if self.crops > 1 { 3 } else { 1 };
        let chunk = self.batch.min(CHUNK);
        copies * self.batch * self.pixels
            + self.trunk.running * self.threads
            + 2 * chunk * self.encoded
            + self.batch * (self.kept[0] + self.tokens)
    }

    fn ends(&self, cache: usize) -> Phase {
        // Of tasks that adapt, which keep tokens; with what others keep, rows are counted.
        let rows = if self.adapts[0] { self.row * self.pictures(cache) * (self.crops + 2) } else { 0 };
        let extracting = CHUNK * self.encoded + self.network.running * self.threads;
        let passing = largest([
            ("the adapted network while it is compiled".into(), self.network.compiling - self.network.held),
            ("rows of all pictures, and the classifier while it is solved".into(), rows + self.head.ending),
            ("rows of all pictures, and some on their way through the network".into(), rows + extracting),
        ]);
        let networks = usize::from(self.adapts[0]) + usize::from(self.adapts[1]);
        let mut items = self.standing(networks);
        items.extend([
            self.optimizer(),
            item(
                "protected subspaces",
                self.bases,
                "second moments, bases, and the copy to go back to".into(),
            ),
            kept(cache),
            item(
                "classifier",
                2 * self.head.held,
                format!("of {} classes, and the one before", self.classes),
            ),
            passing,
        ]);
        Phase { name: "ends", items }
    }

    fn predicts(&self) -> Phase {
        let Self { micro, threads, .. } = *self;
        let passing = micro * self.pixels
            + self.trunk.running.max(self.network.running) * threads
            + 3 * micro * self.encoded;
        let mut items = self.standing(usize::from(self.adapts[0]));
        items.extend([
            item("classifier", self.head.held, format!("of {} classes", self.classes)),
            item("passing", passing, format!("{micro} pictures, {threads} threads")),
        ]);
        Phase { name: "predicts", items }
    }
}

fn item(name: &'static str, bytes: usize, why: String) -> Item {
    Item { name, bytes, why }
}

fn process() -> Item {
    item("process", PROCESS, "before anything is read".into())
}

fn kept(cache: usize) -> Item {
    item(KEPT, cache, "limit of the open task".into())
}

/// Of what does not happen at once, what takes most.
fn largest<const N: usize>(passing: [(String, usize); N]) -> Item {
    let (why, bytes) = passing.into_iter().max_by_key(|(_, bytes)| *bytes).unwrap_or_default();
    item("passing", bytes, why)
}
