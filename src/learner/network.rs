//! The adapted suffix as predictions use it: one network, or several that share one compiled graph.
//!
//! One network has its adapters merged into its weights. Several differ in their adapters only, so the suffix is
//! compiled once with adapters as inputs, padded to the largest rank, and every network brings its own; where networks use
//! different sites, once for each set of sites.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayD, ArrayViewD, Ix2, s};

use super::State;
use super::pace::Pace;
use super::runner::Runner;
use crate::adapter::{Lora, Mechanism, Sharing, Site, inject, merge, widest};
use crate::engine::{Data, Engine};
use crate::error::Result;
use crate::graph::Graph;
use crate::strategy::{Pair, Strategy};

/// An adapted suffix.
pub struct Network {
    runner: Arc<Runner>,
    /// Adapters in the order of the graph's inputs; none where they are merged.
    adapters: Vec<Data>,
    width: usize,
    late: usize,
}

impl Network {
    /// Width of its features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Width of what its tokens say late in it; 0 where nobody asks.
    pub fn late(&self) -> usize {
        self.late
    }

    /// Features `[n, width]` of boundary tokens, and what tokens say late in the network.
    pub fn run(
        &self,
        tokens: ArrayViewD<'_, f32>,
        pace: &dyn Pace,
    ) -> Result<(Array2<f32>, Option<Array2<f32>>)> {
        let rows = |rows: ArrayD<f32>| {
            rows.into_dimensionality::<Ix2>().map_err(|e| crate::err!(Shape, "features are no rows: {e}"))
        };
        let mut outputs = self.runner.run(tokens, &self.adapters, pace)?.into_iter().map(rows);
        let features = outputs.next().ok_or_else(|| crate::err!(Bug, "a network without features"))??;
        Ok((features, outputs.next().transpose()?))
    }
}

/// The networks that `strategy` reads; none before anything was adapted.
pub fn all(
    engine: &dyn Engine,
    suffix: &Graph,
    sites: &[Site],
    strategy: &dyn Strategy,
    state: &State,
) -> Result<Vec<Network>> {
    if !state.adapted {
        return Ok(Vec::new());
    }
    let mut networks = strategy.networks(&state.memory)?;
    if networks.len() == 1 {
        let one = networks.remove(0).into_iter().map(Some).collect::<Vec<_>>();
        let graph = merged(suffix, sites, &one, state.settings.lora.scaling())?;
        let runner = Arc::new(Runner::new(engine, &graph, state.settings.micro)?);
        let (width, late) = (width(suffix, 0)?, late(suffix)?);
        return Ok(vec![Network { runner, adapters: Vec::new(), width, late }]);
    }
    shared(engine, suffix, sites, &networks, state)
}

/// `suffix` with an adapter folded into the weights of every site that has one.
pub fn merged(suffix: &Graph, sites: &[Site], pairs: &[Option<Pair>], scaling: f32) -> Result<Graph> {
    let mut graph = suffix.clone();
    for (site, pair) in sites.iter().zip(pairs) {
        if let Some(pair) = pair.as_ref().filter(|p| p.rank() > 0) {
            graph = merge(graph, site, pair.a.view(), pair.b.view(), scaling)?;
        }
    }
    Ok(graph)
}

/// Several networks over one graph, or one for every set of sites that they use: an adapter of no rank is left out.
fn shared(
    engine: &dyn Engine,
    suffix: &Graph,
    sites: &[Site],
    networks: &[Vec<Pair>],
    state: &State,
) -> Result<Vec<Network>> {
    let most = sites.iter().map(widest).min().unwrap_or(1);
    // A sum of more terms than a layer is wide is no richer than the layer.
    let fit = |(pair, site): (&Pair, &Site)| match site.role.mechanism() {
        Mechanism::Lora => pair.compress(most).map(|(pair, _)| pair),
        _ => Ok(pair.clone()),
    };
    let networks: Vec<Vec<Pair>> =
        networks.iter().map(|pairs| pairs.iter().zip(sites).map(fit).collect()).collect::<Result<_>>()?;
    let rank = networks.iter().flatten().map(Pair::rank).max().unwrap_or(1).max(1);
    let lora = Lora { rank, alpha: state.settings.lora.scaling() * rank as f32, ..state.settings.lora };
    let (width, late) = (width(suffix, 0)?, late(suffix)?);
    let mut compiled: BTreeMap<Vec<bool>, Arc<Runner>> = BTreeMap::new();
    let mut all = Vec::with_capacity(networks.len());
    for pairs in &networks {
        let used: Vec<bool> = pairs.iter().map(|pair| pair.rank() > 0).collect();
        let runner = match compiled.get(&used) {
            Some(runner) => runner.clone(),
            None => {
                let some = sites.iter().zip(&used).filter(|(_, used)| **used);
                let some: Vec<Site> = some.map(|(site, _)| site.clone()).collect();
                let (graph, _) = inject(suffix.clone(), &some, &lora, Sharing::Shared)?;
                let runner = Arc::new(Runner::new(engine, &graph, state.settings.micro)?);
                compiled.entry(used).or_insert(runner).clone()
            }
        };
        let adapters = pairs.iter().filter(|pair| pair.rank() > 0).flat_map(|p| padded(p, rank)).collect();
        all.push(Network { runner, adapters, width, late });
    }
    Ok(all)
}

/// Width of output `i` of `suffix`.
fn width(suffix: &Graph, i: usize) -> Result<usize> {
    let last = suffix.outputs.get(i).and_then(|&v| suffix.shape(v).ok()?.last()?.known());
    last.ok_or_else(|| crate::err!(Shape, "the width of output {i} is open"))
}

fn late(suffix: &Graph) -> Result<usize> {
    if suffix.outputs.len() > 1 { width(suffix, 1) } else { Ok(0) }
}

/// A and B, where there is one, with zeros up to `rank`.
fn padded(pair: &Pair, rank: usize) -> impl Iterator<Item = Data> {
    let (mut a, mut b) = (Array2::zeros((rank, pair.a.ncols())), Array2::zeros((pair.b.nrows(), rank)));
    a.slice_mut(s![..pair.rank(), ..]).assign(&pair.a);
    b.slice_mut(s![.., ..pair.rank()]).assign(&pair.b);
    [a, b].into_iter().filter(|m| m.nrows() > 0).map(Data::from)
}
