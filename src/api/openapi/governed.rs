//! The description of what is asked about agents, locks, leases, events and counts.

use serde_json::{Value, json};

use crate::api::openapi::schema::string;
use crate::api::routes::Governed;

/// The name of an operation.
pub fn operation_id(what: Governed) -> &'static str {
    match what {
        Governed::Disable => "disable_agent",
        Governed::Enable => "enable_agent",
        Governed::Logs => "agent_logs",
        Governed::Sums => "agent_metrics",
        Governed::Audit => "audit_log",
        Governed::Me => "me",
        Governed::Notify => "update_notifications",
        Governed::Usage => "usage",
        Governed::UsageAll => "usage_all",
        Governed::Days => "usage_by_day",
        Governed::CheckLock => "check_lock",
        Governed::Lease => "take_lease",
        Governed::Extend => "extend_lease",
        Governed::Complete => "complete_lease",
        Governed::Fail => "fail_lease",
        Governed::Cancel => "cancel_lease",
        Governed::Status => "lease_status",
        Governed::Result => "lease_result",
        Governed::Events => "list_events",
        Governed::Report => "report_event",
        Governed::Runs => "list_runs",
        Governed::Run => "get_run",
    }
}

/// What a good answer is, and its schema.
pub fn success(what: Governed) -> (&'static str, &'static str) {
    match what {
        Governed::Disable | Governed::Enable => ("How the agent stands.", "AgentState"),
        Governed::Logs => ("The records.", "AgentLogs"),
        Governed::Sums => ("The sums.", "AgentSums"),
        Governed::Audit => ("The log.", "AuditRecord"),
        Governed::Me => ("The account.", "Me"),
        Governed::Notify => ("What it is now.", "Preferences"),
        Governed::Usage => ("The month so far.", "Usage"),
        Governed::UsageAll => ("The month so far.", "UsageAll"),
        Governed::Days => ("The days.", "Days"),
        Governed::CheckLock => ("Whether the lock is the asker's.", "Lock"),
        Governed::Lease => ("Whether the lease is the asker's.", "Lease"),
        Governed::Extend | Governed::Complete | Governed::Fail | Governed::Cancel => {
            ("What the lease is now.", "LeaseChange")
        }
        Governed::Status => ("How the lease stands.", "LeaseStatus"),
        Governed::Result => ("What came of it.", "LeaseResult"),
        Governed::Events => ("The events.", "Events"),
        Governed::Report => ("The event's number.", "Reported"),
        Governed::Runs => ("The runs.", "Runs"),
        Governed::Run => ("The run.", "Timeline"),
    }
}

/// The audit log's answer, which is no JSON value as a whole.
pub fn log() -> Value {
    let about = "One JSON object a line, and nothing behind the last record.";
    let schema = string();
    let head = json!({
        "description": "The number and the hash of the newest record of all, to be noted.",
        "schema": schema,
    });
    json!({
        "description": about,
        "headers": { "X-Countersign-Audit-Head": head },
        "content": { "application/x-ndjson": { "schema": schema } },
    })
}

/// What else can be answered.
pub fn refusals(what: Governed) -> &'static [(&'static str, &'static str)] {
    const STORE: (&str, &str) = ("503", "The store is full or cannot be used.");
    const LOST: (&str, &str) = ("409", "The lease is not the asker's, or not any more.");
    match what {
        Governed::Extend | Governed::Complete | Governed::Fail | Governed::Cancel => &[STORE, LOST],
        Governed::Disable
        | Governed::Enable
        | Governed::Logs
        | Governed::Audit
        | Governed::Notify
        | Governed::CheckLock
        | Governed::Lease
        | Governed::Report => &[STORE],
        Governed::Sums
        | Governed::Me
        | Governed::Usage
        | Governed::UsageAll
        | Governed::Days
        | Governed::Status
        | Governed::Result
        | Governed::Events
        | Governed::Runs
        | Governed::Run => &[],
    }
}
