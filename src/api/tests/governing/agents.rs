//! Agents: the kill switch, their calls, and the log of all.

use super::*;

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_is_switched_off_and_on() {
    let office = Office::new();
    let agent = "bot".parse().unwrap();
    let permits = || {
        office
            .governance
            .desk
            .permits(&agent, &"t".parse().unwrap())
    };
    let on = json!({
        "agent_id": "bot", "is_enabled": true, "disabled_reason": null, "disabled_at": null,
    });
    let off = |reason: Value| {
        json!({
            "agent_id": "bot", "is_enabled": false, "disabled_reason": reason, "disabled_at": NOW,
        })
    };
    for (body, reason) in [
        (String::new(), Value::Null),
        ("{}".to_owned(), Value::Null),
        (
            r#"{"reason":"fraud","cancel_in_flight":true}"#.to_owned(),
            json!("fraud"),
        ),
    ] {
        let disabled = office
            .ask(Method::POST, "/v1/agents/bot/disable", &body)
            .await;
        assert_eq!(disabled.json(), off(reason), "{body}");
        assert_eq!(permits().unwrap_err().reason.as_str(), "agent_disabled");
        let enabled = office
            .ask(Method::POST, "/v1/agents/bot/enable", &body)
            .await;
        assert_eq!(enabled.json(), on);
        assert!(permits().is_ok());
    }
    // A body that is not there needs no type.
    let request = Request::post("/v1/agents/bot/disable")
        .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
        .body(Full::default())
        .unwrap();
    assert_eq!(office.door.send(request).await.json(), off(Value::Null));
    assert!(permits().is_err());
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_in_flight_are_cut_off_where_that_is_asked_for() {
    let office = Office::new();
    let mut cuts = office.governance.desk.cuts();
    office.post("/v1/agents/spared/disable", json!({})).await;
    office
        .post(
            "/v1/agents/cut/disable",
            json!({ "cancel_in_flight": "yes" }),
        )
        .await;
    assert_eq!(cuts.try_recv().unwrap().as_str(), "cut");
    assert!(cuts.try_recv().is_err());
}

// spec: AUDIT-4 AUDIT-5
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agents_calls_are_listed_summed_and_exported() {
    let office = Office::new();
    office.record("bot", Decision::Executed, 0.5);
    office.record("other", Decision::Executed, 8.0);
    office.record("bot", Decision::Blocked, 0.0);
    let executed = json!({
        "ts": 1_705_322_400, "agent_id": "bot", "tool": "send_email", "allowed": true,
        "decision": "executed", "policy_reason": null, "risk_level": "low",
        "args_hash": "a1b2c3d4", "spend_usd": 0.5,
    });
    let blocked = json!({
        "ts": 1_705_322_400, "agent_id": "bot", "tool": "send_email", "allowed": false,
        "decision": "blocked", "policy_reason": "tool_explicitly_blocked", "risk_level": "low",
    });
    let logs = office.get("/v1/agents/bot/logs").await;
    assert_eq!(logs, json!([blocked, executed]));
    assert_eq!(
        office.get("/v1/agents/bot/logs?limit=1").await,
        json!([blocked])
    );
    assert_eq!(office.get("/v1/agents/nobody/logs").await, json!([]));
    for period in ["hour", "day", "week"] {
        let path = format!("/v1/agents/bot/metrics?period={period}");
        let sums = json!({
            "agent_id": "bot", "period": period, "total_actions": 2, "blocked_actions": 1,
            "total_spend_usd": 0.5, "top_tools": [{ "tool": "send_email", "count": 2 }],
        });
        assert_eq!(office.get(&path).await, sums);
    }
    assert_eq!(office.get("/v1/agents/bot/metrics").await["period"], "day");

    let export = office.ask(Method::GET, "/v1/audit", "").await;
    assert_eq!(export.header(CONTENT_TYPE), Some("application/x-ndjson"));
    let verdict = audit::verify(export.body.lines().map(str::as_bytes), None);
    assert_eq!((verdict.records, verdict.faults), (3, Vec::new()));
    let head = verdict.head.unwrap().to_string();
    assert_eq!(export.header("x-countersign-audit-head"), Some(&*head));
    let rest = office
        .ask(Method::GET, "/v1/audit?after=1&limit=1", "")
        .await;
    let second = format!("{}\n", export.body.lines().nth(1).unwrap());
    assert_eq!(rest.body, second);
    let end = office.ask(Method::GET, "/v1/audit?after=3", "").await;
    assert_eq!(end.body, "");
}
