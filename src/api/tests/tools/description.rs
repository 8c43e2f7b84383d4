//! The API's description of itself.

use super::*;

/// The document is held against the reference's own bodies and real answers, by the part of JSON
/// Schema that it uses.
// spec: API-4
#[tokio::test]
async fn the_description_fits_what_is_asked_and_answered() {
    let desk = Desk::new();
    let described = desk.get("/openapi.json").await;
    assert_eq!(described.status, 200);
    let document = described.json();
    assert_eq!(document["openapi"], "3.1.0");
    let listed: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let paths = [
        "/v1/tools",
        "/v1/tools/{name}",
        "/v1/tools/{name}/toggle",
        "/v1/ai/run",
        "/v1/registry",
        "/v1/registry/reload",
        "/quit",
        "/openapi.json",
        "/metrics",
        "/healthz",
        "/readyz",
        "/v1/policies",
        "/v1/policies/{agent_id}",
        "/v1/policies/{agent_id}/from-template",
        "/v1/agents/{agent_id}/disable",
        "/v1/agents/{agent_id}/enable",
        "/v1/agents/{agent_id}/logs",
        "/v1/agents/{agent_id}/metrics",
        "/v1/audit",
        "/v1/me",
        "/v1/me/notifications",
        "/v1/usage",
        "/v1/usage/all",
        "/v1/metrics",
        "/v1/check-lock",
        "/v1/ai/lease",
        "/v1/ai/extend",
        "/v1/ai/complete",
        "/v1/ai/fail",
        "/v1/ai/cancel",
        "/v1/ai/status",
        "/v1/ai/result",
        "/v1/events",
        "/v1/runs",
        "/v1/runs/{run_id}",
    ];
    assert_eq!(listed, paths);

    let schemas = &document["components"]["schemas"];
    let toggle = json!({ "enabled": true });
    for (schema, body) in [("ToolWrite", &reference()), ("Toggle", &toggle)] {
        fits(&document, &schemas[schema], body, schema);
    }
    for required in ["name", "url", "auth"] {
        let names = schemas["ToolWrite"]["required"].as_array().unwrap();
        assert!(names.contains(&json!(required)));
    }
    let name = "/v1/tools/send_email";
    let toggled = "/v1/tools/send_email/toggle";
    for (template, method, path, body) in [
        (
            "/v1/tools",
            Method::POST,
            "/v1/tools",
            reference().to_string(),
        ),
        ("/v1/tools", Method::POST, "/v1/tools", "{}".to_owned()),
        ("/v1/tools", Method::POST, "/v1/tools", "{".to_owned()),
        ("/v1/tools", Method::GET, "/v1/tools", String::new()),
        (
            "/v1/tools",
            Method::GET,
            "/v1/tools?scope_id=x",
            String::new(),
        ),
        ("/v1/tools/{name}", Method::GET, name, String::new()),
        (
            "/v1/tools/{name}",
            Method::GET,
            "/v1/tools/x",
            String::new(),
        ),
        (
            "/v1/tools/{name}/toggle",
            Method::POST,
            toggled,
            toggle.to_string(),
        ),
        ("/v1/tools/{name}", Method::DELETE, name, String::new()),
        ("/v1/registry", Method::GET, "/v1/registry", String::new()),
        ("/openapi.json", Method::GET, "/openapi.json", String::new()),
        ("/quit", Method::POST, "/quit", String::new()),
    ] {
        let verb = method.as_str().to_lowercase();
        let answer = desk.ask(method, path, &body).await;
        let response = &document["paths"][template][verb]["responses"][answer.status.to_string()];
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} {}", answer.status);
        fits(&document, schema, &answer.json(), path);
    }
}

/// Panics unless `value` has the type and the members that `schema` says.
pub(in crate::api::tests) fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return fits(document, target.unwrap(), value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = &schema["type"];
    let is_allowed = allowed.is_null()
        || allowed == kind
        || allowed
            .as_array()
            .is_some_and(|kinds| kinds.contains(&json!(kind)));
    assert!(is_allowed, "{place}: {kind} is not {allowed}");
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item, place);
    }
    let Some(members) = value.as_object() else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            members.contains_key(required.as_str().unwrap()),
            "{place}: {required}"
        );
    }
    for (name, member) in members {
        match schema["properties"].get(name) {
            Some(schema) => fits(document, schema, member, &format!("{place}.{name}")),
            None => assert_ne!(schema["additionalProperties"], false, "{place}.{name}"),
        }
    }
}
