//! Events and runs.

use super::*;

// spec: RUN-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn runs_are_told_by_their_events() {
    let office = Office::new();
    let report = async |run: &str, kind: &str, status: &str| {
        let body = json!({ "run_id": run, "type": kind, "status": status, "extra": 1 });
        office.post("/v1/events", body).await
    };
    let reported = report("run x/y", "started", "ok").await;
    assert_eq!(
        reported,
        json!({ "ok": true, "event_id": 1, "run_id": "run x/y" })
    );
    report("other", "started", "ok").await;
    office.post("/v1/check-lock", json!({ "key": "k" })).await;
    let whole = json!({
        "run_id": "run x/y", "type": "tool_result", "ts": 7, "status": "failed",
        "duration_ms": 120, "step": "pay", "tool": "stripe.charge", "req_id": "r",
        "lease_id": "l", "agent_id": "a", "message": "no", "data": { "cents": 5 },
    });
    office.post("/v1/events", whole.clone()).await;
    let mut last = whole;
    last["id"] = json!(4);
    last["key"] = Value::Null;
    let timeline = office.get("/v1/runs/run%20x%2Fy?limit=1&offset=1").await;
    assert_eq!(
        timeline,
        json!({ "run_id": "run x/y", "total": 2, "events": [last] })
    );
    let runs = office.get("/v1/runs").await;
    let expected = json!({ "total": 2, "items": [
        { "run_id": "run x/y", "last_ts": 7, "last_type": "tool_result",
          "last_status": "failed", "events_count": 2 },
        { "run_id": "other", "last_ts": 1_705_322_400, "last_type": "started",
          "last_status": "ok", "events_count": 1 },
    ] });
    assert_eq!(runs, expected);
    let some = office.get("/v1/runs?q=the&limit=1").await;
    assert_eq!(
        (&some["total"], &some["items"][0]["run_id"]),
        (&json!(1), &json!("other"))
    );
    let none = office.get("/v1/runs/absent").await;
    assert_eq!(
        none,
        json!({ "run_id": "absent", "total": 0, "events": [] })
    );
    let events = office.get("/v1/events?limit=2").await;
    let kinds: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["type"])
        .collect();
    assert_eq!(json!(kinds), json!(["tool_result", "locked"]));
    assert_eq!(
        (&events[1]["key"], &events[1]["req_id"]),
        (&json!("k"), &json!("req-7"))
    );
    assert_eq!(office.get("/v1/events?offset=4").await, json!([]));
}
