//! One sidecar with one recording upstream, and what an exchange on it is expected to come to.
//!
//! Cases run one after the other on one stage, so that whatever reaches the upstream during a case
//! is that case's doing, and the call that follows every case tells whether something was left over.

use std::borrow::Cow;
use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign::test_support::process::Sidecar;
use countersign::test_support::sign_body;
use tempfile::TempDir;

use super::upstream::{Act, From, Mark, Message, RawUpstream, echo};
use super::wire::{Answer, Body, End, Fault, Wire};
use crate::support::BINARY;

const SECRET: &[u8] = b"supersecret";

/// A request as the upstream should see it. Everything that the product adds is checked beside it.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The request line.
    pub line: &'static str,
    /// The agent's fields that pass, in order.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Reached {
    /// A request without fields of the agent's.
    pub fn new(line: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            line,
            fields: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with one more field of the agent's.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn check(&self, message: &Message, upstream: SocketAddr) -> Result<(), Fault> {
        let head = &message.head;
        same("the request line", head.line.as_str(), self.line)?;
        same("the body", &message.body[..], &self.body[..])?;
        let ours = |name: &str| OURS.contains(&name) || name.starts_with("x-onceonly-");
        let fields = head.fields.iter().filter(|(name, _)| !ours(name));
        let passed: Vec<_> = fields.cloned().collect();
        same("the fields that passed", &passed, &self.fields)?;
        let added = head.fields.len() - passed.len();
        let method = self.line.split(' ').next().unwrap_or_default();
        let sized = !self.body.is_empty() || !BODILESS.contains(&method);
        same("the number of added fields", added, 9 + usize::from(sized))?;
        let length = head.at_most_one("content-length")?;
        let expected = sized.then(|| self.body.len().to_string());
        same("content-length", length, expected.as_deref())?;
        same("host", head.one("host")?, upstream.to_string().as_str())?;
        let signature = sign_body(SECRET, &self.body);
        same(
            "the signature",
            head.one("x-onceonly-signature")?,
            &*signature,
        )?;
        for (name, value) in STAMP {
            same(name, head.one(name)?, value)?;
        }
        let second: u64 = parsed(head.one("x-onceonly-timestamp")?)?;
        let now = unix_seconds();
        if !(now - 60..=now).contains(&second) {
            return Err(format!("timestamp {second} is not now"));
        }
        // The length of a UUID and its version, at the places of RFC 9562.
        let id = head.one("x-request-id")?;
        let form = (id.len(), id.get(14..15));
        same("the form of the request id", form, (36, Some("7")))?;
        let trace = head.one("traceparent")?;
        let form: Vec<usize> = trace.split('-').map(str::len).collect();
        same("the form of traceparent", &form[..], [2, 32, 16, 2])
    }
}

/// What the product adds beside the signature's fields.
const OURS: &[&str] = &["host", "content-length", "x-request-id", "traceparent"];

/// Methods that get no `Content-Length: 0`.
const BODILESS: &[&str] = &["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/// What the signature's scheme adds for this tool, whatever is sent.
const STAMP: [(&str, &str); 4] = [
    ("x-onceonly-signature-alg", "hmac_sha256"),
    ("x-onceonly-tool", "t"),
    ("x-onceonly-agent-id", "agent"),
    // printf 'countersign secret id' | openssl dgst -sha256 -hmac supersecret | cut -c1-8
    ("x-onceonly-secret-id", "sec_c7f58bd3"),
];

/// Fails with both values unless they are equal.
pub fn same<T, U>(what: &str, got: T, expected: U) -> Result<(), Fault>
where
    T: Debug + PartialEq<U>,
    U: Debug,
{
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: {got:?}, expected {expected:?}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary's clock is the system's"
)]
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| format!("not a number: {text:?}"))
}

/// A sidecar, its upstream and its one tool `t`.
pub struct Stage {
    /// The binary.
    pub sidecar: Sidecar,
    /// What `t` calls.
    pub upstream: RawUpstream,
    _folder: TempDir,
}

impl Stage {
    /// Starts both, with more settings of the sidecar and more lines of the tool.
    pub fn start(environment: &[(&str, &str)], tool: &str) -> Self {
        let upstream = RawUpstream::start();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tools.yaml");
        let text = format!(
            "tools:\n  - name: t\n    url: http://{}/v1/t\n    max_retries: 0\n{tool}    \
             auth: {{ type: hmac_sha256, secret: supersecret }}\n",
            upstream.address
        );
        std::fs::write(&path, text).unwrap();
        // One worker has one pool: the call after a case meets the connections of the case.
        let sidecar = Sidecar::start_with(BINARY, &path, &["--workers", "1"], environment);
        Self {
            sidecar,
            upstream,
            _folder: folder,
        }
    }

    /// A new agent.
    pub fn agent(&self) -> Wire {
        connect(self.sidecar.agents)
    }

    /// Runs every case and tells all that failed together.
    ///
    /// # Panics
    /// When one fails.
    pub fn run<C>(
        &self,
        cases: &[C],
        name: impl Fn(&C) -> String,
        run: impl Fn(&C) -> Result<(), Fault>,
    ) {
        let mut failed = Vec::new();
        for case in cases {
            self.upstream.play_nothing();
            let followed = run(case).and_then(|()| self.goes_on());
            if let Err(fault) = followed {
                failed.push(format!("{}: {fault}", name(case)));
                // What the next cases meet is not this one's leftovers.
                let _ = self.goes_on();
            }
        }
        let (total, count) = (cases.len(), failed.len());
        assert!(
            failed.is_empty(),
            "{count} of {total}:\n{}",
            failed.join("\n")
        );
    }

    /// The process lives, a call on a new connection works, and it is all that reaches the upstream.
    /// Afterwards no connection to the upstream is left.
    pub fn goes_on(&self) -> Result<(), Fault> {
        let mark = self.upstream.mark();
        self.upstream.play(From::Request, vec![Act::EchoAndClose]);
        let mut agent = self.agent();
        agent.send(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nping");
        let next = Reached::new("POST /v1/t HTTP/1.1", b"ping");
        expect_echo(&mut agent, &next).map_err(|fault| format!("the next call: {fault}"))?;
        self.has_reached(mark, &[next])
            .map_err(|fault| format!("the next call: {fault}"))?;
        self.upstream.has_played();
        self.is_healthy()
    }

    fn is_healthy(&self) -> Result<(), Fault> {
        let mut operator = connect(self.sidecar.admin);
        operator.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = operator.answer(false)?;
        same("health", answer.map(|answer| answer.status), Some(200))
    }

    /// Exactly these requests have reached the upstream, and not a byte or a connection beside them.
    pub fn has_reached(&self, mark: Mark, expected: &[Reached]) -> Result<(), Fault> {
        let messages = self.upstream.since(mark)?;
        let lines: Vec<&str> = messages.iter().map(|m| m.head.line.as_str()).collect();
        let wanted: Vec<&str> = expected.iter().map(|reached| reached.line).collect();
        same("what reached the upstream", lines, wanted)?;
        if expected.is_empty() {
            same("the upstream", self.upstream.mark(), mark)?;
        }
        for (message, reached) in messages.iter().zip(expected) {
            reached.check(message, self.upstream.address)?;
        }
        Ok(())
    }
}

/// A connection to one of the listeners.
pub fn connect(address: SocketAddr) -> Wire {
    Wire::new(TcpStream::connect(address).unwrap(), Arc::default())
}

/// The tool's own answer to this request comes next, whole.
pub fn expect_echo(agent: &mut Wire, reached: &Reached) -> Result<Answer, Fault> {
    let is_head = reached.line.starts_with("HEAD ");
    let answer = agent.answer(is_head)?.ok_or("no answer")?;
    let echo = echo(reached.line, &reached.body);
    same("the status", answer.status, 200).map_err(|fault| format!("{fault}: {answer:?}"))?;
    same(
        "content-length",
        answer.head.one("content-length")?,
        &*echo.len().to_string(),
    )?;
    let body = if is_head {
        Vec::new()
    } else {
        echo.into_bytes()
    };
    same("the answer", &answer.body, &Body::Whole(body))?;
    same(
        "the attempts",
        answer.head.one("x-countersign-attempts")?,
        "1",
    )?;
    same(
        "x-countersign-error",
        answer.head.at_most_one("x-countersign-error")?,
        None,
    )?;
    Ok(answer)
}

/// An answer of the sidecar's own comes next, whole and in its form.
// spec: ERR-1
pub fn expect_refusal(agent: &mut Wire, status: u16, code: &str) -> Result<Answer, Fault> {
    let answer = agent.answer(false)?.ok_or("no answer")?;
    let got = (
        answer.status,
        answer.head.at_most_one("x-countersign-error")?,
    );
    same("the refusal", got, (status, Some(code)))
        .map_err(|fault| format!("{fault}: {answer:?}"))?;
    same(
        "content-type",
        answer.head.one("content-type")?,
        "application/json",
    )?;
    let Body::Whole(body) = &answer.body else {
        return Err(format!("the refusal is cut: {answer:?}"));
    };
    let json: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("{error}: {answer:?}"))?;
    same(
        "the code in the body",
        json["detail"]["error"].as_str(),
        Some(code),
    )?;
    match json["detail"]["message"].as_str() {
        Some(sentence) if !sentence.is_empty() => Ok(answer),
        _ => Err(format!("no message: {json}")),
    }
}

/// The connection ends here, as it should after everything was said.
pub fn expect_end(agent: &mut Wire, expected: End) -> Result<(), Fault> {
    let (rest, end) = agent.rest();
    same(
        "what follows the last answer",
        &*rest.escape_ascii().to_string(),
        "",
    )?;
    same("the end", end, expected)
}
