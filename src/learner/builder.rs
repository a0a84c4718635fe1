//! Building a learner: the slow work and the refusing happen here.

use std::sync::Arc;

use super::crops::MOST_CROPS;
use super::ledger::Ledger;
use super::recognition::Recognition;
use super::runner::Runner;
use super::signatures::Signatures;
use super::{Budget, Facts, Footprint, Learner, Phase, Settings, State, network};
use crate::adapter::{Site, cut};
use crate::backbone::{Backbone, Parts};
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::{Graph, rewrite};
use crate::head::{TrainingHead, Vectors};
use crate::strategy::{self, Choice, Classifier, Memory, SlotShape, Strategy, View};

/// Options of a learner; see [`Learner::builder`].
pub struct Builder {
    backbone: Backbone,
    engine: Option<Arc<dyn Engine>>,
    strategy: String,
    settings: Settings,
    budget: Budget,
    vectors: Option<Vectors>,
    state: Option<State>,
    sharing: bool,
}

impl Builder {
    pub(super) fn new(backbone: Backbone) -> Self {
        Self {
            backbone,
            engine: None,
            strategy: "perennial".into(),
            settings: Settings::default(),
            budget: Budget::default(),
            vectors: None,
            state: None,
            sharing: false,
        }
    }

    /// Who runs the graphs. Default: tract, one thread a micro-batch.
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// The strategy, by name; see [`strategy::NAMES`]. Default: `perennial`.
    #[must_use]
    pub fn strategy(mut self, name: &str) -> Self {
        self.strategy = name.into();
        self
    }

    /// All settings at once.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The promised memory.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Vectors of classes, which `NAME+vectors` answers by and trains towards; a stored state knows those it was given before.
    #[must_use]
    pub fn class_vectors(mut self, vectors: Vectors) -> Self {
        self.vectors = Some(vectors);
        self
    }

    /// Whether every task that ends leaves a [`Lesson`](super::Lesson), which others can take over. Costs its statistics a
    /// second time while the task is undecided. [`Builder::build`] refuses it under strategies whose statistics mean nothing elsewhere.
    #[must_use]
    pub fn sharing(mut self, sharing: bool) -> Self {
        self.sharing = sharing;
        self
    }

    /// Goes on from a stored state, whose strategy and settings win over the ones set here.
    #[must_use]
    pub fn resume(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Planned memory, without building anything.
    ///
    /// # Errors
    /// As [`Builder::build`], but for the engine's.
    pub fn plan(self) -> Result<Footprint> {
        let Self { backbone, mut settings, budget, strategy, .. } = self;
        check(&mut settings, &backbone)?;
        let backbone = backbone.named(&settings.named)?;
        let parts = backbone.parts(settings.lora.blocks, settings.lora.roles)?;
        let goal = strategy::by_name(&strategy, settings.random_features)?.strategy.goal();
        Footprint::plan(&backbone, &parts.suffix, &parts.sites, &settings, &budget, goal)
    }

    /// Compiles the frozen network and checks the plan against the budget.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) with the size that would do,
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for a state of another backbone, and whatever the strategy,
    /// the sites or the engine refuse.
    pub fn build(self) -> Result<Learner> {
        let Self { backbone, engine, mut strategy, mut settings, budget, vectors, state, sharing } = self;
        if let Some(state) = &state {
            strategy.clone_from(&state.strategy);
            settings.clone_from(&state.settings);
        }
        check(&mut settings, &backbone)?;
        let backbone = backbone.named(&settings.named)?;
        let Choice { name, strategy, reading } = strategy::by_name(&strategy, settings.random_features)?;
        let strategy: Arc<dyn Strategy> = strategy.into();
        settings.crops.get_or_insert(strategy.crops());
        let engine = match engine {
            Some(engine) => engine,
            None => crate::engine::by_name("tract", 1)?,
        };
        let Parts { mut trunk, summary, mut suffix, sites, .. } =
            backbone.parts(settings.lora.blocks, settings.lora.roles)?;
        let footprint = Footprint::plan(&backbone, &suffix, &sites, &settings, &budget, strategy.goal())?;
        footprint.fits(&budget)?;
        let mut late = Vec::new();
        if reading.view == View::Deep && strategy.adapts(0) {
            (suffix, late) = backbone.deepened(suffix)?;
        }
        let deep = reading.view.is_deep();
        trunk = keeping(trunk, |name| match name {
            cut::FEATURES => !deep || !strategy.adapts(0),
            cut::SUMMARY => deep,
            _ => true,
        });
        takes(strategy.as_ref(), &sites)?;
        let trunk = Runner::new(engine.as_ref(), &trunk, settings.micro)?;
        let slots = slots(&sites);
        let mut state = match state {
            Some(mut state)
                if state.memory.slots == slots && (&state.summary, &state.late) == (&summary, &late) =>
            {
                state.solve()?;
                state
            }
            Some(_) => {
                crate::bail!(Mismatch, "the state was made for other adapted layers than this backbone has")
            }
            None => fresh(&name, settings, slots, [summary, late]),
        };
        if sharing {
            state.strategy_shares()?;
        }
        give(&mut state, reading.classifier, vectors, backbone.width()?)?;
        let networks = network::all(engine.as_ref(), &suffix, &sites, strategy.as_ref(), &state)?;
        let backbone = Facts {
            sha256: backbone.sha256(),
            image: backbone.image()?,
            width: backbone.width()?,
            footprint,
        };
        Ok(Learner {
            engine,
            strategy,
            reading,
            backbone,
            trunk,
            suffix,
            sites,
            networks,
            budget,
            state,
            phase: Phase::Idle,
            sharing,
        })
    }
}

/// The graph without the outputs that nobody reads.
fn keeping(mut graph: Graph, read: impl Fn(&str) -> bool) -> Graph {
    let mut outputs = std::mem::take(&mut graph.outputs);
    outputs.retain(|&v| read(&graph.value(v).name));
    graph.outputs = outputs;
    rewrite::prune(graph)
}

/// Class vectors where the classifier reads them, and only there.
fn give(state: &mut State, classifier: Classifier, vectors: Option<Vectors>, width: usize) -> Result<()> {
    match (classifier == Classifier::Given, vectors, &mut state.training) {
        (true, Some(vectors), _) if vectors.width() != width => {
            crate::bail!(Shape, "class vectors of {} numbers for a feature of {width}", vectors.width())
        }
        (true, Some(newer), Some(TrainingHead::Given(own))) => own.update(newer),
        (true, Some(vectors), training) => {
            *training = Some(TrainingHead::Given(vectors));
            Ok(())
        }
        (true, None, None) => Err(crate::err!(
            InvalidArgument,
            "{} needs a vector for every class; give them (--class-vectors FILE, Builder::class_vectors)",
            state.strategy
        )),
        (false, Some(_), _) => Err(crate::err!(
            InvalidArgument,
            "{} reads no class vectors; use a strategy with +vectors, such as pegp-shared+vectors",
            state.strategy
        )),
        _ => Ok(()),
    }
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

/// Widths of the sites; sites that read the same value share a tap.
pub fn slots(sites: &[Site]) -> Vec<SlotShape> {
    let mut taps = Vec::new();
    let shape = |site: &Site| {
        let x = site.reads();
        let tap = taps.iter().position(|&t| t == x).unwrap_or_else(|| {
            taps.push(x);
            taps.len() - 1
        });
        SlotShape {
            name: site.name.clone(),
            inputs: site.inputs(),
            outputs: site.outputs(),
            tap,
            mechanism: site.role.mechanism(),
        }
    };
    sites.iter().map(shape).collect()
}

fn fresh(
    strategy: &str,
    settings: Settings,
    slots: Vec<SlotShape>,
    [summary, late]: [Vec<usize>; 2],
) -> State {
    State {
        strategy: strategy.into(),
        commits: 0,
        classes: Vec::new(),
        tasks: Vec::new(),
        memory: Memory::new(slots, settings.lora.rank),
        adapted: false,
        training: None,
        statistics: None,
        scales: Vec::new(),
        summary,
        late,
        recognition: Recognition::default(),
        own: Signatures::default(),
        ledger: Ledger::default(),
        settings,
    }
}
