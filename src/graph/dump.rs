//! The text form of a graph, for people and for comparing two graphs in a test. It is not read back.
//!
//! ```text
//! graph "vit" {opset 17}
//! input %image: f32[N,3,224,224]
//! const %w: f32[192,576]
//! %q: f32[N,197,576] = MatMul(%x, %w)
//! output %logits: f32[N,1000]
//! ```

use std::fmt;

use super::{Attr, DType, Graph, Node, ValueId};

/// Longest list of numbers that is written out.
const LIMIT: usize = 8;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph {:?} {{", self.name)?;
        for (i, (domain, version)) in self.opsets.iter().enumerate() {
            let domain = if domain.is_empty() { "opset" } else { domain };
            write!(f, "{}{domain} {version}", if i > 0 { ", " } else { "" })?;
        }
        writeln!(f, "}}")?;
        for &v in &self.inputs {
            writeln!(f, "input {}", typed(self, v))?;
        }
        for &v in self.constants().keys() {
            writeln!(f, "const {}", typed(self, v))?;
        }
        for node in self.nodes() {
            writeln!(f, "{}", line(self, node))?;
        }
        for &v in &self.outputs {
            writeln!(f, "output {}", typed(self, v))?;
        }
        Ok(())
    }
}

fn typed(graph: &Graph, v: ValueId) -> String {
    let value = graph.value(v);
    let dtype = value.dtype.map_or("?", DType::name);
    let shape = value.shape.as_ref().map_or_else(|| "[..]".into(), ToString::to_string);
    format!("%{}: {dtype}{shape}", value.name)
}

fn line(graph: &Graph, node: &Node) -> String {
    let results: Vec<_> =
        node.outputs.iter().map(|v| v.map_or_else(|| "_".into(), |v| typed(graph, v))).collect();
    let operand = |v: &Option<ValueId>| v.map_or_else(|| "_".into(), |v| format!("%{}", graph.value(v).name));
    let operands: Vec<_> = node.inputs.iter().map(operand).collect();
    let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
    let attrs: Vec<_> = node.attrs.iter().map(|(k, a)| format!("{k}={}", show(a))).collect();
    let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{}}}", attrs.join(", ")) };
    format!("{} = {domain}{}({}){attrs}", results.join(", "), node.op, operands.join(", "))
}

fn show(attr: &Attr) -> String {
    match attr {
        Attr::Int(x) => x.to_string(),
        Attr::Float(x) => x.to_string(),
        Attr::Str(x) => format!("{x:?}"),
        Attr::Tensor(t) => format!("{t:?}"),
        Attr::Ints(x) => list(x),
        Attr::Floats(x) => list(x),
        Attr::Strings(x) => list(x),
    }
}

fn list<T: fmt::Debug>(items: &[T]) -> String {
    match items.get(..LIMIT) {
        Some(head) if items.len() > LIMIT => format!("{head:?}+{}", items.len() - LIMIT),
        _ => format!("{items:?}"),
    }
}
