//! Building a learner: the slow work and the refusing happen here.

use std::sync::Arc;

use super::concession::Concessions;
use super::draft::Draft;
use super::fitting::{Fitted, Free, fit};
use super::ledger::Ledger;
use super::phases::Plan;
use super::recognition::Recognition;
use super::runner::Runner;
use super::signatures::Signatures;
use super::spill::Shelf;
use super::{Budget, Footprint, Learner, Limits, Model, Phase, Predictor, Settings, State, network};
use crate::adapter::Site;
use crate::backbone::Backbone;
use crate::engine::Engine;
use crate::error::Result;
use crate::head::{TrainingHead, Vectors};
use crate::strategy::{Choice, Classifier, Memory, SlotShape, Strategy};

/// Options of a learner; see [`Learner::builder`].
pub struct Builder {
    backbone: Backbone,
    engine: Option<Arc<dyn Engine>>,
    strategy: String,
    settings: Settings,
    budget: Budget,
    limits: Limits,
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
            limits: Limits::default(),
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

    /// The strategy, by name; see [`NAMES`](crate::strategy::NAMES). Default: `perennial`.
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

    /// How much harm a task may do before [`Learner::commit`] refuses it.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
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
        Ok(self.planned(&draft, &draft.settings)?.footprint(self.budget.cache))
    }

    /// Takes random features, micro-batches and cache as the most that may be, and finds what fits into the promised RAM, with activations
    /// computed again if need be. A stored
    /// state keeps its settings: only the cache is found.
    ///
    /// # Errors
    /// As [`Builder::plan`]; [`Budget`](crate::ErrorKind::Budget) with the smallest promise that would do.
    pub fn fitted(mut self) -> Result<(Self, Fitted)> {
        let draft = self.draft()?;
        let new = self.state.is_none();
        let micro = new && draft.backbone.fixed_batch().is_none();
        let free = Free { random_features: new, micro, recompute: new };
        let fitted = fit(
            &self.budget,
            &draft.settings,
            free,
            |settings| self.planned(&draft, settings),
            |settings| draft.pass(settings, self.budget.classes),
        )?;
        fitted.apply(&mut self.settings, &mut self.budget);
        Ok((self, fitted))
    }

    /// All that is decided before anything is compiled.
    fn draft(&self) -> Result<Draft> {
        let set =
            self.state.as_ref().map_or((&self.strategy, &self.settings), |s| (&s.strategy, &s.settings));
        let engine = match &self.engine {
            Some(engine) => engine.clone(),
            None => crate::engine::by_name("tract", 1)?,
        };
        Draft::new(&self.backbone, engine, set.0, set.1.clone())
    }

    /// What `draft` takes with these settings.
    fn planned(&self, draft: &Draft, settings: &Settings) -> Result<Plan> {
        let (adapted, classes) =
            self.state.as_ref().map_or((false, 0), |s| (s.adapted, s.classes.len().max(s.centres())));
        draft.plan(settings, &self.budget, classes.max(self.budget.classes), adapted)
    }

    /// Compiles the frozen network and checks the plan against the budget.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) with the size that would do,
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for a state of another backbone, and whatever the strategy,
    /// the sites or the engine refuse.
    pub fn build(self) -> Result<Learner> {
        let draft = self.draft()?;
        let footprint = self.planned(&draft, &draft.settings)?.footprint(self.budget.cache);
        footprint.fits(&self.budget)?;
        if let Some(spill) = &self.budget.spill {
            // Where it cannot be, that is said before anything is learned.
            Shelf::new(&spill.folder, 1)?;
        }
        let Self { backbone: read, budget, limits, vectors, state, sharing, .. } = self;
        drop(read);
        let Draft { backbone, engine, settings, choice, trunk, suffix, sites, summary, late } = draft;
        let Choice { name, strategy, reading } = choice;
        let strategy: Arc<dyn Strategy> = strategy.into();
        let (sha256, image, width) = (backbone.sha256(), backbone.image()?, backbone.width()?);
        let compiled = Arc::new(Runner::new(engine.as_ref(), &trunk, settings.micro)?);
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
        give(&mut state, reading.classifier, vectors, width)?;
        let networks = network::all(engine.as_ref(), &suffix, &sites, strategy.as_ref(), &state)?.into();
        let model = Model { image, width, reading, trunk: compiled, networks, state };
        Ok(Learner {
            engine,
            strategy,
            sha256,
            footprint,
            suffix,
            sites,
            budget,
            limits,
            pace: Arc::new(()),
            committed: Predictor::new(model.clone()),
            model,
            phase: Phase::Idle,
            sharing,
        })
    }
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
        concessions: Concessions::default(),
        settings,
    }
}
