//! What is asked for wrongly.

use super::*;

// spec: API-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn every_field_that_is_wrong_is_told() {
    let office = Office::new();
    let check = async |method: Method, path: &str, body: Value, expected: Value| {
        let answer = office.ask(method, path, &body.to_string()).await;
        assert_eq!(answer.status, 422, "{path} {}", answer.body);
        let faults: Vec<_> = answer.json()["detail"].as_array().unwrap().clone();
        let told: Vec<_> = faults
            .iter()
            .map(|f| json!([f["type"], f["loc"]]))
            .collect();
        assert_eq!(json!(told), expected, "{path}");
    };
    let post = Method::POST;
    let key = json!(["missing", ["body", "key"]]);
    let lease = json!(["missing", ["body", "lease_id"]]);
    check(post.clone(), "/v1/check-lock", json!({}), json!([key])).await;
    let wrong = json!({ "key": "", "ttl": 0, "metadata": [] });
    let faults = json!([
        ["string_too_short", ["body", "key"]],
        ["greater_than_equal", ["body", "ttl"]],
        ["dict_type", ["body", "metadata"]],
    ]);
    check(post.clone(), "/v1/ai/lease", wrong.clone(), faults.clone()).await;
    check(post.clone(), "/v1/ai/run", wrong, faults).await;
    check(
        post.clone(),
        "/v1/ai/cancel",
        json!({}),
        json!([key, lease]),
    )
    .await;
    let error = json!(["missing", ["body", "error_code"]]);
    check(
        post.clone(),
        "/v1/ai/fail",
        json!({}),
        json!([key, lease, error]),
    )
    .await;
    let wrong = json!({ "result": 1, "result_hash": 1 });
    let faults = json!([
        key,
        lease,
        ["dict_type", ["body", "result"]],
        ["string_type", ["body", "result_hash"]],
    ]);
    check(post.clone(), "/v1/ai/complete", wrong, faults).await;
    let large = json!({ "key": "k", "metadata": { "x": "y".repeat(2048) } });
    let faults = json!([["value_error", ["body", "metadata"]]]);
    check(post.clone(), "/v1/check-lock", large, faults).await;
    let faults = json!([
        ["missing", ["body", "run_id"]],
        ["missing", ["body", "type"]]
    ]);
    check(post.clone(), "/v1/events", json!({}), faults).await;
    let faults = json!([
        ["string_pattern_mismatch", ["path", "agent_id"]],
        ["bool_parsing", ["body", "cancel_in_flight"]],
    ]);
    let body = json!({ "cancel_in_flight": "perhaps" });
    check(post, "/v1/agents/a%20b/disable", body, faults).await;
    for (path, fault) in [
        (
            "/v1/agents/a/logs?limit=501",
            json!(["less_than_equal", ["query", "limit"]]),
        ),
        (
            "/v1/agents/a/logs?limit=0",
            json!(["greater_than_equal", ["query", "limit"]]),
        ),
        (
            "/v1/agents/a/metrics?period=year",
            json!(["literal_error", ["query", "period"]]),
        ),
        (
            "/v1/usage?kind=x",
            json!(["literal_error", ["query", "kind"]]),
        ),
        ("/v1/ai/status", json!(["missing", ["query", "key"]])),
        (
            "/v1/audit?after=-1",
            json!(["greater_than_equal", ["query", "after"]]),
        ),
        (
            "/v1/metrics?from_day=2024-02-30&to_day=2024-03-01",
            json!(["value_error", ["query", "from_day"]]),
        ),
    ] {
        check(Method::GET, path, Value::Null, json!([fault])).await;
    }
}
