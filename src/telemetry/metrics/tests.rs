//! The exposition, read as Prometheus reads it.

use std::collections::HashMap;

use super::*;
use crate::telemetry::outcome::Door;

/// One metric of an exposition: its help, its type and its samples by name and labels.
#[derive(Debug, Default)]
struct Family {
    help: Option<String>,
    kind: Option<String>,
    samples: HashMap<String, f64>,
}

/// Reads text format line by line and refuses what Prometheus would.
fn parse(text: &str) -> HashMap<String, Family> {
    let mut families: HashMap<String, Family> = HashMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert_eq!(family.help.replace(help.to_owned()), None, "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert_eq!(family.kind.replace(kind.to_owned()), None, "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let full = series.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| full.strip_suffix(suffix))
                .filter(|base| families.contains_key(*base))
                .unwrap_or(full);
            let family = families.get_mut(base).expect("a sample follows its head");
            let value = value.parse().unwrap();
            assert_eq!(family.samples.insert(series.to_owned(), value), None);
        }
    }
    families
}

fn metrics() -> Metrics {
    Metrics::new(BufferedBytes::new(1024))
}

fn sample(metrics: &Metrics, series: &str) -> Option<f64> {
    let families = parse(&metrics.render());
    families
        .values()
        .find_map(|family| family.samples.get(series).copied())
}

#[test]
fn every_metric_of_the_table_has_its_head_once() {
    let metrics = metrics();
    let idle = parse(&metrics.render());
    let tool = metrics.tool("send_email");
    tool.call_started();
    tool.call(Door::Proxy, "client_error", Duration::from_millis(3));
    tool.attempt("upstream_timeout", Duration::from_millis(2));
    tool.retry("upstream_timeout");
    tool.retry_budget_exhausted();
    metrics.upstream_connections("idle").increment(1.0);
    let busy = parse(&metrics.render());
    for families in [idle, busy] {
        for metric in TABLE {
            let family = &families[metric.name];
            assert_eq!(family.help.as_deref(), Some(metric.help));
            assert_eq!(family.kind.as_deref(), Some(metric.kind.word()));
        }
        for family in families.values() {
            assert!(family.help.is_some() && family.kind.is_some());
        }
    }
}

#[test]
fn a_tools_series_carry_its_name_and_closed_words() {
    let metrics = metrics();
    let tool = metrics.tool("send_email");
    tool.call_started();
    tool.call_started();
    tool.call(Door::Proxy, "success", Duration::from_millis(20));
    tool.call(Door::Proxy, "tool_disabled", Duration::from_secs(100));
    tool.call_left();
    tool.attempt("success", Duration::from_millis(7));
    tool.attempt("server_error", Duration::from_millis(7));
    tool.retry("server_error");
    tool.retry_budget_exhausted();
    metrics
        .unknown_tool()
        .call(Door::Proxy, "tool_not_found", Duration::ZERO);
    metrics.overhead(Duration::from_micros(12));
    for (series, value) in [
        (
            r#"calls_total{tool="send_email",door="proxy",outcome="success"}"#,
            1.0,
        ),
        (
            r#"calls_total{tool="send_email",door="proxy",outcome="tool_disabled"}"#,
            1.0,
        ),
        (
            r#"calls_total{tool="_unknown",door="proxy",outcome="tool_not_found"}"#,
            1.0,
        ),
        (
            r#"call_duration_seconds_bucket{tool="send_email",le="0.01"}"#,
            0.0,
        ),
        (
            r#"call_duration_seconds_bucket{tool="send_email",le="0.025"}"#,
            1.0,
        ),
        (
            r#"call_duration_seconds_bucket{tool="send_email",le="60"}"#,
            1.0,
        ),
        (
            r#"call_duration_seconds_bucket{tool="send_email",le="120"}"#,
            2.0,
        ),
        (r#"call_duration_seconds_count{tool="send_email"}"#, 2.0),
        (
            r#"upstream_attempts_total{tool="send_email",outcome="success"}"#,
            1.0,
        ),
        (
            r#"upstream_attempts_total{tool="send_email",outcome="server_error"}"#,
            1.0,
        ),
        (
            r#"upstream_attempt_duration_seconds_count{tool="send_email"}"#,
            2.0,
        ),
        (
            r#"retries_total{tool="send_email",reason="server_error"}"#,
            1.0,
        ),
        (r#"retry_budget_exhausted_total{tool="send_email"}"#, 1.0),
        (r#"inflight_calls{tool="send_email"}"#, 1.0),
        (r#"overhead_seconds_bucket{le="0.00001"}"#, 0.0),
        (r#"overhead_seconds_bucket{le="0.000025"}"#, 1.0),
    ] {
        let series = format!("countersign_{series}");
        assert_eq!(sample(&metrics, &series), Some(value), "{series}");
    }
}

#[test]
fn handles_of_one_name_share_their_series() {
    let metrics = metrics();
    for _ in 0..2 {
        metrics.tool("a").attempt("success", Duration::ZERO);
    }
    let series = r#"countersign_upstream_attempts_total{tool="a",outcome="success"}"#;
    assert_eq!(sample(&metrics, series), Some(2.0));
}

#[test]
fn the_registrys_gauges_follow_its_reloads() {
    let metrics = metrics();
    let at = Timestamp::from_unix_millis;
    let check = |tools, successful, timestamp, refused, unreadable| {
        let families = parse(&metrics.render());
        let one = |name: &str| families[name].samples[name];
        assert_eq!(one("countersign_registry_tools"), tools);
        assert_eq!(
            one("countersign_registry_last_reload_successful"),
            successful
        );
        let read = one("countersign_registry_last_reload_timestamp_seconds");
        assert_eq!(read, timestamp);
        let reloads = &families["countersign_registry_reloads_total"].samples;
        let refusals = r#"countersign_registry_reloads_total{result="refused"}"#;
        assert_eq!(reloads[refusals], refused);
        assert_eq!(one("countersign_registry_unreadable_files"), unreadable);
    };
    metrics.registry_read(RegistryReload::Replaced { tools: 7 }, at(1_705_322_400_500));
    check(7.0, 1.0, 1_705_322_400.5, 0.0, 0.0);
    let missing = RegistryReload::Refused {
        unreadable_files: 2,
    };
    metrics.registry_read(missing, at(1_705_322_500_000));
    check(7.0, 0.0, 1_705_322_400.5, 1.0, 2.0);
    metrics.registry_read(RegistryReload::Unchanged, at(1_705_322_600_000));
    check(7.0, 1.0, 1_705_322_600.0, 1.0, 0.0);
}

#[tokio::test]
async fn buffered_bytes_are_read_when_asked_for() {
    use crate::body::{Absorb, BodyLimits, Captured};
    struct Nothing;
    impl Absorb for Nothing {
        type Digest = ();
        fn absorb(&mut self, _: &[u8]) {}
        fn finish(self) {}
    }
    let buffered = BufferedBytes::new(1024);
    let metrics = Metrics::new(buffered.clone());
    let limits = BodyLimits {
        max_bytes: 100,
        timeout: Duration::from_secs(1),
        buffered,
    };
    let body = http_body_util::Full::new(bytes::Bytes::from_static(b"twelve bytes"));
    let held = Captured::read(body, &limits, Nothing).await.unwrap();
    let series = "countersign_buffered_body_bytes";
    assert_eq!(sample(&metrics, series), Some(12.0));
    drop(held);
    assert_eq!(sample(&metrics, series), Some(0.0));
}

// spec: OBS-1 LIMIT-3
#[test]
fn only_tools_with_a_circuit_have_one_and_the_worst_of_a_name_counts() {
    let metrics = metrics();
    let state = |tool: &str| {
        let series = format!("countersign_circuit_state{{tool=\"{tool}\"}}");
        sample(&metrics, &series)
    };
    assert_eq!(state("a"), None);
    metrics.circuit_states([("a", 0), ("b", 2), ("a", 1), ("a", 0)]);
    assert_eq!(
        (state("a"), state("b"), state("c")),
        (Some(1.0), Some(2.0), None)
    );
    // One that is left out was taken away; it must not look open for ever.
    metrics.circuit_states([("a", 2), ("c", 0)]);
    assert_eq!(
        (state("a"), state("b"), state("c")),
        (Some(2.0), Some(0.0), Some(0.0))
    );
}

/// Two runtimes, as a sidecar has one for each worker. Tasks that are ready to end are alive until
/// their runtime has run them.
// spec: OBS-1
#[test]
fn tasks_of_all_runtimes_are_counted_while_they_live() {
    use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

    let metrics = metrics();
    let check = |tasks| assert_eq!(sample(&metrics, "countersign_tasks"), Some(tasks));
    check(0.0);
    let runtime = || -> LocalRuntime {
        let runtime = Builder::new_current_thread()
            .build_local(LocalOptions::default())
            .unwrap();
        metrics.count_tasks(runtime.metrics());
        runtime
    };
    let (one, other) = (runtime(), runtime());
    let forever = one.spawn_local(std::future::pending::<()>());
    let short = other.spawn_local(std::future::ready(()));
    check(2.0);
    other.block_on(short).unwrap();
    check(1.0);
    forever.abort();
    one.block_on(forever).unwrap_err();
    check(0.0);
    let left = one.spawn_local(std::future::pending::<()>());
    check(1.0);
    drop((left, one));
    check(0.0);
}

#[test]
fn instances_do_not_share_anything() {
    let (one, other) = (metrics(), metrics());
    one.ssrf_refused().increment(1);
    assert_eq!(sample(&other, "countersign_ssrf_refused_total"), Some(0.0));
    assert_eq!(sample(&one, "countersign_ssrf_refused_total"), Some(1.0));
}

#[test]
fn the_process_and_the_build_describe_themselves() {
    let families = parse(&metrics().render());
    let build = concat!(
        r#"countersign_build_info{version=""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    );
    assert_eq!(families["countersign_build_info"].samples[build], 1.0);
    assert!(
        families["process_resident_memory_bytes"].samples["process_resident_memory_bytes"] > 0.0
    );
    assert_eq!(
        families["process_cpu_seconds_total"].kind.as_deref(),
        Some("counter")
    );
}
