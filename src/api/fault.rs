//! What is wrong with a request, one entry for each field, in the words of Pydantic.
//!
//! Clients of the hosted API know these words. Its habit of sending the faulty input back is not
//! kept: a caller's log would hold the secret of every request with a typing error. What stands in
//! the place of an input tells its kind and nothing of its content.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use crate::rule::{Rule, Violation};

/// Stands for every number and every text.
const REDACTED: &str = "***";

/// One entry of a 422's list.
// spec: API-2
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    r#type: &'static str,
    loc: Vec<Step>,
    msg: Cow<'static, str>,
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

/// One step on the way to a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// A member of an object.
    Name(Cow<'static, str>),
    /// An element of a list, or a position in a text.
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::Name(name.into())
    }
}

/// The rule that a value breaks, before it is known where the value stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    kind: &'static str,
    msg: Cow<'static, str>,
    ctx: Option<Value>,
}

impl Broken {
    /// A rule without parameters.
    pub const fn plain(kind: &'static str, msg: &'static str) -> Self {
        Self {
            kind,
            msg: Cow::Borrowed(msg),
            ctx: None,
        }
    }

    /// A rule whose parameters clients find in `ctx`.
    pub fn with(kind: &'static str, msg: String, ctx: Value) -> Self {
        Self {
            kind,
            msg: Cow::Owned(msg),
            ctx: Some(ctx),
        }
    }

    /// A required field that is not there.
    pub const MISSING: Self = Self::plain("missing", "Field required");

    /// Anything that is not an object.
    pub const NOT_AN_OBJECT: Self = Self::plain(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    );

    /// A text that is no URL of a tool.
    pub fn url(reason: &str) -> Self {
        let msg = format!("Input should be a valid URL, {reason}");
        Self::with("url_parsing", msg, json!({ "error": reason }))
    }

    /// A rule that has a sentence and no type of its own.
    pub fn value(reason: &str) -> Self {
        let msg = format!("Value error, {reason}");
        Self::with("value_error", msg, json!({ "error": reason }))
    }

    /// The entry for a value that stood at `loc`.
    pub fn at(self, loc: Vec<Step>, input: &Value) -> Fault {
        Fault {
            r#type: self.kind,
            loc,
            msg: self.msg,
            input: redacted(input),
            ctx: self.ctx,
        }
    }
}

impl Fault {
    /// A body that is not JSON, and from which character on.
    pub fn not_json(position: usize, error: &str) -> Self {
        let broken = Broken {
            ctx: Some(json!({ "error": error })),
            ..Broken::plain("json_invalid", "JSON decode error")
        };
        broken.at(vec!["body".into(), Step::Index(position)], &json!({}))
    }

    /// A rule that the registry found broken when it put the tool together.
    pub fn of_violation(violation: &Violation) -> Self {
        let loc = loc_of(&violation.field);
        let (broken, input) = match &violation.rule {
            Rule::Required => (Broken::MISSING, json!({})),
            Rule::Invalid(reason) if violation.field == "url" => {
                (Broken::url(reason), json!(REDACTED))
            }
            Rule::Range { .. }
            | Rule::TooShort { .. }
            | Rule::TooLong { .. }
            | Rule::Pattern(_)
            | Rule::OneOf(_)
            | Rule::Invalid(_) => (Broken::value(&violation.rule.to_string()), json!(REDACTED)),
        };
        broken.at(loc, &input)
    }
}

/// `auth.secret` and `retry_on[2]` as steps; what follows `headers.` is one name, dots or not.
fn loc_of(field: &str) -> Vec<Step> {
    let mut loc = vec!["body".into()];
    let (outer, inner) = match field.split_once('.') {
        Some((outer, inner)) => (outer, Some(inner)),
        None => (field, None),
    };
    match outer
        .strip_suffix(']')
        .and_then(|outer| outer.split_once('['))
    {
        Some((name, index)) => {
            loc.push(Step::Name(name.to_owned().into()));
            loc.extend(index.parse().ok().map(Step::Index));
        }
        None => loc.push(Step::Name(outer.to_owned().into())),
    }
    loc.extend(inner.map(|inner| Step::Name(inner.to_owned().into())));
    loc
}

/// What kind of value it was. A number may be a secret as well as a text may; true and false say
/// nothing.
// spec: API-2
fn redacted(input: &Value) -> Value {
    match input {
        Value::Null | Value::Bool(_) => input.clone(),
        Value::Number(_) | Value::String(_) => json!(REDACTED),
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_becomes_an_entry_at_its_field() {
        let check = |field: &'static str, rule: Rule, expected: Value| {
            let fault = Fault::of_violation(&Violation::new(field, rule));
            assert_eq!(serde_json::to_value(fault).unwrap(), expected);
        };
        check(
            "auth.secret",
            Rule::Required,
            json!({
                "type": "missing",
                "loc": ["body", "auth", "secret"],
                "msg": "Field required",
                "input": {},
            }),
        );
        check(
            "url",
            Rule::Invalid("must name a host".into()),
            json!({
                "type": "url_parsing",
                "loc": ["body", "url"],
                "msg": "Input should be a valid URL, must name a host",
                "input": "***",
                "ctx": { "error": "must name a host" },
            }),
        );
        check(
            "headers.X-Api.Key",
            Rule::Invalid("is there more than once".into()),
            json!({
                "type": "value_error",
                "loc": ["body", "headers", "X-Api.Key"],
                "msg": "Value error, is there more than once",
                "input": "***",
                "ctx": { "error": "is there more than once" },
            }),
        );
        check(
            "retry_on[2]",
            Rule::OneOf(&["408"]),
            json!({
                "type": "value_error",
                "loc": ["body", "retry_on", 2],
                "msg": "Value error, must be 408",
                "input": "***",
                "ctx": { "error": "must be 408" },
            }),
        );
    }

    #[test]
    fn an_input_is_told_by_its_kind_alone() {
        for (input, shown) in [
            (json!("supersecret"), json!("***")),
            (json!(""), json!("***")),
            (json!(12_345_678), json!("***")),
            (json!(1.5), json!("***")),
            (json!(true), json!(true)),
            (json!(null), json!(null)),
            (json!({"secret": "supersecret"}), json!({})),
            (json!(["supersecret"]), json!([])),
        ] {
            assert_eq!(redacted(&input), shown);
        }
    }
}
