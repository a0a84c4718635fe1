//! A case, compiled and ready to run. Training is the learner's own [`Trainer`], prediction its own [`Runner`].

use ndarray::{Array1, ArrayD};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Case, Work};
use crate::adapter::{Sharing, Site, inject, merge};
use crate::backbone::Backbone;
use crate::engine::{Data, Engine, Port, Timed};
use crate::error::Result;
use crate::gradcheck;
use crate::graph::{Graph, ValueId, fold};
use crate::head::{Linear, TrainingHead};
use crate::joint::{Objective, minimising};
use crate::learner::{Batch, Extent, Runner, Settings, Trainer, slots};
use crate::strategy::{self, Memory, Strategy, TaskContext};

/// A compiled case.
pub struct Subject {
    work: Box<dyn Run>,
}

/// One repeat.
trait Run {
    fn run(&mut self) -> Result<()>;
}

impl Subject {
    /// Builds the graph of the work and compiles it.
    ///
    /// # Errors
    /// Whatever the sites or the engine refuse.
    pub fn new(case: &Case, backbone: &Backbone, engine: &dyn Engine) -> Result<Self> {
        Ok(Self {
            work: match case.work.trains() {
                true => Box::new(Training::new(case, backbone, engine)?),
                false => Box::new(Prediction::new(case, backbone, engine)?),
            },
        })
    }

    /// One optimizer step, or one prediction.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub fn run(&mut self) -> Result<()> {
        self.work.run()
    }

    /// The graph that `case` runs, on its own batches: a training step with its gradients, or a forward pass.
    ///
    /// # Errors
    /// As [`Subject::new`], but for the engine's.
    pub fn graph(case: &Case, backbone: &Backbone) -> Result<Graph> {
        let (graph, sites) = start(case, backbone)?;
        let lora = case.lora();
        match case.work {
            Work::Forward => Ok(graph),
            Work::Merged => merged(graph, &sites, case),
            Work::Inputs => Ok(inject(graph, &sites, &lora, Sharing::Shared)?.0),
            Work::PerImage => Ok(inject(graph, &sites, &lora, Sharing::PerImage)?.0),
            Work::StepAll | Work::StepAllRecomputed | Work::StepLast | Work::StepCached => {
                let (graph, slots) = inject(graph, &sites, &lora, Sharing::Shared)?;
                let capacity = case.classes.next_power_of_two();
                Ok(minimising(&Objective::Linear, graph, &slots, capacity, case.recomputes())?.graph)
            }
        }
    }

    /// Time by operator, over `runs` passes of one micro-batch, most expensive first.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for an engine that cannot tell.
    pub fn profile(case: &Case, backbone: &Backbone, engine: &dyn Engine, runs: usize) -> Result<Vec<Timed>> {
        let micro = micro(case, backbone);
        let session = engine.compile(&Self::graph(case, backbone)?, micro)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let inputs: Vec<Data> = session
            .inputs()
            .iter()
            .map(|port| gradcheck::sample(port, micro, &mut rng))
            .collect::<Result<_>>()?;
        session.profile(&inputs, runs)
    }
}

/// Images a pass: what was asked for, but not more than there are, and what the exporter fixed.
fn micro(case: &Case, backbone: &Backbone) -> usize {
    backbone.fixed_batch().unwrap_or(case.micro.min(case.batch)).max(1)
}

/// What the work starts from, without adapters, and their sites.
fn start(case: &Case, backbone: &Backbone) -> Result<(Graph, Vec<Site>)> {
    let lora = case.lora();
    if case.work == Work::StepCached {
        let parts = backbone.parts(lora.blocks, lora.roles)?;
        return Ok((parts.suffix, parts.sites));
    }
    backbone.whole(lora.blocks, lora.roles)
}

/// A plausible value for the graph input `v`, for `rows` images.
fn value(graph: &Graph, v: ValueId, rows: usize, rng: &mut ChaCha8Rng) -> Result<Data> {
    let shape = graph.shape(v)?;
    let bound = fold::batch_symbol(graph).map_or_else(|| shape.clone(), |s| shape.bind(s, rows));
    let port = Port { name: graph.value(v).name.clone(), dtype: graph.dtype(v)?, shape: bound };
    gradcheck::sample(&port, rows, rng)
}

/// The first input, what the rows stand in.
fn rows(graph: &Graph, case: &Case, rng: &mut ChaCha8Rng) -> Result<ArrayD<f32>> {
    value(graph, graph.inputs[0], case.batch, rng)?.into_f32()
}

fn merged(mut graph: Graph, sites: &[Site], case: &Case) -> Result<Graph> {
    let lora = case.lora();
    for site in sites {
        let a = ndarray::Array2::from_elem((lora.rank, site.inputs()), 0.01);
        let b = ndarray::Array2::from_elem((site.outputs(), lora.rank), 0.01);
        graph = merge(graph, site, a.view(), b.view(), lora.scaling())?;
    }
    Ok(graph)
}

struct Prediction {
    runner: Runner,
    images: ArrayD<f32>,
    adapters: Vec<Data>,
}

impl Prediction {
    fn new(case: &Case, backbone: &Backbone, engine: &dyn Engine) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let micro = micro(case, backbone);
        let graph = Subject::graph(case, backbone)?;
        let images = rows(&graph, case, &mut rng)?;
        let adapters =
            graph.inputs[1..].iter().map(|&v| value(&graph, v, micro, &mut rng)).collect::<Result<_>>()?;
        Ok(Self { runner: Runner::new(engine, &graph, micro)?, images, adapters })
    }
}

impl Run for Prediction {
    fn run(&mut self) -> Result<()> {
        self.runner.run(self.images.view(), &self.adapters, &()).map(|_| ())
    }
}

struct Training {
    trainer: Trainer,
    strategy: Box<dyn Strategy>,
    memory: Memory,
    head: TrainingHead,
    rows: ArrayD<f32>,
    labels: Vec<usize>,
    mask: Array1<f32>,
}

impl Training {
    fn new(case: &Case, backbone: &Backbone, engine: &dyn Engine) -> Result<Self> {
        let lora = case.lora();
        let (graph, sites) = start(case, backbone)?;
        let rows = rows(&graph, case, &mut ChaCha8Rng::seed_from_u64(0))?;
        let (micro, recompute) = (micro(case, backbone), case.recomputes());
        let settings = Settings { lora, micro, batch: case.batch, recompute, ..Settings::default() };
        // Nothing that edits gradients or deltas: the peers do not project either.
        let strategy = strategy::by_name("sequential", 1)?.strategy;
        let mut memory = Memory::new(slots(&sites), lora.rank);
        strategy.begin(&TaskContext { index: 0, seed: 0, rank: lora.rank }, &mut memory)?;
        let mut head = Linear::new(backbone.width()?, case.classes);
        for class in 0..case.classes {
            head.add_class(class)?;
        }
        let (mask, head) = (head.mask(), TrainingHead::Linear(head));
        let trainer = Trainer::new(engine, &graph, &sites, &settings, &head, Extent::default())?;
        let labels = (0..case.batch).map(|i| i % case.classes).collect();
        Ok(Self { trainer, strategy, memory, mask, head, rows, labels })
    }
}

impl Run for Training {
    fn run(&mut self) -> Result<()> {
        let batch = Batch { tokens: self.rows.view(), beside: None, labels: &self.labels, mask: &self.mask };
        self.trainer.step(self.strategy.as_ref(), &mut self.memory, &mut self.head, &batch, &()).map(|_| ())
    }
}
