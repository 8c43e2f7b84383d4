//! An agent's side of a case as a script: what it sends, what it gets, and how the connection ends.

use std::borrow::Cow;

use super::stage::Reached;
use super::stage::{Stage, connect, expect_echo, expect_end, expect_refusal, same};
use super::upstream::Mark;
use super::wire::{Answer, End, Fault, Wire};

/// What follows every refused request on its connection. It must never be read.
const SMUGGLED: &[u8] = b"GET /tools/t?smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// One case of requests.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub name: Cow<'static, str>,
    steps: Vec<Step>,
    reached: Vec<Reached>,
    /// Most bytes of one write.
    piece: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Cow<'static, [u8]>),
    /// The tool's answer to the request of this number.
    Echo(usize),
    Interim,
    Refusal(u16, &'static str),
    /// The last answer has this field, or does not have it.
    Says(&'static str, Option<&'static str>),
    HalfClose,
    Reset,
    /// A last answer may or may not come, but the connection ends.
    Gone,
    Ends(End),
    /// Another call on the same connection is answered.
    StaysOpen(usize),
}

impl Case {
    /// A case that does nothing yet.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            steps: Vec::new(),
            reached: Vec::new(),
            piece: usize::MAX,
        }
    }

    /// Everything is written byte by byte.
    pub fn byte_by_byte(self) -> Self {
        Self { piece: 1, ..self }
    }

    /// The agent writes these bytes at once.
    pub fn send(self, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// This reaches the upstream, and its answer comes back.
    pub fn reaches(mut self, reached: Reached) -> Self {
        let number = self.reached.len();
        self.reached.push(reached);
        self.then(Step::Echo(number))
    }

    /// `100 Continue` comes back.
    pub fn interim(self) -> Self {
        self.then(Step::Interim)
    }

    /// The sidecar answers by itself.
    pub fn refusal(self, status: u16, code: &'static str) -> Self {
        self.then(Step::Refusal(status, code))
    }

    /// The last answer has this field with this value.
    pub fn says(self, name: &'static str, value: &'static str) -> Self {
        self.then(Step::Says(name, Some(value)))
    }

    /// The last answer does not have this field.
    pub fn omits(self, name: &'static str) -> Self {
        self.then(Step::Says(name, None))
    }

    /// The agent ends its sending side.
    pub fn half_close(self) -> Self {
        self.then(Step::HalfClose)
    }

    /// The agent cuts the connection.
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// The connection ends, with or without a last word to an agent that broke off.
    pub fn gone(self) -> Self {
        self.then(Step::Gone)
    }

    /// The connection ends after everything was said.
    pub fn closed(self) -> Self {
        self.then(Step::Ends(End::Closed))
    }

    /// The connection carries another call.
    pub fn open(mut self) -> Self {
        let number = self.reached.len();
        let line = "GET /v1/t?still-open HTTP/1.1";
        self.reached.push(Reached::new(line, b""));
        self.then(Step::StaysOpen(number))
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Plays the case and compares both sides.
    pub fn run(&self, stage: &Stage) -> Result<(), Fault> {
        let mark = stage.upstream.mark();
        self.talk(stage, mark)?;
        stage.has_reached(mark, &self.reached)
    }

    fn talk(&self, stage: &Stage, mark: Mark) -> Result<(), Fault> {
        let mut agent = stage.agent();
        let mut last = None;
        for step in &self.steps {
            match step {
                // The answer may come, and the connection end, before all of it is written.
                Step::Send(bytes) => _ = bytes.chunks(self.piece).all(|piece| agent.send(piece)),
                Step::Echo(number) => last = Some(expect_echo(&mut agent, &self.reached[*number])?),
                Step::Interim => {
                    let interim = agent.answer(false)?.map(|answer| answer.head.line);
                    same(
                        "the interim answer",
                        interim.as_deref(),
                        Some("HTTP/1.1 100 Continue"),
                    )?;
                    // It asks for the body, so nothing can have been sent yet.
                    stage.has_reached(mark, &[])?;
                }
                Step::Refusal(status, code) => {
                    last = Some(expect_refusal(&mut agent, *status, code)?);
                }
                Step::Says(name, value) => {
                    let answer: &Answer = last.as_ref().ok_or("no answer")?;
                    same(name, answer.head.at_most_one(name)?, *value)?;
                }
                Step::HalfClose => agent.half_close(),
                Step::Reset => {
                    agent.reset_at_end();
                    return Ok(());
                }
                Step::Gone => farewell(&mut agent)?,
                Step::Ends(end) => expect_end(&mut agent, *end)?,
                Step::StaysOpen(number) => {
                    agent.send(b"GET /tools/t?still-open HTTP/1.1\r\nHost: localhost\r\n\r\n");
                    expect_echo(&mut agent, &self.reached[*number])?;
                }
            }
        }
        Ok(())
    }
}

/// An agent that broke off may be told so. It must not be told anything else.
fn farewell(agent: &mut Wire) -> Result<(), Fault> {
    if let Some(answer) = agent.answer(false)? {
        same("the last word", answer.status, 400)?;
        expect_end(agent, End::Closed)?;
    }
    Ok(())
}

/// A request that means nothing or two things: it is refused, and nothing behind it is read.
// spec: FRAME-1 ERR-1
pub fn refused(name: impl Into<Cow<'static, str>>, bytes: &[u8]) -> Case {
    refused_as(name, 400, "bad_request", bytes)
}

/// The same with another status and code.
pub fn refused_as(
    name: impl Into<Cow<'static, str>>,
    status: u16,
    code: &'static str,
    bytes: &[u8],
) -> Case {
    Case::new(name)
        .send([bytes, SMUGGLED].concat())
        .refusal(status, code)
        .says("connection", "close")
        .closed()
}

/// A request that is forwarded as this and leaves the connection in order.
pub fn forwarded(
    name: impl Into<Cow<'static, str>>,
    bytes: impl Into<Cow<'static, [u8]>>,
    reached: Reached,
) -> Case {
    Case::new(name).send(bytes).reaches(reached).open()
}

/// The operator's listener refuses the same head. There is no upstream behind it to be reached.
// spec: FRAME-1 API-2
pub fn is_refused_by_the_operators_listener(
    stage: &Stage,
    status: u16,
    code: &str,
    bytes: &[u8],
) -> Result<(), Fault> {
    let mark = stage.upstream.mark();
    let text: String = [bytes, SMUGGLED]
        .concat()
        .iter()
        .map(|b| char::from(*b))
        .collect();
    let aimed = text.replace("/tools/t", "/healthz");
    let bytes: Vec<u8> = aimed.chars().map(|c| c as u8).collect();
    let mut operator = connect(stage.sidecar.admin);
    operator.send(&bytes);
    let answer = expect_refusal(&mut operator, status, code)?;
    same(
        "connection",
        answer.head.at_most_one("connection")?,
        Some("close"),
    )?;
    expect_end(&mut operator, End::Closed)?;
    stage.has_reached(mark, &[])
}
