//! What was used, and what the operator wants to be told.

use super::*;

// spec: USAGE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_was_used_is_counted_by_day_and_month() {
    let office = Office::new();
    for _ in 0..3 {
        office.post("/v1/check-lock", json!({ "key": "k" })).await;
    }
    for _ in 0..2 {
        office.post("/v1/ai/lease", json!({ "key": "l" })).await;
    }
    office.get("/v1/ai/status?key=l").await;
    for decision in [
        Decision::Executed,
        Decision::Executed,
        Decision::Dedup,
        Decision::Blocked,
        Decision::Failed,
    ] {
        office.record("bot", decision, 0.0);
    }
    let make = json!({
        "usage": 1, "limit": null, "requests_total_month": 3, "blocked_total_month": 2,
    });
    let ai = json!({
        "usage": 4, "limit": null, "requests_total_month": 7, "blocked_total_month": 3,
    });
    let with = |used: &Value, more: Value| {
        let mut whole = used.clone();
        whole
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        whole
    };
    let month = json!({ "plan": "self_hosted", "month": "2024-01" });
    assert_eq!(office.get("/v1/usage").await, with(&make, month.clone()));
    assert_eq!(
        office.get("/v1/usage?kind=ai").await,
        with(&ai, month.clone())
    );
    let all = office.ask(Method::GET, "/v1/usage/all", "").await;
    assert_eq!(all.header("x-onceonly-month"), Some("2024-01"));
    assert_eq!(all.header("x-onceonly-plan"), Some("self_hosted"));
    assert_eq!(all.header("x-request-id"), Some("req-7"));
    let both = json!({
        "make": with(&make, json!({ "charged_total_month": 1, "polling_total_month": 0 })),
        "ai": with(&ai, json!({ "charged_total_month": 4, "polling_total_month": 1 })),
    });
    assert_eq!(all.json(), with(&month, both));

    let day = json!({
        "day": "2024-01-15", "checks_total": 3, "locks_created": 1, "duplicates_blocked": 2,
        "rate_limited": 0, "ai_acquired": 1, "ai_in_progress": 1, "ai_completed": 0,
        "ai_failed": 0, "ai_extended": 0, "ai_canceled": 0, "calls_executed": 2,
        "calls_dedup": 1, "calls_blocked": 1, "calls_failed": 1,
    });
    let days = "/v1/metrics?from_day=2024-01-01&to_day=2024-01-31";
    assert_eq!(office.get(days).await, json!([day]));
    let none = "/v1/metrics?from_day=2024-01-16&to_day=2024-01-01";
    assert_eq!(office.get(none).await, json!([]));
    tokio::time::advance(Duration::from_secs(17 * 86_400)).await;
    let february = office.get("/v1/usage").await;
    assert_eq!(
        (&february["month"], &february["usage"]),
        (&json!("2024-02"), &json!(0))
    );
    let me = office.get("/v1/me").await;
    let totals = (
        &me["requests_total_all_time"],
        &me["blocked_total_all_time"],
    );
    assert_eq!(totals, (&json!(10), &json!(5)));
}

// spec: USAGE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn the_account_keeps_what_it_is_told() {
    let office = Office::new();
    let me = office.get("/v1/me").await;
    // SHA-256 of the token, by `sha256sum`.
    assert_eq!(
        (&me["plan"], &me["key_preview"]),
        (&json!("self_hosted"), &json!("k_25c093c8"))
    );
    let body = json!({ "tool_error_notifications_enabled": true });
    let kept = json!({
        "email_notifications_enabled": false,
        "tool_error_notifications_enabled": true,
        "run_failure_notifications_enabled": false,
    });
    assert_eq!(office.post("/v1/me/notifications", body).await, kept);
    let none = office.ask(Method::POST, "/v1/me/notifications", "").await;
    assert_eq!(none.json(), kept);
    assert_eq!(
        office.get("/v1/me").await["tool_error_notifications_enabled"],
        true
    );
}
