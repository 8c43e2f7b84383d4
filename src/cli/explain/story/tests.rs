//! Lines as the sidecar writes them, and what is told of them.

use serde_json::{Value, json};

use super::*;

fn entry(more: Value) -> Entry {
    let mut line = json!({
        "ts": "2024-01-15T12:40:00.000Z", "request_id": "r-1", "trace_id": "0af7", "door": "proxy",
        "tool": "send_email", "scope": "global", "agent": "bot", "method": "POST",
        "status": 200, "outcome": "success", "attempts": [],
        "request_bytes": 2, "response_bytes": 0, "duration_ms": 106.93, "overhead_ms": 0.168,
    });
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    serde_json::from_value(line).unwrap()
}

fn told(more: Value) -> Vec<String> {
    let story = Story::of(&entry(more));
    let steps = story.steps.iter();
    let steps = steps.map(|step| format!("{}: {}", step.label, step.text));
    std::iter::once(story.headline.clone())
        .chain(steps)
        .collect()
}

#[test]
fn a_call_with_a_retry_is_told_in_order() {
    let told = told(json!({
        "attempts": [
            {"outcome": "upstream_connect", "verdict": "not_sent", "duration_ms": 5.012},
            {"outcome": "success", "status": 200, "duration_ms": 40.37},
        ],
        "retries": [{"reason": "not_sent", "wait_ms": 61.204}],
        "queued_ms": 2.5,
        "response_bytes": 1024,
    }));
    assert_eq!(
        told,
        [
            "200 success",
            "when: 2024-01-15T12:40:00.000Z",
            "call: POST send_email of scope global through /tools/{name}, by bot, with 2 bytes",
            "ids: request r-1, trace 0af7",
            "queue: waited 2.5 ms for a place (max_concurrency)",
            "attempt 1: upstream_connect after 5.012 ms: not_sent, the backend saw nothing of it",
            "wait: 61.204 ms, to try again after not_sent",
            "attempt 2: the backend answered 200 after 40.37 ms",
            "end: the agent got the backend's answer, with 1024 bytes of the answer's body",
            "time: 106.93 ms from the call's head to its end, 0.168 ms of it in Countersign itself",
            "next: nothing: the agent got the backend's answer",
        ]
    );
}

#[test]
fn a_failure_says_what_the_backend_can_have_seen() {
    let attempt = |verdict: Value| json!({"outcome": "x", "verdict": verdict, "duration_ms": 1.0});
    let answered = json!({"outcome": "server_error", "status": 503, "duration_ms": 1.0});
    let (not_sent, maybe) = (attempt("not_sent".into()), attempt("maybe_seen".into()));
    for (attempts, expected) in [
        (json!([]), Reach::No),
        (json!([not_sent, not_sent]), Reach::No),
        (json!([maybe, not_sent]), Reach::Maybe),
        (json!([{"outcome": "x", "duration_ms": 1.0}]), Reach::Maybe),
        (json!([attempt("later".into())]), Reach::Maybe),
        (json!([answered, not_sent]), Reach::Yes),
    ] {
        let story = Story::of(&entry(json!({"attempts": attempts, "outcome": "x"})));
        assert_eq!(story.reach, expected, "{attempts}");
    }
}

#[test]
fn every_decision_has_its_sentence() {
    for why in NoRetry::ALL {
        let told = told(json!({"no_retry": why.word()}));
        let expected = format!("no retry: {}", no_retry(*why));
        assert!(told.contains(&expected), "{told:?}");
    }
    for verdict in CircuitVerdict::ALL {
        let told = told(json!({"circuit": verdict.word()}));
        let expected = format!("circuit: {}", circuit_said(*verdict));
        assert!(told.contains(&expected), "{told:?}");
    }
    let told = told(json!({"limit": "limits.max_body_bytes", "lease_id": "lease_1"}));
    assert!(told.contains(&"limit: limits.max_body_bytes (a setting of the sidecar)".to_owned()));
    assert!(told.contains(&"lease: lease_1, which the backend was told".to_owned()));
}

#[test]
fn a_later_versions_line_is_told_as_far_as_it_is_known() {
    let told = told(json!({
        "outcome": "new", "code": "newer", "door": "other", "no_retry": "n", "limit": "l",
        "circuit": "c", "extra": {"a": 1},
    }));
    for expected in [
        "200 new: newer",
        "no retry: n",
        "circuit: c",
        "limit: l (of a later version)",
    ] {
        assert!(told.contains(&expected.to_owned()), "{told:?}");
    }
    assert!(
        told.contains(&"also: extra is {\"a\":1}".to_owned()),
        "{told:?}"
    );
}

#[test]
fn nothing_in_a_line_steers_the_terminal() {
    let hostile = "a\u{1b}[2J\n\r\u{7}\u{202e}b";
    let told = told(json!({
        "ts": hostile, "request_id": hostile, "trace_id": hostile, "door": hostile,
        "tool": hostile, "scope": hostile, "agent": hostile, "method": hostile,
        "outcome": hostile, "code": hostile, "no_retry": hostile, "limit": hostile,
        "circuit": hostile, "lease_id": hostile, (hostile): hostile,
        "attempts": [
            {"outcome": hostile, "verdict": hostile, "duration_ms": 1.0},
            {"outcome": hostile, "duration_ms": 1.0},
        ],
        "retries": [
            {"reason": hostile, "wait_ms": 1.0},
            {"reason": hostile, "wait_ms": 1.0},
        ],
    }));
    for text in told {
        let steers = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
    }
}
