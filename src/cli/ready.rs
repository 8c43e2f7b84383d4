//! `ready`: whether a running sidecar takes calls, for health checks in images that hold nothing else.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::cli::client::{self, Peer};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::out::Out;

/// A sidecar that takes longer to say a word is not well, and health checks are made every few seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What `ready` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the sidecar listens for operators: http://HOST:PORT or unix:/PATH
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin_url: String,
}

/// Asks the sidecar and prints its word.
// spec: LIFE-1 CLI-1
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let peer = Peer::read("--admin-url", &arguments.admin_url)?;
    let runtime = client::runtime()?;
    let asked = runtime.block_on(async {
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, ask(&peer)).await;
        answered.context("no answer in time").flatten()
    });
    let (status, word) = asked.map_err(|error| Failure::No(format!("{error:#}")))?;
    let word = String::from_utf8_lossy(&word);
    if status == StatusCode::OK {
        out.line(word.trim_end())?;
        Ok(exit::OK)
    } else {
        Err(Failure::No(format!("not ready: {}", word.trim_end())))
    }
}

async fn ask(peer: &Peer) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::get("/readyz").body(Full::default())?;
    let answer = client::send(peer, request).await?;
    let status = answer.status();
    Ok((status, client::collect(answer.into_body()).await?))
}
