//! Policies over HTTP. The file behind them is a list in memory.

use std::sync::Mutex;

use serde_json::Map;

use super::*;
use crate::config::{Change, EditError};
use crate::policy::{Policies, Policy, PolicySpec};

/// The door to policies that can be changed.
struct World {
    door: Door,
}

impl World {
    fn new() -> Self {
        let mut door = Door::new(Some(TOKEN), Ok(()));
        let governance = Arc::clone(&door.api.governing.governance);
        let file: Mutex<Vec<PolicySpec>> = Mutex::default();
        let edit: Edit = Box::new(move |change| {
            let Change::Govern(spec) = change else {
                panic!("only policies are changed");
            };
            let mut file = file.lock().unwrap();
            file.retain(|there| there.agent_id != spec.agent_id);
            file.push(spec);
            let mut policies = Policies::default();
            for spec in file.iter() {
                policies
                    .add(Policy::compile(spec.clone()).unwrap())
                    .unwrap();
            }
            governance.desk.replace(policies);
            Box::pin(async { Ok(()) })
        });
        door.api = door.api.editable(edit, false);
        Self { door }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/policies{path}"))
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(CONTENT_TYPE, "application/json");
        let body = Full::new(Bytes::from(body.to_string()));
        self.door.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        let path = format!("/v1/policies{path}");
        self.door.ask(Method::GET, &path, Some(TOKEN)).await
    }
}

/// A whole policy as it is shown, with these fields.
fn shown(agent: &str, fields: Value) -> Value {
    let mut policy = json!({
        "allowed_tools": [],
        "blocked_tools": [],
        "max_actions_per_hour": null,
        "max_spend_usd_per_day": null,
        "max_calls_per_tool": {},
        "pricing_rules": [],
    });
    for (name, value) in fields.as_object().unwrap() {
        policy[name] = value.clone();
    }
    json!({ "agent_id": agent, "policy": policy })
}

fn everything() -> Value {
    json!({
        "allowed_tools": ["send_email", "stripe.charge"],
        "blocked_tools": ["delete_user"],
        "max_actions_per_hour": 200,
        "max_spend_usd_per_day": 50.5,
        "max_calls_per_tool": { "send_email": 20, "stripe.charge": 3 },
        "pricing_rules": [{ "tool": "stripe.charge", "price_usd": 0.5 }],
    })
}

// spec: POLICY-8 API-4
#[tokio::test]
async fn a_policy_is_put_and_shown_whole() {
    let world = World::new();
    let document = openapi::document();
    // As the SDK sends it: with the agent in the body, too.
    let mut body = everything();
    body["agent_id"] = json!("support_bot");
    let put = world.post("/support_bot", &body).await;
    assert_eq!(
        (put.status, put.json()),
        (200, shown("support_bot", everything()))
    );
    let schemas = &document["components"]["schemas"];
    tools::fits(&document, &schemas["Policy"], &put.json(), "put");
    let got = world.get("/support_bot").await;
    assert_eq!((got.status, got.json()), (200, put.json()));
    // A replacement is whole.
    let bare = shown("support_bot", json!({ "max_actions_per_hour": 1 }));
    let put = world
        .post("/support_bot", &json!({ "max_actions_per_hour": "1" }))
        .await;
    assert_eq!((put.status, put.json()), (200, bare.clone()));
    // What is shown can be put.
    let again = world.post("/a%23b", &bare["policy"]).await;
    assert_eq!(again.json()["policy"], bare["policy"]);
    let listed = world.get("").await;
    let first = shown("a#b", bare["policy"].clone());
    assert_eq!((listed.status, listed.json()), (200, json!([first, bare])));
    tools::fits(&document, &schemas["Policies"], &listed.json(), "list");
}

// spec: POLICY-8
#[tokio::test]
async fn a_template_is_overridden_field_by_field() {
    let world = World::new();
    let check = async |template: &str, overrides: Value, expected: Value| {
        // As the SDK sends it, and as somebody would by hand.
        let mut body = json!({ "template": template, "agent_id": "bot", "overrides": overrides });
        if overrides.is_null() {
            body = json!({ "template": template });
        }
        let put = world.post("/bot/from-template", &body).await;
        assert_eq!(
            (put.status, put.json()),
            (200, shown("bot", expected)),
            "{body}"
        );
    };
    let caps = |actions: u32, dollars: f64| json!({ "max_actions_per_hour": actions, "max_spend_usd_per_day": dollars });
    check("strict", Value::Null, caps(50, 2.0)).await;
    check("moderate", json!({}), caps(200, 10.0)).await;
    check("permissive", json!({}), caps(1_000, 50.0)).await;
    check(
        "read_only",
        json!({ "max_actions_per_hour": null }),
        caps(200, 0.0),
    )
    .await;
    let over = json!({ "max_actions_per_hour": 7, "blocked_tools": ["x"] });
    let mut expected = caps(7, 10.0);
    expected["blocked_tools"] = json!(["x"]);
    check("support_bot", over, expected).await;
    check("strict", everything(), everything()).await;
}

// spec: POLICY-8 API-2
#[tokio::test]
async fn an_agent_without_a_policy_is_told_so() {
    let world = World::new();
    let got = world.get("/nobody").await;
    let detail = json!({ "error": "policy_not_found", "agent_id": "nobody" });
    assert_eq!((got.status, got.json()), (404, json!({ "detail": detail })));
    assert_eq!(got.header("x-countersign-error"), Some("policy_not_found"));
    assert_eq!(world.get("").await.json(), json!([]));
    for (method, path, allowed) in [
        (Method::DELETE, "/v1/policies/bot", "GET, POST"),
        (Method::POST, "/v1/policies", "GET"),
        (Method::GET, "/v1/policies/bot/from-template", "POST"),
    ] {
        let answer = world.door.ask(method, path, Some(TOKEN)).await;
        assert_eq!(
            (answer.status, answer.header(ALLOW)),
            (405, Some(allowed)),
            "{path}"
        );
    }
    for path in ["/v1/policies", "/v1/policies/bot"] {
        assert_eq!(world.door.ask(Method::GET, path, None).await.status, 401);
    }
    // Without a file there is nothing to change.
    let closed = World {
        door: Door::new(Some(TOKEN), Ok(())),
    };
    let put = closed.post("/bot", &json!({})).await;
    assert_eq!(
        put.header("x-countersign-error"),
        Some("registry_read_only")
    );
}

/// The verdicts of FastAPI 0.165 with Pydantic 2 on a model of these rules, with inputs redacted.
// spec: POLICY-8 API-2
#[tokio::test]
async fn every_field_that_is_wrong_is_told() {
    let world = World::new();
    let check = async |path: &str, body: Value, expected: Value| {
        let answer = world.post(path, &body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (422, json!({ "detail": expected })),
            "{body}"
        );
    };
    let fault = |kind: &str, loc: &[Value], msg: &str, input: Value| json!({ "type": kind, "loc": loc, "msg": msg, "input": input });
    let with = |mut fault: Value, ctx: Value| {
        fault["ctx"] = ctx;
        fault
    };
    let loc = |steps: &[&str]| -> Vec<Value> {
        let steps = std::iter::once(&"body").chain(steps);
        steps
            .map(|step| {
                step.parse::<usize>()
                    .map_or(json!(step), |index| json!(index))
            })
            .collect()
    };
    let least = |steps: &[&str], least: u32| {
        let msg = format!("Input should be greater than or equal to {least}");
        with(
            fault("greater_than_equal", &loc(steps), &msg, json!("***")),
            json!({ "ge": least }),
        )
    };
    let most = |steps: &[&str], most: f64| {
        let msg = format!("Input should be less than or equal to {most}");
        with(
            fault("less_than_equal", &loc(steps), &msg, json!("***")),
            json!({ "le": most }),
        )
    };
    let pattern = |steps: &[&str]| {
        const PATTERN: &str = "^[a-zA-Z0-9_.:-]+$";
        let msg = format!("String should match pattern '{PATTERN}'");
        with(
            fault("string_pattern_mismatch", &loc(steps), &msg, json!("***")),
            json!({ "pattern": PATTERN }),
        )
    };
    let no_object = "Input should be a valid dictionary or object to extract fields from";
    let no_object =
        |steps: &[&str], input| fault("model_attributes_type", &loc(steps), no_object, input);
    let body = json!({
        "allowed_tools": ["a", "b c", 5],
        "blocked_tools": "a",
        "max_actions_per_hour": 0,
        "max_calls_per_tool": { "a": 0, "b c": 0 },
        "max_spend_usd_per_day": 1e10,
        "pricing_rules": [{ "tool": "a" }, 5, { "tool": "b", "price_usd": 2e6 }],
    });
    let expected = json!([
        pattern(&["allowed_tools", "1"]),
        fault(
            "string_type",
            &loc(&["allowed_tools", "2"]),
            "Input should be a valid string",
            json!("***")
        ),
        fault(
            "list_type",
            &loc(&["blocked_tools"]),
            "Input should be a valid list",
            json!("***")
        ),
        least(&["max_actions_per_hour"], 1),
        least(&["max_calls_per_tool", "a"], 1),
        // Pydantic shows the key; it may be a misplaced secret.
        pattern(&["max_calls_per_tool", "***", "[key]"]),
        least(&["max_calls_per_tool", "***"], 1),
        most(&["max_spend_usd_per_day"], 1e9),
        fault(
            "missing",
            &loc(&["pricing_rules", "0", "price_usd"]),
            "Field required",
            json!({})
        ),
        no_object(&["pricing_rules", "1"], json!("***")),
        most(&["pricing_rules", "2", "price_usd"], 1e6),
    ]);
    check("/bot", body.clone(), expected.clone()).await;
    // The same within overrides, after what is wrong with the template.
    let words = "'strict', 'moderate', 'permissive', 'read_only' or 'support_bot'";
    let msg = format!("Input should be {words}");
    let lax = fault("literal_error", &loc(&["template"]), &msg, json!("***"));
    let mut all = vec![with(lax, json!({ "expected": words }))];
    for inner in expected.as_array().unwrap() {
        let mut outer = inner.clone();
        outer["loc"]
            .as_array_mut()
            .unwrap()
            .insert(1, json!("overrides"));
        all.push(outer);
    }
    check(
        "/bot/from-template",
        json!({ "template": "lax", "overrides": body }),
        json!(all),
    )
    .await;

    let map = fault(
        "dict_type",
        &loc(&["max_calls_per_tool"]),
        "Input should be a valid dictionary",
        json!([]),
    );
    check("/bot", json!({ "max_calls_per_tool": [] }), json!([map])).await;
    check("/bot", json!([]), json!([no_object(&[], json!([]))])).await;
    let over = no_object(&["overrides"], json!([]));
    check(
        "/bot/from-template",
        json!({ "template": "strict", "overrides": [] }),
        json!([over]),
    )
    .await;
    let missing = fault("missing", &loc(&["template"]), "Field required", json!({}));
    check("/bot/from-template", json!({}), json!([missing])).await;
    let other = fault(
        "value_error",
        &loc(&["agent_id"]),
        "Value error, it is not the path's agent",
        json!("***"),
    );
    let other = with(other, json!({ "error": "it is not the path's agent" }));
    check("/bot", json!({ "agent_id": "other" }), json!([other])).await;

    let many: Vec<_> = (0..1_001).map(|number| format!("t{number}")).collect();
    let msg = "List should have at most 1000 items after validation, not 1001";
    let long = fault("too_long", &loc(&["allowed_tools"]), msg, json!([]));
    let ctx = json!({ "field_type": "List", "max_length": 1000, "actual_length": 1001 });
    check(
        "/bot",
        json!({ "allowed_tools": many }),
        json!([with(long, ctx)]),
    )
    .await;
    let map: Map<_, _> = many.iter().map(|tool| (tool.clone(), json!(1))).collect();
    let msg = "Dictionary should have at most 1000 items after validation, not more";
    let long = fault("too_long", &loc(&["max_calls_per_tool"]), msg, json!({}));
    let ctx = json!({ "field_type": "Dictionary", "max_length": 1000, "actual_length": null });
    check(
        "/bot",
        json!({ "max_calls_per_tool": map }),
        json!([with(long, ctx)]),
    )
    .await;
}

// spec: POLICY-8 API-2
#[tokio::test]
async fn a_file_that_cannot_be_edited_is_told() {
    let mut door = Door::new(Some(TOKEN), Ok(()));
    let edit: Edit = Box::new(|_| {
        let reason = "`policies` is an alias".to_owned();
        Box::pin(async {
            Err(EditError::NotEditable {
                line: Some(7),
                reason,
            })
        })
    });
    door.api = door.api.editable(edit, false);
    let answer = World { door }.post("/bot", &json!({})).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["detail"]["error"], "registry_not_editable");
    assert_eq!(answer.json()["detail"]["line"], 7);
}
