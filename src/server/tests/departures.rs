//! Clients that leave, and clients that look as if they did.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::script::{Client, Piece, Script, Stub, serve};
use super::{OK, assert_answers};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Tells when it was dropped.
struct Told(Rc<Cell<Option<Instant>>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.set(Some(Instant::now()));
    }
}

/// A service that never answers, and when its work was dropped.
fn never() -> (Client, Rc<Cell<Option<Instant>>>) {
    let dropped = Rc::new(Cell::new(None));
    let told = Rc::clone(&dropped);
    let client = serve(Stub::new(move |_| {
        let told = Told(Rc::clone(&told));
        async move {
            let _told = told;
            std::future::pending().await
        }
    }));
    (client, dropped)
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_is_gone_takes_its_call_along() {
    for (request, at_most) in [(GET, ms(500)), (OLD, ms(250))] {
        let (mut client, dropped) = never();
        client.send(request).await;
        client.pause(ms(1_000)).await;
        assert_eq!(dropped.get(), None);
        let left = Instant::now();
        drop(client);
        tokio::time::sleep(ms(5_000)).await;
        let after = dropped.get().expect("dropped") - left;
        assert!(after <= at_most, "{after:?}");
    }
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_only_closes_its_sending_side_gets_its_answer() {
    let quick = Script::of(200, &["abc"]).sized().after(ms(200));
    let mut client = serve(quick.service());
    client.send(GET).await;
    client.half_close().await;
    let answer = [OK, "content-length: 3\r\nconnection: close\r\n\r\nabc"];
    assert_answers(&client.rest().await, &answer);

    // Questions at 0.25, 0.5, 1, 2, 3, 4 and 5 s.
    let slow = Script::of(200, &["abc"]).sized().after(ms(5_500));
    let mut client = serve(slow.service());
    client.send(GET).await;
    client.half_close().await;
    let asked = "HTTP/1.1 100 Continue\r\n\r\n".repeat(7);
    assert_answers(&client.rest().await, &[&asked, answer[0], answer[1]]);
    assert_eq!(client.elapsed(), ms(5_500));
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn requests_before_a_half_close_are_all_answered() {
    let mut client = serve(Stub::new(|_| async {
        Script::of(200, &["abc"]).sized().response()
    }));
    client.send(&GET.repeat(3)).await;
    client.half_close().await;
    let all = format!("{OK}content-length: 3\r\n\r\nabc").repeat(3);
    assert_answers(&client.rest().await, &[&all]);
}

/// Once the answer has begun a question would be taken for a part of it.
// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn within_an_answer_nobody_is_asked() {
    let mut script = Script::of(200, &["abc"]);
    script.pieces.extend([Piece::Wait(5), Piece::Data("de")]);
    let mut client = serve(script.service());
    client.send(GET).await;
    client.half_close().await;
    let body = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_answers(&client.rest().await, &[OK, body]);
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_comes_while_a_call_runs_is_read_up_to_a_bound() {
    let (mut client, dropped) = never();
    client.send(GET).await;
    let flood = vec![b'x'; 1024 * 1024];
    let sent = tokio::time::timeout(ms(1_000), client.send(&flood)).await;
    // 64 KiB read ahead and the pipe's own 256 KiB are taken, and no more.
    assert!(sent.is_err(), "the flood was taken");
    assert_eq!(dropped.get(), None);
}
