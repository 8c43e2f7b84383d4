//! The room that answers take which are held as a whole, and that calls take which nobody waits for.

use std::time::Duration;

use countersign::test_support::{FakeTool, Harness, Step, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::ruling;

/// Larger than what an agent's connection takes in without being read.
const LARGE: usize = 200_000;

/// An object of [`LARGE`] bytes.
fn large() -> String {
    format!(
        "{{\"data\":\"{}\"}}",
        "x".repeat(LARGE - "{\"data\":\"\"}".len())
    )
}

/// A world whose tool has large answers, with room for so many bytes.
fn world(room: usize) -> World {
    let body = large();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n{body}");
    let backend = FakeTool::script([Step::Answer(answer.into_bytes())]);
    Harness::with_tool("t", backend)
        .body_limits(100_000, room)
        .start()
}

/// A call at one of the doors, the same each time, whose answer is not read yet.
async fn unread(world: &World, door: &str) -> DuplexStream {
    let mut io = world.connect();
    let (path, body) = match door {
        "proxy" => ("/tools/t", "{}"),
        _ => ("/v1/ai/run", r#"{"agent_id":"agent","tool":"t"}"#),
    };
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: k\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    world.let_time_pass(Duration::from_secs(1)).await;
    io
}

async fn read(mut io: DuplexStream) -> String {
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    text
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_takes_room_until_its_last_byte_has_left() {
    for door in ["proxy", "governed"] {
        let world = world(1 << 20);
        let io = unread(&world, door).await;
        assert_eq!(world.buffered(), LARGE, "{door}");
        assert!(read(io).await.contains(&large()), "{door}");
        assert_eq!(world.buffered(), 0, "{door}");
        // And so when it is given again.
        let (first, second) = (unread(&world, door).await, unread(&world, door).await);
        assert_eq!(world.buffered() / LARGE, 2, "{door}");
        drop(first);
        assert!(read(second).await.contains(&large()), "{door}");
        assert_eq!((world.buffered(), world.backend.received().len()), (0, 1));
    }
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_without_room_is_given_later() {
    for door in ["proxy", "governed"] {
        // Small bodies keep 40,000 bytes of it to themselves.
        let world = world(640_000);
        let held = [
            unread(&world, door).await,
            unread(&world, door).await,
            unread(&world, door).await,
        ];
        let refused = read(unread(&world, door).await).await;
        assert!(
            refused.starts_with("HTTP/1.1 503 "),
            "{door}: {refused:.200}"
        );
        assert!(
            refused.contains("x-countersign-error: overloaded"),
            "{door}"
        );
        drop(held);
        world.until(|world| world.buffered() == 0).await;
        assert!(read(unread(&world, door).await).await.contains(&large()));
        assert_eq!(world.backend.received().len(), 1);
    }
}

/// What goes on without its agent is bounded by what it takes, since connections do not bound it.
// spec: BODY-1 GOV-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_that_were_left_alone_take_room() {
    let world = Harness::with_tool("t", FakeTool::silent())
        .timeout(Duration::from_secs(60))
        .retries(0)
        .body_limits(1_000, 100_000)
        .start();
    for call in 0..6 {
        let args = format!("{{\"n\":{call}}}");
        let gone = tokio::time::timeout(Duration::from_secs(1), world.run("a", "t", &args));
        assert!(gone.await.is_err());
    }
    let more = world.run("a", "t", "{\"n\":6}").await;
    more.expect_refusal(503, "overloaded");
    world.until(|world| world.buffered() == 0).await;
    assert_eq!(world.backend.received().len(), 6);
    let again = tokio::time::timeout(Duration::from_secs(90), world.run("a", "t", "{\"n\":6}"));
    assert_eq!(ruling(&again.await.unwrap())["decision"], "failed");
}
