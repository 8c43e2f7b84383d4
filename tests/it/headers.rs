//! What crosses the sidecar in a head, what stays out, and what is added, seen as raw bytes.

use countersign::test_support::http1::{Head, Reader};
use countersign::test_support::{FakeTool, Harness, Received, Step, World};
use tokio::io::AsyncWriteExt as _;

/// Writes raw bytes to the agent's door and reads one answer's head and body.
async fn raw(world: &World, request: &str) -> (Head, Vec<u8>) {
    let mut reader = Reader::new(world.connect());
    reader.io().write_all(request.as_bytes()).await.unwrap();
    let head = reader.head().await.expect("an answer");
    let length = head.one("content-length").parse().unwrap();
    let body = reader.exactly(length).await.expect("a whole body");
    (head, body)
}

async fn forwarded(world: &World, fields: &str) -> Received {
    let request = format!(
        "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Content-Length: 2\r\n\r\n{{}}"
    );
    let (head, _) = raw(world, &request).await;
    assert_eq!(head.start_line, "HTTP/1.1 200 OK");
    world.backend.received().pop().unwrap()
}

fn world() -> World {
    Harness::with_tool("t", FakeTool::ok()).start()
}

// spec: HDR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_belongs_to_the_agents_connection_stays_there() {
    let received = forwarded(
        &world(),
        "Connection: keep-alive, X-Nominated\r\n\
         Connection: x-also, X-OnceOnly-Signature\r\n\
         Keep-Alive: timeout=5\r\n\
         TE: trailers\r\n\
         Trailer: X-Later\r\n\
         Upgrade: websocket\r\n\
         Proxy-Authorization: Basic cHJveHk=\r\n\
         Proxy-Connection: keep-alive\r\n\
         X-Nominated: 1\r\n\
         X-Also: 1\r\n\
         X-Stays: 1\r\n",
    )
    .await;
    let names: Vec<_> = received
        .head
        .fields
        .iter()
        .map(|(n, _)| n.to_lowercase())
        .collect();
    for gone in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
        "x-nominated",
        "x-also",
        "transfer-encoding",
    ] {
        assert!(
            !names.iter().any(|name| name == gone),
            "{gone} was forwarded"
        );
    }
    assert_eq!(received.head.one("x-stays"), "1");
    // A nomination cannot remove what signing adds.
    assert_eq!(received.head.one("x-onceonly-signature").len(), 64);
}

// spec: HDR-1 SIG-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn our_fields_cannot_be_spoofed() {
    let received = forwarded(
        &world(),
        "X-OnceOnly-Signature: 00\r\n\
         x-onceonly-signature: 11\r\n\
         X-ONCEONLY-Tool: other\r\n\
         X_OnceOnly_Signature: 22\r\n\
         X-OnceOnly_Timestamp: 1\r\n\
         X-OnceOnly-New-Thing: 1\r\n\
         X-Countersign-Attempts: 9\r\n\
         X_Countersign_Error: lies\r\n",
    )
    .await;
    let ours: Vec<(String, &str)> = received
        .head
        .fields
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .filter(|(name, _)| {
            name.replace('_', "-").starts_with("x-onceonly-") || name.contains("ountersign")
        })
        .collect();
    let mut names: Vec<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "x-onceonly-agent-id",
            "x-onceonly-secret-id",
            "x-onceonly-signature",
            "x-onceonly-signature-alg",
            "x-onceonly-timestamp",
            "x-onceonly-tool",
        ]
    );
    assert_eq!(received.head.one("x-onceonly-tool"), "t");
    assert_eq!(received.head.one("x-onceonly-timestamp"), "1705322400");
    assert_eq!(received.head.one("x-onceonly-signature-alg"), "hmac_sha256");
    // printf '{}' | openssl dgst -sha256 -hmac supersecret
    assert_eq!(
        received.head.one("x-onceonly-signature"),
        "85c9c22a60045da1073fe2ce2b19e81ee1e9bb0d510a0d7e14e786ebb55fecf7"
    );
    // printf 'countersign secret id' | openssl dgst -sha256 -hmac supersecret | cut -c1-8
    assert_eq!(received.head.one("x-onceonly-secret-id"), "sec_c7f58bd3");
}

// spec: CALL-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_says_who_it_is() {
    let world = world();
    let received = forwarded(&world, "X-OnceOnly-Agent-Id: support_bot\r\n").await;
    assert_eq!(received.head.one("x-onceonly-agent-id"), "support_bot");
    let received = forwarded(&world, "").await;
    assert_eq!(received.head.one("x-onceonly-agent-id"), "agent");
    let received = forwarded(&world, "Authorization: Bearer for-the-tool\r\n").await;
    assert_eq!(received.head.one("authorization"), "Bearer for-the-tool");
}

// spec: CALL-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_token_decides_who_an_agent_is() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .token("bot", "0123456789abcdef")
        .start();
    let received = forwarded(&world, "Authorization: Bearer 0123456789abcdef\r\n").await;
    assert_eq!(received.head.one("x-onceonly-agent-id"), "bot");
    assert!(received.head.all("authorization").is_empty());
    for (fields, status, code) in [
        ("", "401 Unauthorized", "unauthorized"),
        (
            "Authorization: Bearer 0123456789abcdeF\r\n",
            "401 Unauthorized",
            "unauthorized",
        ),
        (
            "Authorization: Bearer 0123456789abcdef\r\nX-OnceOnly-Agent-Id: other\r\n",
            "403 Forbidden",
            "agent_mismatch",
        ),
    ] {
        let request = format!("GET /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n");
        let (head, _) = raw(&world, &request).await;
        assert_eq!(head.start_line, format!("HTTP/1.1 {status}"));
        assert_eq!(head.one("x-countersign-error"), code);
    }
    assert_eq!(world.backend.received().len(), 1);
}

// spec: HDR-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_id_is_kept_or_made_and_comes_back() {
    let world = world();
    let request = "GET /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: abc-1\r\n\r\n";
    let (head, _) = raw(&world, request).await;
    assert_eq!(head.one("x-request-id"), "abc-1");
    assert_eq!(
        world
            .backend
            .received()
            .pop()
            .unwrap()
            .head
            .one("x-request-id"),
        "abc-1"
    );

    let (head, _) = raw(&world, "GET /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    let sent = world.backend.received().pop().unwrap();
    assert_eq!(head.one("x-request-id"), sent.head.one("x-request-id"));
    assert_eq!(&head.one("x-request-id")[..15], "018d0d22-c900-7");
}

// spec: HDR-2 OBS-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn trace_context_is_continued() {
    let world = world();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let fields = format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\ntracestate: a=b\r\n");
    let sent = forwarded(&world, &fields).await.head;
    let parent = sent.one("traceparent").to_owned();
    assert!(
        parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01"),
        "{parent}"
    );
    assert!(
        !parent.contains("b7ad6b7169203331"),
        "the attempt is a span of its own"
    );
    assert_eq!(sent.one("tracestate"), "a=b");

    let sent = forwarded(&world, "traceparent: 00-zz-1-01\r\ntracestate: a=b\r\n")
        .await
        .head;
    assert_eq!(sent.one("traceparent").len(), 55);
    assert!(
        sent.all("tracestate").is_empty(),
        "state of a trace that was not continued"
    );
}

// spec: HDR-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn static_headers_win_over_the_agents() {
    let world = Harness::with_tool("t", FakeTool::ok()).spec(|spec| {
        spec.header("X-Api-Key", "the tool's key");
    });
    let sent = forwarded(&world.start(), "X-Api-Key: the agent's\r\n").await;
    assert_eq!(sent.head.one("x-api-key"), "the tool's key");
}

// spec: CALL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn paths_and_queries_are_appended() {
    let tool = |forward| {
        Harness::with_tool("t", FakeTool::ok()).spec(move |spec| {
            spec.url("http://tool.test:8080/base?key=1")
                .forward_path(forward);
        })
    };
    let world = tool(true).start();
    for (path, line) in [
        ("/tools/t", "GET /base?key=1 HTTP/1.1"),
        ("/tools/t?q=a%20b", "GET /base?key=1&q=a%20b HTTP/1.1"),
        ("/tools/t/x/%2Fy?q=1", "GET /base/x/%2Fy?key=1&q=1 HTTP/1.1"),
        ("/tools/%74", "GET /base?key=1 HTTP/1.1"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        raw(&world, &request).await;
        let sent = world.backend.received().pop().unwrap().head;
        assert_eq!(sent.start_line, line);
        assert_eq!(sent.one("host"), "tool.test:8080");
    }
    let world = tool(false).start();
    for path in [
        "/tools/t/x",
        "/tools/t/",
        "/tools/t/..",
        "/tools/",
        "/nothing",
        "/tools/a%2Fb",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let (head, _) = raw(&world, &request).await;
        assert_eq!(head.one("x-countersign-error"), "not_found", "{path}");
    }
    let (head, _) = raw(&world, "GET /tools/u HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(head.one("x-countersign-error"), "tool_not_found");
    assert_eq!(world.backend.received().len(), 0);
}

// spec: CALL-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agents_own_tool_wins_and_a_disabled_one_refuses() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .also("t", "agent:bot", "/for-the-bot")
        .start();
    let sent = forwarded(&world, "X-OnceOnly-Agent-Id: bot\r\n").await;
    assert_eq!(sent.head.start_line, "POST /for-the-bot HTTP/1.1");
    let sent = forwarded(&world, "X-OnceOnly-Agent-Id: other\r\n").await;
    assert_eq!(sent.head.start_line, "POST /v1/t HTTP/1.1");

    let off = Harness::with_tool("t", FakeTool::ok()).spec(|spec| {
        spec.enabled(false);
    });
    let off = off.start();
    off.call("t", "{}")
        .await
        .expect_refusal(403, "tool_disabled");
    assert_eq!(off.backend.received().len(), 0);
}

// spec: RESP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn answers_come_back_with_their_own_headers_only() {
    let bytes = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nX-Own: 1\r\n\
        Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Countersign-Error: forged\r\n\
        X-Request-Id: theirs\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
    let world = Harness::with_tool("t", FakeTool::script([Step::Answer(bytes.to_vec())])).start();
    let reply = world.call("t", "{}").await;
    reply.expect_answer(302);
    assert_eq!(reply.header("location"), "http://elsewhere.test/");
    assert_eq!(reply.header("x-own"), "1");
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    assert_ne!(reply.header("x-request-id"), "theirs");
    assert_eq!(reply.attempts(), 1);
    for gone in ["x-hop", "keep-alive", "connection"] {
        assert!(!reply.headers.contains_key(gone), "{gone} came back");
    }
}

// spec: ORIGIN-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn browsers_and_rebound_names_are_refused() {
    let world = world();
    for (fields, code) in [
        (
            "Host: 127.0.0.1\r\nOrigin: http://evil.test\r\n",
            "origin_not_allowed",
        ),
        (
            "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n",
            "origin_not_allowed",
        ),
        ("Host: evil.test\r\n", "host_not_allowed"),
        ("Host: a\r\nHost: b\r\n", "bad_request"),
        ("", "bad_request"),
        (
            "Host: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n",
            "bad_request",
        ),
    ] {
        let request = format!("POST /tools/t HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = raw(&world, &request).await;
        assert_eq!(head.one("x-countersign-error"), code, "{fields}");
    }
    assert_eq!(world.backend.received().len(), 0);
}
