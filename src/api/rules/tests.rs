//! The verdicts of FastAPI 0.165 with Pydantic 2.14 on a model of these rules.

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
fn an_object_is_measured_in_bytes() {
    let rule = SizedObject { max_bytes: 10 };
    check(&rule, &json!({"a": "é"}), Ok(json!({"a": "é"})));
    check(&rule, &json!({}), Ok(json!({})));
    for input in [json!("{}"), json!([]), json!(null), json!(1), json!(true)] {
        let msg = "Input should be a valid dictionary";
        check(&rule, &input, Err(("dict_type", msg, NO_CTX)));
    }
    let reason = "it may have at most 10 bytes as JSON";
    let msg = "Value error, it may have at most 10 bytes as JSON";
    let fault = ("value_error", msg, json!({ "error": reason }));
    check(&rule, &json!({"a": "éé"}), Err(fault));
}

#[test]
fn one_of_some_words_is_named_with_the_others() {
    let rule = OneOf(&["hour", "day", "week"]);
    check(&rule, &json!("day"), Ok(json!("day")));
    for input in [json!("Day"), json!(""), json!(null), json!(1)] {
        let expected = "'hour', 'day' or 'week'";
        let msg = "Input should be 'hour', 'day' or 'week'";
        let fault = ("literal_error", msg, json!({ "expected": expected }));
        check(&rule, &input, Err(fault));
    }
}

#[test]
fn dollars_are_read_laxly() {
    for (input, dollars) in [
        (json!(0), 0.0),
        (json!(0.5), 0.5),
        (json!("0.25"), 0.25),
        (json!(" 1e2 "), 100.0),
        (json!(true), 1.0),
    ] {
        check(&Dollars, &input, Ok(json!(dollars)));
    }
    let low = "Input should be greater than or equal to 0";
    let fault = ("greater_than_equal", low, json!({ "ge": 0 }));
    check(&Dollars, &json!(-0.01), Err(fault));
    for text in ["nan", "inf", "1e999"] {
        let msg = "Input should be a finite number";
        check(&Dollars, &json!(text), Err(("finite_number", msg, NO_CTX)));
    }
    for text in ["", "abc", "1,5", "$1"] {
        let msg = "Input should be a valid number, unable to parse string as a number";
        check(&Dollars, &json!(text), Err(("float_parsing", msg, NO_CTX)));
    }
    for input in [json!([]), json!({})] {
        let msg = "Input should be a valid number";
        check(&Dollars, &input, Err(("float_type", msg, NO_CTX)));
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
