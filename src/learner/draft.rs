//! What is decided of a learner before anything is compiled, and refused where it cannot work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::crops::MOST_CROPS;
use super::passes;
use super::phases::Plan;
use super::wanted::Wanted;
use super::{Budget, Settings};
use crate::adapter::{Site, cut};
use crate::backbone::{Backbone, Parts};
use crate::engine::Engine;
use crate::error::Result;
use crate::gradcheck;
use crate::graph::{Graph, rewrite};
use crate::plan;
use crate::strategy::{self, Choice, Strategy, View};

/// The parts of a backbone that a strategy reads and adapts.
pub struct Draft {
    pub backbone: Backbone,
    pub engine: Arc<dyn Engine>,
    pub settings: Settings,
    pub choice: Choice,
    pub trunk: Graph,
    pub suffix: Graph,
    pub sites: Vec<Site>,
    /// Widths of the parts of the trunk's summary.
    pub summary: Vec<usize>,
    /// Widths of the parts of the suffix's.
    pub late: Vec<usize>,
}

impl Draft {
    /// For a strategy, by name.
    pub fn new(
        backbone: &Backbone,
        engine: Arc<dyn Engine>,
        strategy: &str,
        mut settings: Settings,
    ) -> Result<Self> {
        check(&mut settings, backbone)?;
        let backbone = backbone.clone().named(&settings.named)?;
        let choice = strategy::by_name(strategy, settings.random_features)?;
        settings.crops.get_or_insert(choice.strategy.crops());
        let Parts { mut trunk, summary, mut suffix, sites, .. } =
            backbone.parts(settings.lora.blocks, settings.lora.roles)?;
        let mut late = Vec::new();
        if choice.reading.view == View::Deep && choice.strategy.adapts(0) {
            (suffix, late) = backbone.deepened(suffix)?;
        }
        let deep = choice.reading.view.is_deep();
        trunk = keeping(trunk, |name| match name {
            cut::FEATURES => !deep || !choice.strategy.adapts(0),
            cut::SUMMARY => deep,
            _ => true,
        });
        takes(choice.strategy.as_ref(), &sites)?;
        Ok(Self { backbone, engine, settings, choice, trunk, suffix, sites, summary, late })
    }

    /// What it takes with these settings, which differ in random features and micro-batches at most, for so many classes; `adapted`
    /// says whether there is an adapted network already.
    pub fn plan(&self, settings: &Settings, budget: &Budget, classes: usize, adapted: bool) -> Result<Plan> {
        let wanted = Wanted {
            engine: self.engine.as_ref(),
            backbone: plan::weights(self.backbone.graph()),
            width: self.backbone.width()?,
            image: self.backbone.image()?,
            trunk: &self.trunk,
            suffix: &self.suffix,
            sites: &self.sites,
            summaries: [&self.summary, &self.late],
            settings,
            choice: &strategy::by_name(&self.choice.name, settings.random_features)?,
            classes,
            adapted,
            spill: budget.spill.as_ref().map(|spill| spill.bytes),
        };
        wanted.plan()
    }

    /// How long one pass of a training step takes here with these settings, the median of [`PASSES`]; `None` where nothing is trained.
    pub fn pass(&self, settings: &Settings, classes: usize) -> Result<Option<Duration>> {
        let strategy = &self.choice.strategy;
        if !strategy.adapts(0) {
            return Ok(None);
        }
        let (step, _) = passes::largest(settings, strategy.goal(), &self.suffix, &self.sites, classes)?;
        let session = self.engine.compile(&step.graph, settings.micro)?;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let sample = |port| gradcheck::sample(port, settings.micro, &mut rng);
        let inputs = session.inputs().iter().map(sample).collect::<Result<Vec<_>>>()?;
        // The first fills caches.
        session.run(&inputs)?;
        let mut times = Vec::with_capacity(PASSES);
        for _ in 0..PASSES {
            let start = Instant::now();
            session.run(&inputs)?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        Ok(times.get(PASSES / 2).copied())
    }
}

/// Passes that are timed.
const PASSES: usize = 5;

/// The graph without the outputs that nobody reads.
fn keeping(mut graph: Graph, read: impl Fn(&str) -> bool) -> Graph {
    let mut outputs = std::mem::take(&mut graph.outputs);
    outputs.retain(|&v| read(&graph.value(v).name));
    graph.outputs = outputs;
    rewrite::prune(graph)
}

/// Refuses tokens under a strategy that adds adapters up.
fn takes(strategy: &dyn Strategy, sites: &[Site]) -> Result<()> {
    match sites.iter().find(|site| !site.role.mechanism().adds_up()) {
        Some(site) if strategy.adds_up() => Err(crate::err!(
            InvalidArgument,
            "{} adds up the adapters of its tasks, and tokens do not add up ({}); take pegp-shared, \
             pegp-shared-down, lae, ease, sequential or perennial, or other roles",
            strategy.name(),
            site.name
        )),
        _ => Ok(()),
    }
}

/// Refuses settings that cannot work, and follows a batch size fixed by the exporter.
fn check(settings: &mut Settings, backbone: &Backbone) -> Result<()> {
    if settings.batch == 0 || settings.micro == 0 {
        crate::bail!(InvalidArgument, "batch and micro must be at least 1");
    }
    if let Some(crops) = settings.crops.filter(|crops| !(1..=MOST_CROPS).contains(crops)) {
        crate::bail!(InvalidArgument, "{crops} crops; a picture has 1 to {MOST_CROPS}");
    }
    if !(settings.learning_rate.is_finite() && settings.learning_rate > 0.0) {
        crate::bail!(InvalidArgument, "a learning rate of {} cannot work", settings.learning_rate);
    }
    if let Some(batch) = backbone.fixed_batch() {
        settings.micro = batch;
    }
    Ok(())
}
