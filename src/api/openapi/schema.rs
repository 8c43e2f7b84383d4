//! The schemas that others are made of.

use serde_json::{Map, Value, json};

/// Any text.
pub fn string() -> Value {
    json!({ "type": "string" })
}

/// True or false.
pub fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number, not negative.
pub fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// A number, not negative.
pub fn amount() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

/// What the schema says, or null.
pub fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

/// Null alone.
pub fn nothing() -> Value {
    json!({ "type": "null" })
}

/// A time of RFC 3339.
pub fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A list of what stands under this name in the description.
pub fn list_of(schema: &str) -> Value {
    array(reference(schema))
}

/// A list.
pub fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// One of these words.
pub fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// What stands under this name in the description.
pub fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// An object that has exactly these members.
pub fn exactly(properties: Value) -> Value {
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
