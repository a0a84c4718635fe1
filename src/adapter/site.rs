//! Blocks and sites, found by structure.
//!
//! The anchor is attention ([`attention`](super::attention)): its layers make queries, keys and values, and read what
//! was attended to. Linear layers that follow before the next attention, in the branch that comes next on the
//! spine, are the feed-forward part. Names of nodes and tensors are never read, unless the user names the sites.

use super::attention::{self, Attention};
use super::choice::Blocks;
use super::columns::{self, Columns};
use super::linear::{self, Linear};
use super::meeting::Meeting;
use super::picture;
use super::role::{Role, Roles};
use super::spine::Spine;
use super::trace::{Source, Trace};
use crate::error::Result;
use crate::graph::{Graph, Index, NodeId, ValueId};

/// Where an adapter can stand in a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// `block3.q`, or the layer's own name where the user named it.
    pub name: String,
    /// Index of the block, from the image on.
    pub block: usize,
    /// What it does there.
    pub role: Role,
    /// What it changes.
    pub place: Place,
}

/// What an adapter changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// What a layer gives.
    Layer(Layer),
    /// What queries meet.
    Attention(Box<Meeting>),
}

/// Columns of a linear layer. Of a bottleneck, the last layer of the feed-forward part with `x` as what the bottleneck
/// reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The layer.
    pub linear: Linear,
    /// The columns of its output.
    pub columns: Columns,
}

impl Layer {
    /// All columns of a layer.
    pub fn whole(linear: Linear) -> Self {
        Self { columns: Columns::all(linear.outputs), linear }
    }
}

impl Site {
    /// The layer that it changes; none where it stands at an attention.
    pub fn layer(&self) -> Option<&Layer> {
        match &self.place {
            Place::Layer(layer) => Some(layer),
            Place::Attention(_) => None,
        }
    }

    /// Width of a row of A.
    pub fn inputs(&self) -> usize {
        match &self.place {
            Place::Layer(layer) => layer.linear.inputs,
            Place::Attention(meeting) => meeting.inputs(),
        }
    }

    /// Width of a column of B; 0 where there is no B.
    pub fn outputs(&self) -> usize {
        match &self.place {
            Place::Layer(layer) => layer.columns.len(),
            Place::Attention(meeting) => meeting.outputs(),
        }
    }

    /// The value that rows of A meet; sites of one value share their [`tap`](super::tap).
    pub fn reads(&self) -> ValueId {
        match &self.place {
            Place::Layer(layer) => layer.linear.x,
            Place::Attention(meeting) => meeting.reads(),
        }
    }

    /// The node at which it stands.
    pub(super) fn node(&self, index: &Index) -> Option<NodeId> {
        match &self.place {
            Place::Layer(layer) => Some(layer.linear.node),
            Place::Attention(meeting) => index.producer(meeting.weights),
        }
    }
}

/// One transformer block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The last value before it through which everything passes: cutting here separates a prefix from a suffix.
    pub input: ValueId,
    /// What can be adapted in it.
    pub sites: Vec<Site>,
}

/// The blocks of a network, from the image on.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Anatomy {
    /// In execution order.
    pub blocks: Vec<Block>,
}

/// Finds the blocks between the images and `feature`, and their sites. A network without attention over linear layers
/// has none.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where the weights of a quantized graph do not fit.
pub fn anatomy(graph: &Graph, feature: ValueId) -> Result<Anatomy> {
    let picture = picture::of(graph)?;
    let graph = picture.as_ref();
    let index = graph.index();
    let spine = Spine::new(graph, feature);
    let mut linears = linear::all(graph, &index);
    linears.retain(|l| spine.has(l.node));
    let ends = spine.values().collect();
    let trace = Trace { graph, index: &index, linears: &linears, spine: &spine, ends };
    let softmaxes = graph.enumerate().filter(|(id, n)| n.is("Softmax") && spine.has(*id));
    let found: Vec<Attention> = softmaxes.filter_map(|(_, n)| attention::around(&trace, n)).collect();
    let mut blocks = Vec::with_capacity(found.len());
    for (i, attention) in found.iter().enumerate() {
        let next = found.get(i + 1).map_or(usize::MAX, |a| a.start().index());
        blocks.extend(block(&trace, i, attention, next));
    }
    Ok(Anatomy { blocks })
}

fn block(trace: &Trace, number: usize, attention: &Attention, next: usize) -> Option<Block> {
    let input = trace.spine.before(attention.start())?;
    let mut sites = attention_sites(trace.graph, number, &attention.parts);
    sites.extend(token_sites(trace.graph, number, attention));
    if let Some(o) = attention.o {
        sites.push(whole(number, Role::O, o));
        sites.extend(feed_forward(trace, number, o, next));
    }
    Some(Block { input, sites })
}

fn site(block: usize, role: Role, place: Place) -> Site {
    Site { name: format!("block{block}.{}", role.name()), block, role, place }
}

fn whole(block: usize, role: Role, linear: &Linear) -> Site {
    site(block, role, Place::Layer(Layer::whole(linear.clone())))
}

/// The q, k and v sites: layers of their own, or a shared layer in which each role has its columns.
fn attention_sites(graph: &Graph, block: usize, parts: &[Source; 3]) -> Vec<Site> {
    let mut sites = Vec::new();
    for (role, source) in [Role::Q, Role::K, Role::V].into_iter().zip(parts) {
        // Where columns cannot be followed, the shared role remains.
        sites.extend(layer(graph, source, parts).map(|layer| site(block, role, Place::Layer(layer))));
    }
    if sharers(&parts[0], parts) == 3 {
        sites.push(whole(block, Role::Qkv, parts[0].linear));
    }
    sites
}

/// How many of queries, keys and values come from the layer of `source`.
fn sharers(source: &Source, parts: &[Source; 3]) -> usize {
    parts.iter().filter(|p| p.linear.y == source.linear.y).count()
}

/// The columns of its layer that `source` carries on.
fn layer(graph: &Graph, source: &Source, parts: &[Source; 3]) -> Option<Layer> {
    let columns = match sharers(source, parts) {
        1 => Columns::all(source.linear.outputs),
        _ => columns::of(graph, source.linear, &source.paths).ok().filter(|c| !c.is_empty())?,
    };
    Some(Layer { linear: source.linear.clone(), columns })
}

/// Prefix and prompt, where the attention is one that tokens can join.
fn token_sites(graph: &Graph, block: usize, attention: &Attention) -> Vec<Site> {
    let Some(meeting) = &attention.meeting else { return Vec::new() };
    let place = |meeting: Meeting| Place::Attention(Box::new(meeting));
    let mut sites = vec![site(block, Role::Prefix, place(meeting.clone()))];
    let [_, keys, values] = &attention.parts;
    let made = layer(graph, keys, &attention.parts).zip(layer(graph, values, &attention.parts));
    let prompt = made.and_then(|(keys, values)| meeting.clone().made_by(graph, keys, values));
    sites.extend(prompt.map(|meeting| site(block, Role::Prompt, place(meeting))));
    sites
}

/// First and last layer of the branch after `o`, and what stands beside the first.
fn feed_forward(trace: &Trace, block: usize, o: &Linear, next: usize) -> Vec<Site> {
    let mut after = trace
        .linears
        .iter()
        .filter(|l| l.node > o.node && l.node.index() < next)
        .skip_while(|l| l.inputs != o.outputs);
    let Some(fc1) = after.next() else { return Vec::new() };
    let within: Vec<&Linear> =
        after.filter(|l| trace.spine.segment(l.node) == trace.spine.segment(fc1.node)).collect();
    let Some(fc2) =
        within.iter().rev().find(|l| l.outputs == o.outputs && l.x != fc1.x && l.form == fc1.form)
    else {
        return Vec::new();
    };
    let gate = within.iter().find(|l| l.x == fc1.x).map(|l| whole(block, Role::Gate, l));
    let parallel = Linear { x: fc1.x, inputs: fc1.inputs, ..(*fc2).clone() };
    let series = Linear { x: fc2.y, inputs: fc2.outputs, ..(*fc2).clone() };
    let bottlenecks = [whole(block, Role::Parallel, &parallel), whole(block, Role::Series, &series)];
    let layers = [whole(block, Role::Fc1, fc1)].into_iter().chain(gate).chain([whole(block, Role::Fc2, fc2)]);
    layers.chain(bottlenecks).collect()
}

/// The sites of `roles` in the chosen blocks, in order. Sites that the user named are taken whatever their role.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) where a block lacks a role, with the roles it has;
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where more blocks are asked for than there are.
pub fn select(anatomy: &Anatomy, blocks: Blocks, roles: Roles) -> Result<Vec<Site>> {
    let have = anatomy.blocks.len();
    let first = match blocks {
        Blocks::All => 0,
        Blocks::Last(k) if k >= 1 && k <= have => have - k,
        Blocks::Last(k) => {
            crate::bail!(InvalidArgument, "last {k} blocks asked for; the backbone has {have}")
        }
    };
    let mut sites = Vec::new();
    for (i, block) in anatomy.blocks.iter().enumerate().skip(first) {
        sites.extend(block.sites.iter().filter(|s| s.role == Role::Named).cloned());
        if sites.iter().any(|s| s.role == Role::Named) {
            continue;
        }
        for role in roles.iter() {
            let site = block.sites.iter().find(|s| s.role == role).ok_or_else(|| {
                let has = block.sites.iter().map(|s| s.role.name()).collect::<Vec<_>>().join(", ");
                crate::err!(NotFound, "block {i} has no {} site; it has {has}", role.name())
            })?;
            sites.push(site.clone());
        }
    }
    if sites.is_empty() {
        crate::bail!(InvalidArgument, "no role was asked for; use for example q,v");
    }
    if roles.has(Role::Prompt) && [Role::K, Role::V, Role::Qkv].into_iter().any(|role| roles.has(role)) {
        crate::bail!(
            InvalidArgument,
            "prompt tokens pass the key and value layers as they were shipped; use prompt without k, v and qkv"
        );
    }
    Ok(sites)
}
