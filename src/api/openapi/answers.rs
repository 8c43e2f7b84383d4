//! The shapes of answers. A test holds real ones against them.

mod governed;

use serde_json::{Value, json};

use crate::api::fields::TOOL;
use crate::api::openapi::policies;
use crate::api::openapi::schema::{
    amount, array, boolean, exactly, list_of, number, or_null, reference, string, word,
};

/// All of them, by the names that the description has for them.
pub fn all() -> Vec<(&'static str, Value)> {
    [
        &tools()[..],
        &registry(),
        &refusals(),
        &[("Ruling", ruling()), ("Document", document())],
        &[("Quitting", quitting())],
        &policies::answers(),
        &governed::agents(),
        &governed::leases(),
        &governed::events(),
        &governed::counts(),
    ]
    .concat()
}

fn yes() -> Value {
    json!({ "type": "boolean", "const": true })
}

fn tools() -> [(&'static str, Value); 4] {
    let field = |name: &str| {
        let field = TOOL.iter().find(|field| field.name() == name);
        let mut schema = field.expect("named as in the table").schema();
        // A default is for whoever leaves the field out, and an answer does not.
        schema
            .as_object_mut()
            .map(|schema| schema.remove("default"));
        schema
    };
    let tool = exactly(json!({
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
    }));
    let deleted = exactly(json!({
        "ok": yes(),
        "deleted": field("name"),
        "scope_id": field("scope_id"),
    }));
    [
        ("Tool", tool),
        ("Tools", list_of("Tool")),
        (
            "Toggled",
            exactly(json!({ "name": field("name"), "enabled": boolean() })),
        ),
        ("Deleted", deleted),
    ]
}

fn quitting() -> Value {
    exactly(json!({
        "ok": yes(),
        "status": { "type": "string", "const": "draining" },
    }))
}

fn registry() -> [(&'static str, Value); 2] {
    let registry = exactly(json!({
        "generation": number(),
        "tools": number(),
        "source": or_null(string()),
        "loaded_at": { "type": "string", "format": "date-time" },
        "last_reload_successful": boolean(),
        "errors": array(string()),
        "limits": exactly(json!({
            "buffered_body_bytes": number(),
            "max_buffered_bytes": number(),
            "max_body_bytes": number(),
        })),
        "limited_tools": array(reference("LimitedTool")),
    }));
    // What the tool does not have is null.
    let limited_tool = exactly(json!({
        "name": string(),
        "scope_id": string(),
        "in_flight": or_null(number()),
        "queued": or_null(number()),
        "max_concurrency": or_null(number()),
        "rate_limit": or_null(exactly(json!({
            "per_second": amount(),
            "burst": number(),
            "available": number(),
        }))),
        "circuit": or_null(exactly(json!({
            "state": word(&["closed", "half_open", "open"]),
            "calls": number(),
            "failures": number(),
            "failure_ratio": amount(),
            "min_calls": number(),
            "open_ms": number(),
            "retry_after_ms": number(),
        }))),
    }));
    [("Registry", registry), ("LimitedTool", limited_tool)]
}

fn refusals() -> [(&'static str, Value); 3] {
    let loc = || array(json!({ "type": ["string", "integer"] }));
    let detail = |detail: Value| exactly(json!({ "detail": detail }));
    let error = exactly(json!({ "type": string(), "loc": loc(), "msg": string() }));
    let fault = json!({
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
    });
    let coded = json!({
        "type": "object",
        "properties": { "error": string(), "message": string() },
        "required": ["error"],
    });
    [
        ("RegistryErrors", detail(array(error))),
        ("Faults", detail(array(fault))),
        ("Refusal", detail(json!({ "anyOf": [string(), coded] }))),
    ]
}

fn ruling() -> Value {
    let mut ruling = exactly(json!({
        "ok": boolean(),
        "allowed": boolean(),
        "decision": word(&["executed", "blocked", "dedup", "failed"]),
        "policy_reason": string(),
        "risk_level": word(&["low", "medium", "high"]),
    }));
    // Nothing comes of most calls that are blocked.
    ruling["properties"]["result"] = json!({ "type": "object" });
    ruling
}

fn document() -> Value {
    json!({
        "type": "object",
        "properties": { "openapi": string() },
        "required": ["openapi", "info", "paths"],
    })
}
