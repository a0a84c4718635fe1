//! Runs every case of the table, and lists rules without a case.

use std::panic::{AssertUnwindSafe, catch_unwind};

use perennial::autodiff::{OPSETS, rules};
use perennial::graph::Emit;

use crate::cases::{Case, cases};
use crate::numeric::Problem;

fn check(case: &Case, opset: i64, seed: u64) -> Result<f64, String> {
    let mut problem = Problem::new(opset, case.inputs, seed);
    let inputs = problem.inputs();
    let ys = (case.build)(&mut Emit::new(&mut problem.graph, "case"), &inputs)
        .map_err(|e| format!("build: {e}"))?;
    if !problem.graph.nodes().iter().any(|n| n.is(case.op)) {
        return Err("the case does not contain its operator".into());
    }
    let loss = problem.loss(&ys);
    problem.compare(loss)
}

#[test]
fn every_case_agrees_with_central_differences() {
    let (mut failures, mut count, mut worst) = (Vec::new(), 0, 0f64);
    for (i, case) in cases().iter().enumerate() {
        for opset in case.opsets {
            count += 1;
            let checked = catch_unwind(AssertUnwindSafe(|| check(case, *opset, i as u64)));
            match checked.unwrap_or_else(|_| Err("panic, see above".into())) {
                Ok(error) => worst = worst.max(error),
                Err(e) => failures.push(format!("{} ({}) opset {opset}: {e}", case.op, case.inputs)),
            }
        }
    }
    println!("{count} cases, largest relative error {worst:.1e}");
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_has_a_case_in_its_opsets() {
    let cases = cases();
    let later = |op: &str, since: i64| {
        rules::supported().filter(|r| r.op == op && r.since > since).map(|r| r.since).min()
    };
    let missing: Vec<String> = rules::supported()
        // tests/quantized.rs compares straight-through gradients with what they are.
        .filter(|row| row.differentiable() && !row.straight_through())
        .filter(|row| {
            let range = row.since..later(row.op, row.since).unwrap_or(OPSETS.end() + 1);
            !cases.iter().any(|c| c.op == row.op && c.opsets.iter().any(|o| range.contains(o)))
        })
        .map(|row| format!("{} {}", row.op, row.since))
        .collect();
    assert!(missing.is_empty(), "rules without a case: {missing:?}");
}
