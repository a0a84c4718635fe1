//! Execution order of nodes that come in any order.
//!
//! Kahn's algorithm over names; among the nodes that are ready the first in the file comes first, so nodes
//! that already stand in order stay as they are. ONNX demands the order; some tools that edit models forget it.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::NodeProto;
use crate::error::Result;

/// `op "name"`, or where in the file a node without a name stands.
pub fn label(node: &NodeProto, position: usize) -> String {
    let op = if node.op_type.is_empty() { "node" } else { &node.op_type };
    match node.name.as_str() {
        "" => format!("{op} at position {position}"),
        name => format!("{op} {name:?}"),
    }
}

/// The nodes after the producers of their operands. `given` says whether a name is an input or a constant.
///
/// Errors name the node: a value computed twice, an operand that nothing computes, a cycle.
pub fn sort(nodes: Vec<NodeProto>, given: impl Fn(&str) -> bool) -> Result<Vec<NodeProto>> {
    let order = order(&nodes, given)?;
    if order.iter().enumerate().all(|(i, &n)| i == n) {
        return Ok(nodes);
    }
    let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|n| nodes[n].take()).collect())
}

fn order(nodes: &[NodeProto], given: impl Fn(&str) -> bool) -> Result<Vec<usize>> {
    let producers = producers(nodes, &given)?;
    let mut waits = vec![0usize; nodes.len()];
    let mut readers = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for name in node.input.iter().filter(|n| !n.is_empty() && !given(n)) {
            match producers.get(name.as_str()) {
                Some(&p) => {
                    readers[p].push(i);
                    waits[i] += 1;
                }
                None => crate::bail!(
                    Parse,
                    "{}: operand {name:?} is neither an input nor a constant and no node computes it",
                    label(node, i)
                ),
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waits[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &r in &readers[i] {
            waits[r] -= 1;
            if waits[r] == 0 {
                ready.insert(r);
            }
        }
    }
    match waits.iter().position(|&w| w > 0) {
        None => Ok(order),
        Some(start) => Err(cycle(nodes, &producers, &waits, start)),
    }
}

/// Which node computes a name.
fn producers(nodes: &[NodeProto], given: impl Fn(&str) -> bool) -> Result<BTreeMap<&str, usize>> {
    let mut producers = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            if given(name) {
                crate::bail!(Parse, "{}: {name:?} is also an input or a constant", label(node, i));
            }
            if let Some(first) = producers.insert(name.as_str(), i) {
                crate::bail!(
                    Parse,
                    "{}: {name:?} is also computed by {}",
                    label(node, i),
                    label(&nodes[first], first)
                );
            }
        }
    }
    Ok(producers)
}

/// The error for a cycle: from a waiting node, up through waiting producers, until one comes twice.
fn cycle(
    nodes: &[NodeProto],
    producers: &BTreeMap<&str, usize>,
    waits: &[usize],
    start: usize,
) -> crate::Error {
    let up = |i: usize| {
        nodes[i].input.iter().filter_map(|n| producers.get(n.as_str())).copied().find(|&p| waits[p] > 0)
    };
    let mut path = vec![start];
    let mut at = BTreeMap::from([(start, 0)]);
    while let Some(next) = path.last().and_then(|&i| up(i)) {
        if let Some(&from) = at.get(&next) {
            let names: Vec<_> = path[from..].iter().rev().take(8).map(|&i| label(&nodes[i], i)).collect();
            return crate::err!(
                Parse,
                "the graph has a cycle of {} nodes: {}",
                path.len() - from,
                names.join(" -> ")
            );
        }
        at.insert(next, path.len());
        path.push(next);
    }
    crate::err!(Bug, "{} waits for no node", label(&nodes[start], start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, input: &[&str], output: &[&str]) -> NodeProto {
        let own = |s: &[&str]| s.iter().map(ToString::to_string).collect();
        NodeProto {
            name: name.into(),
            op_type: "Op".into(),
            input: own(input),
            output: own(output),
            ..NodeProto::default()
        }
    }

    fn names(nodes: Vec<NodeProto>) -> Result<Vec<String>> {
        Ok(sort(nodes, |n| n == "x")?.into_iter().map(|n| n.name).collect())
    }

    #[test]
    fn sorts_only_where_needed() {
        let kept =
            vec![node("b", &["x"], &["1"]), node("a", &["x", ""], &["2"]), node("c", &["1", "2"], &["3"])];
        assert_eq!(names(kept).unwrap(), ["b", "a", "c"]);
        let moved =
            vec![node("c", &["1", "2", "1"], &["3"]), node("b", &["2"], &["1"]), node("a", &["x"], &["2"])];
        assert_eq!(names(moved).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn names_the_node_that_cannot_be_placed() {
        let table = [
            (vec![node("a", &["y"], &["1"])], r#"Op "a": operand "y" is neither"#),
            (
                vec![node("a", &["x"], &["1"]), node("", &["x"], &["1"])],
                r#"Op at position 1: "1" is also computed by Op "a""#,
            ),
            (vec![node("a", &["x"], &["x"])], r#"Op "a": "x" is also an input"#),
            (vec![node("a", &["1"], &["1"])], r#"a cycle of 1 nodes: Op "a""#),
            (
                vec![node("d", &["3"], &["4"]), node("a", &["x", "3"], &["2"]), node("c", &["2"], &["3"])],
                r#"a cycle of 2 nodes: Op "a" -> Op "c""#,
            ),
        ];
        for (nodes, want) in table {
            let e = names(nodes).unwrap_err().to_string();
            assert!(e.contains(want), "{e:?} should contain {want:?}");
        }
    }
}
