//! The API's description in OpenAPI 3.1, made from the tables that route and read requests.
//!
//! Only the shapes of answers are written down by hand, under `answers`.

mod answers;
mod governed;
mod policies;
mod schema;

use serde_json::{Map, Value, json};

use crate::api::fields::governed::{AGENT_ID, RUN_ID};
use crate::api::fields::{Described, TOOL, object_schema};
use crate::api::openapi::schema::{reference, string};
use crate::api::routes::{Action, Endpoint, Governed, endpoints};

/// The whole description.
// spec: API-4
pub fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints() {
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
            "description": "The tool registry of a Countersign sidecar, its agents, locks and leases, \
                            in the shapes of the hosted API, and what operators ask of the \
                            process.",
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
    if let Some((name, fields)) = endpoint.body {
        // A policy without fields allows everything, so it has to be said.
        let is_policy = matches!(endpoint.action, Action::Policy(_));
        let required = is_policy || fields.iter().any(|field| field.is_required());
        // A body that names a key asks for its lease.
        let content = if endpoint.action == Action::RunTool {
            either(&[name, "LeaseTake"])
        } else {
            json_content(name)
        };
        operation["requestBody"] = json!({ "required": required, "content": content });
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
        Action::Quit => "quit",
        Action::Describe => "openapi",
        Action::ListTools => "list_tools",
        Action::PutTool => "put_tool",
        Action::ShowTool => "get_tool",
        Action::ToggleTool => "toggle_tool",
        Action::DeleteTool => "delete_tool",
        Action::Governed(what) => governed::operation_id(what),
        Action::Policy(what) => policies::operation_id(what),
        Action::RunTool => "run_tool",
    };
    match method {
        "HEAD" => format!("{id}_head"),
        _ => id.to_owned(),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let of_a_tool = TOOL.iter().copied().find(|field| field.name() == "name");
    let of_a_tool = of_a_tool.expect("a tool has a name");
    let in_path = [of_a_tool, &AGENT_ID, &RUN_ID].into_iter();
    let in_path = in_path.filter(|field| endpoint.path.contains(&format!("{{{}}}", field.name())));
    let in_path = in_path.map(|field| parameter("path", field, true));
    let in_query = endpoint.query.iter();
    let in_query = in_query.map(|field| parameter("query", *field, field.is_required()));
    in_path.chain(in_query).collect()
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
    let status = if action == Action::Quit { "202" } else { "200" };
    let mut responses = json!({ status: success(action) });
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
    let names_more = endpoint.path.contains("{agent_id}") || endpoint.path.contains("{run_id}");
    if endpoint.body.is_some() || !endpoint.query.is_empty() || names_more {
        refusal("422", "Every field that is wrong.", "Faults");
    }
    if action.is_edit() {
        let about = "The registry file cannot be written, cannot be edited safely, or has errors.";
        refusal("409", about, "Refusal");
        refusal("500", "The registry file could not be written.", "Refusal");
        refusal("503", "Others are writing the registry file.", "Refusal");
    }
    if let Action::Governed(what) = action {
        for (status, about) in governed::refusals(what) {
            refusal(status, about, "Refusal");
        }
    }
    if let Action::Policy(what) = action {
        for (status, about) in policies::refusals(what) {
            refusal(status, about, "Refusal");
        }
    }
    if action == Action::RunTool {
        refusal("404", "There is no such tool.", "Refusal");
        refusal(
            "409",
            "The same call is under way and has no end yet.",
            "Refusal",
        );
        refusal("429", "The tool was called too often.", "Refusal");
        refusal("503", "Nothing was sent; it may be later.", "Refusal");
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
        Action::Quit => ("The end has begun.", "Quitting"),
        Action::Describe => ("This description.", "Document"),
        Action::ListTools => ("The tools.", "Tools"),
        Action::PutTool => ("The tool as it is now in service.", "Tool"),
        Action::ShowTool => ("The tool.", "Tool"),
        Action::ToggleTool => ("What it is now.", "Toggled"),
        Action::DeleteTool => ("What was removed.", "Deleted"),
        Action::Governed(Governed::Audit) => return governed::log(),
        Action::Governed(what) => governed::success(what),
        Action::Policy(what) => policies::success(what),
        Action::RunTool => {
            let about = "What was decided, and what came of it; or the lease.";
            return json!({ "description": about, "content": either(&["Ruling", "Lease"]) });
        }
    };
    json!({ "description": about, "content": json_content(schema) })
}

fn text(about: &str) -> Value {
    json!({ "description": about, "content": { "text/plain": { "schema": string() } } })
}

fn either(schemas: &[&str]) -> Value {
    let choices: Vec<_> = schemas.iter().copied().map(reference).collect();
    json!({ "application/json": { "schema": { "anyOf": choices } } })
}

fn json_content(schema: &str) -> Value {
    json!({ "application/json": { "schema": reference(schema) } })
}

fn schemas() -> Value {
    let answers = answers::all().into_iter();
    let bodies = endpoints().filter_map(|endpoint| endpoint.body);
    let bodies = bodies.map(|(name, fields)| (name, object_schema(fields)));
    answers
        .chain(bodies)
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}
