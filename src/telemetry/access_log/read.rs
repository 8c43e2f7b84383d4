//! A line as it is read back, by whoever explains it.
//!
//! The fields are those of [`Line`](crate::telemetry::access_log::Line), and a test holds the two and
//! the page about them together. What a later version adds is kept aside and not refused.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A line of the access log.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Entry {
    /// When the call's head arrived.
    pub ts: String,
    /// Which call.
    pub request_id: String,
    /// Of which trace.
    pub trace_id: String,
    /// Through which door it came.
    pub door: String,
    /// What was called.
    pub tool: Option<String>,
    /// Where that was found.
    pub scope: Option<String>,
    /// Who called.
    pub agent: Option<String>,
    /// How.
    pub method: Option<String>,
    /// What the agent got.
    pub status: u16,
    /// How the call ended.
    pub outcome: String,
    /// Why, where we answered ourselves.
    pub code: Option<String>,
    /// What was sent, in order.
    pub attempts: Vec<Tried>,
    /// What was waited for between, in order.
    #[serde(default)]
    pub retries: Vec<Waited>,
    /// Why there was no further attempt.
    pub no_retry: Option<String>,
    /// Whether one could not be afforded.
    #[serde(default)]
    pub budget_exhausted: bool,
    /// The limit that was reached.
    pub limit: Option<String>,
    /// The wait for a place.
    pub queued_ms: Option<f64>,
    /// What the circuit breaker decided.
    pub circuit: Option<String>,
    /// Under which claim the call was made.
    pub lease_id: Option<String>,
    /// What came from the agent.
    pub request_bytes: u64,
    /// What went to it.
    pub response_bytes: u64,
    /// The whole time.
    pub duration_ms: f64,
    /// Of that, ours.
    pub overhead_ms: f64,
    /// What this version does not know.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// An attempt.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Tried {
    /// How it ended.
    pub outcome: String,
    /// What the upstream answered.
    pub status: Option<u16>,
    /// What it means that it did not.
    pub verdict: Option<String>,
    /// How long it took.
    pub duration_ms: f64,
}

/// The wait before another attempt.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Waited {
    /// What made it necessary.
    pub reason: String,
    /// How long it was.
    pub wait_ms: f64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::telemetry::access_log::{Attempts, Line, LogFormat};
    use crate::telemetry::outcome::{Attempt, Millis, Retry};
    use crate::telemetry::rfc3339::Rfc3339;
    use crate::telemetry::words::{CircuitVerdict, Ending, Limit, NoRetry, Unanswered};

    const PAGE: &str = include_str!("../../../docs/access-log.md");

    /// A line of which no field is empty. A field that is added to `Line` has to be added here, and
    /// is then missed below until it can be read; so is one of an attempt or a wait.
    fn full() -> String {
        let scope = "agent:bot".parse().unwrap();
        let lease = "lease_018d0d22-c900-7000-8000-000000000000";
        let lease = lease.parse().unwrap();
        let millis = |millis| Millis(Duration::from_millis(millis));
        let attempt = |unanswered, status| Attempt {
            outcome: "upstream_timeout",
            status,
            unanswered,
            took: millis(1),
        };
        let line = Line {
            ts: Rfc3339(Timestamp::from_unix_millis(1_705_322_400_007)),
            request_id: "r-1",
            trace_id: "0af7651916cd43dd8448eb211c80319c",
            door: "proxy",
            tool: Some("t"),
            scope: Some(&scope),
            agent: Some("bot"),
            method: Some("POST"),
            status: 504,
            outcome: "upstream_timeout",
            code: Some("upstream_timeout"),
            attempts: Attempts {
                first: Some(&attempt(Some(Unanswered::MaybeSeen), None)),
                more: &[attempt(None, Some(503))],
            },
            retries: &[Retry {
                reason: "maybe_seen",
                wait: millis(2),
            }],
            no_retry: Some(NoRetry::Deadline),
            budget_exhausted: true,
            limit: Some(Limit::DeadlineMs),
            queued: Some(millis(3)),
            circuit: Some(CircuitVerdict::Probe),
            lease: Some(&lease),
            request_bytes: 4,
            response_bytes: 5,
            duration: millis(6),
            overhead: millis(7),
        };
        let mut out = Vec::new();
        line.write(LogFormat::Json, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whatever_is_written_is_read() {
        let entry: Entry = serde_json::from_str(&full()).unwrap();
        assert!(entry.others.is_empty(), "{:?}", entry.others);
        let (first, second) = (&entry.attempts[0], &entry.attempts[1]);
        assert_eq!(first.verdict.as_deref(), Some("maybe_seen"));
        assert_eq!((second.status, &second.verdict), (Some(503), &None));
        assert_eq!(entry.retries[0].wait_ms, 2.0);
        assert_eq!(entry.no_retry.as_deref(), Some("deadline"));
        assert_eq!(entry.limit.as_deref(), Some("deadline_ms"));
        assert_eq!(entry.circuit.as_deref(), Some("probe"));
        assert!(entry.budget_exhausted);
    }

    #[test]
    fn the_page_lists_the_fields_in_their_order_and_no_others() {
        let line: Map<String, Value> = serde_json::from_str(&full()).unwrap();
        let written: Vec<&str> = line.keys().map(String::as_str).collect();
        let (_, table) = PAGE.split_once("| field |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let rows = table.lines().skip(2);
        let told: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        assert_eq!(told, written);
    }

    #[test]
    fn the_page_explains_every_word() {
        let words = Ending::ALL.iter().map(|one| one.word());
        let words = words.chain(Unanswered::ALL.iter().map(|one| one.word()));
        let words = words.chain(NoRetry::ALL.iter().map(|one| one.word()));
        let words = words.chain(Limit::ALL.iter().map(|one| one.word()));
        let words = words.chain(CircuitVerdict::ALL.iter().map(|one| one.word()));
        let missing: BTreeSet<_> = words
            .filter(|word| !PAGE.contains(&format!("`{word}`")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
