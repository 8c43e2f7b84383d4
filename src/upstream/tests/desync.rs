//! HTTP/1.1: nothing that an upstream does to one call can reach the next.

use tokio::join;

use super::*;

/// What an attacker would like the next call to take for its answer.
const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

/// Lets a pooled connection carry one call that is answered like this, with `late` following while
/// nothing is asked; then makes another call, which has to find a connection of its own.
async fn check(method: &Method, says: &str, late: &str) {
    let world = World::http();
    let (first, mut peer) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.serve().await;
        peer
    });
    assert_eq!(
        (first.unwrap().as_str(), world.counted()),
        ("OK", (1.0, 0.0))
    );

    let (second, ()) = join!(world.send_as(method.clone(), "{}"), async {
        peer.request().await;
        peer.say(says).await;
    });
    // Whether this one was an answer is not what is asked here.
    if let Ok(answer) = second {
        let _ = read(answer).await;
    }
    assert_eq!(world.dials(), 1, "{says}{late}");
    // The connection may be gone, and then nobody listens.
    let _ = peer.0.write_all(late.as_bytes()).await;

    let (third, ()) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nclean")
            .await;
    });
    assert_eq!(
        (third.unwrap().as_str(), world.dials()),
        ("clean", 2),
        "{says}{late}"
    );
}

// spec: FRAME-1 UP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_bad_answer_on_a_reused_connection_never_reaches_the_next_call() {
    let chunked = "transfer-encoding: chunked\r\n";
    let (head, post) = (Method::HEAD, Method::POST);
    for (method, says) in [
        // A second answer behind a complete one.
        (&post, format!("{OK}{POISON}")),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\n{chunked}\r\n0\r\n\r\n{POISON}"),
        ),
        (&post, format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}")),
        (&post, format!("HTTP/1.1 304 Not Modified\r\n\r\n{POISON}")),
        (
            &head,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{POISON}"),
        ),
        // A body that is longer in one reading than in the other.
        (
            &post,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{chunked}\r\n0\r\n\r\n{POISON}"),
        ),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{chunked}\r\n0\r\n\r\n"),
        ),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 60\r\n\r\nOK{POISON}"),
        ),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: cow\r\n\r\nOK{POISON}"),
        ),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\n{chunked}\r\n2\r\nOK{POISON}"),
        ),
        (
            &post,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 2\nx: y\r\n\r\nOK{POISON}"),
        ),
        // An answer to nothing before the answer.
        (
            &post,
            format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{POISON}"),
        ),
        (
            &post,
            format!("HTTP/1.1 100 Continue\r\ncontent-length: 80\r\n\r\n{POISON}"),
        ),
        (&post, format!("garbage\r\n\r\n{POISON}")),
    ] {
        check(method, &says, "").await;
    }
}

// spec: UP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_comes_while_nothing_is_asked_ends_the_connection() {
    for late in [
        POISON,
        "H",
        "\r\n",
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        check(&Method::POST, OK, late).await;
    }
}

/// The answer's last byte and the first one too many come in one piece, cut everywhere else.
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_byte_too_many_shows_wherever_the_answer_is_cut() {
    let says = format!("{OK}!");
    for at in 0..OK.len() {
        let world = World::http();
        let (answer, mut peer) = join!(world.call(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            let (one, two) = says.as_bytes().split_at(at);
            peer.say(one).await;
            sleep(Duration::from_millis(1)).await;
            peer.say(two).await;
            peer
        });
        assert_eq!(
            (answer.unwrap().as_str(), world.counted()),
            ("OK", (0.0, 0.0))
        );
        peer.closed().await;
    }
}

// spec: UP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_idle_connection_that_is_no_good_any_more_is_found_within_a_second() {
    for farewell in [Some("anything"), None] {
        let world = World::http();
        let (answer, mut peer) = join!(world.call(), async {
            let mut peer = world.accept().await;
            peer.serve().await;
            peer
        });
        answer.unwrap();
        // Between two looks.
        sleep(Duration::from_millis(400)).await;
        assert_eq!(world.counted(), (1.0, 0.0));
        let start = Instant::now();
        match farewell {
            Some(text) => peer.say(text).await,
            None => peer.0.shutdown().await.unwrap(),
        }
        peer.closed().await;
        assert_eq!(start.elapsed(), Duration::from_millis(600));
        assert_eq!(world.counted(), (0.0, 0.0));
    }
}
