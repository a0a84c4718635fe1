//! The adapted network as one graph, from images to features: what other programs can run or take on.

use super::builder::slots;
use super::{State, network};
use crate::adapter::Site;
use crate::backbone::Backbone;
use crate::error::Result;
use crate::graph::Graph;
use crate::strategy::{self, Pair};

impl State {
    /// `backbone` from images to features, and the adapters of network `index` at their sites in it, each to be scaled by
    /// [`Lora::scaling`](crate::adapter::Lora::scaling).
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) where nothing has adapted the network, [`Mismatch`](crate::ErrorKind::Mismatch) for
    /// a backbone of other layers (the store compares backbones by SHA-256), [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an index beyond the networks.
    pub fn adapters(&self, backbone: &Backbone, index: usize) -> Result<(Graph, Vec<(Site, Pair)>)> {
        if !self.adapted {
            crate::bail!(
                State,
                "no task has adapted the network under {}; there is no adapter to write",
                self.strategy
            );
        }
        let lora = &self.settings.lora;
        let (graph, sites) = backbone.clone().named(&self.settings.named)?.whole(lora.blocks, lora.roles)?;
        if slots(&sites) != self.memory.slots {
            crate::bail!(
                Mismatch,
                "the state was made for other adapted layers than this backbone has; give its own backbone"
            );
        }
        let strategy = strategy::by_name(&self.strategy, self.settings.random_features)?.strategy;
        let mut networks = strategy.networks(&self.memory)?;
        if index >= networks.len() {
            crate::bail!(
                InvalidArgument,
                "no network {index}: {} keeps {}, counted from 0",
                self.strategy,
                networks.len()
            );
        }
        Ok((graph, sites.into_iter().zip(networks.swap_remove(index)).collect()))
    }

    /// The same with the adapters folded into the weights.
    ///
    /// # Errors
    /// As [`State::adapters`].
    pub fn merged(&self, backbone: &Backbone, index: usize) -> Result<Graph> {
        let (graph, adapters) = self.adapters(backbone, index)?;
        let (sites, pairs): (Vec<Site>, Vec<_>) =
            adapters.into_iter().map(|(site, pair)| (site, Some(pair))).unzip();
        network::merged(&graph, &sites, &pairs, self.settings.lora.scaling())
    }
}
