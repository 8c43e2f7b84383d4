//! Registers series of the metrics in the table, with a recorder that belongs to one process
//! instance and is never installed globally.

use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::telemetry::metrics::table::{Kind, Metric, TABLE};

/// The recorder asks for it and reads nothing of it.
const METADATA: Metadata<'static> = Metadata::new("countersign", Level::INFO, None);

/// Gives out handles. Equal metrics and labels give handles of one series.
#[derive(Clone)]
pub struct Series(Arc<PrometheusRecorder>);

impl Series {
    /// Knows every metric of the table and has no series yet.
    pub fn new() -> Self {
        let mut builder = PrometheusBuilder::new();
        for metric in TABLE {
            if let Kind::Histogram(bounds) = metric.kind {
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)
                    .expect("the table gives every histogram at least one bound");
            }
        }
        let recorder = builder.build_recorder();
        for metric in TABLE {
            let (name, unit) = (metric.name.into(), Some(metric.unit));
            let help = metric.help.into();
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, unit, help),
                Kind::Gauge => recorder.describe_gauge(name, unit, help),
                Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
            }
        }
        Self(Arc::new(recorder))
    }

    /// A counter.
    pub fn counter(&self, metric: &'static Metric, labels: Vec<Label>) -> Counter {
        let key = Key::from_parts(metric.name, labels);
        self.0.register_counter(&key, &METADATA)
    }

    /// A gauge.
    pub fn gauge(&self, metric: &'static Metric, labels: Vec<Label>) -> Gauge {
        let key = Key::from_parts(metric.name, labels);
        self.0.register_gauge(&key, &METADATA)
    }

    /// A histogram.
    pub fn histogram(&self, metric: &'static Metric, labels: Vec<Label>) -> Histogram {
        let key = Key::from_parts(metric.name, labels);
        self.0.register_histogram(&key, &METADATA)
    }

    /// The recorder itself, for collectors that bring their own names.
    pub fn recorder(&self) -> &PrometheusRecorder {
        &self.0
    }

    /// What renders the series.
    pub fn exposition(&self) -> PrometheusHandle {
        self.0.handle()
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The recorder's own form lists every sample.
        f.write_str("Series")
    }
}
