//! The bytes that are signed are the bytes that arrive, whatever they are and however they came.

use bytes::Bytes;
use countersign::test_support::{FakeTool, Harness, Pieces, World, sign_body, verifies};
use http::Request;
use serde_json::Value;

use crate::support::{vector_bytes, vectors};

// spec: SIG-1
#[test]
fn every_published_body_signature_is_reproduced() {
    let cases = vectors("onceonly_body_hmac.json");
    assert_eq!(cases.len(), 42);
    for case in cases {
        let signature = sign_body(
            case["secret"].as_str().unwrap().as_bytes(),
            &vector_bytes(&case, "body"),
        );
        assert_eq!(signature, case["signature_hex"], "{}", case["id"]);
    }
}

/// Sends a body and asserts that it arrived as it was, with its length and its signature.
async fn arrives(world: &World, body: Bytes, chunk: Option<usize>, expected: Option<&str>) {
    let request = Request::post("/tools/t").header("content-type", "application/octet-stream");
    let reply = match chunk {
        None => {
            world
                .send(
                    request
                        .body(http_body_util::Full::new(body.clone()))
                        .unwrap(),
                )
                .await
        }
        Some(size) => {
            world
                .send(request.body(Pieces::of(body.clone(), size)).unwrap())
                .await
        }
    };
    reply.expect_answer(200);
    let received = world.backend.received().pop().unwrap();
    assert!(
        received.body == body,
        "{} bytes in chunks of {chunk:?} changed",
        body.len()
    );
    assert_eq!(received.head.one("content-length"), body.len().to_string());
    let expected = expected.map_or_else(|| sign_body(b"supersecret", &body), str::to_owned);
    assert_eq!(received.head.one("x-onceonly-signature"), expected);
}

// spec: BODY-1 SIG-1
#[tokio::test(flavor = "local")]
async fn bodies_of_every_size_arrive_byte_identical() {
    let world = Harness::with_tool("t", FakeTool::ok()).start();
    let mut random = fastrand::Rng::with_seed(7);
    // Around SHA-256's block of 64 bytes and its 55-byte padding limit, then buffer sizes.
    for size in [0, 1, 55, 56, 63, 64, 65, 1024, 1 << 20, 10 << 20] {
        let body: Bytes = std::iter::repeat_with(|| random.u8(..))
            .take(size)
            .collect();
        arrives(&world, body.clone(), None, None).await;
        let odd_sizes: &[usize] = if size > 1 << 20 {
            &[65_537]
        } else {
            &[7_919, 65_537]
        };
        for chunk in odd_sizes {
            arrives(&world, body.clone(), Some(*chunk), None).await;
        }
        if size <= 1024 {
            arrives(&world, body, Some(1), None).await;
        }
    }
}

#[tokio::test(flavor = "local")]
async fn bodies_are_never_decoded() {
    let world = Harness::with_tool("t", FakeTool::ok()).start();
    // printf '\xff\xfe\x00\x80' | openssl dgst -sha256 -hmac supersecret
    let not_utf8 = Bytes::from_static(b"\xff\xfe\x00\x80");
    arrives(
        &world,
        not_utf8,
        None,
        Some("042927ce568c08ba5850226749a783d430f7bc8f5223ad5b7f04c62fc89a6f06"),
    )
    .await;
    // printf '{}' | gzip -n | openssl dgst -sha256 -hmac supersecret
    let gzip = Bytes::from_static(
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00",
    );
    arrives(
        &world,
        gzip.clone(),
        Some(3),
        Some("df9cd783b33b841f7659cc281809c7fd98c3a43b41d003692860b82ac9d075d2"),
    )
    .await;
    let request = Request::post("/tools/t")
        .header("content-encoding", "gzip")
        .body(http_body_util::Full::new(gzip.clone()))
        .unwrap();
    world.send(request).await.expect_answer(200);
    let received = world.backend.received().pop().unwrap();
    assert_eq!(
        (received.head.one("content-encoding"), received.body),
        ("gzip", gzip.to_vec())
    );
}

#[tokio::test(flavor = "local")]
async fn a_body_over_its_limit_is_refused_and_nothing_is_sent() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .body_limits(1000, 10_000)
        .start();
    let body = |size| Bytes::from(vec![b'x'; size]);
    arrives(&world, body(1000), None, None).await;
    world
        .call("t", body(1001))
        .await
        .expect_refusal(413, "body_too_large");
    let chunked = Request::post("/tools/t")
        .body(Pieces::of(body(1001), 100))
        .unwrap();
    world
        .send(chunked)
        .await
        .expect_refusal(413, "body_too_large");
    assert_eq!((world.backend.received().len(), world.buffered()), (1, 0));
}

#[tokio::test(flavor = "local")]
async fn all_bodies_together_are_bounded() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .body_limits(1000, 999)
        .start();
    let reply = world.call("t", vec![b'x'; 1000]).await;
    reply.expect_refusal(503, "overloaded");
    assert_eq!((reply.header("retry-after"), world.buffered()), ("1", 0));
    assert_eq!(world.backend.received().len(), 0);
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

// spec: SIG-1
#[test]
fn the_primitive_agrees_with_rfc_4231_and_wycheproof() {
    let mut refused = 0;
    for file in ["hmac_sha256_rfc4231.json", "hmac_sha256_wycheproof.json"] {
        for case in vectors(file) {
            let (key, message) = (unhex(&case["key_hex"]), unhex(&case["msg_hex"]));
            let tag = case["tag_hex"].as_str().unwrap();
            let valid = case.get("valid").is_none_or(|valid| valid == true);
            let signature = sign_body(&key, &message);
            // Some tags are truncated; ours never are, so the front of ours has to agree.
            assert_eq!(signature.starts_with(tag), valid, "{}", case["id"]);
            let whole = tag.len() == 64;
            assert_eq!(
                verifies(&key, &message, tag),
                valid && whole,
                "{}",
                case["id"]
            );
            refused += usize::from(!valid);
        }
    }
    assert!(refused > 0, "there are vectors that must be refused");
}
