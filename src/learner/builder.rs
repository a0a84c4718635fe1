//! Building a learner: the slow work and the refusing happen here.

use std::sync::Arc;

use super::crops::MOST_CROPS;
use super::fitting::{Fitted, Found};
use super::ledger::Ledger;
use super::phases::{Plan, Wanted};
use super::recognition::Recognition;
use super::runner::Runner;
use super::signatures::Signatures;

use super::{Budget, Facts, Footprint, Learner, Phase, Settings, State, fitting, network};
use crate::adapter::{Site, cut};
use crate::backbone::{Backbone, Parts};
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::{Graph, rewrite};
use crate::head::{TrainingHead, Vectors};
use crate::plan;
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
        let draft = self.draft()?;
        Ok(draft.plan(&self.budget)?.footprint(self.budget.cache))
    }

    /// Pictures of a first task that the cache of the budget holds.
    ///
    /// # Errors
    /// As [`Builder::plan`].
    pub fn pictures(self) -> Result<usize> {
        Ok(self.draft()?.plan(&self.budget)?.pictures(self.budget.cache))
    }

    /// Takes random features, micro-batches and cache as the most that may be, and finds what fits into the promised RAM. A stored
    /// state keeps its settings: only the cache is found.
    ///
    /// # Errors
    /// As [`Builder::plan`]; [`Budget`](crate::ErrorKind::Budget) with the smallest promise that would do.
    pub fn fitted(mut self) -> Result<Fitted> {
        let draft = self.draft()?;
        let fixed = self.state.is_some() || self.backbone.fixed_batch().is_some();
        let found = fitting::fit(&self.budget, &draft.settings, fixed, |random_features, micro| {
            draft.with(random_features, micro)?.plan(&self.budget)
        })?;
        (self.settings.micro, self.settings.random_features) = (found.micro, found.random_features);
        self.budget.cache = found.cache;
        let Found { micro, random_features, cache, pictures, smallest } = found;
        Ok(Fitted { builder: self, micro, random_features, cache, pictures, smallest })
    }

    /// All that is decided before anything is compiled.
    fn draft(&self) -> Result<Draft> {
        let (mut strategy, mut settings) = (&self.strategy, self.settings.clone());
        if let Some(state) = &self.state {
            (strategy, settings) = (&state.strategy, state.settings.clone());
        }
        check(&mut settings, &self.backbone)?;
        let backbone = self.backbone.clone().named(&settings.named)?;
        let choice = strategy::by_name(strategy, settings.random_features)?;
        settings.crops.get_or_insert(choice.strategy.crops());
        let engine = match &self.engine {
            Some(engine) => engine.clone(),
            None => crate::engine::by_name("tract", 1)?,
        };
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
        let adapted = self.state.as_ref().map(|state| (state.adapted, state.classes.len()));
        Ok(Draft {
            backbone,
            engine,
            settings,
            choice,
            trunk,
            suffix,
            sites,
            summary,
            late,
            resumed: adapted,
        })
    }

    /// Compiles the frozen network and checks the plan against the budget.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) with the size that would do,
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for a state of another backbone, and whatever the strategy,
    /// the sites or the engine refuse.
    pub fn build(self) -> Result<Learner> {
        let draft = self.draft()?;
        let footprint = draft.plan(&self.budget)?.footprint(self.budget.cache);
        footprint.fits(&self.budget)?;
        let Self { backbone: read, budget, vectors, state, sharing, .. } = self;
        drop(read);
        let Draft { backbone, engine, settings, choice, trunk, suffix, sites, summary, late, .. } = draft;
        let Choice { name, strategy, reading } = choice;
        let strategy: Arc<dyn Strategy> = strategy.into();
        let facts = Facts {
            sha256: backbone.sha256(),
            image: backbone.image()?,
            width: backbone.width()?,
            footprint,
        };
        let compiled = Runner::new(engine.as_ref(), &trunk, settings.micro)?;
        // What only the frozen network reads has been compiled; the rest is the suffix's.
        drop((backbone, trunk));
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
        give(&mut state, reading.classifier, vectors, facts.width)?;
        let networks = network::all(engine.as_ref(), &suffix, &sites, strategy.as_ref(), &state)?;
        Ok(Learner {
            engine,
            strategy,
            reading,
            backbone: facts,
            trunk: compiled,
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

/// What is decided before anything is compiled.
struct Draft {
    backbone: Backbone,
    engine: Arc<dyn Engine>,
    settings: Settings,
    choice: Choice,
    trunk: Graph,
    suffix: Graph,
    sites: Vec<Site>,
    summary: Vec<usize>,
    late: Vec<usize>,
    /// Of a stored state, whether it has an adapted network, and its classes.
    resumed: Option<(bool, usize)>,
}

impl Draft {
    /// The same with another random-feature head and other micro-batches.
    fn with(&self, random_features: usize, micro: usize) -> Result<Self> {
        Ok(Self {
            choice: strategy::by_name(&self.choice.name, random_features)?,
            settings: Settings { random_features, micro, ..self.settings.clone() },
            backbone: self.backbone.clone(),
            engine: self.engine.clone(),
            trunk: self.trunk.clone(),
            suffix: self.suffix.clone(),
            sites: self.sites.clone(),
            summary: self.summary.clone(),
            late: self.late.clone(),
            resumed: self.resumed,
        })
    }

    fn plan(&self, budget: &Budget) -> Result<Plan> {
        let (adapted, classes) = self.resumed.unwrap_or_default();
        let wanted = Wanted {
            engine: self.engine.as_ref(),
            backbone: plan::weights(self.backbone.graph()),
            width: self.backbone.width()?,
            image: self.backbone.image()?,
            trunk: &self.trunk,
            suffix: &self.suffix,
            sites: &self.sites,
            summaries: [&self.summary, &self.late],
            settings: &self.settings,
            choice: &self.choice,
            classes: classes.max(budget.classes),
            adapted,
        };
        wanted.plan()
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
