//! Bodies of every shape against every limit.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use proptest::prelude::*;

use super::*;
use crate::test_support::Pieces;

/// Remembers everything it was fed.
#[derive(Debug, Default)]
struct Copy(Vec<u8>);

impl Absorb for Copy {
    type Digest = Vec<u8>;

    fn absorb(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    fn finish(self) -> Vec<u8> {
        self.0
    }
}

fn limits(max_bytes: usize, max_buffered: usize) -> BodyLimits {
    let timeout = Duration::from_secs(30);
    BodyLimits {
        max_bytes,
        timeout,
        buffered: BufferedBytes::new(max_buffered),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_piece_arrives_once_in_order(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100_000), 0..5)
    ) {
        let whole = pieces.concat();
        let limits = limits(usize::MAX, usize::MAX);
        let source = Pieces(pieces.into_iter().map(Bytes::from).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (captured, replays) = runtime.block_on(async {
            let captured = Captured::read(source, &limits, Copy::default()).await.unwrap();
            let mut replays = Vec::new();
            for _ in 0..2 {
                replays.push(captured.replay().clone().collect().await.unwrap().to_bytes());
            }
            (captured, replays)
        });
        prop_assert_eq!(captured.digest(), &whole);
        prop_assert_eq!(captured.size(), whole.len());
        prop_assert_eq!(limits.buffered.used(), whole.len());
        for replay in replays {
            prop_assert_eq!(&replay[..], &whole[..]);
        }
        let last = captured.replay().clone();
        drop(captured);
        prop_assert_eq!(limits.buffered.used(), whole.len());
        drop(last);
        prop_assert_eq!(limits.buffered.used(), 0);
    }
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_unread() {
    let body = Full::new(Bytes::from_static(b"0123456789"));
    let error = Captured::read(body, &limits(9, 100), Copy::default())
        .await
        .unwrap_err();
    assert!(matches!(error, CaptureError::TooLarge { max_bytes: 9 }));
}

#[tokio::test]
async fn room_is_given_back_when_a_body_is_refused() {
    let limits = limits(8, 100);
    let source = Pieces([Bytes::from_static(b"01234"), Bytes::from_static(b"56789")].into());
    let error = Captured::read(source, &limits, Copy::default())
        .await
        .unwrap_err();
    assert!(matches!(error, CaptureError::TooLarge { max_bytes: 8 }));
    assert_eq!(limits.buffered.used(), 0);
}

/// A body that says how long it is and must not be asked for it.
struct Announced(u64);

impl Body for Announced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the agent was told to go on");
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// A body that says how long it is and never comes.
struct Silent(u64);

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

// spec: BODY-1
#[tokio::test]
async fn a_declared_length_without_room_is_refused_unread() {
    let limits = limits(10, 10);
    let first = Full::new(Bytes::from_static(b"0123"));
    let first = Captured::read(first, &limits, Copy::default())
        .await
        .unwrap();
    let error = Captured::read(Announced(7), &limits, Copy::default())
        .await
        .unwrap_err();
    assert!(matches!(error, CaptureError::Overloaded));
    assert_eq!(limits.buffered.used(), 4);
    drop(first);
}

// spec: BODY-1
#[tokio::test(start_paused = true)]
async fn a_body_that_was_announced_keeps_its_room_while_it_comes() {
    let limits = limits(10, 10);
    let waiting = Captured::read(Silent(8), &limits, Copy::default());
    let other = async {
        tokio::task::yield_now().await;
        assert_eq!(limits.buffered.used(), 8);
        let chunked = Pieces([Bytes::from_static(b"012")].into());
        let refused = Captured::read(chunked, &limits, Copy::default()).await;
        assert!(matches!(refused, Err(CaptureError::Overloaded)));
    };
    let (waited, ()) = tokio::join!(waiting, other);
    assert!(matches!(waited, Err(CaptureError::TimedOut { .. })));
    assert_eq!(limits.buffered.used(), 0);
}

#[tokio::test]
async fn all_bodies_together_have_a_limit() {
    let limits = limits(10, 15);
    let body = || Full::new(Bytes::from_static(b"0123456789"));
    let first = Captured::read(body(), &limits, Copy::default())
        .await
        .unwrap();
    let error = Captured::read(body(), &limits, Copy::default())
        .await
        .unwrap_err();
    assert!(matches!(error, CaptureError::Overloaded));
    drop(first);
    Captured::read(body(), &limits, Copy::default())
        .await
        .unwrap();
}
