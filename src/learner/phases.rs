//! What is in RAM in every phase of a learner's life, from its graphs and settings alone.
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

use half::f16;

use super::classifier::Statistics;
use super::encoded::COPIES;
use super::features::{CHUNK, NEAR};
use super::footprint::{Footprint, Item, Phase};
use super::goal::OLD_DIRECTIONS;
use super::{Settings, passes};
use crate::adapter::{Site, cut};
use crate::engine::{Engine, Port, Ports};
use crate::error::Result;
use crate::graph::Graph;
use crate::head::Demand as Head;
use crate::joint::{Branches, Objective, minimising};
use crate::plan::{self, Demand};
use crate::strategy::{Choice, Classifier, Goal, View};

/// What a process takes before anything is read: its heap's own bookkeeping, stacks, tables of the libraries
/// and of the kernel.
const PROCESS: usize = 8 << 20;

/// Where the heap lies in pieces it is larger than what is in it: by one part in so many, but for what is kept of pictures, which lies in
/// memory of its own.
const PIECES: usize = 5;

const FLOAT: usize = size_of::<f32>();

/// Name of what is kept of the open task's pictures.
const KEPT: &str = "pictures kept";

/// Networks that are planned for where every task gets one of its own.
const NETWORKS: usize = 10;

/// What a plan is made from.
pub struct Wanted<'a> {
    pub engine: &'a dyn Engine,
    /// Constants of the whole backbone.
    pub backbone: usize,
    /// Width of its feature.
    pub width: usize,
    /// Shape of an image.
    pub image: [usize; 3],
    pub trunk: &'a Graph,
    pub suffix: &'a Graph,
    pub sites: &'a [Site],
    /// Widths of the parts of both summaries.
    pub summaries: [&'a [usize]; 2],
    pub settings: &'a Settings,
    pub choice: &'a Choice,
    /// Classes that are planned for.
    pub classes: usize,
    /// Whether there is an adapted network already.
    pub adapted: bool,
}

/// Bytes of everything that phases hold, from which a footprint follows for any cache.
pub struct Plan {
    backbone: usize,
    trunk: Demand,
    network: Demand,
    step: Demand,
    /// Constants of the suffix, which stay to be trained and merged anew.
    suffix: usize,
    /// Constants of layers that adapters are merged into.
    merged: usize,
    /// Trainable parameters.
    parameters: usize,
    /// Second moments and bases at the end of a task.
    bases: usize,
    /// A picture, as pixels.
    pixels: usize,
    /// A picture in all its crops, with tokens and without.
    kept: [usize; 2],
    /// What passes between trunk and network, of a picture.
    encoded: usize,
    /// A row that the classifier reads.
    row: usize,
    head: Head,
    crops: usize,
    threads: usize,
    micro: usize,
    batch: usize,
    classes: usize,
    /// Whether the first task adapts, and whether later ones do.
    adapts: [bool; 2],
    adapted: bool,
}

impl Wanted<'_> {
    /// The plan, with micro-batches on as many threads as rayon has.
    pub fn plan(&self) -> Result<Plan> {
        let Self { settings, choice, .. } = self;
        let ports = Ports::new(self.trunk, 1)?;
        let volume = |name: &str| {
            let port = ports.outputs.iter().find(|port: &&Port| port.name == name);
            port.and_then(|port| port.shape.volume().known()).unwrap_or(0)
        };
        let (tokens, frozen, summary) = (volume(cut::BOUNDARY), volume(cut::FEATURES), volume(cut::SUMMARY));
        let crops = settings.crops.unwrap_or(1);
        let said = FLOAT * (frozen + summary);
        let adapts = [0, 1].map(|task| choice.strategy.adapts(task));
        let networks = if adapts[0] { self.networks() } else { 0 };
        let late: usize = self.summaries[1].iter().sum();
        let read = FLOAT * networks.min(1) * (self.width + late);
        let columns = self.columns();
        let (step, parameters) = if adapts[0] { self.step()? } else { Default::default() };
        Ok(Plan {
            backbone: self.backbone,
            trunk: self.sessions(self.trunk)?,
            network: if adapts[0] { self.sessions(self.suffix)? } else { Demand::default() },
            step,
            suffix: plan::weights(self.suffix),
            merged: if networks == 1 { self.merged() } else { 0 },
            parameters: FLOAT * parameters,
            bases: self.bases(),
            pixels: FLOAT * self.image.iter().product::<usize>(),
            kept: [crops * (size_of::<f16>() * tokens + said), crops * COPIES * (said + read)],
            encoded: FLOAT * (tokens + frozen + summary),
            row: FLOAT * columns,
            head: self.head(columns, networks, crops),
            crops,
            threads: rayon::current_num_threads(),
            micro: settings.micro,
            batch: settings.batch,
            classes: self.classes,
            adapts,
            adapted: self.adapted,
        })
    }

    /// Of a graph that runs over single rows and over micro-batches.
    fn sessions(&self, graph: &Graph) -> Result<Demand> {
        let micro = self.settings.micro;
        let many = self.engine.demand(graph, micro)?;
        if micro == 1 {
            return Ok(many);
        }
        let one = self.engine.demand(graph, 1)?;
        Ok(Demand {
            held: many.held + one.held,
            compiling: many.compiling.max(many.held + one.compiling),
            running: many.running.max(one.running),
        })
    }

    /// Adapted networks that are there at once.
    fn networks(&self) -> usize {
        match (self.choice.reading.view, self.choice.reading.classifier) {
            (View::Routed(_), _) | (_, Classifier::Subspaces) => NETWORKS,
            _ => 1,
        }
    }

    /// The training step, and its number of trainable parameters beside the head's rows.
    fn step(&self) -> Result<(Demand, usize)> {
        let settings = self.settings;
        let objective = match self.choice.strategy.goal() {
            Goal::Branches(terms) => Objective::Branches(Branches {
                terms,
                prototypes: settings.batch,
                directions: OLD_DIRECTIONS,
            }),
            // Views of one feature cost next to nothing beside the network.
            Goal::Linear | Goal::Views { .. } => Objective::Linear,
        };
        let (graph, slots) = passes::injected(self.suffix, self.sites, &settings.lora, &objective)?;
        let mut parameters = slots.iter().map(|s| settings.lora.rank * (s.inputs() + s.outputs())).sum();
        let step = minimising(&objective, graph, &slots, self.classes)?;
        if let Some(fusion) = step.graph.find("fusion_weight") {
            parameters += step.graph.shape(fusion)?.volume().known().unwrap_or(0);
        }
        Ok((self.engine.demand(&step.graph, settings.micro)?, parameters))
    }

    /// Constants of the layers at the sites, each once.
    fn merged(&self) -> usize {
        let mut weights: Vec<_> =
            self.sites.iter().filter_map(|s| s.layer()).map(|layer| layer.linear.weight).collect();
        weights.sort_unstable();
        weights.dedup();
        weights.iter().filter_map(|&v| self.suffix.constant(v)).map(|t| t.bytes().len()).sum()
    }

    /// Columns that the classifier reads.
    fn columns(&self) -> usize {
        let [summary, late] = self.summaries.map(|widths| widths.iter().sum::<usize>());
        let near: usize = self.summaries[0].iter().take(NEAR).sum();
        let channels = self.summaries[0].first().copied().unwrap_or(0);
        match self.choice.reading.view {
            View::Frozen | View::Adapted | View::Routed(_) => self.width,
            View::Beside => 2 * self.width + channels,
            View::Deep => self.width + summary + late,
            View::Near => self.width + near,
            View::Fused => 5 * self.width,
        }
    }

    fn head(&self, columns: usize, networks: usize, crops: usize) -> Head {
        let nearest = self.summaries[0].first().copied().unwrap_or(0);
        let narrow = if self.choice.reading.view.is_deep() { self.width + nearest } else { columns };
        let classifier = self.choice.reading.classifier;
        Statistics::demand(classifier, [columns, narrow], self.classes, networks, crops)
    }

    /// What strategies that protect subspaces hold while a task ends.
    fn bases(&self) -> usize {
        let wants = self.choice.strategy.wants();
        if !(wants.inputs || wants.hidden) {
            return 0;
        }
        let mut taps: Vec<_> = self.sites.iter().map(|s| (s.reads(), s.inputs())).collect();
        taps.sort_unstable();
        taps.dedup();
        let squares = || taps.iter().map(|(_, inputs)| inputs * inputs);
        // Half the directions in f32 twice, and sums in f64; one at a time is taken apart, in four matrices.
        let kept: usize = squares().map(|s| s / 2 * (2 * FLOAT + size_of::<f64>())).sum();
        kept + 4 * size_of::<f64>() * squares().max().unwrap_or(0)
    }
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

    /// Bytes of `pictures` pictures as they are kept of a task.
    pub fn cache(&self, pictures: usize) -> usize {
        pictures * self.kept[usize::from(!self.adapts[0])]
    }

    /// Pictures of a first task that can be kept in `cache` bytes.
    pub fn pictures(&self, cache: usize) -> usize {
        cache / self.cache(1).max(1)
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
        let why = "parameters, gradients, two moments, copies to go back to";
        item("adapters and optimizer", 8 * self.parameters, why.into())
    }

    /// A step's pictures on their way through the trunk: pixels, those of a crop and their resizing, a chunk's outputs twice, and what
    /// is kept of all crops before it finds its place.
    fn encoding(&self) -> usize {
        let copies = if self.crops > 1 { 3 } else { 1 };
        let chunk = self.batch.min(CHUNK);
        copies * self.batch * self.pixels
            + self.trunk.running * self.threads
            + 2 * chunk * self.encoded
            + self.batch * self.kept[0]
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
