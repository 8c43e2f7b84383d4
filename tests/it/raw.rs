//! Raw bytes in both directions, against the real binary over real sockets.
//!
//! The tables are below `raw/` and read as a specification: what is sent, and what comes of it. For
//! every row it is checked what reached the upstream, byte for byte, what the other side got, that
//! the process lives, and that the next call on a new connection works.

mod answers;
mod chunks;
mod clear;
mod dialogues;
mod exchange;
mod heads;
mod playing;
mod sequences;
mod stage;
mod upstream;
mod wire;

use answers::Row;
use exchange::{Case, is_refused_by_the_operators_listener, refused};
use playing::Connection;
use stage::Stage;

/// A sidecar that takes bodies of at most 1,000 bytes.
fn narrow() -> Stage {
    let environment = [
        ("COUNTERSIGN_LIMITS_MAX_BODY_BYTES", "1000"),
        // A case that should be refused at once and waits instead ends here.
        ("COUNTERSIGN_LIMITS_BODY_TIMEOUT_MS", "10000"),
    ];
    Stage::start(&environment, "")
}

fn run(stage: &Stage, cases: &[Case]) {
    stage.run(cases, |case| case.name.to_string(), |case| case.run(stage));
}

/// Every row of both kinds, as a request.
fn bad_heads() -> Vec<(&'static str, Vec<u8>)> {
    let fields = heads::FIELDS.iter();
    let fields = fields.map(|(name, bytes)| (*name, heads::with_fields(bytes)));
    let whole = heads::HEADS
        .iter()
        .map(|(name, bytes)| (*name, bytes.to_vec()));
    fields.chain(whole).collect()
}

// spec: FRAME-1 ERR-1
#[test]
fn a_head_that_means_two_things_is_refused() {
    let rows = bad_heads();
    let cases: Vec<_> = rows
        .iter()
        .map(|(name, bytes)| refused(*name, bytes))
        .collect();
    run(&narrow(), &cases);
}

// spec: FRAME-1 API-2
#[test]
fn the_operators_listener_refuses_the_same_heads() {
    let stage = narrow();
    let bad = |(name, bytes)| (name, 400, "bad_request", bytes);
    let large = |name, bytes| (name, 431, "head_too_large", bytes);
    let mut rows: Vec<_> = bad_heads().into_iter().map(bad).collect();
    rows.push(large(
        "a head of a byte more than 64 KiB",
        heads::of_bytes(65_537),
    ));
    rows.push(large("101 fields", heads::of_fields(101)));
    stage.run(
        &rows,
        |(name, ..)| (*name).to_owned(),
        |(_, status, code, bytes)| {
            is_refused_by_the_operators_listener(&stage, *status, code, bytes)
        },
    );
}

// spec: FRAME-1 BODY-1
#[test]
fn a_chunked_body_that_means_two_things_is_refused() {
    let body = |name, body: &[u8]| refused(name, &[chunks::HEAD, body].concat());
    let mut cases: Vec<_> = chunks::BROKEN
        .iter()
        .map(|(name, bytes)| body(*name, bytes))
        .collect();
    cases.extend([
        body(
            "an extension of more than 4 KiB",
            &chunks::with_extension(4098),
        ),
        body(
            "extensions of more than 4 KiB in all",
            &chunks::with_extensions(5000),
        ),
        body("33 trailers", &chunks::with_trailers(33)),
        body(
            "a trailer of more than 8 KiB",
            &chunks::with_long_trailer(8200),
        ),
    ]);
    run(&narrow(), &cases);
}

// spec: CALL-1 HDR-1 HDR-2 BODY-1
#[test]
fn a_request_that_means_one_thing_is_forwarded_as_that() {
    run(
        &narrow(),
        &[
            clear::spellings(),
            clear::passing_fields(),
            clear::chunked(),
        ]
        .concat(),
    );
}

// spec: FRAME-1
#[test]
fn it_does_not_matter_in_how_many_pieces_a_request_comes() {
    let broken = chunks::BROKEN.iter();
    let broken =
        broken.map(|(name, bytes)| refused(*name, &[chunks::HEAD, bytes].concat()).byte_by_byte());
    let bad = bad_heads();
    let bad = bad
        .iter()
        .map(|(name, bytes)| refused(*name, bytes).byte_by_byte());
    let clear = clear::chunked().into_iter().map(Case::byte_by_byte);
    run(
        &narrow(),
        &broken.chain(bad).chain(clear).collect::<Vec<_>>(),
    );
}

// spec: BODY-1
#[test]
fn what_is_too_large_is_refused() {
    run(&narrow(), &clear::too_large());
}

// spec: FRAME-1
#[test]
fn a_connection_carries_one_message_after_the_other() {
    let groups = [
        sequences::pipelines(),
        sequences::smuggling(),
        sequences::lifetimes(),
    ];
    run(&narrow(), &groups.concat());
}

// spec: BODY-1 CALL-3
#[test]
fn the_body_is_asked_for_only_where_it_is_wanted() {
    run(&narrow(), &sequences::expectations());
}

// spec: CANCEL-1
#[test]
fn an_agent_may_end_its_side_and_may_leave() {
    run(&narrow(), &sequences::departures());
}

/// A sidecar that waits 300 ms.
fn impatient() -> Stage {
    let limits = [
        "COUNTERSIGN_LIMITS_HEAD_TIMEOUT_MS",
        "COUNTERSIGN_LIMITS_BODY_TIMEOUT_MS",
    ];
    Stage::start(&limits.map(|name| (name, "300")), "")
}

// spec: BODY-1 BIND-1
#[test]
fn what_is_too_slow_is_refused() {
    run(&impatient(), &sequences::slow());
}

/// A sidecar whose tool gives up after 3 s, so that a call that hangs shows.
fn wide() -> Stage {
    Stage::start(&[], "    timeout_ms: 3000\n")
}

/// Plays every row on a new connection and on one that is pooled.
fn play(rows: &[Row]) {
    let stage = wide();
    let both = |row| [(row, Connection::New), (row, Connection::Pooled)];
    let cases: Vec<(&Row, Connection)> = rows.iter().flat_map(both).collect();
    stage.run(
        &cases,
        |(row, connection)| format!("{} ({connection:?})", row.name),
        |(row, connection)| row.run(&stage, *connection),
    );
}

// spec: RESP-1 FRAME-1 UP-1
#[test]
fn a_whole_answer_is_passed_on_and_nothing_behind_it() {
    play(&answers::whole_ones());
}

// spec: FRAME-1 RETRY-4
#[test]
fn an_answer_that_is_none_is_refused() {
    play(&answers::invalid_ones());
}

// spec: RESP-2 RETRY-4
#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    play(&answers::broken_ones());
}
