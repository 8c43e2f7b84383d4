//! Room for bodies, and who gets it.

use countersign::test_support::http1::Reader;
use countersign::test_support::{FakeTool, Harness, Pieces, Step, World};
use http::Request;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

const MIB: usize = 1024 * 1024;

/// Announces a body of this length and sends none of it.
async fn announce(world: &World, length: usize) -> Reader<DuplexStream> {
    let mut agent = Reader::new(world.connect());
    let request = format!(
        "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    agent.io().write_all(request.as_bytes()).await.unwrap();
    agent
}

/// A world in which fifteen announced bodies of 1 MiB have taken all the room that large ones may.
async fn full() -> (World, Vec<Reader<DuplexStream>>) {
    let world = Harness::with_tool("t", FakeTool::ok()).body_limits(MIB, 16 * MIB);
    let world = world.start();
    let mut uploads = Vec::new();
    for _ in 0..15 {
        uploads.push(announce(&world, MIB).await);
    }
    world.until(|world| world.buffered() == 15 * MIB).await;
    (world, uploads)
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_upload_without_room_is_refused_before_it_begins() {
    let (world, mut uploads) = full().await;
    let head = announce(&world, MIB).await.head().await.expect("an answer");
    assert_eq!(head.one("x-countersign-error"), "overloaded");
    assert_eq!(head.one("retry-after"), "1");
    // The others were told to go on, and what was promised to them is kept.
    let told = uploads[0].head().await.expect("an interim answer");
    assert!(told.start_line.starts_with("HTTP/1.1 100"), "{told:?}");
    uploads[0].io().write_all(&vec![b'x'; MIB]).await.unwrap();
    let head = uploads[0].head().await.expect("an answer");
    assert!(head.start_line.starts_with("HTTP/1.1 200"), "{head:?}");
    drop(uploads);
    world.until(|world| world.buffered() == 0).await;
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn small_calls_pass_while_large_uploads_fill_the_room() {
    let (world, _uploads) = full().await;
    world
        .call("t", vec![b'x'; 64 * 1024])
        .await
        .expect_answer(200);
    let large = vec![b'x'; 64 * 1024 + 1];
    world
        .call("t", large.clone())
        .await
        .expect_refusal(503, "overloaded");
    // One of unknown length is let in and refused where it becomes a large one.
    let chunked = Request::post("/tools/t").body(Pieces::of(large.into(), 1000));
    world
        .send(chunked.unwrap())
        .await
        .expect_refusal(503, "overloaded");
    let chunked = Request::post("/tools/t").body(Pieces::of(vec![b'x'; 60_000].into(), 1000));
    world.send(chunked.unwrap()).await.expect_answer(200);
}

/// A tool may answer before it has read the request, and the rest is still sent to it then.
// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_is_still_being_sent_keeps_its_room_beside_its_answer() {
    let early = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    let tool = FakeTool::script([Step::AnswerUnread(early.to_vec())]);
    let world = Harness::with_tool("t", tool).start();
    let mut agent = announce(&world, 5 * MIB).await;
    let told = agent.head().await.expect("an interim answer");
    assert!(told.start_line.starts_with("HTTP/1.1 100"), "{told:?}");
    agent.io().write_all(&vec![b'x'; 5 * MIB]).await.unwrap();
    let head = agent.head().await.expect("an answer");
    assert!(head.start_line.starts_with("HTTP/1.1 200"), "{head:?}");
    assert_eq!(world.buffered(), 5 * MIB);
    drop(agent);
    world.until(|world| world.buffered() == 0).await;
}
