//! Blocks, roles and sites, found by structure.
//!
//! The anchor is attention: `softmax(q k^T) v`. From each such softmax the walk goes back to the linear
//! layers that made q, k and v, forward to the output projection, on to the residual sum, and through the
//! feed-forward part to the next residual sum. Names of nodes and tensors are never read.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{BitOr, Range};

use super::linear::{self, Linear};
use super::{columns, picture};
use crate::error::Result;
use crate::graph::{Graph, Index, Node, NodeId, ValueId};

/// What a linear layer does in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Queries, keys and values by one layer.
    Qkv,
    /// Output projection of the attention.
    O,
    /// First layer of the feed-forward part.
    Fc1,
    /// Last layer of the feed-forward part.
    Fc2,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::Qkv, Self::O, Self::Fc1, Self::Fc2];

    /// As written in names and options.
    pub fn name(self) -> &'static str {
        ["q", "k", "v", "qkv", "o", "fc1", "fc2"][self as usize]
    }
}

/// A set of roles: `Roles::Q | Roles::V`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Roles(u8);

#[allow(missing_docs)]
impl Roles {
    pub const Q: Self = Self::of(Role::Q);
    pub const K: Self = Self::of(Role::K);
    pub const V: Self = Self::of(Role::V);
    pub const QKV: Self = Self::of(Role::Qkv);
    pub const O: Self = Self::of(Role::O);
    pub const FC1: Self = Self::of(Role::Fc1);
    pub const FC2: Self = Self::of(Role::Fc2);

    const fn of(role: Role) -> Self {
        Self(1 << role as u8)
    }

    /// Whether `role` is in the set.
    pub fn has(self, role: Role) -> bool {
        self.0 & Self::of(role).0 != 0
    }

    /// The roles in the set.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |&r| self.has(r))
    }
}

impl BitOr for Roles {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::str::FromStr for Roles {
    type Err = crate::Error;

    /// From `q,v` and the like.
    fn from_str(text: &str) -> Result<Self> {
        text.split([',', '+']).map(str::trim).filter(|t| !t.is_empty()).try_fold(Self(0), |set, name| {
            let role = Role::ALL.into_iter().find(|r| r.name() == name).ok_or_else(|| {
                crate::err!(InvalidArgument, "no role {name:?}; use a list of q, k, v, qkv, o, fc1, fc2")
            })?;
            Ok(set | Self::of(role))
        })
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Role::name).collect::<Vec<_>>().join(","))
    }
}

/// A linear layer that an adapter can change, or the columns of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Index of the block, from the image on.
    pub block: usize,
    /// What it does there.
    pub role: Role,
    /// The layer.
    pub linear: Linear,
    /// The columns of the layer's output that belong to this role.
    pub columns: Range<usize>,
}

impl Site {
    /// `block3.q`.
    pub fn name(&self) -> String {
        format!("block{}.{}", self.block, self.role.name())
    }
}

/// One transformer block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The residual stream before it: cutting here separates a prefix from a suffix.
    pub input: ValueId,
    /// The residual stream after it.
    pub output: ValueId,
    /// What can be adapted in it.
    pub sites: Vec<Site>,
}

/// The blocks of a transformer, from the image on.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Anatomy {
    /// In execution order.
    pub blocks: Vec<Block>,
}

/// Which blocks to adapt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Blocks {
    /// Every one.
    All,
    /// The last `k`.
    Last(usize),
}

impl std::fmt::Display for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last(k) => write!(f, "last {k}"),
        }
    }
}

/// Finds the blocks and their sites.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) where no attention over constant-weight linear layers exists.
pub fn anatomy(graph: &Graph) -> Result<Anatomy> {
    let picture = picture::of(graph)?;
    let graph = picture.as_ref();
    let index = graph.index();
    let walk = Walk { graph, index: &index, linears: linear::all(graph, &index) };
    let softmaxes = graph.nodes().iter().filter(|n| n.is("Softmax"));
    let mut blocks = Vec::new();
    for softmax in softmaxes {
        if let Some(block) = walk.block(softmax, blocks.len())? {
            blocks.push(block);
        }
    }
    if blocks.is_empty() {
        let n = walk.linears.len();
        crate::bail!(
            NotFound,
            "no transformer block found: no softmax(q k^T) v over linear layers ({n} linear layers with constant \
             weights exist); is this a vision transformer exported with its weights inside?"
        );
    }
    Ok(Anatomy { blocks })
}

/// The sites of `roles` in the chosen blocks, in order.
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
        for role in roles.iter() {
            let site = block.sites.iter().find(|s| s.role == role).ok_or_else(|| {
                let has: Vec<_> = block.sites.iter().map(|s| s.role.name()).collect();
                crate::err!(NotFound, "block {i} has no {} site; it has {}", role.name(), has.join(", "))
            })?;
            sites.push(site.clone());
        }
    }
    if sites.is_empty() {
        crate::bail!(InvalidArgument, "no role was asked for; use for example q,v");
    }
    Ok(sites)
}

/// A step back from a q, k or v operand towards its linear layer.
pub(super) struct Step {
    /// The node passed.
    pub node: NodeId,
    /// Which of its results was read.
    pub output: usize,
}

struct Walk<'g> {
    graph: &'g Graph,
    index: &'g Index,
    linears: Vec<Linear>,
}

/// Operators that move elements without changing them.
fn moves(node: &Node) -> bool {
    ["Reshape", "Transpose", "Gather", "Split", "Slice", "Squeeze", "Unsqueeze", "Identity", "Flatten"]
        .iter()
        .any(|op| node.is(op))
}

impl Walk<'_> {
    /// Operators that rescale elements: a product with a constant, a cast, a norm of queries or keys.
    fn scales(&self, node: &Node) -> bool {
        let constant = |i| node.input(i).is_some_and(|v| self.graph.constant(v).is_some());
        (node.is("Mul") || node.is("Div")) && (constant(0) || constant(1))
            || ["Cast", "Dropout", "LayerNormalization"].iter().any(|op| node.is(op))
    }

    /// The operand that carries the data.
    fn carrier(&self, node: &Node) -> Option<ValueId> {
        node.inputs.iter().flatten().copied().find(|&v| self.graph.constant(v).is_none())
    }

    fn producer(&self, v: ValueId) -> Option<(NodeId, &Node)> {
        self.index.producer(v).map(|id| (id, self.graph.node(id)))
    }

    fn linear_of(&self, y: ValueId) -> Option<&Linear> {
        self.linears.iter().find(|l| l.y == y)
    }

    fn block(&self, softmax: &Node, number: usize) -> Result<Option<Block>> {
        let Some((q, k, v, context)) = self.attention(softmax) else { return Ok(None) };
        let (Some(q), Some(k), Some(v)) = (self.back(q), self.back(k), self.back(v)) else { return Ok(None) };
        let Some(o) = self.forward(context) else { return Ok(None) };
        let Some((input, mut output)) = self.residual(o.y) else { return Ok(None) };
        let mut sites = self.attention_sites(number, [q, k, v])?;
        let site = |role, linear: &Linear| Site {
            block: number,
            role,
            linear: linear.clone(),
            columns: 0..linear.outputs,
        };
        sites.push(site(Role::O, o));
        if let Some((fc1, fc2, after)) = self.feed_forward(output) {
            sites.extend([site(Role::Fc1, fc1), site(Role::Fc2, fc2)]);
            output = after;
        }
        Ok(Some(Block { input, output, sites }))
    }

    /// q, k, v and the context of `softmax(q k^T) v`.
    fn attention(&self, softmax: &Node) -> Option<(ValueId, ValueId, ValueId, ValueId)> {
        let (mut weights, mut v) = (softmax.output().ok()?, None);
        while v.is_none() {
            let [next] = self.index.consumers(weights) else { return None };
            let node = self.graph.node(*next);
            match node.is("MatMul") {
                true => v = Some((node.need(1).ok()?, node.output().ok()?)),
                false if self.scales(node) || moves(node) => weights = node.output().ok()?,
                false => return None,
            }
        }
        let (v, context) = v?;
        let mut scores = softmax.input(0)?;
        loop {
            let (_, node) = self.producer(scores)?;
            if node.is("MatMul") {
                return Some((node.input(0)?, node.input(1)?, v, context));
            }
            let masked = ["Add", "Where"].iter().any(|op| node.is(op));
            if !(masked || self.scales(node) || moves(node)) {
                return None;
            }
            scores = self.carrier(node)?;
        }
    }

    /// From an operand of attention back to the linear layer that made it.
    fn back(&self, mut v: ValueId) -> Option<(&Linear, Vec<Step>)> {
        let mut steps = Vec::new();
        loop {
            if let Some(linear) = self.linear_of(v) {
                steps.reverse();
                return Some((linear, steps));
            }
            let (id, node) = self.producer(v)?;
            if moves(node) {
                steps.push(Step { node: id, output: node.outputs.iter().position(|&o| o == Some(v))? });
            } else if !self.scales(node) {
                return None;
            }
            v = self.carrier(node)?;
        }
    }

    /// From a value through moves and scales forward to the linear layer that reads it.
    fn forward(&self, mut v: ValueId) -> Option<&Linear> {
        loop {
            if let Some(linear) = self.linears.iter().find(|l| l.x == v) {
                return Some(linear);
            }
            let [next] = self.index.consumers(v) else { return None };
            let node = self.graph.node(*next);
            if !(moves(node) || self.scales(node)) {
                return None;
            }
            v = node.output().ok()?;
        }
    }

    /// From the end of a branch to the residual stream before and after its sum.
    fn residual(&self, mut v: ValueId) -> Option<(ValueId, ValueId)> {
        loop {
            let [next] = self.index.consumers(v) else { return None };
            let node = self.graph.node(*next);
            if node.is("Add") {
                let other = node.inputs.iter().flatten().copied().find(|&o| o != v)?;
                if self.graph.constant(other).is_none() {
                    return Some((other, node.output().ok()?));
                }
            } else if !(moves(node) || self.scales(node)) {
                return None;
            }
            v = node.output().ok()?;
        }
    }

    /// First and last linear layer of the branch that leaves `stream` and returns to it, and the stream after.
    fn feed_forward(&self, stream: ValueId) -> Option<(&Linear, &Linear, ValueId)> {
        let sum = self.index.consumers(stream).iter().map(|&id| self.graph.node(id)).find(|n| n.is("Add"))?;
        let end = sum.inputs.iter().flatten().copied().find(|&v| v != stream)?;
        let ancestors = self.between(stream, end);
        let mut branch = self.linears.iter().filter(|l| ancestors.contains(&l.y));
        let first = branch.next()?;
        let last = branch.next_back()?;
        Some((first, last, sum.output().ok()?))
    }

    /// Values computed on the way to `end`, not looking behind `start`.
    fn between(&self, start: ValueId, end: ValueId) -> BTreeSet<ValueId> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![end]);
        while let Some(v) = open.pop() {
            if v == start || !seen.insert(v) {
                continue;
            }
            if let Some((_, node)) = self.producer(v) {
                open.extend(node.inputs.iter().flatten());
            }
        }
        seen
    }

    /// The q, k and v sites: three layers, or one layer in which each role has its columns.
    fn attention_sites(&self, block: usize, parts: [(&Linear, Vec<Step>); 3]) -> Result<Vec<Site>> {
        let mut sites = Vec::new();
        let fused = parts.iter().all(|(l, _)| l.y == parts[0].0.y);
        for (role, (linear, steps)) in [Role::Q, Role::K, Role::V].into_iter().zip(&parts) {
            let columns = match fused {
                true => columns::of(self.graph, linear, steps)?,
                false => Some(0..linear.outputs),
            };
            // Interleaved columns cannot be told apart by a range; the fused role remains.
            sites.extend(columns.map(|columns| Site { block, role, linear: (*linear).clone(), columns }));
        }
        if fused {
            let linear = parts[0].0.clone();
            sites.push(Site { block, role: Role::Qkv, columns: 0..linear.outputs, linear });
        }
        Ok(sites)
    }
}
