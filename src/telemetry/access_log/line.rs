//! One call as one line: a JSON object for machines, or columns for people.
//!
//! The names of the fields are a contract, written down in `docs/access-log.md`. There is no field
//! for a body, a query or a header, so none can get into a line.

use std::fmt::{self, Display};
use std::io::Write;

use crate::ids::{LeaseId, ScopeId};
use crate::telemetry::access_log::json;
use crate::telemetry::outcome::{Attempt, Millis, Retry};
use crate::telemetry::rfc3339::Rfc3339;
use crate::telemetry::words::{CircuitVerdict, Limit, NoRetry};

/// How lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What a line says. Fields that are `None`, false or, for retries, empty are left out.
#[derive(Debug)]
pub struct Line<'a> {
    /// When the call's head arrived.
    pub ts: Rfc3339,
    /// Follows the call through every log.
    pub request_id: &'a str,
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// Through which door the call came.
    pub door: &'static str,
    /// The name that was called, whether or not there is such a tool.
    pub tool: Option<&'a str>,
    /// The scope that the tool was found in.
    pub scope: Option<&'a ScopeId>,
    /// Who called.
    pub agent: Option<&'a str>,
    /// The agent's method, if its head could be read.
    pub method: Option<&'a str>,
    /// What the agent got; 499 if it went away before it got any.
    pub status: u16,
    /// The same word as in `countersign_calls_total`.
    pub outcome: &'static str,
    /// The refusal's word, if we answered ourselves.
    pub code: Option<&'static str>,
    /// In the order they were made.
    pub attempts: Attempts<'a>,
    /// In the order they were decided on.
    pub retries: &'a [Retry],
    /// Why no attempt followed one that went wrong.
    pub no_retry: Option<NoRetry>,
    /// Whether a retry was wanted and not affordable.
    pub budget_exhausted: bool,
    /// The limit that ended the call or its last attempt.
    pub limit: Option<Limit>,
    /// The wait for a place under the tool's `max_concurrency`, if there was one.
    pub queued: Option<Millis>,
    /// What the tool's circuit breaker decided, if it did.
    pub circuit: Option<CircuitVerdict>,
    /// Under which claim the call was made.
    pub lease: Option<&'a LeaseId>,
    /// Body bytes that came from the agent.
    pub request_bytes: u64,
    /// Body bytes that went to the agent.
    pub response_bytes: u64,
    /// From the head to the end of the answer.
    pub duration: Millis,
    /// Of that, what the sidecar itself took.
    pub overhead: Millis,
}

/// The first attempt and those after it, which most calls do not have.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// `None` when there was no attempt.
    pub first: Option<&'a Attempt>,
    /// The second and later ones.
    pub more: &'a [Attempt],
}

impl Line<'_> {
    /// Appends the line and its end to `out`.
    pub fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        match format {
            LogFormat::Json => json::write(self, out),
            LogFormat::Text => write!(out, "{self}").expect("a Vec takes everything"),
        }
        out.push(b'\n');
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ts, door) = (self.ts, self.door);
        let method = Plain(self.method.unwrap_or("-"));
        let tool = Plain(self.tool.unwrap_or("-"));
        let (status, outcome) = (self.status, self.outcome);
        let (duration, overhead) = (self.duration.as_f64(), self.overhead.as_f64());
        write!(
            f,
            "{ts} {door} {method} {tool} {status} {outcome} {duration}ms"
        )?;
        write!(f, " overhead={overhead}ms")?;
        for attempt in self.attempts.first.into_iter().chain(self.attempts.more) {
            write!(f, " attempt={}", attempt.outcome)?;
            if let Some(status) = attempt.status {
                write!(f, "/{status}")?;
            }
            if let Some(unanswered) = attempt.unanswered {
                write!(f, "/{}", unanswered.word())?;
            }
            write!(f, "/{}ms", attempt.took.as_f64())?;
        }
        for retry in self.retries {
            write!(f, " retry={}/{}ms", retry.reason, retry.wait.as_f64())?;
        }
        if let Some(why) = self.no_retry {
            write!(f, " no_retry={}", why.word())?;
        }
        if self.budget_exhausted {
            f.write_str(" budget_exhausted")?;
        }
        if let Some(limit) = self.limit {
            write!(f, " limit={}", limit.word())?;
        }
        if let Some(queued) = self.queued {
            write!(f, " queued={}ms", queued.as_f64())?;
        }
        if let Some(circuit) = self.circuit {
            write!(f, " circuit={}", circuit.word())?;
        }
        if let Some(lease) = self.lease {
            write!(f, " lease={lease}")?;
        }
        if let Some(scope) = self.scope {
            write!(f, " scope={}", Plain(scope))?;
        }
        if let Some(agent) = self.agent {
            write!(f, " agent={}", Plain(agent))?;
        }
        write!(f, " in={} out={}", self.request_bytes, self.response_bytes)?;
        let (request, trace) = (Plain(self.request_id), self.trace_id);
        write!(f, " request={request} trace={trace}")
    }
}

/// Text from outside as part of a line for people: it can neither end the line, nor look like
/// another column, nor drive the terminal.
struct Plain<T>(T);

impl<T: Display> Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        struct Escape<'a, 'f>(&'a mut fmt::Formatter<'f>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| {
                    if c.is_ascii_graphic() || c.is_alphanumeric() {
                        self.0.write_char(c)
                    } else {
                        write!(self.0, "{}", c.escape_unicode())
                    }
                })
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::telemetry::words::Unanswered;

    /// A line of which every string that comes from outside is `hostile`.
    pub fn line(hostile: &str) -> Line<'_> {
        Line {
            ts: Rfc3339(Timestamp::from_unix_millis(1_705_322_400_007)),
            request_id: hostile,
            trace_id: "0af7651916cd43dd8448eb211c80319c",
            door: "proxy",
            tool: Some(hostile),
            scope: None,
            agent: Some(hostile),
            method: Some(hostile),
            status: 200,
            outcome: "success",
            code: None,
            attempts: Attempts {
                first: None,
                more: &[],
            },
            retries: &[],
            no_retry: None,
            budget_exhausted: false,
            limit: None,
            queued: None,
            circuit: None,
            lease: None,
            request_bytes: 0,
            response_bytes: 0,
            duration: Millis(Duration::from_micros(12_345)),
            overhead: Millis(Duration::from_nanos(210_999)),
        }
    }

    fn written(line: &Line<'_>, format: LogFormat) -> String {
        let mut out = Vec::new();
        line.write(format, &mut out);
        String::from_utf8(out).unwrap()
    }

    const HOSTILE: [&str; 6] = [
        "a\nb\r\n{\"ts\":1}",
        r#"","outcome":"success","x":""#,
        "\u{1b}[31mred\u{7}\u{0}",
        "\\ \\n \\u0000 \"",
        "ключ 🔑 \u{202e}\u{2028}\u{85}",
        "x 200 success agent=admin",
    ];

    #[test]
    fn json_is_as_serde_json_writes_it() {
        for hostile in HOSTILE {
            let expected = json!({
                "ts": "2024-01-15T12:40:00.007Z",
                "request_id": hostile,
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "door": "proxy",
                "tool": hostile,
                "agent": hostile,
                "method": hostile,
                "status": 200,
                "outcome": "success",
                "attempts": [],
                "request_bytes": 0,
                "response_bytes": 0,
                "duration_ms": 12.345,
                "overhead_ms": 0.21,
            });
            let text = written(&line(hostile), LogFormat::Json);
            assert_eq!(text, format!("{expected}\n"));
        }
    }

    #[test]
    fn text_keeps_its_columns() {
        for hostile in HOSTILE {
            let text = written(&line(hostile), LogFormat::Text);
            let columns: Vec<_> = text.split_whitespace().collect();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert_eq!(columns.len(), 13, "{text}");
            assert_eq!((columns[4], columns[5]), ("200", "success"));
            assert!(!text.trim_end().contains(char::is_control), "{text}");
        }
    }

    #[test]
    fn both_formats_tell_the_whole_call() {
        let failed = Attempt {
            outcome: "upstream_connect",
            status: None,
            unanswered: Some(Unanswered::NotSent),
            took: Millis(Duration::from_micros(1500)),
        };
        let answered = Attempt {
            outcome: "server_error",
            status: Some(503),
            unanswered: None,
            took: Millis(Duration::from_millis(20)),
        };
        let retry = Retry {
            reason: "upstream_connect",
            wait: Millis(Duration::from_millis(80)),
        };
        let scope = r#"agent:sup"\port"#.parse().unwrap();
        let lease = "lease_018d0d22-c900-7000-8000-000000000000";
        let lease = lease.parse().unwrap();
        let call = Line {
            scope: Some(&scope),
            agent: Some("support"),
            method: Some("POST"),
            status: 503,
            outcome: "server_error",
            code: Some("overloaded"),
            attempts: Attempts {
                first: Some(&failed),
                more: &[answered, failed],
            },
            retries: &[retry, retry],
            no_retry: Some(NoRetry::Budget),
            budget_exhausted: true,
            limit: Some(Limit::TimeoutMs),
            queued: Some(Millis(Duration::from_micros(2500))),
            circuit: Some(CircuitVerdict::Probe),
            lease: Some(&lease),
            request_bytes: 221,
            response_bytes: 2,
            ..line("send_email")
        };
        assert_eq!(
            written(&call, LogFormat::Text),
            "2024-01-15T12:40:00.007Z proxy POST send_email 503 server_error 12.345ms \
             overhead=0.21ms attempt=upstream_connect/not_sent/1.5ms \
             attempt=server_error/503/20ms attempt=upstream_connect/not_sent/1.5ms retry=upstream_connect/80ms \
             retry=upstream_connect/80ms no_retry=budget budget_exhausted limit=timeout_ms \
             queued=2.5ms circuit=probe lease=lease_018d0d22-c900-7000-8000-000000000000 \
             scope=agent:sup\"\\port agent=support in=221 out=2 request=send_email trace=0af7651916cd43dd8448eb211c80319c\n"
        );
        let expected = json!({
            "ts": "2024-01-15T12:40:00.007Z",
            "request_id": "send_email",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "door": "proxy",
            "tool": "send_email",
            "scope": "agent:sup\"\\port",
            "agent": "support",
            "method": "POST",
            "status": 503,
            "outcome": "server_error",
            "code": "overloaded",
            "attempts": [
                {"outcome": "upstream_connect", "verdict": "not_sent", "duration_ms": 1.5},
                {"outcome": "server_error", "status": 503, "duration_ms": 20.0},
                {"outcome": "upstream_connect", "verdict": "not_sent", "duration_ms": 1.5},
            ],
            "retries": [
                {"reason": "upstream_connect", "wait_ms": 80.0},
                {"reason": "upstream_connect", "wait_ms": 80.0},
            ],
            "no_retry": "budget",
            "budget_exhausted": true,
            "limit": "timeout_ms",
            "queued_ms": 2.5,
            "circuit": "probe",
            "lease_id": "lease_018d0d22-c900-7000-8000-000000000000",
            "request_bytes": 221,
            "response_bytes": 2,
            "duration_ms": 12.345,
            "overhead_ms": 0.21,
        });
        assert_eq!(written(&call, LogFormat::Json), format!("{expected}\n"));
    }
}
