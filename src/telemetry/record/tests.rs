//! Calls as they go, with time held still, and what they leave in the log and in the metrics.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::advance;

use super::*;
use crate::body::BufferedBytes;
use crate::telemetry::LogFormat;
use crate::telemetry::access_log::tests::{Kept, SOON};
use crate::telemetry::words::Unanswered;

struct World {
    telemetry: Arc<Telemetry>,
    log: AccessLog,
    kept: Kept,
    tool: ToolMetrics,
}

impl World {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::new(BufferedBytes::new(0)));
        let kept = Kept::default();
        let sink = Box::new(kept.clone());
        let log = AccessLog::to(sink, LogFormat::Json, metrics.access_log_dropped()).unwrap();
        let clock = Clock::anchored_at(Timestamp::from_unix_millis(1_705_322_400_000));
        Self {
            tool: metrics.tool("send_email"),
            telemetry: Arc::new(Telemetry::for_worker(metrics, &log, clock)),
            log,
            kept,
        }
    }

    /// A call before anything is known about it.
    fn arrival(&self) -> Box<CallRecord> {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::child_of([&trace.parse().unwrap()]);
        let now = self.telemetry.clock.now();
        let id = "req-1".parse().unwrap();
        let id = RequestId::adopt_or_new(Some(&id), now);
        let telemetry = Arc::clone(&self.telemetry);
        CallRecord::start(telemetry, now, Door::Proxy, id, trace, Method::POST)
    }

    /// A call of a known agent to a registered tool.
    fn call(&self) -> Box<CallRecord> {
        let mut call = self.arrival();
        call.agent("support".parse().unwrap());
        call.tool("send_email", &ScopeId::Global, &self.tool);
        call
    }

    /// The only line so far.
    fn line(&self) -> Value {
        assert!(self.log.flush(SOON));
        let lines = self.kept.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str(&lines[0]).unwrap()
    }

    /// The value of a series, 0 if there is none.
    fn metric(&self, series: &str) -> f64 {
        let text = self.telemetry.metrics.render();
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or(0.0)
    }
}

const CALLS: &str = "countersign_calls_total";
const ATTEMPTS: &str = "countersign_upstream_attempts_total";
const INFLIGHT: &str = r#"countersign_inflight_calls{tool="send_email"}"#;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const OK: StatusCode = StatusCode::OK;

#[tokio::test(start_paused = true)]
async fn a_call_is_told_whole() {
    let world = World::new();
    let mut call = world.call();
    assert_eq!(world.metric(INFLIGHT), 1.0);
    advance(ms(1)).await;
    call.capture_started(Instant::now());
    advance(ms(30)).await;
    call.captured(221, ms(30));
    advance(ms(2)).await;
    call.attempt_started(Instant::now());
    advance(ms(5)).await;
    call.attempt(
        AttemptOutcome::Failed("upstream_connect", Unanswered::NotSent),
        ms(5),
    );
    call.retry("upstream_connect", ms(100));
    advance(ms(101)).await;
    call.attempt_started(Instant::now());
    advance(ms(40)).await;
    call.attempt(AttemptOutcome::Answered(OK), ms(40));
    advance(ms(4)).await;
    call.head_sent();
    assert_eq!(call.attempts(), 2);
    call.sent(1000);
    advance(ms(2000)).await;
    call.sent(24);
    call.finish(CallOutcome::Answered(OK));
    assert_eq!(
        world.line(),
        json!({
            "ts": "2024-01-15T12:40:00.000Z",
            "request_id": "req-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "door": "proxy",
            "tool": "send_email",
            "scope": "global",
            "agent": "support",
            "method": "POST",
            "status": 200,
            "outcome": "success",
            "attempts": [
                {"outcome": "upstream_connect", "verdict": "not_sent", "duration_ms": 5.0},
                {"outcome": "success", "status": 200, "duration_ms": 40.0},
            ],
            "retries": [{"reason": "upstream_connect", "wait_ms": 100.0}],
            "request_bytes": 221,
            "response_bytes": 1024,
            "duration_ms": 2183.0,
            // 1 before the body, 2 before the first attempt, a timer 1 late, 4 before the head.
            "overhead_ms": 8.0,
        })
    );
    for (series, value) in [
        (
            format!(r#"{CALLS}{{tool="send_email",door="proxy",outcome="success"}}"#),
            1.0,
        ),
        (
            format!(r#"{ATTEMPTS}{{tool="send_email",outcome="success"}}"#),
            1.0,
        ),
        (
            format!(r#"{ATTEMPTS}{{tool="send_email",outcome="upstream_connect"}}"#),
            1.0,
        ),
        (
            r#"countersign_retries_total{tool="send_email",reason="upstream_connect"}"#.into(),
            1.0,
        ),
        (
            r#"countersign_call_duration_seconds_sum{tool="send_email"}"#.into(),
            2.183,
        ),
        (
            r#"countersign_upstream_attempt_duration_seconds_sum{tool="send_email"}"#.into(),
            0.045,
        ),
        ("countersign_overhead_seconds_sum".into(), 0.008),
        (INFLIGHT.into(), 0.0),
    ] {
        assert_eq!(world.metric(&series), value, "{series}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_its_code() {
    let world = World::new();
    let mut call = world.arrival();
    call.unknown_tool("no \"such\"\ntool");
    advance(ms(3)).await;
    call.finish(CallOutcome::Refused(
        StatusCode::NOT_FOUND,
        "tool_not_found",
    ));
    assert_eq!(
        world.line(),
        json!({
            "ts": "2024-01-15T12:40:00.000Z",
            "request_id": "req-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "door": "proxy",
            "tool": "no \"such\"\ntool",
            "method": "POST",
            "status": 404,
            "outcome": "tool_not_found",
            "code": "tool_not_found",
            "attempts": [],
            "request_bytes": 0,
            "response_bytes": 0,
            "duration_ms": 3.0,
            "overhead_ms": 3.0,
        })
    );
    let series = r#"{tool="_unknown",door="proxy",outcome="tool_not_found"}"#;
    assert_eq!(world.metric(&format!("{CALLS}{series}")), 1.0);
    let inflight = r#"countersign_inflight_calls{tool="_unknown"}"#;
    assert_eq!(world.metric(inflight), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_before_its_tool_is_known_is_counted_too() {
    let world = World::new();
    let refused = CallOutcome::Refused(StatusCode::UNAUTHORIZED, "unauthorized");
    world.arrival().finish(refused);
    assert_eq!(world.line()["tool"], Value::Null);
    let series = r#"{tool="_unknown",door="proxy",outcome="unauthorized"}"#;
    assert_eq!(world.metric(&format!("{CALLS}{series}")), 1.0);
}

// spec: CANCEL-1
#[tokio::test(start_paused = true)]
async fn a_record_dropped_within_an_attempt_reports_both_as_cancelled() {
    let world = World::new();
    let mut call = world.call();
    call.captured(5, Duration::ZERO);
    call.attempt_started(Instant::now());
    advance(ms(700)).await;
    drop(call);
    let line = world.line();
    let attempts = json!([{"outcome": "cancelled", "verdict": "maybe_seen", "duration_ms": 700.0}]);
    assert_eq!(line["attempts"], attempts);
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(499), &json!("cancelled"))
    );
    assert_eq!(line["overhead_ms"], 0.0);
    let call = r#"{tool="send_email",door="proxy",outcome="cancelled"}"#;
    let attempt = r#"{tool="send_email",outcome="cancelled"}"#;
    assert_eq!(world.metric(&format!("{CALLS}{call}")), 1.0);
    assert_eq!(world.metric(&format!("{ATTEMPTS}{attempt}")), 1.0);
    assert_eq!(world.metric(INFLIGHT), 0.0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_leaves_within_the_answer_got_its_status() {
    let world = World::new();
    let mut call = world.call();
    call.attempt(
        AttemptOutcome::Answered(StatusCode::CREATED),
        Duration::ZERO,
    );
    call.head_sent();
    call.sent(10);
    drop(call);
    let line = world.line();
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(201), &json!("cancelled"))
    );
    assert_eq!(line["attempts"].as_array().unwrap().len(), 1);
}

// spec: RESP-2
#[tokio::test(start_paused = true)]
async fn an_answer_cut_short_is_aborted() {
    let world = World::new();
    let mut call = world.call();
    call.attempt(AttemptOutcome::Answered(OK), Duration::ZERO);
    call.head_sent();
    call.finish(CallOutcome::Aborted);
    let line = world.line();
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(200), &json!("aborted"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_is_counted_and_logged() {
    let world = World::new();
    let mut call = world.call();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    call.attempt(AttemptOutcome::Answered(status), Duration::ZERO);
    call.no_retry(NoRetry::Budget);
    call.finish(CallOutcome::Answered(status));
    assert_eq!(world.line()["budget_exhausted"], true);
    let series = r#"countersign_retry_budget_exhausted_total{tool="send_email"}"#;
    assert_eq!(world.metric(series), 1.0);
}

#[tokio::test(start_paused = true)]
async fn time_spent_on_others_is_not_overhead_even_when_they_never_finish() {
    type Steps = fn(&mut CallRecord);
    let check = async |steps: Steps, then: u64, overhead: f64| {
        let world = World::new();
        let mut call = world.call();
        advance(ms(2)).await;
        steps(&mut call);
        advance(ms(then)).await;
        drop(call);
        assert_eq!(world.line()["overhead_ms"], overhead);
    };
    // An agent that never completes its body.
    check(|call| call.capture_started(Instant::now()), 30_000, 2.0).await;
    // A cancelled wait counts as far as it came, a late timer no further than planned.
    check(|call| call.retry("upstream_timeout", ms(500)), 100, 2.0).await;
    check(|call| call.retry("upstream_timeout", ms(500)), 503, 5.0).await;
    // A retry whose attempt ended without having been announced.
    check(
        |call| {
            call.retry("upstream_timeout", ms(0));
            call.attempt(AttemptOutcome::Answered(OK), ms(0));
        },
        1,
        3.0,
    )
    .await;
    // More than there is to take away, as clocks of different resolution can claim.
    check(|call| call.captured(1, ms(50)), 10, 0.0).await;
}

#[tokio::test(start_paused = true)]
async fn an_unannounced_attempt_leaves_the_wait_before_it_whole() {
    let world = World::new();
    let mut call = world.call();
    call.retry("upstream_timeout", ms(100));
    advance(ms(140)).await;
    call.attempt(AttemptOutcome::Answered(OK), ms(40));
    call.finish(CallOutcome::Answered(OK));
    assert_eq!(world.line()["overhead_ms"], 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_tool_told_twice_is_in_flight_once() {
    let world = World::new();
    let mut call = world.call();
    call.tool("send_email", &ScopeId::Global, &world.tool);
    assert_eq!(world.metric(INFLIGHT), 1.0);
    drop(call);
    assert_eq!(world.metric(INFLIGHT), 0.0);
}

const QUEUED: &str = r#"countersign_queued_calls{tool="send_email"}"#;
const QUEUE_WAITS: &str = r#"countersign_queue_wait_seconds_count{tool="send_email"}"#;

// spec: LIMIT-1 LIMIT-3 OBS-1 OBS-2
#[tokio::test(start_paused = true)]
async fn a_wait_in_the_queue_is_told_and_is_no_overhead() {
    let world = World::new();
    let mut call = world.call();
    call.queue_joined();
    assert_eq!(
        (world.metric(QUEUED), world.metric(QUEUE_WAITS)),
        (1.0, 0.0)
    );
    advance(ms(250)).await;
    call.queue_left();
    call.queue_left();
    assert_eq!(
        (world.metric(QUEUED), world.metric(QUEUE_WAITS)),
        (0.0, 1.0)
    );
    call.circuit(CircuitVerdict::Probe);
    advance(ms(3)).await;
    call.attempt_started(Instant::now());
    advance(ms(40)).await;
    call.attempt(AttemptOutcome::Answered(OK), ms(40));
    call.finish(CallOutcome::Answered(OK));
    let line = world.line();
    assert_eq!(
        (&line["queued_ms"], &line["circuit"]),
        (&json!(250.0), &json!("probe"))
    );
    assert_eq!(
        (&line["duration_ms"], &line["overhead_ms"]),
        (&json!(293.0), &json!(3.0))
    );
}

// spec: LIMIT-1 CANCEL-1
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_the_queue_leaves_it() {
    let world = World::new();
    let mut call = world.call();
    call.queue_joined();
    advance(ms(70)).await;
    drop(call);
    assert_eq!(
        (world.metric(QUEUED), world.metric(QUEUE_WAITS)),
        (0.0, 1.0)
    );
    let line = world.line();
    assert_eq!(
        (&line["outcome"], &line["queued_ms"]),
        (&json!("cancelled"), &json!(70.0))
    );
    assert_eq!(line["overhead_ms"], json!(0.0));
}
