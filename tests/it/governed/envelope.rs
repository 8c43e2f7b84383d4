//! What a tool gets: the bytes, their signature, and how attempts differ.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign::test_support::process::Sidecar;
use countersign::test_support::python::Backend;
use countersign::test_support::world::{SECRET, START};
use countersign::test_support::{FakeTool, Harness, Step, client, sign_body};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{executed, lease_of, ruling, world};
use crate::support::{BINARY, block_on};

/// Numbers, keys and text that a reader and a writer of JSON would not leave as they are.
const ARGS: &str = "{ \"z\": 1.0,\"a\":[1e2, 12345678901234567890123],\"t\":\"\\u00e9 é \\/\" }";

// spec: GOV-2 SIG-1 SIG-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn the_tool_gets_the_signed_envelope() {
    let world = world(FakeTool::ok());
    let reply = world.run("support_bot", "t", ARGS).await;
    assert_eq!(
        ruling(&reply),
        executed(&serde_json::json!({ "status": 200 }))
    );
    let [received] = &world.backend.received()[..] else {
        panic!("one request");
    };
    let lease = lease_of(&received.body);
    let expected = format!(
        "{{\"tool\":\"t\",\"args\":{ARGS},\"agent_id\":\"support_bot\",\"ns\":\"local\",\
         \"key_hash\":\"k_00000000\",\"ts\":{},\"lease_id\":\"{lease}\",\"scope_id\":\"global\"}}",
        START.unix_seconds()
    );
    assert_eq!(std::str::from_utf8(&received.body).unwrap(), expected);
    assert!(lease.starts_with("lease_018d0d22-c900-7"), "{lease}");
    let head = &received.head;
    assert_eq!(head.start_line, "POST /v1/t HTTP/1.1");
    for (name, value) in [
        ("content-type", "application/json"),
        (
            "x-onceonly-signature",
            &*sign_body(SECRET.as_bytes(), &received.body),
        ),
        ("x-onceonly-signature-alg", "hmac_sha256"),
        ("x-onceonly-timestamp", "1705322400"),
        ("x-onceonly-tool", "t"),
        ("x-onceonly-agent-id", "support_bot"),
        // What `openssl` makes of the world's secret; see docs/verifying.md.
        ("x-onceonly-secret-id", "sec_c7f58bd3"),
        ("x-request-id", reply.header("x-request-id")),
    ] {
        assert_eq!(head.one(name), value, "{name}");
    }
}

// spec: GOV-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn the_agents_own_head_stays_behind_but_for_its_trace() {
    let world = world(FakeTool::ok());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::post("/v1/ai/run")
        .header("content-type", "application/json")
        .header("authorization", "Bearer once_live_test")
        .header("user-agent", "onceonly-python-sdk/3.0.5")
        .header("cookie", "a=1")
        .header("x-request-id", "req-1")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("tracestate", "vendor=1")
        .body(Full::from(r#"{"agent_id":"a","tool":"t"}"#))
        .unwrap();
    let reply = world.send(request).await;
    assert_eq!(reply.header("x-request-id"), "req-1");
    let received = &world.backend.received()[0];
    let head = &received.head;
    assert_eq!(head.one("x-request-id"), "req-1");
    assert_eq!(head.one("tracestate"), "vendor=1");
    assert!(head.one("traceparent").starts_with(&format!("00-{trace}-")));
    for name in ["authorization", "user-agent", "cookie", "accept"] {
        assert!(head.all(name).is_empty(), "{name}");
    }
    let envelope: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(envelope["args"], serde_json::json!({}));
    // `printf once_live_test | sha256sum`
    assert_eq!(envelope["key_hash"], "k_5a7fd4e7");
}

// spec: GOV-2 SIG-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn retries_keep_the_envelope_and_are_stamped_anew() {
    let busy = Step::status(503, &[("Retry-After", "20")]);
    let backend = FakeTool::script([busy.clone(), Step::CloseAfterRequest, Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    let reply = world.run("a", "t", "{}").await;
    ruling(&reply);
    assert_eq!(reply.attempts(), 3);
    let received = world.backend.received();
    let stamp = |index: usize| -> i64 {
        received[index]
            .head
            .one("x-onceonly-timestamp")
            .parse()
            .unwrap()
    };
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[0].body, received[2].body);
    assert_eq!(stamp(0), START.unix_seconds());
    assert!(stamp(1) >= stamp(0) + 20);
}

// spec: GOV-2 CALL-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agents_own_tool_comes_first_and_says_so() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .also("t", "agent:vip", "/vip")
        .start();
    for (agent, scope, path) in [("vip", "agent:vip", "/vip"), ("other", "global", "/v1/t")] {
        world.backend.forget();
        ruling(&world.run(agent, "t", "{}").await);
        let received = &world.backend.received()[0];
        let envelope: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(envelope["scope_id"], scope);
        assert_eq!(received.head.start_line, format!("POST {path} HTTP/1.1"));
    }
}

/// Arguments that come out differently when a reader and a writer of JSON are between the agent and the
/// tool. Integers beyond 2^53 and numbers with more than 17 digits have no double of their own.
const UNTOUCHED: [&str; 8] = [
    "{}",
    r#"{"z":1,"a":{"y":[],"b":{}},"A":null,"10":2,"9":1}"#,
    r#"{"n":[1.0,-0.0,0.10,1E+2,1e-7,100e-2,5e-324,1.7976931348623157e308]}"#,
    r#"{"n":[9007199254740993,-9223372036854775809,123456789012345678901234567890,0.1000000000000000055]}"#,
    r#"{"t":"\u00e9 \u00E9 é \/ / \ud83d\ude00 😀 \u0000 \u001f \b \" \\ <&>' \u2028"}"#,
    "{\"\u{2028}\":\"\u{7f}\u{feff}\u{fffd}\",\"\\u0061\":\"e\u{301}\",\"\":0}",
    "{ \"a\" :\t[ 1 ,\r\n 2 ] }",
    r#"{"run_id":"r","idempotency_key":"k"}"#,
];

/// A call as it arrived at a real backend, which has verified it.
struct Arrived {
    args: &'static str,
    raw: Vec<u8>,
    /// What the backend has read in it.
    told: Value,
}

/// Makes each call with the real binary.
fn arrived() -> Vec<Arrived> {
    let backend = Backend::serve("tests/python", "guide_backend:app", SECRET);
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("tools.yaml");
    let auth = format!("{{ type: hmac_sha256, secret: {SECRET} }}");
    let url = backend.url("/tool");
    let tool = format!("tools:\n  - name: t\n    url: {url}\n    auth: {auth}\n");
    std::fs::write(&registry, tool).unwrap();
    let sidecar = Sidecar::start(BINARY, &registry);
    let call = |args: &'static str| {
        let body = format!(r#"{{"args":{args},"tool":"t","agent_id":"bot"}}"#);
        let reply = block_on(client::post(sidecar.agents, "/v1/ai/run", body));
        let mut told = ruling(&reply);
        assert_eq!(told["decision"], "executed", "{args}: {told}");
        let told = told["result"].take();
        let raw = BASE64_STANDARD.decode(told["raw"].as_str().unwrap());
        Arrived {
            args,
            raw: raw.unwrap(),
            told,
        }
    };
    UNTOUCHED.map(call).into()
}

// spec: GOV-2 SIG-1
#[test]
fn a_real_backend_verifies_the_agents_bytes() {
    for Arrived { args, raw, told } in arrived() {
        let envelope = &told["envelope"];
        let lease = envelope["lease_id"].as_str().unwrap();
        let ts = &told["timestamp"];
        let expected = format!(
            r#"{{"tool":"t","args":{args},"agent_id":"bot","ns":"local","key_hash":"k_00000000","ts":{ts},"lease_id":"{lease}","scope_id":"global"}}"#
        );
        assert_eq!(String::from_utf8(raw).unwrap(), expected);
        // The guide's members in the guide's order, by a reader that keeps it.
        let members = [
            "tool", "args", "agent_id", "ns", "key_hash", "ts", "lease_id", "scope_id",
        ];
        assert_eq!(told["members"], json!(members));
        assert_eq!(envelope["ts"], *ts);
        assert_eq!(told["lease_version"], 7);
    }
}

// spec: GOV-2 SIG-1
#[test]
#[ignore = "needs openssl"]
fn openssl_makes_the_same_signature_of_what_arrived() {
    for Arrived { args, raw, told } in arrived() {
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-hmac", SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        let mut body = openssl.stdin.take().unwrap();
        body.write_all(&raw).unwrap();
        drop(body);
        let printed = openssl.wait_with_output().unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        let digest = printed.trim().rsplit(' ').next().unwrap();
        assert_eq!(told["signature"], digest, "{args}");
    }
}

/// What two readers could read as two calls is signed for neither, also where nothing is remembered.
// spec: ONCE-2 GOV-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn arguments_with_two_readings_are_not_sent() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .spec(|spec| {
            spec.once_off();
        })
        .start();
    for args in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"in":[{"a":1,"b":2,"a":1}]}"#,
        r#"{"n":1e400}"#,
        r#"{"n":-1e400}"#,
        r#"{"t":"\ud800"}"#,
        r#"{"\udc00\ud800":1}"#,
        r#"[{"a":1}]"#,
    ] {
        let reply = world.run("a", "t", args).await;
        assert_eq!(reply.status, 422, "{args}: {reply:?}");
        assert_eq!(reply.header("x-countersign-error"), "invalid_request");
    }
    assert_eq!(world.backend.received().len(), 0);
}
