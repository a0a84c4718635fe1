//! The memory answer: what a learner will take, phase by phase and item by item, before it takes it.

use std::fmt;

use serde::Serialize;

use super::Budget;
use crate::error::Result;

/// One line of a phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What it is for.
    pub name: &'static str,
    /// Bytes of RAM.
    pub bytes: usize,
    /// How the number comes about.
    pub why: String,
}

/// What is in RAM at the same time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// When.
    pub name: &'static str,
    /// The items; they add up.
    pub items: Vec<Item>,
}

impl Phase {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|i| i.bytes).sum()
    }
}

/// Planned RAM of a learner: what a process holds of anonymous memory. Code comes from its file and can be dropped by the system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Footprint {
    /// In the order in which a learner comes to them.
    pub phases: Vec<Phase>,
}

impl Footprint {
    /// Bytes of the phase that takes most: what has to be there.
    pub fn total(&self) -> usize {
        self.phases.iter().map(Phase::bytes).max().unwrap_or(0)
    }

    /// The phase that takes most.
    pub fn largest(&self) -> Option<&Phase> {
        self.phases.iter().max_by_key(|phase| phase.bytes())
    }

    /// Refuses a plan above the budget.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) with the size that would do, and the largest item of the largest phase.
    pub fn fits(&self, budget: &Budget) -> Result<()> {
        let (total, Some(limit)) = (self.total(), budget.ram) else { return Ok(()) };
        if total <= limit {
            return Ok(());
        }
        let phase = self.largest();
        let item = phase.and_then(|phase| phase.items.iter().max_by_key(|i| i.bytes));
        Err(crate::err!(
            Budget,
            "the plan needs {total} bytes of RAM and {limit} were promised; a budget of {total} would do. Most is taken while it {} \
             ({}): a smaller boundary cache, micro-batch, number of threads or random-feature head lowers it",
            phase.map_or("", |phase| phase.name),
            item.map_or("", |item| item.name)
        ))
    }

    /// Names of the items that take something in some phase, each once.
    fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for item in self.phases.iter().flat_map(|phase| &phase.items).filter(|item| item.bytes > 0) {
            if !names.contains(&item.name) {
                names.push(item.name);
            }
        }
        names
    }
}

/// A column a phase, a line an item, in MiB; then what the items of the largest phase are made of.
impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |n: usize| n as f64 / f64::from(1 << 20);
        write!(f, "  {:<26}", "MiB while it")?;
        self.phases.iter().try_for_each(|phase| write!(f, "{:>10}", phase.name))?;
        writeln!(f)?;
        for name in self.names() {
            write!(f, "  {name:<26}")?;
            for phase in &self.phases {
                let bytes: usize = phase.items.iter().filter(|i| i.name == name).map(|i| i.bytes).sum();
                match bytes {
                    0 => write!(f, "{:>10}", "")?,
                    _ => write!(f, "{:>10.1}", mib(bytes))?,
                }
            }
            writeln!(f)?;
        }
        write!(f, "  {:<26}", "in all")?;
        self.phases.iter().try_for_each(|phase| write!(f, "{:>10.1}", mib(phase.bytes())))?;
        let Some(largest) = self.largest() else { return Ok(()) };
        write!(
            f,
            "\n\n  {} MiB are needed, while it {}:",
            (10.0 * mib(self.total())).ceil() / 10.0,
            largest.name
        )?;
        for item in largest.items.iter().filter(|item| item.bytes > 0) {
            write!(f, "\n  {:<26}{:>8.1}  {}", item.name, mib(item.bytes), item.why)?;
        }
        Ok(())
    }
}
