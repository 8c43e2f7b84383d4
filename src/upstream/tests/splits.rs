//! HTTP/1.1: the pieces that an answer arrives in do not matter.

use proptest::prelude::*;
use tokio::join;

use super::*;

/// What an agent would see of an answer that arrives in these pieces, and whether its connection
/// was kept.
async fn in_pieces(pieces: &[&[u8]], closes: bool) -> (u16, Option<String>, bool) {
    let world = World::http();
    let (answer, _peer) = join!(
        async {
            let answer = world.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, read(answer).await.ok())
        },
        async {
            let mut peer = world.accept().await;
            peer.request().await;
            for piece in pieces {
                peer.say(piece).await;
                // The other side reads this piece before the next one comes.
                sleep(Duration::from_millis(1)).await;
            }
            (!closes).then_some(peer)
        }
    );
    let (status, body) = answer;
    (status, body, world.counted() == (1.0, 0.0))
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_may_be_split_anywhere() {
    for (says, closes, expected) in [
        (OK, false, (200, Some("OK"), true)),
        (
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\none\r\n00c;ext=1\r\n two, three.\r\n0\r\nx: y\r\n\r\n",
            false,
            (201, Some("one two, three."), true),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nConnection: close\r\n\
             Content-Length: 4\r\n\r\nbusy",
            false,
            (503, Some("busy"), false),
        ),
        (
            "HTTP/1.0 200 OK\r\n\r\nto the end",
            true,
            (200, Some("to the end"), false),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            true,
            (200, None, false),
        ),
    ] {
        let (status, body, kept) = expected;
        let expected = (status, body.map(str::to_owned), kept);
        for at in 0..=says.len() {
            let (one, two) = says.as_bytes().split_at(at);
            assert_eq!(
                in_pieces(&[one, two], closes).await,
                expected,
                "{at}: {says}"
            );
        }
        let bytes: Vec<&[u8]> = says.as_bytes().chunks(1).collect();
        assert_eq!(in_pieces(&bytes, closes).await, expected, "bytes: {says}");
    }
}

/// How a generated body is framed.
#[derive(Clone, Debug)]
enum Framed {
    Length,
    /// In chunks of these sizes, over and over.
    Chunks(Vec<usize>),
    UntilClose,
}

impl Framed {
    fn write(&self, body: &str) -> Vec<u8> {
        let fields = match self {
            Self::Length => format!("Content-Length: {}\r\n", body.len()),
            Self::Chunks(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
            Self::UntilClose => String::new(),
        };
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
        let Self::Chunks(sizes) = self else {
            bytes.extend_from_slice(body.as_bytes());
            return bytes;
        };
        let mut rest = body.as_bytes();
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            if chunk.is_empty() {
                return bytes;
            }
            rest = after;
        }
        unreachable!("a list of sizes is not empty")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_body_survives_any_framing_and_any_split(
        length in 0_usize..40_000,
        framed in prop_oneof![
            Just(Framed::Length),
            prop::collection::vec(1_usize..9_000, 1..5).prop_map(Framed::Chunks),
            Just(Framed::UntilClose),
        ],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let body: String = ('a'..='z').cycle().take(length).collect();
        let bytes = framed.write(&body);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let closes = matches!(framed, Framed::UntilClose);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build_local(Default::default());
        let got = runtime.unwrap().block_on(in_pieces(&pieces, closes));
        prop_assert_eq!(got, (200, Some(body), !closes));
    }
}
