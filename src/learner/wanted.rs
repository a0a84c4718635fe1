//! What the parts of a learner take of RAM, from its graphs and settings alone.

use half::f16;

use super::classifier::Statistics;
use super::encoded::COPIES;
use super::features::NEAR;
use super::phases::Plan;
use super::{Settings, passes};
use crate::adapter::{Site, cut};
use crate::engine::{Engine, Port, Ports};
use crate::error::Result;
use crate::graph::Graph;
use crate::head::{self, Better, Blend, ClassMeans, Lda, Mda, Ridge, Subspaces};
use crate::plan::{self, Demand};
use crate::strategy::{Choice, Classifier, View};

const FLOAT: usize = size_of::<f32>();

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
    /// Bytes of a file for tokens, where there is one.
    pub spill: Option<usize>,
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
            tokens: crops * size_of::<f16>() * tokens,
            kept: [crops * said, crops * COPIES * (said + read)],
            spill: self.spill,
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
        let goal = self.choice.strategy.goal();
        let (step, slots) = passes::largest(settings, goal, self.suffix, self.sites, self.classes)?;
        let mut parameters = slots.iter().map(|s| settings.lora.rank * (s.inputs() + s.outputs())).sum();
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

    fn head(&self, columns: usize, networks: usize, crops: usize) -> head::Demand {
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

impl Statistics {
    /// What statistics take for rows of `width`, of which the first `narrow` matter most.
    pub(super) fn demand(
        classifier: Classifier,
        [width, narrow]: [usize; 2],
        classes: usize,
        networks: usize,
        crops: usize,
    ) -> head::Demand {
        match classifier {
            Classifier::ClassMeans | Classifier::Sections { .. } | Classifier::Linear | Classifier::Given => {
                ClassMeans::demand(width, classes)
            }
            Classifier::Subspaces => Subspaces::demand(width, classes, networks),
            Classifier::Ridge => Ridge::demand(width, width + 1, classes, crops, true),
            Classifier::RandomRidge { features } => Ridge::demand(width, features, classes, crops, true),
            Classifier::Better { features } => Better::demand(width, features, classes, crops),
            Classifier::Discriminants => Lda::demand(width, classes, crops),
            Classifier::Centres => Mda::demand(width, classes, crops),
            Classifier::Blend { features } => Blend::demand([width, narrow], features, classes, crops),
        }
    }
}
