//! HTTP/2: sharing, and what its frames say about a request that was not answered.
//!
//! The peer speaks in frames written out by hand (RFC 9113, section 6).

use tokio::join;

use super::*;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const RST_STREAM: u8 = 3;

/// A frame on `stream`.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

/// `:status: 200`, the eighth entry of HPACK's static table.
fn headers(stream: u8, ends: bool) -> Vec<u8> {
    frame(1, 0x4 | u8::from(ends), stream, &[0x88])
}

fn data(stream: u8, ends: bool, bytes: &[u8]) -> Vec<u8> {
    frame(0, u8::from(ends), stream, bytes)
}

fn reset(stream: u8, code: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, code])
}

fn go_away(last: u8, code: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, last, 0, 0, 0, code])
}

impl Peer {
    /// Opens the connection from the upstream's side.
    async fn preface(&mut self) {
        let mut preface = [0; 24];
        self.0.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        self.say(SETTINGS).await;
    }

    /// Skips frames up to one of this kind; gives its stream and payload.
    async fn await_frame(&mut self, wanted: u8) -> (u32, Vec<u8>) {
        loop {
            let length = self.0.read_u24().await;
            let kind = self.0.read_u8().await.unwrap();
            self.0.read_u8().await.unwrap();
            let stream = self.0.read_u32().await.unwrap();
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            if kind == wanted {
                return (stream, payload);
            }
        }
    }

    /// Waits for a whole request; gives its stream.
    async fn stream(&mut self) -> u8 {
        let (stream, _) = self.await_frame(0).await;
        stream as u8
    }
}

/// Reads the length of a frame.
trait ReadU24 {
    async fn read_u24(&mut self) -> u32;
}

impl ReadU24 for DuplexStream {
    async fn read_u24(&mut self) -> u32 {
        let mut bytes = [0; 3];
        self.read_exact(&mut bytes).await.unwrap();
        u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
    }
}

fn world() -> World {
    World::https().plan([Plan::Accept(Protocol::Http2), Plan::Accept(Protocol::Http2)])
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_share_one_connection_until_it_is_idle_too_long() {
    let world = world();
    let serve = async {
        let mut peer = world.accept().await;
        peer.preface().await;
        let streams = [peer.stream().await, peer.stream().await];
        assert_eq!(world.counted(), (0.0, 1.0));
        for stream in streams {
            peer.say(headers(stream, false)).await;
            peer.say(data(stream, true, b"OK")).await;
        }
        peer
    };
    let (a, b, mut peer) = join!(world.call(), world.call(), serve);
    assert_eq!((a.unwrap(), b.unwrap()), ("OK".to_owned(), "OK".to_owned()));
    assert_eq!((world.dials(), world.counted()), (1, (1.0, 0.0)));

    let (c, ()) = join!(world.call(), async {
        let stream = peer.stream().await;
        peer.say(headers(stream, true)).await;
    });
    assert_eq!(c.unwrap(), "");
    let idle_since = Instant::now();
    let mut rest = Vec::new();
    peer.0.read_to_end(&mut rest).await.unwrap();
    assert_eq!(idle_since.elapsed(), Duration::from_secs(4));
    assert_eq!((world.dials(), world.counted()), (1, (0.0, 0.0)));
}

/// What a peer says after the request on stream 1 before it closes, and what becomes of it.
// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn frames_tell_what_was_not_processed() {
    use FailureKind::{Closed, InvalidResponse};
    use Seen::{MaybeSeen, NotSent};
    const NO_ERROR: u8 = 0;
    const INTERNAL_ERROR: u8 = 2;
    const REFUSED_STREAM: u8 = 7;
    const ENHANCE_YOUR_CALM: u8 = 11;
    for (says, expected) in [
        (reset(1, REFUSED_STREAM), (NotSent, Closed)),
        (go_away(0, NO_ERROR), (NotSent, Closed)),
        (go_away(0, ENHANCE_YOUR_CALM), (NotSent, Closed)),
        (go_away(1, NO_ERROR), (MaybeSeen, Closed)),
        (go_away(1, INTERNAL_ERROR), (MaybeSeen, Closed)),
        (reset(1, INTERNAL_ERROR), (MaybeSeen, Closed)),
        (reset(1, NO_ERROR), (MaybeSeen, Closed)),
        (Vec::new(), (MaybeSeen, Closed)),
        // DATA before HEADERS, and a frame on a stream that nobody opened.
        (data(1, true, b"early"), (MaybeSeen, InvalidResponse)),
        (data(9, true, b"whose"), (MaybeSeen, InvalidResponse)),
        // A field block that is not HPACK.
        (
            frame(1, 0x5, 1, &[0xff, 0xff]),
            (MaybeSeen, InvalidResponse),
        ),
    ] {
        let world = world();
        let (answer, ()) = join!(world.call(), async {
            let mut peer = world.accept().await;
            peer.preface().await;
            assert_eq!(peer.stream().await, 1);
            peer.say(&says).await;
        });
        assert_eq!(failure(answer), expected, "{says:?}");
    }
}

// spec: RESP-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stream_that_is_cut_short_is_an_error_whatever_the_code() {
    for code in [0, 2, 8] {
        let world = world();
        let (answer, mut peer) = join!(world.send(), async {
            let mut peer = world.accept().await;
            peer.preface().await;
            let stream = peer.stream().await;
            peer.say(headers(stream, false)).await;
            peer.say(data(stream, false, b"half")).await;
            peer
        });
        let answer = answer.unwrap();
        peer.say(reset(1, code)).await;
        assert!(read(answer).await.is_err(), "code {code}");
    }
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn dropping_the_attempt_resets_its_stream_alone() {
    let world = world();
    let start = Instant::now();
    let impatient = tokio::time::timeout(Duration::from_secs(1), world.call());
    let serve = async {
        let mut peer = world.accept().await;
        peer.preface().await;
        let streams = [peer.stream().await, peer.stream().await];
        let (stream, _) = peer.await_frame(RST_STREAM).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        let other = streams.into_iter().find(|id| u32::from(*id) != stream);
        peer.say(headers(other.unwrap(), true)).await;
    };
    let (dropped, answer, ()) = join!(impatient, world.call(), serve);
    assert!(dropped.is_err());
    assert_eq!(answer.unwrap(), "");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_on_which_a_call_timed_out_takes_no_more() {
    let world = world();
    let (answer, _peer) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.preface().await;
        peer.stream().await;
        // Pings are answered, so the connection is alive and the tool is slow.
        tokio::select! {
            () = async {
                loop {
                    let (_, ping) = peer.await_frame(6).await;
                    peer.say(frame(6, 1, 0, &ping)).await;
                }
            } => {}
            () = sleep(Duration::from_secs(16)) => {}
        }
        peer
    });
    assert_eq!(failure(answer), (Seen::MaybeSeen, FailureKind::Timeout));
    let (answer, ()) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.preface().await;
        let stream = peer.stream().await;
        peer.say(headers(stream, true)).await;
    });
    answer.unwrap();
    assert_eq!(world.dials(), 2);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_peer_that_vanished_is_noticed_before_the_deadline() {
    let world = world();
    let start = Instant::now();
    let (answer, _peer) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.preface().await;
        peer.stream().await;
        peer
    });
    assert_eq!(failure(answer), (Seen::MaybeSeen, FailureKind::Closed));
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}
