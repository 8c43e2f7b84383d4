//! `sign`: the headers for a body, by hand.

use std::path::PathBuf;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use crate::cli::curl::{self, CurlBody};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::input;
use crate::cli::out::Out;
use crate::cli::secret_from::SecretFrom;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::ids::{AgentId, ToolName};
use crate::sign::{Signer, Stamp, sign_bytes};

/// What `sign` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The tool's name, as the backend will see it
    #[arg(long, value_name = "NAME", default_value = "tool")]
    tool: ToolName,
    /// The agent's id, as the backend will see it
    #[arg(long, value_name = "ID", default_value = "agent")]
    agent: AgentId,
    #[command(flatten)]
    secret: SecretFrom,
    /// Sign with the secret that --tool has in this registry
    #[arg(
        long,
        value_name = "FILE",
        requires = "tool",
        conflicts_with = "secret_file"
    )]
    registry: Option<PathBuf>,
    /// The body; - is standard input
    #[arg(long, value_name = "FILE", default_value = input::STDIN)]
    body: PathBuf,
    /// When it is signed, in Unix seconds [default: now]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timestamp: Option<i64>,
    /// Print a curl line that sends the signed body to URL
    #[arg(long, value_name = "URL")]
    curl: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints what makes a body a signed request.
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let url = arguments.curl.as_deref().map(checked_url).transpose()?;
    let signer = signer(arguments)?;
    let body = input::read(&arguments.body)?;
    let stamp = Stamp {
        tool: &arguments.tool.to_header(),
        agent: arguments.agent.as_header(),
        at: match arguments.timestamp {
            Some(seconds) => Timestamp::from_unix_millis(seconds.saturating_mul(1000)),
            None => Clock::System.now(),
        },
    };
    let headers = sign_bytes(&signer, &body, stamp);
    let curl = url
        .map(|url| curl_line(url, &headers, &body, arguments))
        .transpose()?;
    if arguments.json {
        let mut object = Map::new();
        object.insert("headers".to_owned(), as_json(&headers));
        object.extend(curl.map(|line| ("curl".to_owned(), line.into())));
        out.line(Value::Object(object))?;
    } else if let Some(line) = curl {
        out.line(line)?;
    } else {
        for (name, value) in &headers {
            out.line(format_args!("{name}: {}", text(value)))?;
        }
    }
    Ok(exit::OK)
}

/// The signer of the registry's tool, or one for the secret at hand.
fn signer(arguments: &Arguments) -> Result<Signer, Failure> {
    let Some(path) = &arguments.registry else {
        return Ok(Signer::hmac_sha256(&arguments.secret.read()?, None));
    };
    let loaded = config::load(path, &|name| std::env::var(name).ok(), None)
        .map_err(|refused| Failure::Config(refused.problems.lines().collect()))?;
    let name = arguments.tool.as_str();
    let tool = loaded.snapshot.resolve(&arguments.agent, name);
    tool.map(|tool| tool.signer.clone()).ok_or_else(|| {
        let (file, agent) = (path.display(), &arguments.agent);
        Failure::Usage(format!("{file} has no tool {name} for the agent {agent}"))
    })
}

fn checked_url(text: &str) -> Result<&str, Failure> {
    let url = url::Url::parse(text);
    let usable = url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    // Anything else could be read as an option, or as a file.
    if usable && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Ok(text)
    } else {
        Err(Failure::Usage(
            "--curl must be an http or https URL".to_owned(),
        ))
    }
}

fn curl_line(
    url: &str,
    signed: &HeaderMap,
    body: &[u8],
    arguments: &Arguments,
) -> Result<String, Failure> {
    let file = (!input::is_stdin(&arguments.body)).then_some(arguments.body.as_path());
    let curl_body = CurlBody::of(body, file).ok_or_else(|| {
        let reason = "this body does not fit into a command line: name its file with --body";
        Failure::Usage(reason.to_owned())
    })?;
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let content_type = if is_json {
        HeaderValue::from_static("application/json")
    } else {
        HeaderValue::from_static("application/octet-stream")
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type);
    headers.extend(signed.clone());
    Ok(curl::line(url, &headers, curl_body))
}

fn as_json(headers: &HeaderMap) -> Value {
    let pair =
        |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), text(value).into());
    Value::Object(headers.iter().map(pair).collect())
}

fn text(value: &HeaderValue) -> &str {
    value
        .to_str()
        .expect("what the signer writes is visible ASCII")
}
