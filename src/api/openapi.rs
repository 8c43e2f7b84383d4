//! The API's description in OpenAPI 3.1, made from the tables that route and read requests.
//!
//! Only the shapes of answers are written down here, and a test holds real answers against them.

use serde_json::{Map, Value, json};

use crate::api::fields::{Described, TOOL, object_schema};
use crate::api::routes::{Action, ENDPOINTS, Endpoint};

/// The whole description.
// spec: API-4
pub fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in &ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        for method in endpoint.verb.methods() {
            path[method.as_str().to_lowercase()] = operation(endpoint, method.as_str());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The tool registry of a Countersign sidecar, in the shapes of the \
                            hosted Tools API, and what operators ask of the process.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(endpoint: &Endpoint, method: &str) -> Value {
    let mut operation = json!({
        "operationId": operation_id(endpoint.action, method),
        "summary": endpoint.about,
        "responses": responses(endpoint),
    });
    let parameters = parameters(endpoint);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some((name, _)) = endpoint.body {
        operation["requestBody"] = json!({ "required": true, "content": json_content(name) });
    }
    if !endpoint.action.is_open() {
        operation["security"] = json!([{ "bearer": [] }]);
    }
    operation
}

fn operation_id(action: Action, method: &str) -> String {
    let id = match action {
        Action::Metrics => "metrics",
        Action::Health => "health",
        Action::Ready => "readiness",
        Action::Registry => "registry",
        Action::Reload => "reload_registry",
        Action::Describe => "openapi",
        Action::ListTools => "list_tools",
        Action::PutTool => "put_tool",
        Action::ShowTool => "get_tool",
        Action::ToggleTool => "toggle_tool",
        Action::DeleteTool => "delete_tool",
    };
    match method {
        "HEAD" => format!("{id}_head"),
        _ => id.to_owned(),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    // The one thing that a path can hold is the name of a tool.
    let in_path = endpoint.path.contains("{name}").then(|| {
        let name = TOOL.iter().find(|field| field.name() == "name");
        let name = name.expect("a tool has a name");
        parameter("path", *name, true)
    });
    let in_query = endpoint.query.iter();
    let in_query = in_query.map(|field| parameter("query", *field, field.is_required()));
    in_path.into_iter().chain(in_query).collect()
}

fn parameter(place: &str, field: &dyn Described, required: bool) -> Value {
    json!({
        "name": field.name(),
        "in": place,
        "required": required,
        "description": field.about(),
        "schema": field.schema(),
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let action = endpoint.action;
    let mut responses = json!({ "200": success(action) });
    let mut refusal = |status: &str, about: &str, schema: &str| {
        responses[status] = json!({ "description": about, "content": json_content(schema) });
    };
    if !action.is_open() {
        refusal("401", "There is no bearer token.", "Refusal");
        refusal(
            "403",
            "The token is wrong, or none is configured.",
            "Refusal",
        );
    }
    if endpoint.path.contains("{name}") {
        refusal("404", "There is no such tool.", "Refusal");
    }
    if endpoint.body.is_some() {
        refusal("400", "The body cannot be read.", "Refusal");
        refusal("408", "The body did not arrive in time.", "Refusal");
        refusal("413", "The body is too large.", "Refusal");
    }
    if endpoint.body.is_some() || !endpoint.query.is_empty() {
        refusal("422", "Every field that is wrong.", "Faults");
    }
    if action.is_edit() {
        let about = "The registry file cannot be written, cannot be edited safely, or has errors.";
        refusal("409", about, "Refusal");
        refusal("500", "The registry file could not be written.", "Refusal");
        refusal("503", "Others are writing the registry file.", "Refusal");
    }
    if action == Action::Reload {
        refusal("422", "Every error of the registry file.", "RegistryErrors");
    }
    if action == Action::Ready {
        responses["503"] = text("Calls should go elsewhere, and why.");
    }
    responses
}

fn success(action: Action) -> Value {
    let (about, schema) = match action {
        Action::Metrics => return text("The metrics."),
        Action::Health => return text("It runs."),
        Action::Ready => return text("Calls are welcome."),
        Action::Registry | Action::Reload => ("The state of the registry.", "Registry"),
        Action::Describe => ("This description.", "Document"),
        Action::ListTools => ("The tools.", "Tools"),
        Action::PutTool => ("The tool as it is now in service.", "Tool"),
        Action::ShowTool => ("The tool.", "Tool"),
        Action::ToggleTool => ("What it is now.", "Toggled"),
        Action::DeleteTool => ("What was removed.", "Deleted"),
    };
    json!({ "description": about, "content": json_content(schema) })
}

fn text(about: &str) -> Value {
    let schema = json!({ "type": "string" });
    json!({ "description": about, "content": { "text/plain": { "schema": schema } } })
}

fn json_content(schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({ "application/json": { "schema": { "$ref": reference } } })
}

fn schemas() -> Value {
    let mut schemas = answers();
    let bodies = ENDPOINTS.iter().filter_map(|endpoint| endpoint.body);
    for (name, fields) in bodies {
        schemas[name] = object_schema(fields);
    }
    schemas
}

/// An object that has exactly these members.
fn exactly(properties: Value) -> Value {
    let names: Vec<_> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

fn answers() -> Value {
    let field = |name: &str| {
        let field = TOOL.iter().find(|field| field.name() == name);
        let mut schema = field.expect("named as in the table").schema();
        // A default is for whoever leaves the field out, and an answer does not.
        schema
            .as_object_mut()
            .map(|schema| schema.remove("default"));
        schema
    };
    let string = || json!({ "type": "string" });
    let boolean = || json!({ "type": "boolean" });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let strings = || json!({ "type": "array", "items": string() });
    let yes = || json!({ "type": "boolean", "const": true });
    let step = json!({ "type": ["string", "integer"] });
    let loc = || json!({ "type": "array", "items": step });
    json!({
        "Tool": exactly(json!({
            "name": field("name"),
            "scope_id": field("scope_id"),
            // What the operator's file says may be narrower or wider than what the API takes.
            "url": string(),
            "timeout_ms": number(),
            "max_retries": number(),
            "enabled": boolean(),
            "description": field("description"),
            "has_secret": yes(),
            "secret_id": string(),
            "secret_mask": string(),
        })),
        "Tools": { "type": "array", "items": { "$ref": "#/components/schemas/Tool" } },
        "Toggled": exactly(json!({ "name": field("name"), "enabled": boolean() })),
        "Deleted": exactly(json!({
            "ok": yes(),
            "deleted": field("name"),
            "scope_id": field("scope_id"),
        })),
        "Registry": exactly(json!({
            "generation": number(),
            "tools": number(),
            "source": { "type": ["string", "null"] },
            "loaded_at": { "type": "string", "format": "date-time" },
            "last_reload_successful": boolean(),
            "errors": strings(),
            "limits": exactly(json!({
                "buffered_body_bytes": number(),
                "max_buffered_bytes": number(),
                "max_body_bytes": number(),
            })),
            "limited_tools": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/LimitedTool" },
            },
        })),
        "LimitedTool": limited_tool(),
        "RegistryErrors": exactly(json!({
            "detail": {
                "type": "array",
                "items": exactly(json!({ "type": string(), "loc": loc(), "msg": string() })),
            },
        })),
        "Faults": exactly(json!({
            "detail": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "type": string(),
                        "loc": loc(),
                        "msg": string(),
                        "input": { "description": "The kind of what was sent, never its content." },
                        "ctx": { "type": "object" },
                    },
                    "required": ["type", "loc", "msg", "input"],
                    "additionalProperties": false,
                },
            },
        })),
        "Refusal": exactly(json!({
            "detail": {
                "anyOf": [
                    string(),
                    {
                        "type": "object",
                        "properties": { "error": string(), "message": string() },
                        "required": ["error"],
                    },
                ],
            },
        })),
        "Document": {
            "type": "object",
            "properties": { "openapi": string() },
            "required": ["openapi", "info", "paths"],
        },
    })
}

fn limited_tool() -> Value {
    let number = || json!({ "type": "integer", "minimum": 0 });
    let decimal = || json!({ "type": "number", "minimum": 0 });
    // What the tool does not have is null.
    let or_null = |mut schema: Value| {
        schema["type"] = json!([schema["type"], "null"]);
        schema
    };
    exactly(json!({
        "name": { "type": "string" },
        "scope_id": { "type": "string" },
        "in_flight": or_null(number()),
        "queued": or_null(number()),
        "max_concurrency": or_null(number()),
        "rate_limit": or_null(exactly(json!({
            "per_second": decimal(),
            "burst": number(),
            "available": number(),
        }))),
        "circuit": or_null(exactly(json!({
            "state": { "type": "string", "enum": ["closed", "half_open", "open"] },
            "calls": number(),
            "failures": number(),
            "failure_ratio": decimal(),
            "min_calls": number(),
            "open_ms": number(),
            "retry_after_ms": number(),
        }))),
    }))
}
