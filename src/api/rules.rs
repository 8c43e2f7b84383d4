//! What a field may hold: each rule reads a JSON value as Pydantic does in its lax mode, and
//! describes itself as a JSON schema.
//!
//! Lax means that `"300"` is a number and `"yes"` is true, which clients of the hosted API may rely
//! on. A rule knows neither its field's name nor where it stands.

mod object;
mod scalar;
mod text;
mod word;

use serde_json::{Value, json};

use crate::api::fault::Broken;

pub use object::SizedObject;
pub use scalar::{Amount, Count, Dollars, Flag, Whole};
pub use text::{Agent, Key, Name, Scope, ScopeOrAll, Text, Url, Word};
pub use word::{Date, OneOf};

/// How a value is read and described.
pub trait Rule {
    /// What reading makes of it.
    type Value;

    /// Reads a value.
    fn parse(&self, value: &Value) -> Result<Self::Value, Broken>;

    /// The JSON schema of the values that it reads.
    fn schema(&self) -> Value;
}

/// What another rule reads, or `null`.
#[derive(Debug)]
pub struct OrNull<R>(pub R);

impl<R: Rule> Rule for OrNull<R> {
    type Value = Option<R::Value>;

    fn parse(&self, value: &Value) -> Result<Self::Value, Broken> {
        unless_null(&self.0, value)
    }

    fn schema(&self) -> Value {
        let mut schema = self.0.schema();
        match schema.get_mut("anyOf").and_then(Value::as_array_mut) {
            Some(choices) => choices.push(json!({ "type": "null" })),
            None => {
                let kind = schema["type"].take();
                schema["type"] = json!([kind, "null"]);
            }
        }
        schema
    }
}

/// Like [`OrNull`], but only the value is described: `null` is for those who say that they leave
/// the field out.
#[derive(Debug)]
pub struct Kept<R>(pub R);

impl<R: Rule> Rule for Kept<R> {
    type Value = Option<R::Value>;

    fn parse(&self, value: &Value) -> Result<Self::Value, Broken> {
        unless_null(&self.0, value)
    }

    fn schema(&self) -> Value {
        self.0.schema()
    }
}

/// An object, whatever is in it; `null` is one without anything.
#[derive(Debug)]
pub struct Object;

impl Rule for Object {
    type Value = ();

    fn parse(&self, value: &Value) -> Result<(), Broken> {
        match value {
            Value::Object(_) | Value::Null => Ok(()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(
                Broken::plain("dict_type", "Input should be a valid dictionary"),
            ),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": ["object", "null"] })
    }
}

fn unless_null<R: Rule>(rule: &R, value: &Value) -> Result<Option<R::Value>, Broken> {
    if value.is_null() {
        return Ok(None);
    }
    rule.parse(value).map(Some)
}

#[cfg(test)]
mod tests;
