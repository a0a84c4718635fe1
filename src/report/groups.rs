//! Runs that answer one question, put together.
//!
//! A **stream** is what runs share when they may be compared: data, tasks, scenario, backbone, preprocessing. In it, a
//! **group** is one strategy with one set of settings; its runs differ in order and seed, and its figures are their means
//! with the sample standard deviation (n - 1) as spread.

use std::collections::{BTreeMap, BTreeSet};

use crate::eval::{EvalResult, ScenarioKind};

/// Runs of one strategy with the same settings.
pub struct Group<'a> {
    /// The strategy, and the settings in which it differs from itself.
    pub name: String,
    /// Its runs.
    pub runs: Vec<&'a EvalResult>,
}

/// Groups that may be compared, best first.
pub struct Stream<'a> {
    /// As given, with what is unusual.
    pub name: String,
    /// Its groups.
    pub groups: Vec<Group<'a>>,
}

/// Mean and spread of a figure over runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; `None` of one run.
    pub spread: Option<f64>,
}

impl Figure {
    /// Of `values`; `None` where one is missing or there are none.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let spread = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Self { mean, spread })
    }
}

impl Group<'_> {
    /// A figure over the runs.
    pub fn figure(&self, of: impl Fn(&EvalResult) -> Option<f64>) -> Option<Figure> {
        Figure::of(self.runs.iter().map(|run| of(run)))
    }
}

impl Stream<'_> {
    /// Largest number of runs in a group.
    pub fn most_runs(&self) -> usize {
        self.groups.iter().map(|g| g.runs.len()).max().unwrap_or(0)
    }

    /// A run of it: data, backbone and tasks are those of all.
    pub fn example(&self) -> Option<&EvalResult> {
        self.groups.first()?.runs.first().copied()
    }
}

/// The streams in the order in which they come, each with its groups.
pub fn streams(runs: &[EvalResult]) -> Vec<Stream<'_>> {
    let mut keys: Vec<String> = Vec::new();
    let mut by_key: BTreeMap<String, Vec<&EvalResult>> = BTreeMap::new();
    for run in runs {
        let key = stream_key(run);
        if !keys.contains(&key) {
            keys.push(key.clone());
        }
        by_key.entry(key).or_default().push(run);
    }
    let backbones: BTreeSet<&str> = runs.iter().map(|run| run.backbone.as_str()).collect();
    let stream = |key: &String| {
        let runs = by_key.get(key).cloned().unwrap_or_default();
        let name = runs.first().map_or(String::new(), |run| stream_name(run, backbones.len() > 1));
        Stream { name, groups: groups(&runs) }
    };
    keys.iter().map(stream).collect()
}

fn stream_key(run: &EvalResult) -> String {
    let p = &run.provenance;
    let validate = run.config.get("validate");
    let tasks = run.tasks.len();
    let setting = (run.scenario, tasks, p.online, p.blur.to_bits(), validate);
    format!("{:?}", (run.stream_name(), setting, &run.backbone, &p.data_sha256, &p.preprocessing_sha256))
}

fn stream_name(run: &EvalResult, with_backbone: bool) -> String {
    let mut name = run.stream_name();
    let p = &run.provenance;
    let held_out = run.config.get("validate").filter(|share| *share != "no");
    let scenario = match run.scenario {
        ScenarioKind::ClassIncremental => None,
        other => Some(other.name().to_string()),
    };
    let parts = [
        scenario,
        p.online.then(|| "online".into()),
        (p.blur > 0.0).then(|| format!("{:.0} % blurred", 100.0 * p.blur)),
        held_out.map(|_| "held-out training pictures".into()),
        with_backbone.then(|| run.backbone.clone()),
    ];
    for part in parts.into_iter().flatten() {
        name = format!("{name}, {part}");
    }
    name
}

fn groups<'a>(runs: &[&'a EvalResult]) -> Vec<Group<'a>> {
    let mut by_settings: BTreeMap<(&str, String), Vec<&EvalResult>> = BTreeMap::new();
    for run in runs {
        let settings = format!("{:?}", run.config);
        by_settings.entry((run.strategy.as_str(), settings)).or_default().push(run);
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for ((strategy, _), own) in &by_settings {
        let twins = by_settings.iter().filter(|((name, _), _)| name == strategy).map(|(_, runs)| runs[0]);
        groups.push(Group { name: label(own[0], &twins.collect::<Vec<_>>()), runs: own.clone() });
    }
    let last = |group: &Group<'_>| group.figure(|run| Some(run.metrics.last)).map_or(0.0, |f| f.mean);
    groups.sort_by(|a, b| last(b).total_cmp(&last(a)));
    groups
}

/// The strategy, and those of its settings that differ among `twins`.
fn label(run: &EvalResult, twins: &[&EvalResult]) -> String {
    let differs = |key: &&String| twins.iter().any(|twin| twin.config.get(*key) != run.config.get(*key));
    let parts = run.config.keys().filter(differs).map(|key| format!("{key} {}", run.config[key]));
    std::iter::once(run.strategy.clone()).chain(parts).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(strategy: &str, rank: &str, seed: u64, last: f64) -> EvalResult {
        let mut result = EvalResult { strategy: strategy.into(), seed, ..EvalResult::default() };
        result.config.insert("rank".into(), rank.into());
        result.metrics.last = last;
        result
    }

    #[test]
    fn orders_and_seeds_are_put_together_and_settings_kept_apart() {
        let runs = [
            run("pegp", "4", 0, 70.0),
            run("pegp", "4", 1, 74.0),
            run("pegp", "16", 0, 80.0),
            run("frozen", "4", 0, 60.0),
        ];
        let streams = streams(&runs);
        assert_eq!(streams.len(), 1);
        let names: Vec<&str> = streams[0].groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["pegp, rank 16", "pegp, rank 4", "frozen"]);
        let figure = streams[0].groups[1].figure(|r| Some(r.metrics.last)).unwrap();
        assert_eq!((figure.mean, figure.spread), (72.0, Some(8f64.sqrt())));
        assert_eq!(streams[0].groups[0].figure(|r| Some(r.metrics.last)).unwrap().spread, None);
        assert_eq!(streams[0].groups[0].figure(|r| r.metrics.bwt), None);
    }

    #[test]
    fn what_differs_in_data_or_setting_is_another_stream() {
        let online = |mut run: EvalResult| {
            run.provenance.online = true;
            run
        };
        let named = |mut run: EvalResult| {
            run.data = "folder:/data/pacs/".into();
            run
        };
        let runs = [run("a", "4", 0, 1.0), online(run("a", "4", 0, 1.0)), named(run("a", "4", 0, 1.0))];
        let streams = streams(&runs);
        assert_eq!(streams.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["", ", online", "pacs"]);
    }
}
