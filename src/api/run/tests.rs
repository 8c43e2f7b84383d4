//! Bodies in, calls or every fault out. The faults are those of FastAPI with Pydantic 2 for the same
//! model, but for what they tell of the input.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::*;

fn read(body: &str) -> Result<RunRequest, Failure> {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, json);
    RunRequest::read(&headers, body.as_bytes())
}

#[track_caller]
fn faults(body: &str) -> Value {
    match read(body) {
        Err(Failure::Invalid(faults)) => json!(faults),
        other => panic!("{body}: {other:?}"),
    }
}

fn fault(kind: &str, loc: &[&str], msg: &str, input: Value) -> Value {
    let loc: Vec<_> = ["body"].iter().chain(loc).collect();
    json!({ "type": kind, "loc": loc, "msg": msg, "input": input })
}

// spec: GOV-1
#[test]
fn arguments_stay_as_they_were_written() {
    let args = "{ \"b\" : 1.0,\"a\":\"\\u00e9é\",\"n\":12345678901234567890123 }";
    let body = format!(
        "{{\"tool\":\"t\",\"args\": {args} ,\"agent_id\":\"bot\",\"spend_usd\":\"0.5\",\"x\":[]}}"
    );
    let request = read(&body).unwrap();
    assert_eq!(request.args.get(), args);
    assert_eq!(
        (request.agent.as_str(), request.tool.as_str()),
        ("bot", "t")
    );
    assert_eq!(request.spend_usd, Some(0.5));
}

#[test]
fn what_is_left_out_has_its_default() {
    for args in ["", ",\"args\":null", ",\"args\":{}"] {
        let body = format!("{{\"agent_id\":\"a\",\"tool\":\"t\"{args}}}");
        let request = read(&body).unwrap();
        assert_eq!((request.args.get(), request.spend_usd), ("{}", None));
    }
}

#[test]
fn of_two_members_of_one_name_the_later_counts() {
    let request = read(r#"{"agent_id":"a","tool":"t","tool":"u","args":{},"args":{"x":1}}"#);
    let request = request.unwrap();
    assert_eq!(
        (request.tool.as_str(), request.args.get()),
        ("u", "{\"x\":1}")
    );
}

// spec: API-2 GOV-1
#[test]
fn every_field_that_is_wrong_is_told() {
    let pattern = "^[!-~]{1,128}$";
    let mut agent = fault(
        "string_pattern_mismatch",
        &["agent_id"],
        &format!("String should match pattern '{pattern}'"),
        json!("***"),
    );
    agent["ctx"] = json!({ "pattern": pattern });
    let mut spend = fault(
        "greater_than_equal",
        &["spend_usd"],
        "Input should be greater than or equal to 0",
        json!("***"),
    );
    spend["ctx"] = json!({ "ge": 0 });
    assert_eq!(
        faults(r#"{"agent_id":"a b","tool":7,"args":[1],"spend_usd":-1}"#),
        json!([
            agent,
            fault(
                "string_type",
                &["tool"],
                "Input should be a valid string",
                json!("***")
            ),
            fault(
                "dict_type",
                &["args"],
                "Input should be a valid dictionary",
                json!([])
            ),
            spend,
        ])
    );
    assert_eq!(
        faults("{}"),
        json!([
            fault("missing", &["agent_id"], "Field required", json!({})),
            fault("missing", &["tool"], "Field required", json!({})),
        ])
    );
}

#[test]
fn what_has_no_canonical_form_is_a_fault_of_the_arguments() {
    for (args, rule) in [
        (
            r#"{"a":1,"a":2}"#.to_owned(),
            "args must not have a name twice in one object",
        ),
        (
            r#"{"a":"\ud800"}"#.to_owned(),
            "args must not have half a surrogate pair in a string",
        ),
        (
            r#"{"a":1e999}"#.to_owned(),
            "args must not have a number beyond the range of a double",
        ),
        (
            format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)),
            "args must not be nested deeper than 128 levels",
        ),
    ] {
        let mut expected = fault(
            "value_error",
            &["args"],
            &format!("Value error, {rule}"),
            json!({}),
        );
        expected["ctx"] = json!({ "error": rule });
        let body = format!("{{\"agent_id\":\"a\",\"tool\":\"t\",\"args\":{args}}}");
        assert_eq!(faults(&body), json!([expected]));
    }
}

#[test]
fn what_is_no_object_is_one_fault() {
    let msg = "Input should be a valid dictionary or object to extract fields from";
    for (body, input) in [
        ("[]", json!([])),
        ("7", json!("***")),
        ("null", json!(null)),
    ] {
        let expected = json!([fault("model_attributes_type", &[], msg, input)]);
        assert_eq!(faults(body), expected);
    }
    assert_eq!(faults("")[0]["type"], "missing");
    let told = faults("{\"agent_id\":\"a\",}");
    assert_eq!(
        (&told[0]["type"], &told[0]["loc"]),
        (&json!("json_invalid"), &json!(["body", 16]))
    );
    assert!(matches!(
        RunRequest::read(&HeaderMap::new(), b"{}"),
        Err(Failure::Invalid(_))
    ));
}

/// Half a body of brackets would be sixteen times as large if it were taken apart.
#[test]
fn what_nobody_looks_at_is_not_taken_apart() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let body = format!("{{\"agent_id\":\"a\",\"tool\":\"t\",\"more\":{deep}}}");
    assert_eq!(read(&body).unwrap().args.get(), "{}");
    let body = format!("{{\"agent_id\":{deep},\"tool\":\"t\"}}");
    let expected = fault(
        "string_type",
        &["agent_id"],
        "Input should be a valid string",
        json!([]),
    );
    assert_eq!(faults(&body), json!([expected]));
}

// spec: GOV-1 LEASE-1
#[test]
fn a_key_asks_for_a_lease_and_a_tool_for_a_call() {
    for (body, is_lease) in [
        (r#"{"key":"k"}"#, true),
        (r#"{"key":7,"tool":null}"#, true),
        (r#"{"key":null,"agent_id":"a","tool":"t"}"#, false),
        (r#"{"agent_id":"a","tool":"t"}"#, false),
        (r#"{"key":"k","tool":"t"}"#, false),
        (r#"{"key":"k","agent_id":"a"}"#, false),
        (r#"["key"]"#, false),
        ("", false),
    ] {
        assert_eq!(asks_for_a_lease(body.as_bytes()), is_lease, "{body}");
    }
    let reason = "a body that names a tool has no key: a lease is taken on the admin listener, by \
                  a key alone";
    let mut expected = fault(
        "value_error",
        &["key"],
        &format!("Value error, {reason}"),
        json!("***"),
    );
    expected["ctx"] = json!({ "error": reason });
    let both = r#"{"key":"k","agent_id":"a","tool":"t"}"#;
    assert_eq!(faults(both), json!([expected]));
    assert!(read(r#"{"key":null,"agent_id":"a","tool":"t"}"#).is_ok());
}
