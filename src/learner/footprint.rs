//! The memory answer: what a learner will take, item by item, before it takes it.

use std::fmt;

use serde::Serialize;

use super::goal::OLD_DIRECTIONS;
use super::{Budget, Settings, passes};
use crate::adapter::Site;
use crate::backbone::Backbone;
use crate::error::Result;
use crate::graph::Graph;
use crate::joint::{Branches, Objective, minimising};
use crate::plan;
use crate::strategy::Goal;

/// One line of a footprint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What it is for.
    pub name: &'static str,
    /// Bytes of RAM.
    pub bytes: usize,
    /// How the number comes about.
    pub why: String,
}

/// Planned RAM of a learner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Footprint {
    /// The items; they add up.
    pub items: Vec<Item>,
}

/// Classes assumed where none are known yet.
const PLANNED_CLASSES: usize = 128;

impl Footprint {
    /// Plans for `settings`, with micro-batches on as many threads as rayon has.
    pub(super) fn plan(
        backbone: &Backbone,
        suffix: &Graph,
        sites: &[Site],
        settings: &Settings,
        budget: &Budget,
        goal: Goal,
    ) -> Result<Self> {
        let threads = rayon::current_num_threads();
        let (step, parameters) = step(suffix, sites, settings, goal)?;
        let forward = plan::peak(backbone.graph(), settings.micro)?;
        let widest = forward.max(step);
        let (all, behind) = (plan::weights(backbone.graph()), plan::weights(suffix));
        let m = settings.random_features;
        let head = m * (m + 1) / 2 * size_of::<f64>() + m * PLANNED_CLASSES * size_of::<f64>();
        let bases: usize = sites.iter().map(|s| s.inputs() * s.inputs() / 2 * 4).sum();
        let item = |name, bytes, why: String| Item { name, bytes, why };
        let mib = |n: usize| format!("{:.1} MiB", n as f64 / f64::from(1 << 20));
        Ok(Self {
            items: vec![
                item("weights, frozen", all, "constants of the trunk".into()),
                item(
                    "weights, adapted",
                    3 * behind,
                    format!("merged suffix, training step and graph, {} each", mib(behind)),
                ),
                item(
                    "activations",
                    widest * threads,
                    format!("{} a micro-batch of {}, {threads} threads", mib(widest), settings.micro),
                ),
                item("boundary cache", budget.cache, "limit for the open task".into()),
                item(
                    "adapters and optimizer",
                    parameters * 4 * 8,
                    "parameters, gradients, two moments, copies to go back to".into(),
                ),
                item(
                    "protected subspaces",
                    2 * bases,
                    "f32, at most half the directions a site, and the rollback copy".into(),
                ),
                item(
                    "classifier",
                    2 * head,
                    format!("{m} random features, {PLANNED_CLASSES} classes, and the rollback copy"),
                ),
            ],
        })
    }

    /// Bytes in all.
    pub fn total(&self) -> usize {
        self.items.iter().map(|i| i.bytes).sum()
    }

    /// Refuses a plan above the budget.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) with the size that would do and the largest item.
    pub fn fits(&self, budget: &Budget) -> Result<()> {
        let (total, Some(limit)) = (self.total(), budget.ram) else { return Ok(()) };
        if total <= limit {
            return Ok(());
        }
        let largest = self.items.iter().max_by_key(|i| i.bytes).map_or("", |i| i.name);
        Err(crate::err!(
            Budget,
            "the plan needs {total} bytes of RAM and {limit} were promised; a budget of {total} would do. The \
             largest item is {largest}: a smaller boundary cache, micro-batch or random-feature head lowers it"
        ))
    }
}

/// Peak of a training step, and its number of trainable parameters beside the head's rows.
fn step(suffix: &Graph, sites: &[Site], settings: &Settings, goal: Goal) -> Result<(usize, usize)> {
    let objective = match goal {
        Goal::Branches(terms) => {
            Objective::Branches(Branches { terms, prototypes: settings.batch, directions: OLD_DIRECTIONS })
        }
        // Views of one feature cost next to nothing beside the network.
        Goal::Linear | Goal::Views { .. } => Objective::Linear,
    };
    let (graph, slots) = passes::injected(suffix, sites, &settings.lora, &objective)?;
    let mut parameters = slots.iter().map(|s| settings.lora.rank * (s.inputs() + s.outputs())).sum();
    let step = minimising(&objective, graph, &slots, PLANNED_CLASSES)?;
    if let Some(fusion) = step.graph.find("fusion_weight") {
        parameters += step.graph.shape(fusion)?.volume().known().unwrap_or(0);
    }
    Ok((plan::peak(&step.graph, settings.micro)?, parameters))
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |n: usize| n as f64 / f64::from(1 << 20);
        for i in &self.items {
            writeln!(f, "  {:<24} {:>9.1} MiB  {}", i.name, mib(i.bytes), i.why)?;
        }
        write!(f, "  {:<24} {:>9.1} MiB", "total", mib(self.total()))
    }
}
