//! What is refused, in which words, and that no word of the request is among them.

use hyper::body::Body;

use super::*;

fn entry(kind: &str, loc: Value, msg: &str, input: Value) -> Value {
    json!({ "type": kind, "loc": loc, "msg": msg, "input": input })
}

fn entry_with(kind: &str, loc: Value, msg: &str, ctx: Value) -> Value {
    json!({ "type": kind, "loc": loc, "msg": msg, "input": "***", "ctx": ctx })
}

// spec: API-2
#[tokio::test]
async fn every_field_that_is_wrong_is_told() {
    let desk = Desk::new();
    let missing = |field: Value| entry("missing", field, "Field required", json!({}));
    let empty = desk.put(&json!({})).await;
    let expected = json!({ "detail": [
        missing(json!(["body", "name"])),
        missing(json!(["body", "url"])),
        missing(json!(["body", "auth"])),
    ]});
    assert_eq!((empty.status, empty.json()), (422, expected));

    let wrong = json!({
        "name": "a b",
        "scope_id": "all",
        "url": "ftp://api.example.com/",
        "auth": { "type": "none", "secret": "short" },
        "timeout_ms": 249,
        "max_retries": "11",
        "enabled": "maybe",
        "description": "x".repeat(513),
    });
    let refused = desk.put(&wrong).await;
    let name = "^[a-zA-Z0-9_.:-]+$";
    let scope = "^(global|agent:[!-~]{1,128})$";
    let url = "must start with http:// or https://";
    let expected = json!({ "detail": [
        entry_with(
            "string_pattern_mismatch",
            json!(["body", "name"]),
            "String should match pattern '^[a-zA-Z0-9_.:-]+$'",
            json!({ "pattern": name }),
        ),
        entry_with(
            "string_pattern_mismatch",
            json!(["body", "scope_id"]),
            "String should match pattern '^(global|agent:[!-~]{1,128})$'",
            json!({ "pattern": scope }),
        ),
        entry_with(
            "url_parsing",
            json!(["body", "url"]),
            "Input should be a valid URL, must start with http:// or https://",
            json!({ "error": url }),
        ),
        entry_with(
            "literal_error",
            json!(["body", "auth", "type"]),
            "Input should be 'hmac_sha256'",
            json!({ "expected": "'hmac_sha256'" }),
        ),
        entry_with(
            "string_too_short",
            json!(["body", "auth", "secret"]),
            "String should have at least 8 characters",
            json!({ "min_length": 8 }),
        ),
        entry_with(
            "greater_than_equal",
            json!(["body", "timeout_ms"]),
            "Input should be greater than or equal to 250",
            json!({ "ge": 250 }),
        ),
        entry_with(
            "less_than_equal",
            json!(["body", "max_retries"]),
            "Input should be less than or equal to 10",
            json!({ "le": 10 }),
        ),
        entry(
            "bool_parsing",
            json!(["body", "enabled"]),
            "Input should be a valid boolean, unable to interpret input",
            json!("***"),
        ),
        entry_with(
            "string_too_long",
            json!(["body", "description"]),
            "String should have at most 512 characters",
            json!({ "max_length": 512 }),
        ),
    ]});
    assert_eq!((refused.status, refused.json()), (422, expected));
    assert_eq!(desk.changes(), 0);
}

// spec: API-2
#[tokio::test]
async fn names_that_paths_cannot_say_and_long_ones_are_refused() {
    let desk = Desk::new();
    for (name, kind) in [
        ("", "string_pattern_mismatch"),
        ("a\n", "string_pattern_mismatch"),
        ("a/b", "string_pattern_mismatch"),
        (".", "value_error"),
        ("..", "value_error"),
        (&"x".repeat(129), "string_too_long"),
    ] {
        let refused = desk.put(&named(name, "global")).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.json()["detail"][0]["type"], kind, "{name:?}");
    }
    let longest = "x".repeat(128);
    assert_eq!(desk.put(&named(&longest, "global")).await.status, 200);
}

// spec: API-1
#[tokio::test]
async fn a_new_tool_needs_a_secret() {
    let desk = Desk::new();
    let loc = json!(["body", "auth", "secret"]);
    let missing = entry("missing", loc, "Field required", json!({}));
    let expected = json!({ "detail": [missing] });
    let mut tool = reference();
    tool["auth"] = json!({ "type": "hmac_sha256" });
    let refused = desk.put(&tool).await;
    assert_eq!((refused.status, refused.json()), (422, expected.clone()));
    assert_eq!(desk.changes(), 0);

    // Removed by somebody else after it was looked up: the registry's own words.
    assert_eq!(desk.put(&reference()).await.status, 200);
    for error in [
        EditError::NotFound,
        EditError::Invalid(vec![Violation::new("auth.secret", Rule::Required)]),
    ] {
        desk.fail(error);
        let refused = desk.put(&tool).await;
        assert_eq!((refused.status, refused.json()), (422, expected.clone()));
    }
    // The same name in another scope is another tool.
    tool["scope_id"] = json!("agent:x");
    assert_eq!(desk.put(&tool).await.status, 422);
}

// spec: API-2
#[tokio::test]
async fn a_toggle_is_one_flag_and_its_query_is_checked_too() {
    let desk = Desk::new();
    assert_eq!(desk.put(&reference()).await.status, 200);
    let path = "/v1/tools/send_email/toggle";
    for (body, enabled) in [
        (r#"{"enabled":"off"}"#, false),
        (r#"{"enabled":1,"more":2}"#, true),
    ] {
        let toggled = desk.ask(Method::POST, path, body).await;
        assert_eq!(toggled.json()["enabled"], enabled);
    }
    let path = "/v1/tools/send_email/toggle?scope_id=all";
    let refused = desk.ask(Method::POST, path, "{}").await;
    let pattern = "^(global|agent:[!-~]{1,128})$";
    let expected = json!({ "detail": [
        entry_with(
            "string_pattern_mismatch",
            json!(["query", "scope_id"]),
            "String should match pattern '^(global|agent:[!-~]{1,128})$'",
            json!({ "pattern": pattern }),
        ),
        entry("missing", json!(["body", "enabled"]), "Field required", json!({})),
    ]});
    assert_eq!((refused.status, refused.json()), (422, expected));
    for (method, path) in [
        (Method::GET, "/v1/tools/send_email?scope_id=all"),
        (Method::DELETE, "/v1/tools/send_email?scope_id=all"),
        (Method::GET, "/v1/tools?scope_id=everything"),
        (Method::GET, "/v1/tools?scope_id="),
    ] {
        assert_eq!(desk.ask(method, path, "").await.status, 422, "{path}");
    }
}

// spec: API-2
#[tokio::test]
async fn a_body_that_is_no_json_object_is_told_so() {
    const JSON: Option<&str> = Some("application/json");
    let desk = Desk::new();
    let absent = entry("missing", json!(["body"]), "Field required", json!(null));
    let no_object = |input: Value| {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        entry("model_attributes_type", json!(["body"]), msg, input)
    };
    let good = reference().to_string();
    for (content_type, body, expected) in [
        (JSON, "", absent.clone()),
        (None, "", absent),
        (JSON, "null", no_object(json!(null))),
        (JSON, "[]", no_object(json!([]))),
        (JSON, "\"x\"", no_object(json!("***"))),
        (None, &good, no_object(json!("***"))),
        (Some("text/plain"), &good, no_object(json!("***"))),
        (
            JSON,
            "{\"a\":1} x",
            json!({
                "type": "json_invalid",
                "loc": ["body", 8],
                "msg": "JSON decode error",
                "input": {},
                "ctx": { "error": "trailing characters" },
            }),
        ),
    ] {
        let refused = desk
            .ask_as(Method::POST, "/v1/tools", content_type, body)
            .await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.json(), json!({ "detail": [expected] }), "{body}");
    }
    let kind = Some("application/vnd.countersign+json; charset=utf-8");
    let put = desk.ask_as(Method::POST, "/v1/tools", kind, &good).await;
    assert_eq!(put.status, 200);

    let request = Request::post("/v1/tools")
        .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(CONTENT_TYPE, "application/json");
    let body = Full::new(Bytes::from_static(b"{\"name\":\"\xff\"}"));
    let refused = desk.door.send(request.body(body).unwrap()).await;
    let expected = json!({ "detail": "There was an error parsing the body" });
    assert_eq!((refused.status, refused.json()), (400, expected));
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    let desk = Desk::new();
    let padded = |length: usize| {
        let body = reference().to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let fits = desk
        .ask(Method::POST, "/v1/tools", &padded(1024 * 1024))
        .await;
    assert_eq!(fits.status, 200);
    let large = desk
        .ask(Method::POST, "/v1/tools", &padded(1024 * 1024 + 1))
        .await;
    assert_eq!(large.status, 413);
    assert_eq!(large.json()["detail"]["error"], "body_too_large");
    assert_eq!(large.header("x-countersign-error"), Some("body_too_large"));
}

/// A body whose first half is all there ever is, of a length that nobody told.
struct Stuck(Option<Bytes>);

impl Body for Stuck {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(half) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(half)))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_longest_time() {
    let desk = Desk::new();
    for (half, status, code) in [
        (Bytes::from_static(b"{"), 408, "request_timeout"),
        (
            Bytes::from(vec![b' '; 1024 * 1024 + 1]),
            413,
            "body_too_large",
        ),
    ] {
        let request = Request::post("/v1/tools")
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Stuck(Some(half)));
        let refused = desk.door.api.answer(request.unwrap()).await;
        assert_eq!(refused.status(), status);
        assert_eq!(refused.headers()["x-countersign-error"], code);
    }
}

/// Nobody's log should hold a secret because somebody put it into the wrong place.
// spec: API-2
#[tokio::test]
async fn no_answer_repeats_what_may_be_a_secret() {
    const MARKER: &str = "s3cr3t-marker";
    const NUMBER: i64 = 918_273_645_918_273;
    let marked = json!([
        MARKER,
        NUMBER,
        { MARKER: MARKER, "secret": MARKER, "type": MARKER },
        [MARKER, NUMBER],
        format!("{MARKER} with a space"),
        format!("https://user:{MARKER}@api.example.com/"),
        MARKER.repeat(1000),
        null,
        true,
    ]);
    let desk = Desk::new();
    assert_eq!(desk.put(&reference()).await.status, 200);
    let check = |answer: &Answer| {
        let hidden = |marker: &str| !answer.body.contains(marker);
        assert!(
            hidden(MARKER) && hidden(&NUMBER.to_string()),
            "{}",
            answer.body
        );
        assert!(!format!("{:?}", answer.headers).contains(MARKER));
    };
    let fields = [
        "name",
        "scope_id",
        "url",
        "auth",
        "timeout_ms",
        "max_retries",
        "enabled",
    ];
    let mut refused = 0;
    for value in marked.as_array().unwrap() {
        for field in fields {
            let mut tool = reference();
            tool["auth"]["secret"] = json!(MARKER);
            tool[field] = value.clone();
            // A second fault, because the marker is a good name for a tool.
            let other = if field == "enabled" { "url" } else { "enabled" };
            tool[other] = json!(format!("{MARKER}!"));
            let answer = desk.put(&tool).await;
            assert_eq!(answer.status, 422);
            refused += 1;
            check(&answer);
        }
        for part in ["type", "secret"] {
            let mut tool = reference();
            tool["url"] = json!("nowhere");
            tool["auth"][part] = value.clone();
            check(&desk.put(&tool).await);
        }
        for body in [value.to_string(), json!({ "enabled": value }).to_string()] {
            let path = "/v1/tools/send_email/toggle";
            check(&desk.ask(Method::POST, path, &body).await);
            for kind in [None, Some("text/plain"), Some(MARKER)] {
                check(&desk.ask_as(Method::POST, "/v1/tools", kind, &body).await);
            }
            // Cut off in the middle, it is no JSON.
            let torn = &body[..body.len() - 1];
            check(&desk.ask(Method::POST, "/v1/tools", torn).await);
        }
    }
    assert_eq!(refused, 9 * fields.len());
    let mut tool = reference();
    tool["auth"]["secret"] = json!(MARKER);
    let put = desk.put(&tool).await;
    assert_eq!(put.status, 200);
    check(&put);
    check(&desk.get("/v1/tools/send_email").await);
    check(&desk.get("/v1/tools?scope_id=all").await);
    check(&desk.get(&format!("/v1/tools?scope_id={MARKER}")).await);
}

// spec: SSRF-1
#[tokio::test]
async fn urls_lead_to_public_addresses_unless_private_ones_are_allowed() {
    for (url, strict, lenient) in [
        ("https://api.example.com/", 200, 200),
        ("https://8.8.8.8:8443/x", 200, 200),
        ("http://127.0.0.1:3000/", 422, 200),
        ("http://localhost:3000/", 422, 200),
        ("http://[::1]/", 422, 200),
        ("http://10.0.0.1/", 422, 200),
        ("http://0x7f000001/", 422, 422),
        ("http://169.254.169.254/latest", 422, 422),
        ("http://[::ffff:169.254.169.254]/", 422, 422),
        ("http://0.0.0.0/", 422, 422),
    ] {
        for (allow_private, expected) in [(false, strict), (true, lenient)] {
            let desk = Desk::with(allow_private);
            let mut tool = reference();
            tool["url"] = json!(url);
            let put = desk.put(&tool).await;
            assert_eq!(put.status, expected, "{url}");
            if expected == 422 {
                assert_eq!(put.json()["detail"][0]["loc"], json!(["body", "url"]));
                assert_eq!(put.json()["detail"].as_array().unwrap().len(), 1);
                assert_eq!(desk.changes(), 0);
            }
        }
    }
    let desk = Desk::new();
    let mut tool = reference();
    tool["url"] = json!("http://127.0.0.1/");
    let reason = "its host is a loopback address, which a tool that comes through the API may \
                  not have";
    let expected = entry_with(
        "value_error",
        json!(["body", "url"]),
        &format!("Value error, {reason}"),
        json!({ "error": reason }),
    );
    assert_eq!(desk.put(&tool).await.json()["detail"], json!([expected]));
    // What cannot be judged by its name is judged where it is dialled.
    tool["url"] = json!("http://rebind.test/");
    assert_eq!(desk.put(&tool).await.status, 200);
    let snapshot = desk.door.registry.current();
    let tool = snapshot.get(&ScopeId::Global, "send_email").unwrap();
    assert_eq!(tool.origin.reach(), Reach::PublicOnly);
    assert_eq!(forbidden(tool.origin.host(), Reach::PublicOnly), None);
}
