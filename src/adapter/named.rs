//! Sites and boundary that the user names, where structure does not tell them or other ones are wanted.
//!
//! A pattern is a list of shell globs (`*attn*qkv*,*mlp.fc1*`), matched against the names of a layer's node, weight,
//! bias and result. The boundary is the name of a value of the spine.

use glob::Pattern;

use super::columns::Columns;
use super::linear::{self, Linear};
use super::role::Role;
use super::site::{Anatomy, Block, Site};
use super::spine::Spine;
use crate::error::Result;
use crate::graph::{Graph, ValueId};

/// What the user names; empty where structure decides.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Named {
    /// Globs of linear layers, separated by commas.
    pub sites: Option<String>,
    /// Name of the value at which to cut.
    pub boundary: Option<String>,
}

/// Names listed in an error.
const LISTED: usize = 40;

/// Replaces what structure found by what the user named.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a pattern that is none,
/// [`NotFound`](crate::ErrorKind::NotFound) where nothing has the name or a site lies before the boundary; the error lists
/// what there is.
pub fn apply(graph: &Graph, feature: ValueId, mut anatomy: Anatomy, named: &Named) -> Result<Anatomy> {
    let spine = Spine::new(graph, feature);
    if let Some(globs) = &named.sites {
        let sites = matching(graph, &spine, globs)?;
        let first = sites.iter().map(|s| s.linear.node).min();
        let input = first.and_then(|node| spine.before(node));
        let input = input.ok_or_else(|| crate::err!(Bug, "the named sites have nothing before them"))?;
        anatomy = Anatomy { blocks: vec![Block { input, sites }] };
    }
    if let Some(name) = &named.boundary {
        anatomy = behind(graph, &spine, anatomy, name)?;
    }
    Ok(anatomy)
}

/// Names of a layer that a pattern can match: its node, its weight, its result, its bias. Exporters keep the module's
/// name in some of them only.
pub fn names<'g>(graph: &'g Graph, linear: &Linear) -> Vec<&'g str> {
    let node = graph.node(linear.node);
    let last = graph.nodes().iter().find(|n| n.outputs.first() == Some(&Some(linear.y))).unwrap_or(node);
    let constant = |v: &&ValueId| graph.constant(**v).is_some() && **v != linear.weight;
    let bias = last.inputs.iter().flatten().find(constant);
    let values = [linear.weight, linear.y].into_iter().chain(bias.copied());
    [node.name.as_str()].into_iter().chain(values.map(|v| graph.value(v).name.as_str())).collect()
}

/// Every linear layer between the images and `feature`, for an error: names and widths.
pub fn candidates(graph: &Graph, feature: ValueId) -> String {
    let spine = Spine::new(graph, feature);
    let row = |l: &Linear| format!("{} ({}x{})", names(graph, l).join(" = "), l.inputs, l.outputs);
    let layers: Vec<_> =
        linear::all(graph, &graph.index()).iter().filter(|l| spine.has(l.node)).map(row).collect();
    list(&layers)
}

fn matching(graph: &Graph, spine: &Spine, globs: &str) -> Result<Vec<Site>> {
    let parse = |g: &str| {
        Pattern::new(g)
            .map_err(|e| crate::err!(InvalidArgument, "{g:?} is no pattern: {e}; use for example *attn*"))
    };
    let globs =
        globs.split(',').map(str::trim).filter(|g| !g.is_empty()).map(parse).collect::<Result<Vec<_>>>()?;
    let layers = linear::all(graph, &graph.index()).into_iter().filter(|l| spine.has(l.node));
    let hit = |l: &Linear| names(graph, l).iter().any(|name| globs.iter().any(|g| g.matches(name)));
    let sites: Vec<Site> = layers.filter(hit).map(|linear| site(graph, linear)).collect();
    if sites.is_empty() {
        let feature = spine.values().last().ok_or_else(|| crate::err!(Bug, "a spine without an end"))?;
        crate::bail!(NotFound, "no linear layer matches; there are: {}", candidates(graph, feature));
    }
    Ok(sites)
}

/// Named after the node, or after the result where the node has no name.
fn site(graph: &Graph, linear: Linear) -> Site {
    let named = names(graph, &linear);
    let name = if named[0].is_empty() { named[2] } else { named[0] };
    let name = name.trim_matches('/').trim_end_matches("/MatMul").trim_end_matches("/Gemm").replace('/', ".");
    Site { name, block: 0, role: Role::Named, columns: Columns::all(linear.outputs), linear }
}

fn behind(graph: &Graph, spine: &Spine, anatomy: Anatomy, name: &str) -> Result<Anatomy> {
    let shown = |v: ValueId| {
        let value = graph.value(v);
        value.shape.as_ref().map_or_else(|| value.name.clone(), |s| format!("{}{s}", value.name))
    };
    let Some(boundary) = spine.cuts().find(|&v| graph.value(v).name == name) else {
        let all: Vec<_> = spine.cuts().map(shown).collect();
        crate::bail!(
            NotFound,
            "{name:?} is no value through which everything passes; these are: {}",
            list(&all)
        );
    };
    let place = spine.cuts().position(|v| v == boundary);
    let late = |s: &Site| {
        let at = spine.before(s.linear.node).and_then(|b| spine.cuts().position(|v| v == b));
        at >= place
    };
    let named = anatomy.blocks.iter().flat_map(|b| &b.sites).find(|s| s.role == Role::Named && !late(s));
    if let Some(site) = named {
        crate::bail!(
            NotFound,
            "site {} lies before the boundary {name:?}; cut earlier or leave it out",
            site.name
        );
    }
    let blocks: Vec<Block> = anatomy.blocks.into_iter().filter(|b| b.sites.iter().all(late)).collect();
    let blocks = blocks.into_iter().map(|b| Block { input: boundary, ..b }).collect();
    Ok(Anatomy { blocks })
}

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{tail}", names[..names.len() - more].join(", "))
}
