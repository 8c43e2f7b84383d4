//! Locks and leases.

use super::*;

// spec: LOCK-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_lock_is_the_first_askers_until_its_time_is_over() {
    let office = Office::new();
    let body = json!({ "key": "k", "ttl": 10, "metadata": { "run_id": "run-1" } }).to_string();
    let check = async |expected: Value| {
        let answer = office.ask(Method::POST, "/v1/check-lock", &body).await;
        assert_eq!(answer.json(), expected);
        let status = expected["status"].as_str();
        assert_eq!(answer.header("x-onceonly-status"), status);
        assert_eq!(answer.header("x-request-id"), Some("req-7"));
    };
    let locked = json!({
        "success": true, "status": "locked", "key": "k", "ttl": 10, "first_seen_at": null,
    });
    let duplicate = json!({
        "success": false, "status": "duplicate", "key": "k", "ttl": 10, "first_seen_at": NOW,
    });
    check(locked.clone()).await;
    check(duplicate.clone()).await;
    tokio::time::advance(Duration::from_millis(9_999)).await;
    check(duplicate).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    check(locked).await;
    let run = office.get("/v1/runs/run-1").await;
    let events = run["events"].as_array().unwrap().iter();
    let kinds: Vec<_> = events
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["locked", "duplicate", "duplicate", "locked"]);
}

/// A lease as everybody sees it.
fn standing(status: &str, key: &str) -> Value {
    json!({
        "ok": true, "status": status, "key": key, "lease_id": null, "version": 1,
        "ttl_left": null, "first_seen_at": NOW, "done_at": null, "result_hash": null,
        "error_code": null, "retry_after_sec": null,
    })
}

// spec: LEASE-1 LEASE-2 LEASE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_lease_goes_from_hand_to_hand() {
    let office = Office::new();
    // Both ways to take one are the same.
    for (take, key) in [("/v1/ai/lease", "a"), ("/v1/ai/run", "b")] {
        let taken = office.post(take, json!({ "key": key })).await;
        let lease_id = taken["lease_id"].as_str().unwrap().to_owned();
        assert!(lease_id.starts_with("lease_"), "{lease_id}");
        let mut acquired = standing("acquired", key);
        acquired["lease_id"] = json!(lease_id);
        acquired["ttl_left"] = json!(300);
        acquired["ttl"] = json!(300);
        acquired["charged"] = json!(1);
        acquired["usage"] = taken["usage"].clone();
        acquired["limit"] = Value::Null;
        assert_eq!(taken, acquired);

        let mut held = standing("in_progress", key);
        held["ttl_left"] = json!(300);
        held["retry_after_sec"] = json!(1);
        assert_eq!(office.get(&format!("/v1/ai/status?key={key}")).await, held);
        let found = office.post(take, json!({ "key": key, "ttl": 5 })).await;
        assert_eq!(
            (&found["status"], &found["charged"]),
            (&json!("in_progress"), &json!(0))
        );
        assert_eq!(
            (&found["lease_id"], &found["ttl"]),
            (&Value::Null, &json!(300))
        );
        let nothing = json!({
            "ok": false, "status": "in_progress", "key": key, "result": null,
            "result_hash": null, "error_code": null, "done_at": null,
        });
        assert_eq!(
            office.get(&format!("/v1/ai/result?key={key}")).await,
            nothing
        );

        let end = |more: Value| {
            let mut body = json!({ "key": key, "lease_id": lease_id });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            body
        };
        let extended = office
            .post("/v1/ai/extend", end(json!({ "ttl": 600 })))
            .await;
        let changed = |status: &str| json!({ "ok": true, "status": status, "key": key, "ttl": 600, "version": 1 });
        assert_eq!(extended, changed("extended"));
        let result = json!({ "result": { "größe": 1.5 }, "result_hash": "h" });
        for _ in 0..2 {
            let completed = office.post("/v1/ai/complete", end(result.clone())).await;
            assert_eq!(completed, changed("completed"));
        }
        let mut done = standing("completed", key);
        done["done_at"] = json!(NOW);
        done["result_hash"] = json!("h");
        assert_eq!(office.get(&format!("/v1/ai/status?key={key}")).await, done);
        let outcome = json!({
            "ok": true, "status": "completed", "key": key, "result": { "größe": 1.5 },
            "result_hash": "h", "error_code": null, "done_at": NOW,
        });
        assert_eq!(
            office.get(&format!("/v1/ai/result?key={key}")).await,
            outcome
        );
        let again = office.post(take, json!({ "key": key })).await;
        assert_eq!(again["status"], "completed");
        for (path, more) in [
            ("/v1/ai/extend", json!({})),
            ("/v1/ai/fail", json!({ "error_code": "x" })),
            ("/v1/ai/cancel", json!({})),
        ] {
            let lost = office.ask(Method::POST, path, &end(more).to_string()).await;
            assert_eq!(
                (lost.status, lost.json()["detail"]["error"].clone()),
                (409, json!("lease_lost"))
            );
        }
    }
}

// spec: LEASE-2 LEASE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_lease_fails_or_is_given_back() {
    let office = Office::new();
    let take = async || {
        let body = json!({ "key": "k", "metadata": { "run_id": "run" } });
        let taken = office.post("/v1/ai/lease", body).await;
        taken["lease_id"].as_str().unwrap().to_owned()
    };
    let first = take().await;
    let cancel = json!({ "key": "k", "lease_id": first, "reason": "no need" });
    let canceled = office.post("/v1/ai/cancel", cancel.clone()).await;
    assert_eq!(canceled["status"], "canceled");
    let gone = office.get("/v1/ai/status?key=k").await;
    assert_eq!(
        (&gone["ok"], &gone["status"]),
        (&json!(false), &json!("not_found"))
    );
    let lost = office
        .ask(Method::POST, "/v1/ai/cancel", &cancel.to_string())
        .await;
    assert_eq!(lost.status, 409);

    let second = take().await;
    assert_ne!(first, second);
    let fail = json!({ "key": "k", "lease_id": second, "error_code": "boom" });
    assert_eq!(office.post("/v1/ai/fail", fail).await["status"], "failed");
    let failed = office.get("/v1/ai/result?key=k").await;
    let expected = json!({
        "ok": false, "status": "failed", "key": "k", "result": null, "result_hash": null,
        "error_code": "boom", "done_at": NOW,
    });
    assert_eq!(failed, expected);
    let run = office.get("/v1/runs/run").await;
    let events = run["events"].as_array().unwrap().iter();
    let told: Vec<_> = events
        .map(|event| (&event["type"], &event["message"]))
        .collect();
    let told = json!(told);
    let expected = json!([
        ["ai_acquired", null],
        ["ai_canceled", "no need"],
        ["ai_acquired", null],
        ["ai_failed", "boom"],
    ]);
    assert_eq!(told, expected);
}
