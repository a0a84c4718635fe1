//! Messages to [`Graph`].
//!
//! Values are numbered: inputs, initializers, `Constant` nodes, then the results of nodes in execution order.
//! The numbering is the one that [`encode`](super::encode) writes down, so reading again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use prost::bytes::Bytes;

use super::external::Once;
use super::schema::{
    AttributeProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorTypeProto, ValueInfoProto,
};
use super::{External, Folder, NoExternal, bounds, contrib, order, parts};
use crate::error::{Context, Result};
use crate::graph::{Attr, Attrs, DType, Dim, Graph, Node, Shape, Tensor, ValueId};

/// Versions of the standard operator set that are read and written.
pub const OPSETS: RangeInclusive<i64> = 13..=22;

/// Reads a model file; external data may lie in its folder and below.
///
/// # Errors
/// [`Parse`](crate::ErrorKind::Parse) for malformed bytes, [`Unsupported`](crate::ErrorKind::Unsupported) for opsets, types and
/// features outside this module's page, [`Io`](crate::ErrorKind::Io) or [`NotFound`](crate::ErrorKind::NotFound) from the file system.
pub fn read(path: impl AsRef<Path>) -> Result<Graph> {
    let path = path.as_ref();
    let folder = match path.parent() {
        Some(p) if p != Path::new("") => p,
        _ => Path::new("."),
    };
    let load = || {
        let mut bytes = Bytes::from(std::fs::read(path)?);
        bounds::check(&bytes)?;
        model(bounds::parse(&mut bytes)?, &Folder::new(folder))
    };
    load().at(|| path.display().to_string())
}

/// Reads a model that stands alone. External data is refused.
///
/// # Errors
/// As [`read`], without the file system.
pub fn from_bytes(bytes: &[u8]) -> Result<Graph> {
    decode(bytes, &NoExternal)
}

/// Reads a model; external data comes from `external`.
///
/// # Errors
/// As [`read`]; those of `external` pass through with the tensor's name.
pub fn decode(bytes: &[u8], external: &dyn External) -> Result<Graph> {
    bounds::check(bytes)?;
    model(bounds::parse(&mut &*bytes)?, external)
}

fn model(model: ModelProto, external: &dyn External) -> Result<Graph> {
    if !model.functions.is_empty() {
        crate::bail!(
            Unsupported,
            "the model has {} local functions; inline them with onnx.inliner.inline_local_functions",
            model.functions.len()
        );
    }
    if !model.training_info.is_empty() {
        crate::bail!(Unsupported, "the model has training_info; remove it, training graphs are derived here");
    }
    let Some(proto) = model.graph else {
        crate::bail!(Parse, "the bytes hold no graph; this is not an ONNX model");
    };
    if !proto.sparse_initializer.is_empty() {
        crate::bail!(Unsupported, "the model has sparse initializers; save them as dense tensors");
    }
    let mut graph = Graph::default();
    graph.name = proto.name;
    graph.opsets = opsets(model.opset_import)?;
    graph.metadata = model.metadata_props.into_iter().map(|e| (e.key, e.value)).collect();
    let external = &Once::new(external);
    let mut build = Build { graph, ids: BTreeMap::new(), symbols: BTreeSet::new(), external };
    let constants: BTreeSet<String> = proto.initializer.iter().map(|t| t.name.clone()).collect();
    for info in proto.input.into_iter().filter(|i| !constants.contains(&i.name)) {
        build.input(info)?;
    }
    for tensor in proto.initializer {
        build.initializer(tensor)?;
    }
    build.nodes(proto.node)?;
    build.outputs(&proto.output)?;
    for info in proto.output.iter().chain(&proto.value_info) {
        build.hint(info);
    }
    build.graph.verify()?;
    contrib::standard(build.graph)
}

/// Versions by domain, the standard one in range.
fn opsets(imports: Vec<OperatorSetIdProto>) -> Result<BTreeMap<String, i64>> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let domain = standard(import.domain);
        if opsets.insert(domain.clone(), import.version).is_some_and(|v| v != import.version) {
            crate::bail!(Parse, "the operator set {domain:?} is imported in two versions");
        }
    }
    check_opset(opsets.get("").copied())?;
    Ok(opsets)
}

/// Refuses a model without the standard operator set, or with a version out of range.
pub(super) fn check_opset(version: Option<i64>) -> Result<()> {
    match version {
        Some(v) if OPSETS.contains(&v) => Ok(()),
        Some(v) => Err(crate::err!(
            Unsupported,
            "opset {v} is not in {}..={}; export again with opset_version=17, or use onnx.version_converter",
            OPSETS.start(),
            OPSETS.end()
        )),
        None => Err(crate::err!(Parse, "the model does not import the standard operator set")),
    }
}

/// The standard domain has two spellings.
fn standard(domain: String) -> String {
    if domain == "ai.onnx" { String::new() } else { domain }
}

struct Build<'a> {
    graph: Graph,
    ids: BTreeMap<String, ValueId>,
    /// Symbols of the inputs. Others in the file cannot be bound and are read as unknown.
    symbols: BTreeSet<String>,
    external: &'a dyn External,
}

impl Build<'_> {
    /// Books `name` for the value that `add` makes.
    fn define(&mut self, name: &str, add: impl FnOnce(&mut Graph) -> ValueId) -> Result<ValueId> {
        if name.is_empty() {
            crate::bail!(Parse, "the name is empty");
        }
        if self.ids.contains_key(name) {
            crate::bail!(Parse, "{name:?} is defined twice");
        }
        let id = add(&mut self.graph);
        self.ids.insert(name.into(), id);
        Ok(id)
    }

    fn input(&mut self, info: ValueInfoProto) -> Result<()> {
        let mut add = || {
            let declared =
                tensor_type(&info).ok_or_else(|| crate::err!(Unsupported, "only tensors can be inputs"))?;
            let dtype = DType::from_onnx(declared.elem_type)?;
            let Some(proto) = &declared.shape else {
                crate::bail!(Unsupported, "the rank is not declared; export with an example input");
            };
            let shape = parts::shape(proto, |axis| Dim::symbol(&format!("{}_{axis}", info.name)));
            self.symbols.extend(shape.iter().filter_map(symbol_of));
            self.define(&info.name, |g| g.add_input(&info.name, dtype, shape))
        };
        add().map(|_| ()).at(|| format!("input {:?}", info.name))
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> Result<()> {
        self.define(name, |g| g.add_constant(name, tensor)).map(|_| ())
    }

    fn initializer(&mut self, proto: TensorProto) -> Result<()> {
        parts::tensor(&proto, self.external)
            .and_then(|t| self.constant(&proto.name, t))
            .at(|| format!("initializer {:?}", proto.name))
    }

    /// `Constant` nodes become constants, the others follow in execution order.
    fn nodes(&mut self, nodes: Vec<NodeProto>) -> Result<()> {
        let mut rest = Vec::with_capacity(nodes.len());
        for (i, mut proto) in nodes.into_iter().enumerate() {
            proto.domain = standard(proto.domain);
            let label = order::label(&proto, i);
            if proto.op_type.is_empty() {
                return Err(crate::err!(Parse, "the node has no operator type").at(label));
            }
            if proto.op_type == "Constant" && proto.domain.is_empty() {
                self.constant_node(proto).at(|| label)?;
            } else {
                rest.push(proto);
            }
        }
        for (i, proto) in order::sort(rest, |name| self.ids.contains_key(name))?.into_iter().enumerate() {
            let label = order::label(&proto, i);
            self.node(proto).at(|| label)?;
        }
        Ok(())
    }

    fn constant_node(&mut self, proto: NodeProto) -> Result<()> {
        let [name] = &proto.output[..] else { crate::bail!(Parse, "a Constant has one output") };
        let mut attrs = self.attrs(proto.attribute)?.into_iter();
        let tensor = match (attrs.next(), attrs.next()) {
            (Some((key, attr)), None) => constant_value(&key, attr)?,
            _ => crate::bail!(Parse, "a Constant has one attribute"),
        };
        self.constant(name, tensor)
    }

    fn attrs(&self, protos: Vec<AttributeProto>) -> Result<Attrs> {
        let mut attrs = Attrs::new();
        for proto in protos {
            let name = proto.name.clone();
            if attrs.insert(name.clone(), parts::attr(proto, self.external)?).is_some() {
                crate::bail!(Parse, "attribute {name:?} is given twice");
            }
        }
        Ok(attrs)
    }

    fn node(&mut self, proto: NodeProto) -> Result<()> {
        let attrs = self.attrs(proto.attribute)?;
        let inputs = proto.input.iter().map(|n| self.ids.get(n).copied()).collect();
        let mut outputs = Vec::with_capacity(proto.output.len());
        for name in &proto.output {
            outputs.push(match name.as_str() {
                "" => None,
                _ => Some(self.define(name, |g| g.add_value(name, None, None))?),
            });
        }
        if outputs.iter().all(Option::is_none) {
            crate::bail!(Parse, "the node computes nothing");
        }
        let (name, domain, op) = (proto.name, proto.domain, proto.op_type);
        self.graph.add_node(Node { name, domain, op, inputs, outputs, attrs });
        Ok(())
    }

    fn outputs(&mut self, infos: &[ValueInfoProto]) -> Result<()> {
        if infos.is_empty() {
            crate::bail!(Parse, "the graph has no output");
        }
        let mut listed = BTreeSet::new();
        for ValueInfoProto { name, .. } in infos {
            let Some(&id) = self.ids.get(name) else {
                crate::bail!(
                    Parse,
                    "output {name:?} is neither an input nor a constant and no node computes it"
                );
            };
            if !listed.insert(id) {
                crate::bail!(Parse, "output {name:?} is listed twice");
            }
            self.graph.outputs.push(id);
        }
        Ok(())
    }

    /// Takes over what the file says of a node's result. Inference may overrule it.
    fn hint(&mut self, info: &ValueInfoProto) {
        let (Some(&id), Some(declared)) = (self.ids.get(&info.name), tensor_type(info)) else { return };
        let symbols = &self.symbols;
        let bound =
            |d: Dim| if symbol_of(&d).is_none_or(|s| symbols.contains(&s)) { d } else { Dim::Unknown };
        let shape = declared.shape.as_ref().map(|s| parts::shape(s, |_| Dim::Unknown));
        let value = self.graph.value_mut(id);
        if value.dtype.is_none() {
            value.dtype = DType::from_onnx(declared.elem_type).ok();
            value.shape = shape.map(|s| Shape(s.0.into_iter().map(bound).collect()));
        }
    }
}

fn tensor_type(info: &ValueInfoProto) -> Option<&TensorTypeProto> {
    info.r#type.as_ref()?.tensor_type.as_ref()
}

fn symbol_of(dim: &Dim) -> Option<String> {
    match dim {
        Dim::Symbolic { symbol, .. } => Some(symbol.to_string()),
        _ => None,
    }
}

/// The tensor of a `Constant` node, in any of the forms that hold numbers.
fn constant_value(key: &str, attr: Attr) -> Result<Tensor> {
    match (key, attr) {
        ("value", Attr::Tensor(t)) => Ok(t),
        ("value_float", Attr::Float(x)) => Tensor::f32(&[], &[x]),
        ("value_int", Attr::Int(x)) => Tensor::i64(&[], &[x]),
        ("value_floats", Attr::Floats(x)) => Tensor::f32(&[x.len()], &x),
        ("value_ints", Attr::Ints(x)) => Ok(Tensor::ints(&x)),
        (key, _) => Err(crate::err!(
            Unsupported,
            "{key:?} is no numeric constant; export the model without string tensors"
        )),
    }
}
