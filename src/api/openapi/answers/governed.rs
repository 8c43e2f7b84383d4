//! What is answered about agents, locks, leases, events and counts.

use serde_json::{Value, json};

use crate::api::openapi::schema::{
    amount, boolean, exactly, list_of, nothing, number, or_null, string, time, word,
};

/// Of agents.
pub fn agents() -> [(&'static str, Value); 4] {
    let decisions = json!({ "enum": ["executed", "dedup", "blocked", "failed"] });
    [
        (
            "AgentState",
            exactly(json!({
                "agent_id": string(),
                "is_enabled": boolean(),
                "disabled_reason": or_null(string()),
                "disabled_at": or_null(time()),
            })),
        ),
        ("AgentLogs", list_of("AgentLog")),
        (
            "AgentLog",
            json!({
                "type": "object",
                "properties": {
                    "ts": number(),
                    "agent_id": string(),
                    "tool": string(),
                    "allowed": boolean(),
                    "decision": decisions,
                    "policy_reason": or_null(string()),
                    "risk_level": or_null(string()),
                    "args_hash": string(),
                    "spend_usd": amount(),
                },
                "required": [
                    "ts", "agent_id", "tool", "allowed", "decision", "policy_reason", "risk_level",
                ],
                "additionalProperties": false,
            }),
        ),
        (
            "AgentSums",
            exactly(json!({
                "agent_id": string(),
                "period": word(&["hour", "day", "week"]),
                "total_actions": number(),
                "blocked_actions": number(),
                "total_spend_usd": amount(),
                "top_tools": {
                    "type": "array",
                    "items": exactly(json!({ "tool": string(), "count": number() })),
                },
            })),
        ),
    ]
}

/// Of locks and leases.
pub fn leases() -> [(&'static str, Value); 5] {
    let states = word(&["in_progress", "completed", "failed", "not_found"]);
    let status = json!({
        "ok": boolean(),
        "status": states,
        "key": string(),
        "lease_id": nothing(),
        "version": number(),
        "ttl_left": or_null(number()),
        "first_seen_at": or_null(time()),
        "done_at": or_null(time()),
        "result_hash": or_null(string()),
        "error_code": or_null(string()),
        "retry_after_sec": or_null(number()),
    });
    let mut lease = status.clone();
    lease["status"] = word(&["acquired", "in_progress", "completed", "failed"]);
    lease["lease_id"] = or_null(string());
    lease["ttl"] = number();
    lease["charged"] = number();
    lease["usage"] = number();
    lease["limit"] = nothing();
    [
        (
            "Lock",
            exactly(json!({
                "success": boolean(),
                "status": word(&["locked", "duplicate"]),
                "key": string(),
                "ttl": number(),
                "first_seen_at": or_null(time()),
            })),
        ),
        ("Lease", exactly(lease)),
        ("LeaseStatus", exactly(status)),
        (
            "LeaseResult",
            exactly(json!({
                "ok": boolean(),
                "status": states,
                "key": string(),
                "result": or_null(json!({ "type": "object" })),
                "result_hash": or_null(string()),
                "error_code": or_null(string()),
                "done_at": or_null(time()),
            })),
        ),
        (
            "LeaseChange",
            exactly(json!({
                "ok": boolean(),
                "status": word(&["extended", "completed", "failed", "canceled"]),
                "key": string(),
                "ttl": number(),
                "version": number(),
            })),
        ),
    ]
}

/// Of events and runs.
pub fn events() -> [(&'static str, Value); 5] {
    let whole = || json!({ "type": "integer" });
    [
        ("Events", list_of("Event")),
        (
            "Event",
            exactly(json!({
                "id": number(),
                "run_id": or_null(string()),
                "ts": whole(),
                "type": string(),
                "status": or_null(string()),
                "duration_ms": or_null(whole()),
                "step": or_null(string()),
                "tool": or_null(string()),
                "req_id": or_null(string()),
                "lease_id": or_null(string()),
                "agent_id": or_null(string()),
                "message": or_null(string()),
                "data": or_null(json!({ "type": "object" })),
                "key": or_null(string()),
            })),
        ),
        (
            "Reported",
            exactly(json!({ "ok": boolean(), "event_id": number(), "run_id": string() })),
        ),
        (
            "Runs",
            exactly(json!({
                "total": number(),
                "items": {
                    "type": "array",
                    "items": exactly(json!({
                        "run_id": string(),
                        "last_ts": whole(),
                        "last_type": string(),
                        "last_status": or_null(string()),
                        "events_count": number(),
                    })),
                },
            })),
        ),
        (
            "Timeline",
            exactly(json!({
                "run_id": string(),
                "total": number(),
                "events": list_of("Event"),
            })),
        ),
    ]
}

/// Of the account.
pub fn counts() -> [(&'static str, Value); 5] {
    let preferences = json!({
        "email_notifications_enabled": boolean(),
        "tool_error_notifications_enabled": boolean(),
        "run_failure_notifications_enabled": boolean(),
    });
    let mut me = json!({
        "plan": string(),
        "key_preview": string(),
        "email": nothing(),
        "is_active": boolean(),
        "current_period_end": nothing(),
        "requests_total_all_time": number(),
        "blocked_total_all_time": number(),
    });
    let use_of_a_kind = json!({
        "usage": number(),
        "limit": nothing(),
        "requests_total_month": number(),
        "blocked_total_month": number(),
    });
    let mut usage = use_of_a_kind.clone();
    usage["plan"] = string();
    usage["month"] = string();
    let mut kind = use_of_a_kind;
    kind["charged_total_month"] = number();
    kind["polling_total_month"] = number();
    let mut day = json!({ "day": { "type": "string", "format": "date" } });
    for count in DAY_COUNTS {
        day[count] = number();
    }
    if let (Some(me), Some(preferences)) = (me.as_object_mut(), preferences.as_object()) {
        me.extend(preferences.clone());
    }
    let all = json!({
        "plan": string(),
        "month": string(),
        "make": exactly(kind.clone()),
        "ai": exactly(kind),
    });
    [
        ("Preferences", exactly(preferences)),
        ("Me", exactly(me)),
        ("Usage", exactly(usage)),
        ("UsageAll", exactly(all)),
        ("Days", json!({ "type": "array", "items": exactly(day) })),
    ]
}

const DAY_COUNTS: [&str; 14] = [
    "checks_total",
    "locks_created",
    "duplicates_blocked",
    "rate_limited",
    "ai_acquired",
    "ai_in_progress",
    "ai_completed",
    "ai_failed",
    "ai_extended",
    "ai_canceled",
    "calls_executed",
    "calls_dedup",
    "calls_blocked",
    "calls_failed",
];
