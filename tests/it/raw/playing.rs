//! Plays a row of [`answers`](super::answers): a call that meets it, and the calls after it.

use super::answers::{Outcome, Reuse, Row};
use super::stage::{Reached, Stage, expect_echo, expect_refusal, same};
use super::upstream::{Act, From};
use super::wire::{Answer, Body, Fault, Wire};

/// Whether the row meets a connection that has carried a call before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connection {
    /// It does not.
    New,
    /// It does.
    Pooled,
}

impl Row {
    /// Makes a call that meets this row and then another, which must be right.
    pub fn run(&self, stage: &Stage, connection: Connection) -> Result<(), Fault> {
        let mark = stage.upstream.mark();
        let mut reached = Vec::new();
        if connection == Connection::Pooled {
            let warm_up = Reached::new("GET /v1/t?warm-up HTTP/1.1", b"");
            expect_call(&mut stage.agent(), "/tools/t?warm-up", &warm_up)?;
            reached.push(warm_up);
        }
        let acts = (self.acts)();
        let waits = acts.iter().any(|act| matches!(act, Act::Wait));
        stage.upstream.play(self.from, acts);
        let mut agent = stage.agent();
        agent.send(&self.request());
        if waits {
            // What has arrived so far has to be with the agent before the script goes on.
            agent.waits_for_more();
            stage.upstream.go_on();
        }
        let goes_on = self.expect(&mut agent)?;
        let asked = self.from == From::Request;
        reached.extend(asked.then(|| self.reached()));
        let next = Reached::new("GET /v1/t?next HTTP/1.1", b"");
        if !goes_on {
            agent = stage.agent();
        }
        expect_call(&mut agent, "/tools/t?next", &next).map_err(|f| format!("the next: {f}"))?;
        reached.push(next);
        let messages = stage.upstream.since(mark)?;
        if asked {
            stage.has_reached(mark, &reached)?;
            let on: Vec<usize> = messages.iter().map(|message| message.connection).collect();
            self.check_connections(&on, connection)?;
        }
        Ok(())
    }

    fn request(&self) -> Vec<u8> {
        let (method, body) = (self.method, self.body());
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        format!("{method} /tools/t?row HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{body}")
            .into_bytes()
    }

    fn body(&self) -> &'static str {
        if self.method == "POST" { "case" } else { "" }
    }

    fn reached(&self) -> Reached {
        let line = match self.method {
            "POST" => "POST /v1/t?row HTTP/1.1",
            "HEAD" => "HEAD /v1/t?row HTTP/1.1",
            "GET" => "GET /v1/t?row HTTP/1.1",
            other => unreachable!("no row has the method {other}"),
        };
        Reached::new(line, self.body().as_bytes())
    }

    fn check_connections(&self, on: &[usize], connection: Connection) -> Result<(), Fault> {
        let [.., row, next] = on else {
            return Err(format!("connections {on:?}"));
        };
        if connection == Connection::Pooled {
            same("the connection of the row", *row, on[0])?;
        }
        match self.reuse {
            Reuse::Yes => same("the connection of the next call", next, row),
            Reuse::No if next == row => Err("the connection was used again".to_owned()),
            Reuse::No | Reuse::Either => Ok(()),
        }
    }

    /// Whether the agent's connection is still good.
    fn expect(&self, agent: &mut Wire) -> Result<bool, Fault> {
        match &self.outcome {
            Outcome::Whole(status, body) => self.expect_whole(agent, *status, body).map(|()| true),
            Outcome::Refused(code) => expect_refusal(agent, 502, code).map(|_| true),
            Outcome::RefusedAnyhow => expect_bad_gateway(agent).map(|()| true),
            Outcome::Aborted => expect_abort(agent).map(|()| false),
            Outcome::WholeOrRefused(status, body) => {
                let answer = agent.answer(false)?.ok_or("no answer")?;
                if answer.status == 502 {
                    return Ok(true);
                }
                self.check_whole(&answer, *status, body).map(|()| true)
            }
        }
    }

    fn expect_whole(&self, agent: &mut Wire, status: u16, body: &[u8]) -> Result<(), Fault> {
        let answer = agent.answer(self.method == "HEAD")?.ok_or("no answer")?;
        self.check_whole(&answer, status, body)
    }

    fn check_whole(&self, answer: &Answer, status: u16, body: &[u8]) -> Result<(), Fault> {
        if answer.status != status || answer.body != Body::Whole(body.to_vec()) {
            let (got, head) = (&answer.body, &answer.head);
            return Err(format!(
                "expected {status} with {} bytes, got {head:?} with {got:?}",
                body.len()
            ));
        }
        let head = &answer.head;
        same(
            "x-countersign-error",
            head.at_most_one("x-countersign-error")?,
            None,
        )?;
        for (name, value) in self.fields {
            same(name, head.at_most_one(name)?, *value)?;
        }
        Ok(())
    }
}

fn expect_call(agent: &mut Wire, target: &str, reached: &Reached) -> Result<(), Fault> {
    agent.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    expect_echo(agent, reached).map(|_| ())
}

fn expect_bad_gateway(agent: &mut Wire) -> Result<(), Fault> {
    let answer = agent.answer(false)?.ok_or("no answer")?;
    let code = answer.head.at_most_one("x-countersign-error")?;
    match (answer.status, code) {
        (502, Some("upstream_closed" | "upstream_invalid_response")) => Ok(()),
        got => Err(format!("expected 502, got {got:?}")),
    }
}

/// An answer that is cut, or none at all: never one that looks whole.
// spec: RESP-2
fn expect_abort(agent: &mut Wire) -> Result<(), Fault> {
    match agent.answer(false)?.map(|answer| answer.body) {
        None | Some(Body::Cut(..)) => Ok(()),
        Some(whole) => Err(format!("expected an abort, got {whole:?}")),
    }
}
