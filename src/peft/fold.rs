//! From a state, and into a model.

use std::collections::BTreeMap;

use ndarray::{Array2, s};

use super::{Adapter, Module};
use crate::adapter::named;
use crate::adapter::{Form, Layer, Linear, Mechanism, Place, Role, Site, merge};
use crate::backbone::Backbone;
use crate::error::{Context, Result};
use crate::graph::Graph;
use crate::learner::State;
use crate::strategy::Pair;

impl Adapter {
    /// The adapters of network `index` of `state`, which was learned on `backbone`.
    ///
    /// # Errors
    /// As [`State::adapters`]; [`Unsupported`](crate::ErrorKind::Unsupported) for what PEFT's LoRA cannot be: bottlenecks, tokens, maps
    /// of channels, and layers without a name.
    pub fn of(state: &State, backbone: &Backbone, index: usize) -> Result<Self> {
        let (graph, adapters) = state.adapters(backbone, index)?;
        let scaling = state.settings.lora.scaling();
        let mut modules: BTreeMap<String, Module> = BTreeMap::new();
        for (site, pair) in adapters.iter().filter(|(_, pair)| pair.rank() > 0) {
            let (name, pair) = whole(&graph, site, pair).at(|| site.name.clone())?;
            let pair = match modules.get(&name) {
                Some(before) => before.pair.join(&pair)?,
                None => pair,
            };
            modules.insert(name, Module { pair, scaling });
        }
        Ok(Self { modules })
    }

    /// `backbone` with the adapters folded into its weights, all its outputs kept.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a module that the model does not have, with those that it has;
    /// [`Shape`](crate::ErrorKind::Shape) for one of other widths.
    pub fn fold(&self, backbone: &Backbone) -> Result<Graph> {
        let mut graph = backbone.graph().clone();
        let layers = named::layers(&graph, backbone.feature())?;
        let named: Vec<(Option<String>, Linear)> =
            layers.into_iter().map(|l| (named::module(&graph, &l), l)).collect();
        for (name, Module { pair, scaling }) in &self.modules {
            let mut own = named.iter().filter(|(module, _)| module.as_ref() == Some(name));
            let linear = match (own.next(), own.next()) {
                (Some((_, linear)), None) => linear,
                (None, _) => {
                    let have: Vec<&str> = named.iter().filter_map(|(module, _)| module.as_deref()).collect();
                    crate::bail!(NotFound, "no layer {name:.80} in the model; it has {}", have.join(", "))
                }
                _ => crate::bail!(Unsupported, "two layers of the model are called {name}; export it anew"),
            };
            let layer = Layer::whole(linear.clone());
            let site = Site { name: name.clone(), block: 0, role: Role::Named, place: Place::Layer(layer) };
            graph = merge(graph, &site, pair.a.view(), pair.b.view(), *scaling)?;
        }
        Ok(graph)
    }
}

/// Module of a site's layer, and its adapter with B placed at the site's columns of the whole layer.
fn whole(graph: &Graph, site: &Site, pair: &Pair) -> Result<(String, Pair)> {
    let lora = site.role.mechanism() == Mechanism::Lora;
    let Some(Layer { linear, columns }) = site.layer().filter(|l| lora && l.linear.form == Form::Rows) else {
        crate::bail!(
            Unsupported,
            "only LoRA of linear layers over tokens has a form in PEFT; write the merged model instead (--onnx)"
        )
    };
    let name = named::module(graph, linear).ok_or_else(|| {
        crate::err!(
            Unsupported,
            "the ONNX file does not say which module the layer was; export it with its parameters' names, or write the merged \
             model instead (--onnx)"
        )
    })?;
    let mut b = Array2::zeros((linear.outputs, pair.rank()));
    for (i, row) in pair.b.rows().into_iter().enumerate() {
        b.slice_mut(s![columns.at(i), ..]).assign(&row);
    }
    Ok((name, Pair { a: pair.a.clone(), b }))
}
