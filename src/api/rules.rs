//! What a field may hold: each rule reads a JSON value as Pydantic does in its lax mode, and
//! describes itself as a JSON schema.
//!
//! Lax means that `"300"` is a number and `"yes"` is true, which clients of the hosted API may rely
//! on. A rule knows neither its field's name nor where it stands.

mod scalar;
mod text;

use serde_json::{Value, json};

use crate::api::fault::Broken;

pub use scalar::{Flag, Whole};
pub use text::{Key, Name, Scope, ScopeOrAll, Text, Url, Word};

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
        let kind = schema["type"].take();
        schema["type"] = json!([kind, "null"]);
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

fn unless_null<R: Rule>(rule: &R, value: &Value) -> Result<Option<R::Value>, Broken> {
    if value.is_null() {
        return Ok(None);
    }
    rule.parse(value).map(Some)
}

/// The verdicts of FastAPI 0.165 with Pydantic 2.14 on a model of these rules.
#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::registry::limits;

    fn check<R>(rule: &R, input: &Value, expected: Result<Value, (&str, &str, Value)>)
    where
        R: Rule<Value: Serialize>,
    {
        let read = rule.parse(input).map(|value| json!(value));
        let read = read.map_err(|broken| json!(broken.at(Vec::new(), &Value::Null)));
        let expected = expected.map_err(|(kind, msg, ctx)| {
            let mut fault = json!({ "type": kind, "loc": [], "msg": msg, "input": null });
            if !ctx.is_null() {
                fault["ctx"] = ctx;
            }
            fault
        });
        assert_eq!(read, expected, "{input}");
    }

    const NO_CTX: Value = Value::Null;

    #[test]
    fn whole_numbers_are_read_laxly() {
        let rule = Whole(limits::TIMEOUT_MS);
        for (input, number) in [
            (json!(250), 250),
            (json!(120_000), 120_000),
            (json!(300.0), 300),
            (json!("300"), 300),
            (json!(" 300 "), 300),
            (json!("+300"), 300),
            (json!("1_000"), 1000),
            (json!("300.0"), 300),
            (json!("00300"), 300),
        ] {
            check(&rule, &input, Ok(json!(number)));
        }
        let low = "Input should be greater than or equal to 250";
        let high = "Input should be less than or equal to 120000";
        for input in [
            json!(249),
            json!("-5"),
            json!("-0"),
            json!(true),
            json!("249"),
        ] {
            let fault = ("greater_than_equal", low, json!({ "ge": 250 }));
            check(&rule, &input, Err(fault));
        }
        let huge: Value = serde_json::from_str("1000000000000000000000000000000").unwrap();
        for input in [json!(120_001), json!(u64::MAX), huge, json!("9".repeat(40))] {
            let fault = ("less_than_equal", high, json!({ "le": 120_000 }));
            check(&rule, &input, Err(fault));
        }
        for text in [
            "", "abc", "300.5", "3e2", "0x12c", "300.", "_300", "1__000", "٣٠٠", "+-5", ".0",
        ] {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            check(&rule, &json!(text), Err(("int_parsing", msg, NO_CTX)));
        }
        let msg = "Input should be a valid integer, got a number with a fractional part";
        check(&rule, &json!(300.5), Err(("int_from_float", msg, NO_CTX)));
        for input in [json!(null), json!([]), json!({})] {
            let msg = "Input should be a valid integer";
            check(&rule, &input, Err(("int_type", msg, NO_CTX)));
        }
    }

    #[test]
    fn flags_are_read_laxly() {
        for input in [
            json!(true),
            json!(1),
            json!(1.0),
            json!("yes"),
            json!("on"),
            json!("t"),
            json!("Y"),
            json!("1"),
            json!("TRUE"),
        ] {
            check(&Flag, &input, Ok(json!(true)));
        }
        for input in [
            json!(false),
            json!(0),
            json!(0.0),
            json!("No"),
            json!("OFF"),
            json!("F"),
            json!("n"),
            json!("0"),
        ] {
            check(&Flag, &input, Ok(json!(false)));
        }
        for input in [json!(" true"), json!("maybe"), json!(""), json!(2)] {
            let msg = "Input should be a valid boolean, unable to interpret input";
            check(&Flag, &input, Err(("bool_parsing", msg, NO_CTX)));
        }
        for input in [json!(0.5), json!(null), json!([]), json!({})] {
            let msg = "Input should be a valid boolean";
            check(&Flag, &input, Err(("bool_type", msg, NO_CTX)));
        }
    }

    #[test]
    fn text_is_measured_in_characters() {
        let rule = OrNull(Text { min: 2, max: 4 });
        check(&rule, &json!("éé"), Ok(json!("éé")));
        check(&rule, &json!("🔑🔑🔑🔑"), Ok(json!("🔑🔑🔑🔑")));
        check(&rule, &json!(null), Ok(json!(null)));
        let short = "String should have at least 2 characters";
        let fault = ("string_too_short", short, json!({ "min_length": 2 }));
        check(&rule, &json!("é"), Err(fault));
        let long = "String should have at most 4 characters";
        let fault = ("string_too_long", long, json!({ "max_length": 4 }));
        check(&rule, &json!("ééééé"), Err(fault));
        for input in [json!(5), json!(true), json!([]), json!({})] {
            let msg = "Input should be a valid string";
            check(&rule, &input, Err(("string_type", msg, NO_CTX)));
        }
    }

    #[test]
    fn a_word_is_itself_and_nothing_else() {
        check(&Word("hmac_sha256"), &json!("hmac_sha256"), Ok(json!(null)));
        for input in [json!("HMAC_SHA256"), json!(null), json!(5), json!({})] {
            let ctx = json!({ "expected": "'hmac_sha256'" });
            let fault = ("literal_error", "Input should be 'hmac_sha256'", ctx);
            check(&Word("hmac_sha256"), &input, Err(fault));
        }
    }
}
