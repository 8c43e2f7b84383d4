//! What upstreams say, from ordinary to hostile, and what may come of each.
//!
//! A row stands for an upstream that says these bytes to `POST /v1/t`, and keeps the connection
//! open unless the row ends it.

mod broken;
mod invalid;
mod whole;

use std::borrow::Cow;

use super::upstream::{Act, From};

pub use broken::broken_ones;
pub use invalid::invalid_ones;
pub use whole::whole_ones;

/// What the agent gets.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// This status, with exactly this body.
    Whole(u16, Cow<'static, [u8]>),
    /// 502 with this code.
    Refused(&'static str),
    /// 502 with either code: whether half a head is no answer or an invalid one is a matter of taste.
    RefusedAnyhow,
    /// The connection ends before the answer does.
    Aborted,
    /// The answer, or 502: both are right.
    WholeOrRefused(u16, &'static [u8]),
}

/// Whether the connection may carry the next call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// It does.
    Yes,
    /// It must not.
    No,
    /// Both are right.
    Either,
}

/// One upstream and its call.
pub struct Row {
    /// What is special about it.
    pub name: &'static str,
    /// The agent's method.
    pub method: &'static str,
    /// When it speaks.
    pub from: From,
    /// What it does, made anew for each playing.
    pub acts: Box<dyn Fn() -> Vec<Act>>,
    /// What comes of it.
    pub outcome: Outcome,
    /// What becomes of the connection.
    pub reuse: Reuse,
    /// Fields that the agent must and must not get.
    pub fields: &'static [(&'static str, Option<&'static str>)],
}

const INVALID: Outcome = Outcome::Refused("upstream_invalid_response");
const CLOSED: Outcome = Outcome::Refused("upstream_closed");

impl Row {
    fn new(name: &'static str, outcome: Outcome, acts: impl Fn() -> Vec<Act> + 'static) -> Self {
        Self {
            name,
            method: "POST",
            from: From::Request,
            acts: Box::new(acts),
            outcome,
            reuse: Reuse::No,
            fields: &[],
        }
    }

    fn reused(self) -> Self {
        let reuse = Reuse::Yes;
        Self { reuse, ..self }
    }

    fn reusable(self) -> Self {
        let reuse = Reuse::Either;
        Self { reuse, ..self }
    }

    fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn fields(self, fields: &'static [(&'static str, Option<&'static str>)]) -> Self {
        Self { fields, ..self }
    }
}

fn says(name: &'static str, outcome: Outcome, bytes: &'static [u8]) -> Row {
    Row::new(name, outcome, move || vec![Act::Write(bytes.into())])
}

fn says_long(name: &'static str, outcome: Outcome, bytes: Vec<u8>) -> Row {
    Row::new(name, outcome, move || {
        vec![Act::Write(bytes.clone().into())]
    })
}

fn says_and_closes(name: &'static str, outcome: Outcome, bytes: &'static [u8]) -> Row {
    Row::new(name, outcome, move || {
        vec![Act::Write(bytes.into()), Act::Close]
    })
}

fn says_and_resets(name: &'static str, outcome: Outcome, bytes: &'static [u8]) -> Row {
    // What was written before a reset may be thrown away by the kernel that gets it.
    Row::new(name, outcome, move || {
        vec![Act::Write(bytes.into()), Act::Wait, Act::Reset]
    })
}

fn whole(body: &'static [u8]) -> Outcome {
    Outcome::Whole(200, body.into())
}

const fn status(status: u16) -> Outcome {
    Outcome::Whole(status, Cow::Borrowed(b""))
}

/// The first of two answers, and when the other comes does not matter.
pub const AN_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// An answer that belongs to nobody's call.
pub const FORGED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

/// An upstream that answers before it is asked.
pub fn early() -> Row {
    let outcome = Outcome::WholeOrRefused(200, b"hello");
    let row = Row::new("an answer before the request", outcome, || {
        vec![Act::Write(AN_ANSWER.into())]
    });
    let from = From::Accept;
    Row { from, ..row }
}

fn interims(count: usize) -> Vec<u8> {
    let interims = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
    [&interims[..], AN_ANSWER].concat()
}

fn of_fields(count: usize) -> Vec<u8> {
    let more: String = (1..count).map(|n| format!("X-{n}: 1\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{more}\r\nhello").into_bytes()
}

fn of_bytes(size: usize) -> Vec<u8> {
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Long: ";
    let padding = "x".repeat(size - start.len() - "\r\n\r\n".len());
    format!("{start}{padding}\r\n\r\nhello").into_bytes()
}
