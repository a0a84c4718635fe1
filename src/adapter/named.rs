//! Sites and boundary that the user names, where structure does not tell them or other ones are wanted.
//!
//! A pattern is a list of shell globs (`*attn*qkv*,*mlp.fc1*`), matched against the names of a layer's node, weight,
//! bias and result. The boundary is the name of a value of the spine.

use glob::Pattern;

use super::choice::Named;
use super::linear::{self, Linear};
use super::picture;
use super::role::Role;
use super::site::{Anatomy, Block, Layer, Place, Site};
use super::spine::Spine;
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};

/// Names listed in an error.
const LISTED: usize = 40;

/// Replaces what structure found by what the user named.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a pattern that is none,
/// [`NotFound`](crate::ErrorKind::NotFound) where nothing has the name or a site lies before the boundary; the error lists
/// what there is.
pub fn apply(graph: &Graph, feature: ValueId, mut anatomy: Anatomy, named: &Named) -> Result<Anatomy> {
    let picture = picture::of(graph)?;
    let spine = Spine::new(&picture, feature);
    if let Some(globs) = &named.sites {
        let sites = matching(graph, feature, globs)?;
        let first = sites.iter().filter_map(|s| s.layer()).map(|layer| layer.linear.node).min();
        let input = first.and_then(|node| spine.before(node));
        let input = input.ok_or_else(|| crate::err!(Bug, "the named sites have nothing before them"))?;
        anatomy = Anatomy { blocks: vec![Block { input, sites }] };
    }
    if let Some(name) = &named.boundary {
        anatomy = behind(&picture, &spine, anatomy, name)?;
    }
    Ok(anatomy)
}

/// Names of a layer that a pattern can match: those of its nodes, weight, result and bias. Exporters keep the module's name
/// in some of them only.
pub fn names<'g>(graph: &'g Graph, linear: &Linear) -> Vec<&'g str> {
    let reads = |n: &&Node| n.inputs.contains(&Some(linear.weight));
    let makes = |n: &&Node| n.outputs.first() == Some(&Some(linear.y));
    let (product, last) = (graph.nodes().iter().find(reads), graph.nodes().iter().find(makes));
    let nodes = product.into_iter().chain(last).map(|n| n.name.as_str());
    let values = [linear.weight, linear.y].into_iter().chain(linear.bias);
    let mut names: Vec<&str> = Vec::new();
    for name in nodes.chain(values.map(|v| graph.value(v).name.as_str())) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Name of the layer's module in the program that it was exported from, such as `blocks.0.attn.qkv`: of its weight or bias, or
/// the scope of its node. `None` where the exporter kept neither.
pub fn module(graph: &Graph, linear: &Linear) -> Option<String> {
    let names = names(graph, linear);
    let parameter =
        |n: &&str| n.strip_suffix(".weight").or_else(|| n.strip_suffix(".bias")).map(String::from);
    names.iter().find_map(parameter).or_else(|| names.iter().find_map(|n| scope(n)))
}

/// `/blocks/blocks.0/attn/qkv/MatMul` as `blocks.0.attn.qkv`: a list and its element are two scopes and one module.
fn scope(node: &str) -> Option<String> {
    let parts: Vec<&str> = node.strip_prefix('/')?.split('/').collect();
    let (_, scopes) = parts.split_last()?;
    let is_list = |i: usize| {
        scopes.get(i + 1).is_some_and(|next| next.strip_prefix(scopes[i]).is_some_and(|n| n.starts_with('.')))
    };
    let modules: Vec<&str> = (0..scopes.len()).filter(|&i| !is_list(i)).map(|i| scopes[i]).collect();
    (!modules.is_empty()).then(|| modules.join("."))
}

/// Every linear layer between the images and `feature`, in execution order.
///
/// # Errors
/// As [`linear::linears`].
pub fn layers(graph: &Graph, feature: ValueId) -> Result<Vec<Linear>> {
    let picture = picture::of(graph)?;
    let spine = Spine::new(&picture, feature);
    Ok(linear::all(&picture, &picture.index()).into_iter().filter(|l| spine.has(l.node)).collect())
}

/// The same for an error: names and widths.
pub fn candidates(graph: &Graph, feature: ValueId) -> String {
    let row = |l: &Linear| format!("{} ({}x{})", names(graph, l).join(" = "), l.inputs, l.outputs);
    let layers: Vec<_> = layers(graph, feature).unwrap_or_default().iter().map(row).collect();
    list(&layers)
}

fn matching(graph: &Graph, feature: ValueId, globs: &str) -> Result<Vec<Site>> {
    let parse = |g: &str| {
        Pattern::new(g)
            .map_err(|e| crate::err!(InvalidArgument, "{g:?} is no pattern: {e}; use for example *attn*"))
    };
    let globs =
        globs.split(',').map(str::trim).filter(|g| !g.is_empty()).map(parse).collect::<Result<Vec<_>>>()?;
    let hit = |l: &Linear| names(graph, l).iter().any(|name| globs.iter().any(|g| g.matches(name)));
    let sites: Vec<Site> = layers(graph, feature)?.into_iter().filter(hit).map(|l| site(graph, l)).collect();
    if sites.is_empty() {
        crate::bail!(NotFound, "no linear layer matches; there are: {}", candidates(graph, feature));
    }
    Ok(sites)
}

/// Named after its module, where the weight still says it, or else after its node.
fn site(graph: &Graph, linear: Linear) -> Site {
    let names = names(graph, &linear);
    let module = names.iter().find_map(|n| n.strip_suffix(".weight"));
    let name = module.or(names.first().copied()).unwrap_or("layer");
    let name = name.trim_matches('/').trim_end_matches("/MatMul").trim_end_matches("/Gemm").replace('/', ".");
    Site { name, block: 0, role: Role::Named, place: Place::Layer(Layer::whole(linear)) }
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
    let index = graph.index();
    let late = |s: &Site| {
        let before = s.node(&index).and_then(|node| spine.before(node));
        let at = before.and_then(|b| spine.cuts().position(|v| v == b));
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
