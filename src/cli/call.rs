//! `call`: what an agent does, from a shell, through a sidecar that is running.
//!
//! The answer's body goes to standard output and everything about it to standard error, so that
//! pipes get exactly what the tool said.

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::cli::client::{self, Peer};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::input;
use crate::cli::out::Out;
use crate::headers::{
    X_COUNTERSIGN_ATTEMPTS, X_COUNTERSIGN_ERROR, X_ONCEONLY_AGENT_ID, X_REQUEST_ID,
};
use crate::ids::{AgentId, ToolName};

/// The variable that holds an agent's token, for sidecars with `agents.tokens`.
pub const TOKEN_VARIABLE: &str = "COUNTERSIGN_AGENT_TOKEN";

/// What `call` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The tool's name in the registry
    name: ToolName,
    /// Send {"tool":NAME,"args":JSON}, where JSON is an object [default: {}]
    #[arg(long, value_name = "JSON", conflicts_with = "data")]
    args: Option<String>,
    /// Send this body as it is; @FILE reads it from a file, @- from standard input
    #[arg(long, value_name = "RAW|@FILE")]
    data: Option<String>,
    /// Call as this agent [default: who the token or the sidecar says]
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// Where the sidecar listens for agents: http://HOST:PORT or unix:/PATH
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787")]
    url: String,
    /// Print one JSON object with status, attempts, request id and body
    #[arg(long)]
    json: bool,
}

/// Calls the tool and prints its answer.
pub fn run(arguments: Arguments, out: &mut Out) -> Ended {
    let peer = Peer::read("--url", &arguments.url)?;
    let request = request(&arguments)?;
    client::runtime()?.block_on(async {
        let answer = client::send(&peer, request)
            .await
            .map_err(|error| Failure::No(format!("{error:#}")))?;
        if arguments.json {
            print_json(answer, out).await
        } else {
            print(answer, out).await
        }
    })
}

fn request(arguments: &Arguments) -> Result<Request<Full<Bytes>>, Failure> {
    let body = body(arguments)?;
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let content_type = if is_json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    let mut request = Request::post(format!("/tools/{}", arguments.name))
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body))
        .context("no valid request")?;
    let headers = request.headers_mut();
    if let Some(agent) = &arguments.agent {
        headers.insert(X_ONCEONLY_AGENT_ID, agent.as_header().clone());
    }
    if let Some(token) = std::env::var_os(TOKEN_VARIABLE) {
        let bearer = token
            .to_str()
            .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let mut bearer =
            bearer.ok_or_else(|| Failure::Usage(format!("{TOKEN_VARIABLE} holds no token")))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

fn body(arguments: &Arguments) -> Result<Bytes, Failure> {
    if let Some(data) = &arguments.data {
        return match data.strip_prefix('@') {
            Some(path) => input::read(Path::new(path)).map(Bytes::from),
            None => Ok(Bytes::from(data.clone())),
        };
    }
    let args = arguments.args.as_deref().unwrap_or("{}");
    // The text is only checked and then sent as it was written: numbers keep all their digits.
    serde_json::from_str::<Map<String, Value>>(args).map_err(|error| {
        // Where the whole text is another type, there is no place to name.
        let place = match (error.line(), error.column()) {
            (_, 0) => String::new(),
            (line, column) => format!(" (line {line}, column {column})"),
        };
        Failure::Usage(format!("--args must be a JSON object{place}"))
    })?;
    // A tool's name has no character that JSON escapes.
    let envelope = format!(r#"{{"tool":"{}","args":{}}}"#, arguments.name, args.trim());
    Ok(Bytes::from(envelope))
}

/// What a sidecar says about an answer besides the answer.
struct About {
    status: StatusCode,
    attempts: Option<u32>,
    request_id: Option<String>,
    /// The code of an answer that the sidecar made itself.
    refusal: Option<String>,
}

impl About {
    fn of(answer: &Response<Incoming>) -> Self {
        let headers: &HeaderMap = answer.headers();
        let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            status: answer.status(),
            attempts: text(X_COUNTERSIGN_ATTEMPTS).and_then(|text| text.parse().ok()),
            request_id: text(X_REQUEST_ID),
            refusal: text(X_COUNTERSIGN_ERROR),
        }
    }

    fn exit(&self) -> u8 {
        if self.status.as_u16() < 400 {
            exit::OK
        } else {
            exit::NO
        }
    }

    fn line(&self) -> String {
        let mut line = self.status.to_string();
        match self.attempts {
            Some(1) => line.push_str(", 1 attempt"),
            Some(attempts) => line.push_str(&format!(", {attempts} attempts")),
            // Whoever answered, it was no sidecar.
            None => line.push_str(", not from a sidecar"),
        }
        if let Some(id) = &self.request_id {
            line.push_str(&format!(", request {id}"));
        }
        line
    }
}

async fn print_json(answer: Response<Incoming>, out: &mut Out) -> Ended {
    let about = About::of(&answer);
    let body = client::collect(answer.into_body()).await?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body)));
    out.line(json!({
        "status": about.status.as_u16(),
        "attempts": about.attempts,
        "request_id": about.request_id,
        "error": about.refusal,
        "body": body,
    }))?;
    Ok(about.exit())
}

async fn print(answer: Response<Incoming>, out: &mut Out) -> Ended {
    let about = About::of(&answer);
    let is_json = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    Out::stderr().say(&format!("{}\n", about.line()));
    if about.refusal.is_none() && !(is_json && out.is_terminal()) {
        stream(answer.into_body(), out).await?;
        return Ok(about.exit());
    }
    let body = client::collect(answer.into_body()).await?;
    let value: Option<Value> = serde_json::from_slice(&body).ok();
    match value.as_ref().filter(|_| out.is_terminal()) {
        Some(value) => out.line(format_args!("{value:#}"))?,
        None => out.bytes(&body)?,
    }
    let Some(code) = &about.refusal else {
        return Ok(about.exit());
    };
    let message = value
        .as_ref()
        .and_then(|value| value["detail"]["message"].as_str());
    let message = message.unwrap_or("it does not say why");
    out.finish()?;
    Err(Failure::No(format!(
        "refused by the sidecar: {code}: {message}"
    )))
}

/// Prints a body while it arrives: some answers are streams that go on for minutes.
async fn stream(mut body: Incoming, out: &mut Out) -> anyhow::Result<()> {
    let mut last = b'\n';
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the answer's body broke off")?;
        if let Some(data) = frame.data_ref() {
            last = data.last().copied().unwrap_or(last);
            out.bytes(data)?;
            out.finish()?;
        }
    }
    if out.is_terminal() && last != b'\n' {
        // The shell's prompt belongs on a line of its own.
        out.line("")?;
    }
    Ok(())
}
