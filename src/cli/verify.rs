//! `verify`: what a tool backend would say to a signed request, and why.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::out::{Out, Style};
use crate::cli::secret_from::SecretFrom;
use crate::cli::{header_text, input};
use crate::clock::{Clock, Timestamp};
use crate::sign::verify::{DEFAULT_TOLERANCE, verify};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The request's headers, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// The request's body; - is standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    #[command(flatten)]
    secret: SecretFrom,
    /// How far the timestamp may be from the clock
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TOLERANCE.as_secs())]
    tolerance: u64,
    /// What the clock says, in Unix seconds [default: now]
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    at: Option<i64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints `ok`, or the one thing that is wrong.
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    if input::is_stdin(&arguments.headers) && input::is_stdin(&arguments.body) {
        let reason = "only one of --headers and --body can be standard input";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let secret = arguments.secret.read()?;
    let headers = header_text::parse(&input::read(&arguments.headers)?)
        .map_err(|error| Failure::Usage(format!("{}: {error}", arguments.headers.display())))?;
    let body = input::read(&arguments.body)?;
    let now = match arguments.at {
        Some(seconds) => Timestamp::from_unix_millis(seconds.saturating_mul(1000)),
        None => Clock::System.now(),
    };
    let tolerance = Duration::from_secs(arguments.tolerance);
    let verdict = verify(&headers, &body, &secret, now, tolerance);
    if arguments.json {
        let reason = verdict.as_ref().err().map(ToString::to_string);
        out.line(json!({ "ok": verdict.is_ok(), "reason": reason }))?;
    } else {
        out.line(match &verdict {
            Ok(()) => out.styled(Style::Good, "ok"),
            Err(reason) => out.styled(Style::Bad, reason),
        })?;
    }
    Ok(if verdict.is_ok() { exit::OK } else { exit::NO })
}
