//! What happens between messages: many on one connection, one in parts, and agents that leave.

use super::chunks;
use super::exchange::{Case, refused, refused_as};
use super::stage::Reached;

const GET: &str = "GET /v1/t HTTP/1.1";
const POST: &str = "POST /v1/t HTTP/1.1";

/// Twenty request lines, so that an answer out of its order shows.
const PIPELINE: [&str; 20] = [
    "GET /v1/t?1 HTTP/1.1",
    "GET /v1/t?2 HTTP/1.1",
    "GET /v1/t?3 HTTP/1.1",
    "GET /v1/t?4 HTTP/1.1",
    "GET /v1/t?5 HTTP/1.1",
    "GET /v1/t?6 HTTP/1.1",
    "GET /v1/t?7 HTTP/1.1",
    "GET /v1/t?8 HTTP/1.1",
    "GET /v1/t?9 HTTP/1.1",
    "GET /v1/t?10 HTTP/1.1",
    "GET /v1/t?11 HTTP/1.1",
    "GET /v1/t?12 HTTP/1.1",
    "GET /v1/t?13 HTTP/1.1",
    "GET /v1/t?14 HTTP/1.1",
    "GET /v1/t?15 HTTP/1.1",
    "GET /v1/t?16 HTTP/1.1",
    "GET /v1/t?17 HTTP/1.1",
    "GET /v1/t?18 HTTP/1.1",
    "GET /v1/t?19 HTTP/1.1",
    "GET /v1/t?20 HTTP/1.1",
];

/// The first requests of [`PIPELINE`], as an agent sends them.
fn pipelined(count: usize) -> Vec<u8> {
    let request = |n: usize| format!("GET /tools/t?{n} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    (1..=count).map(request).collect::<String>().into_bytes()
}

fn reaching(case: Case, count: usize) -> Case {
    let lines = PIPELINE[..count].iter();
    lines.fold(case, |case, line| case.reaches(Reached::new(line, b"")))
}

/// Several requests in one write.
// spec: FRAME-1
pub fn pipelines() -> Vec<Case> {
    let deep = |count: usize| {
        let case = Case::new(format!("{count} requests at once")).send(pipelined(count));
        reaching(case, count).open()
    };
    let mixed: &[u8] = b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none\
        POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\
        HEAD /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n\
        \r\nPOST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nfour";
    let broken_third = [
        &pipelined(2)[..],
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\n\r\nGET /tools/t?4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let broken_chunk = [
        &pipelined(2)[..],
        b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n\
          GET /tools/t?4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let unknown_third = [
        &pipelined(2)[..],
        b"GET /tools/u HTTP/1.1\r\nHost: localhost\r\n\r\n\r\nGET /tools/t?3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let then_close = [
        &pipelined(1)[..],
        b"GET /tools/t?2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET /tools/t?3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    vec![
        deep(2),
        deep(3),
        deep(10),
        deep(20),
        Case::new("bodies of every framing at once")
            .send(mixed)
            .reaches(Reached::new(POST, b"one"))
            .reaches(Reached::new(POST, b"two"))
            .reaches(Reached::new("HEAD /v1/t HTTP/1.1", b""))
            .reaches(Reached::new(POST, b"four"))
            .open(),
        reaching(
            Case::new("a refused head among others").send(broken_third.concat()),
            2,
        )
        .refusal(400, "bad_request")
        .says("connection", "close")
        .closed(),
        reaching(
            Case::new("a refused body among others").send(broken_chunk.concat()),
            2,
        )
        .refusal(400, "bad_request")
        .says("connection", "close")
        .closed(),
        reaching(
            Case::new("an unknown tool among others").send(unknown_third.concat()),
            2,
        )
        .refusal(404, "tool_not_found")
        .reaches(Reached::new(PIPELINE[2], b""))
        .open(),
        reaching(
            Case::new("requests behind a last one").send(then_close.concat()),
            2,
        )
        .says("connection", "close")
        .closed(),
        reaching(
            Case::new("requests and half of another")
                .send([&pipelined(2)[..], b"GET /tools/t?3 HT"].concat()),
            2,
        )
        .send(&b"TP/1.1\r\nHost: localhost\r\n\r\n"[..])
        .reaches(Reached::new(PIPELINE[2], b""))
        .open(),
        reaching(
            Case::new("requests and garbage")
                .send([&pipelined(2)[..], b"\0\0\0\0\r\n\r\n"].concat()),
            2,
        )
        .refusal(400, "bad_request")
        .closed(),
    ]
}

/// The classics: one reader sees one request where another sees two.
// spec: FRAME-1
pub fn smuggling() -> Vec<Case> {
    let smuggled = "GET /tools/t?smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let with = |fields: &str, body: &str| {
        format!("POST /tools/t HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}{smuggled}")
            .into_bytes()
    };
    let inside = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    vec![
        refused("CL.TE", &with("Content-Length: 57\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        refused("TE.CL", &with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &inside)),
        refused("TE.TE by a second field", &with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")),
        refused("TE.TE by a space before the colon", &with("Content-Length: 57\r\nTransfer-Encoding : chunked\r\n", "0\r\n\r\n")),
        refused("TE.TE by a vertical tab", &with("Content-Length: 57\r\nTransfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n")),
        refused("TE.TE by a fold", &with("Content-Length: 57\r\nTransfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        refused("CL.CL", &with("Content-Length: 0\r\nContent-Length: 52\r\n", "")),
        refused("CL.0 by a plus", &with("Content-Length: +52\r\n", "")),
        refused("a chunk's extension that ends in LF", &with("Transfer-Encoding: chunked\r\n", "2;\nxx\r\n34\r\n0\r\n\r\n")),
        refused("a chunk's data that ends in one byte", &with("Transfer-Encoding: chunked\r\n", "2\r\nxxX2f\r\n0\r\n\r\n")),
        Case::new("a request inside a length")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 48\r\n\r\nGET /tools/t?smuggled HTTP/1.1\r\nHost: hidden\r\n\r\n"[..])
            .reaches(Reached::new(POST, b"GET /tools/t?smuggled HTTP/1.1\r\nHost: hidden\r\n\r\n"))
            .open(),
        Case::new("a request inside a chunk")
            .send([chunks::HEAD, inside.as_bytes()].concat())
            .reaches(Reached::new(POST, smuggled.as_bytes().to_vec()))
            .open(),
        Case::new("a body where none is announced")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\nGET /tools/t?second HTTP/1.1\r\nHost: localhost\r\n\r\n"[..])
            .reaches(Reached::new(POST, b""))
            .reaches(Reached::new("GET /v1/t?second HTTP/1.1", b""))
            .open(),
    ]
}

/// `Expect: 100-continue` is the sidecar's to answer, and only when it wants the body.
// spec: BODY-1 CALL-3
pub fn expectations() -> Vec<Case> {
    let head = |path: &str, fields: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{fields}\r\n")
            .into_bytes()
    };
    let hello = || Reached::new(POST, b"hello");
    vec![
        Case::new("an expectation with a length")
            .send(head("/tools/t", "Content-Length: 5\r\n"))
            .interim()
            .send(&b"hello"[..])
            .reaches(hello())
            .open(),
        Case::new("an expectation with chunks")
            .send(head("/tools/t", "Transfer-Encoding: chunked\r\n"))
            .interim()
            .send(&b"5\r\nhello\r\n0\r\n\r\n"[..])
            .reaches(hello())
            .open(),
        Case::new("an expectation in capitals")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nEXPECT: 100-CONTINUE\r\nContent-Length: 5\r\n\r\n"[..])
            .interim()
            .send(&b"hello"[..])
            .reaches(hello())
            .open(),
        Case::new("an expectation whose body came along")
            .send([&head("/tools/t", "Content-Length: 5\r\n")[..], b"hello"].concat())
            .reaches(hello())
            .open(),
        Case::new("an expectation without a body")
            .send(head("/tools/t", ""))
            .reaches(Reached::new(POST, b""))
            .open(),
        Case::new("an expectation of HTTP/1.0")
            .send(&b"POST /tools/t HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"[..])
            .reaches(hello())
            .closed(),
        Case::new("an expectation for an unknown tool")
            .send(head("/tools/u", "Content-Length: 5\r\n"))
            .refusal(404, "tool_not_found")
            .says("connection", "close")
            .closed(),
        Case::new("an expectation of too long a body")
            .send(head("/tools/t", "Content-Length: 1001\r\n"))
            .refusal(413, "body_too_large")
            .says("connection", "close")
            .closed(),
        refused("an expectation in a request that is refused", &head("/tools/t", "Content-Length: +5\r\n")),
    ]
}

/// HTTP/1.0, and the end of connections by agreement.
// spec: FRAME-1
pub fn lifetimes() -> Vec<Case> {
    let got = || Reached::new(GET, b"");
    let hello = || Reached::new(POST, b"hello");
    vec![
        Case::new("HTTP/1.0 without Host")
            .send(&b"GET /tools/t HTTP/1.0\r\n\r\n"[..])
            .reaches(got())
            .closed(),
        Case::new("HTTP/1.0 with Host")
            .send(&b"GET /tools/t HTTP/1.0\r\nHost: localhost\r\n\r\n"[..])
            .reaches(got())
            .closed(),
        Case::new("HTTP/1.0 with a body")
            .send(&b"POST /tools/t HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"[..])
            .reaches(hello())
            .closed(),
        Case::new("HTTP/1.0 and another request behind it")
            .send(&b"GET /tools/t HTTP/1.0\r\n\r\nGET /tools/t?smuggled HTTP/1.0\r\n\r\n"[..])
            .reaches(got())
            .closed(),
        Case::new("HTTP/1.0 that wants to stay")
            .send(&b"GET /tools/t HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"[..])
            .reaches(got())
            .says("connection", "keep-alive")
            .send(&b"GET /tools/t HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"[..])
            .reaches(got())
            .says("connection", "keep-alive")
            .open(),
        Case::new("HTTP/1.1 that wants to end")
            .send(&b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"[..])
            .reaches(got())
            .says("connection", "close")
            .closed(),
        Case::new("an end in capitals in a list")
            .send(
                &b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\nConnection: x-a, CLOSE\r\n\r\n"[..],
            )
            .reaches(got())
            .says("connection", "close")
            .closed(),
        Case::new("HTTP/1.1 that says nothing")
            .send(&b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"[..])
            .reaches(got())
            .omits("connection")
            .open(),
        Case::new("a refusal that ends nothing")
            .send(&b"GET /tools/u HTTP/1.1\r\nHost: localhost\r\n\r\n"[..])
            .refusal(404, "tool_not_found")
            .open(),
        refused_as(
            "a refusal before the body is read",
            404,
            "tool_not_found",
            &[
                b"POST /tools/u HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
                &[b'x'; 50_000][..],
            ]
            .concat(),
        ),
    ]
}

/// Agents that end their sending side, or the connection, at every place.
// spec: CANCEL-1 BODY-1
pub fn departures() -> Vec<Case> {
    let half =
        |name: &'static str, bytes: &'static [u8]| Case::new(name).send(bytes).half_close().gone();
    vec![
        Case::new("half-closed after a request")
            .send(&b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"[..])
            .half_close()
            .reaches(Reached::new(GET, b""))
            .closed(),
        Case::new("half-closed after a body")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"[..])
            .half_close()
            .reaches(Reached::new(POST, b"hello"))
            .closed(),
        Case::new("half-closed after a chunked body")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"[..])
            .half_close()
            .reaches(Reached::new(POST, b"hello"))
            .closed(),
        Case::new("half-closed in HTTP/1.0")
            .send(&b"POST /tools/t HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"[..])
            .half_close()
            .reaches(Reached::new(POST, b"hello"))
            .closed(),
        reaching(Case::new("half-closed after 20 requests").send(pipelined(20)).half_close(), 20).closed(),
        half("half-closed at once", b""),
        half("half-closed after an empty line", b"\r\n"),
        half("half-closed in the method", b"PO"),
        half("half-closed in a field", b"GET /tools/t HTTP/1.1\r\nHost: local"),
        half("half-closed before the end of the head", b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n"),
        half("half-closed before the body", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"),
        half("half-closed in the body", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell"),
        half("half-closed in a chunk's size", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5"),
        half("half-closed in a chunk", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell"),
        half("half-closed between chunks", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        half("half-closed before the last empty line", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
        half("half-closed in HTTP/1.0's body", b"POST /tools/t HTTP/1.0\r\nContent-Length: 5\r\n\r\nhell"),
        Case::new("reset at once").reset(),
        Case::new("reset in a head").send(&b"GET /tools/t HTTP/1.1\r\nHost"[..]).reset(),
        Case::new("reset in a body").send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell"[..]).reset(),
        Case::new("reset in a chunk").send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"[..]).reset(),
    ]
}

/// What is too slow for a sidecar that waits 300 ms for a head and for a body.
// spec: BODY-1 BIND-1
pub fn slow() -> Vec<Case> {
    let late = |name: &'static str, bytes: &'static [u8]| {
        let sent = Case::new(name).send(bytes);
        sent.refusal(408, "request_timeout")
            .says("connection", "close")
            .closed()
    };
    vec![
        late("a head that stops in the method", b"GE"),
        late("a head that stops after an empty line", b"\r\nG"),
        late("a head that stops in a field", b"GET /tools/t HTTP/1.1\r\nHost: local"),
        late("a head that stops before its last byte", b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r"),
        late("a body that does not begin", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"),
        late("a body that stops", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell"),
        late("a chunked body that stops in a size", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5"),
        late("a chunked body that stops in a chunk", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell"),
        late("a chunked body that does not end", b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        late(
            "a chunk of 2^64 minus 1 bytes that stops",
            b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
        ),
        late("a body of HTTP/1.0 that stops", b"POST /tools/t HTTP/1.0\r\nContent-Length: 5\r\n\r\nhell"),
        Case::new("a body that does not come after it was asked for")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"[..])
            .interim()
            .refusal(408, "request_timeout")
            .closed(),
        Case::new("a second head that stops")
            .send(&b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\nGET /tools/t?2 HT"[..])
            .reaches(Reached::new(GET, b""))
            .refusal(408, "request_timeout")
            .says("connection", "close")
            .closed(),
        Case::new("an agent that says nothing").closed(),
    ]
}
