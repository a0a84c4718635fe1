//! Counters, as Prometheus reads them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::answer::Answer;
use super::events::Kind;
use super::stage::Stage;
use super::status::Status;
use crate::error::Result;

/// Upper ends of the buckets of answering times, in seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.02, 0.033, 0.05, 0.067, 0.1, 0.2, 0.5, 1.0];

/// Everything that is counted or measured.
pub struct Metrics {
    registry: Registry,
    answers: Counter,
    unknown: Counter,
    seconds: Histogram,
    events: Family<Of, Counter>,
    refused: Counter,
    gauges: Gauges,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    kind: &'static str,
}

/// Read from the status when somebody asks.
#[derive(Default)]
struct Gauges {
    classes: Gauge,
    tasks: Gauge,
    waiting: Gauge,
    state: Gauge,
    planned: Gauge,
    resident: Gauge,
    learning: Gauge,
    unsaved: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("perennial");
        let (answers, unknown, refused) = (Counter::default(), Counter::default(), Counter::default());
        let (seconds, events) = (Histogram::new(BUCKETS), Family::<Of, Counter>::default());
        let gauges = Gauges::default();
        registry.register("answers", "Frames that were answered", answers.clone());
        registry.register("unknown", "Frames that looked like nothing known", unknown.clone());
        registry.register("refused", "Requests that came too fast", refused.clone());
        registry.register_with_unit("answer", "Time of an answer", Unit::Seconds, seconds.clone());
        registry.register(
            "events",
            "Tasks that were learned or taken back, and what else happened",
            events.clone(),
        );
        registry.register("classes", "Classes that are known", gauges.classes.clone());
        registry.register("tasks", "Tasks that are known", gauges.tasks.clone());
        registry.register("waiting", "Examples that wait to be learned", gauges.waiting.clone());
        registry.register_with_unit("state", "State at rest", Unit::Bytes, gauges.state.clone());
        registry.register_with_unit("planned", "RAM as planned", Unit::Bytes, gauges.planned.clone());
        registry.register_with_unit("resident", "RAM of the process", Unit::Bytes, gauges.resident.clone());
        registry.register("learning", "Whether a lesson is going on", gauges.learning.clone());
        registry.register("unsaved", "Whether what was kept could not be written", gauges.unsaved.clone());
        Self { registry, answers, unknown, seconds, events, refused, gauges }
    }

    pub fn answered(&self, answer: &Answer) {
        self.answers.inc();
        self.unknown.inc_by(u64::from(answer.unknown));
        self.seconds.observe(answer.milliseconds / 1e3);
    }

    pub fn happened(&self, kind: Kind) {
        self.events.get_or_create(&Of { kind: kind.name() }).inc();
    }

    pub fn refused(&self) {
        self.refused.inc();
    }

    /// As text.
    pub fn text(&self, status: &Status) -> Result<String> {
        let set = |gauge: &Gauge, n: u64| {
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        };
        let g = &self.gauges;
        set(&g.classes, status.classes.len() as u64);
        set(&g.tasks, status.tasks.len() as u64);
        set(&g.waiting, status.waiting.frames.len() as u64);
        set(&g.state, status.state_bytes as u64);
        set(&g.planned, status.memory.planned as u64);
        set(&g.resident, status.memory.resident.unwrap_or(0));
        set(&g.learning, u64::from(matches!(status.stage, Stage::Learning { .. })));
        set(&g.unsaved, u64::from(status.unsaved.is_some()));
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|e| crate::err!(Bug, "metrics: {e}"))?;
        Ok(text)
    }
}
