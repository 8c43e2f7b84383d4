//! HTTP/1.1 on scripted sockets: how much the kernel took, what that says about the request, and
//! how much is read and written at once.

mod script;

use std::task::{Context, Poll};

use proptest::prelude::*;

use super::*;
use script::{Read, Socket, Write};

/// Hands out sockets instead of dialling.
struct Sockets(RefCell<VecDeque<Socket>>);

impl Connect for Sockets {
    fn connect<'a>(
        &'a self,
        _: &'a Origin,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + 'a>> {
        let socket = self.0.borrow_mut().pop_front().expect("a planned dial");
        let io: Box<dyn connect::Io> = Box::new(socket);
        let protocol = Protocol::Http1;
        Box::pin(async move { Ok(Connected { io, protocol }) })
    }
}

fn pool<const N: usize>(sockets: [&Socket; N]) -> Pool {
    let gauges = PoolGauges {
        idle: Gauge::noop(),
        active: Gauge::noop(),
    };
    let sockets = Sockets(RefCell::new(sockets.into_iter().cloned().collect()));
    Pool::new(Rc::new(sockets), PoolSettings::default(), gauges)
}

async fn call(pool: &Pool, url: &str, signed: Signed<'_>) -> Result<String, SendError> {
    let deadline = Instant::now() + Duration::from_secs(15);
    let answer = pool.send(&origin(url), &signed, deadline).await?;
    Ok(read(answer).await.unwrap())
}

fn says(text: impl AsRef<[u8]>) -> Read {
    Read::Says(text.as_ref().to_vec())
}

/// What a new socket does, and what is said of the request without TLS and with it.
// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_was_not_sent_only_if_no_byte_of_it_was_taken() {
    use FailureKind::{Closed, InvalidResponse, Timeout};
    use Seen::{MaybeSeen, NotSent};
    use Write::{Fails, Full, Takes};
    for (writes, reads, plain, encrypted) in [
        // TLS may have sent some of what it was given before it failed.
        (vec![Fails], vec![Read::Ends], (NotSent, Closed), MaybeSeen),
        (vec![Full], vec![Read::Fails], (NotSent, Closed), NotSent),
        (vec![Full], vec![Read::Ends], (NotSent, Closed), NotSent),
        (
            vec![Full],
            vec![says(OK)],
            (NotSent, InvalidResponse),
            NotSent,
        ),
        (vec![Full], vec![], (NotSent, Timeout), NotSent),
        (
            vec![Takes(1), Fails],
            vec![Read::Ends],
            (MaybeSeen, Closed),
            MaybeSeen,
        ),
        (
            vec![Takes(1), Full],
            vec![Read::Fails],
            (MaybeSeen, Closed),
            MaybeSeen,
        ),
        (
            vec![Takes(1), Full],
            vec![Read::Ends],
            (MaybeSeen, Closed),
            MaybeSeen,
        ),
        (
            vec![Takes(1), Full],
            vec![],
            (MaybeSeen, Timeout),
            MaybeSeen,
        ),
        (vec![], vec![Read::Fails], (MaybeSeen, Closed), MaybeSeen),
        (vec![], vec![], (MaybeSeen, Timeout), MaybeSeen),
    ] {
        let (seen, kind) = plain;
        for (url, seen) in [("http://t/", seen), ("https://t/", encrypted)] {
            let pool = pool([&Socket::new(&writes, &reads)]);
            let signed = signed(Method::POST, "{}").await;
            let failed = failure(call(&pool, url, signed).await);
            assert_eq!(failed, (seen, kind), "{writes:?} {reads:?} {url}");
        }
    }
}

/// The kernel may hold an answer although it takes no more bytes.
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_is_read_although_writing_failed() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
    for url in ["http://t/", "https://t/"] {
        let socket = Socket::new(
            &[Write::Takes(40), Write::Fails],
            &[says(refusal), Read::Fails],
        );
        let pool = pool([&socket]);
        let answer = call(&pool, url, signed(Method::POST, "{}").await).await;
        assert_eq!(answer.unwrap(), "no");
    }
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_pooled_connection_that_takes_no_byte_passes_the_whole_request_on() {
    let old = Socket::new(&[], &[says(OK)]);
    let new = Socket::new(&[], &[says(OK)]);
    let pool = pool([&old, &new]);
    let body = "the second body";
    call(&pool, "http://t/", signed(Method::POST, "{}").await)
        .await
        .unwrap();
    let first = old.written();
    old.0.borrow_mut().writes.push_back(Write::Fails);
    let answer = call(&pool, "http://t/", signed(Method::POST, body).await).await;
    assert_eq!(answer.unwrap(), "OK");
    assert_eq!(old.written(), first);
    let written = String::from_utf8(new.written()).unwrap();
    assert!(
        written.starts_with("POST /hook?x=1 HTTP/1.1\r\n"),
        "{written}"
    );
    assert!(written.ends_with(&format!("\r\n\r\n{body}")), "{written}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_small_call_is_one_write_and_one_read() {
    let socket = Socket::new(&[], &[says(OK)]);
    let pool = pool([&socket]);
    call(&pool, "http://t/", signed(Method::POST, "{}").await)
        .await
        .unwrap();
    let script = socket.0.borrow();
    assert_eq!((script.write_calls, script.room.len()), (1, 1));
}

/// Several blocks, which take several writes.
const LARGE: usize = 200_000;

/// A body that comes in pieces of 10,000 bytes.
struct Pieces(Bytes);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let length = self.0.len().min(10_000);
        let piece = self.0.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(hyper::body::Frame::data(piece))))
    }
}

async fn large() -> Signed<'static> {
    let bytes: Vec<u8> = (0..LARGE).map(|n| n as u8).collect();
    signed_body(Method::POST, Pieces(Bytes::from(bytes))).await
}

fn written_with(writes: &[Write]) -> Vec<u8> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_time()
        .start_paused(true)
        .build_local(Default::default());
    runtime.unwrap().block_on(async {
        // It answers as late as it can: when nothing more is written.
        let socket = Socket::new(writes, &[]);
        let pool = pool([&socket]);
        let failed = failure(call(&pool, "http://t/", large().await).await);
        assert_eq!(failed, (Seen::MaybeSeen, FailureKind::Timeout));
        socket.written()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn however_little_is_taken_the_bytes_are_the_same(
        takes in prop::collection::vec(
            prop_oneof![Just(Write::Full), (1_usize..70_000).prop_map(Write::Takes)],
            0..20,
        ),
    ) {
        let whole = written_with(&[]);
        let head = whole.len() - LARGE;
        prop_assert!(whole[..head].ends_with(b"\r\n\r\n"));
        prop_assert!(whole[head..].iter().enumerate().all(|(n, byte)| *byte == n as u8));
        // A last `Full` would be for ever.
        let takes: Vec<_> = takes.into_iter().chain([Write::Takes(1)]).collect();
        prop_assert_eq!(written_with(&takes) == whole, true);
    }
}

/// The answer's pieces, and how much the reads asked for.
async fn room_for(pieces: &[Read]) -> Vec<usize> {
    let socket = Socket::new(&[], pieces);
    let pool = pool([&socket]);
    let deadline = Instant::now() + Duration::from_secs(15);
    let signed = signed(Method::POST, "{}").await;
    let answer = pool.send(&origin("http://t/"), &signed, deadline).await;
    // As on its way to the agent, the head is there until the body has ended.
    let (_head, body) = answer.unwrap().into_parts();
    body.collect().await.unwrap();
    socket.0.borrow().room.clone()
}

/// A piece keeps the buffer alive that it was cut from, so what trickles must not get large ones.
#[tokio::test(flavor = "local", start_paused = true)]
async fn buffers_follow_what_arrives() {
    const KIB: usize = 1024;
    let head = says("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    let events = (0..200).map(|_| says("data: tick\n\n"));
    let events: Vec<_> = [head]
        .into_iter()
        .chain(events)
        .chain([Read::Ends])
        .collect();
    let room = room_for(&events).await;
    assert_eq!(room.len(), 201);
    assert!(room.iter().all(|room| *room <= 8 * KIB), "{room:?}");

    let head = says("HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n");
    let body = Read::Says(vec![b'x'; KIB * KIB]);
    let room = room_for(&[head, body]).await;
    assert!(room.iter().all(|room| *room <= 64 * KIB), "{room:?}");
    assert!(room.len() <= 20, "{room:?}");

    // The rest is known, and a byte too many would show.
    let head = says(format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 5000\r\n\r\n",
        "y".repeat(8000)
    ));
    let room = room_for(&[head, Read::Says(vec![b'x'; 5000])]).await;
    assert_eq!(room, [8 * KIB, 5001]);
}
