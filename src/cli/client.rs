//! A caller's side of HTTP/1.1: one request on one connection, on a local runtime.
//!
//! Only the commands that speak to a sidecar use it. It has no pool, no retries and no TLS, because
//! a sidecar is on this host and does all of that itself.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::cli::failure::Failure;

/// A listener on this host or pod answers a connection at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most that is kept of one answer's body.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A runtime for one command.
///
/// # Errors
/// When the system gives no event queue.
pub fn runtime() -> anyhow::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("no runtime")
}

/// `host:port` of the URL of a sidecar's listener, which `option` was given.
///
/// # Errors
/// A usage failure when it is anything but `http://HOST:PORT`.
pub fn authority(option: &str, text: &str) -> Result<String, Failure> {
    let refuse = |reason: &str| Failure::Usage(format!("{option} {reason}"));
    let url = url::Url::parse(text).map_err(|error| refuse(&format!("is no URL: {error}")))?;
    if url.scheme() != "http" {
        return Err(refuse("must be http: a sidecar's listeners have no TLS"));
    }
    let says_who = !url.username().is_empty() || url.password().is_some();
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || says_who {
        return Err(refuse("must be http://HOST:PORT and nothing more"));
    }
    let host = url.host_str().ok_or_else(|| refuse("needs a host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    Ok(format!("{host}:{port}"))
}

/// Sends one request to `host:port` and returns the answer's head, its body still arriving.
///
/// Dropping the future closes the connection.
///
/// # Errors
/// When nobody listens there, or the answer is not HTTP/1.1.
pub async fn send(
    authority: &str,
    mut request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Incoming>> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(authority))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .with_context(|| format!("nobody answers at {authority}"))?;
    let host = HeaderValue::from_str(authority).context("not a host")?;
    request.headers_mut().insert(header::HOST, host);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends by itself: when the answer was read, or when the runtime of this command goes.
    tokio::task::spawn_local(connection);
    sender
        .send_request(request)
        .await
        .with_context(|| format!("no answer from {authority}"))
}

/// The rest of an answer's body.
///
/// # Errors
/// When it breaks off or is larger than 64 MiB.
pub async fn collect(body: Incoming) -> anyhow::Result<Bytes> {
    match Limited::new(body, MOST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(anyhow::anyhow!("the answer's body broke off: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecars_url_is_a_host_and_a_port() {
        for (url, expected) in [
            ("http://127.0.0.1:8787", Some("127.0.0.1:8787")),
            ("http://localhost/", Some("localhost:80")),
            ("http://[::1]:9", Some("[::1]:9")),
            ("https://localhost", None),
            ("http://localhost/tools", None),
            ("http://localhost/?a", None),
            ("http://localhost/#a", None),
            ("http://me:pw@localhost", None),
            ("http://:pw@localhost", None),
            ("127.0.0.1:8787", None),
        ] {
            assert_eq!(authority("--url", url).ok().as_deref(), expected, "{url}");
        }
    }
}
