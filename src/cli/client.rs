//! A caller's side of HTTP/1.1: one request on one connection, on a local runtime.
//!
//! The connection goes to a port or to a socket file; what is said on it is the same. Only the
//! commands that speak to a sidecar use it. It has no pool, no retries and no TLS, because
//! a sidecar is on this host and does all of that itself.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::cli::failure::Failure;
use crate::server::ListenAddress;

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

/// Where a sidecar listens, as its callers name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// `host:port`.
    Tcp(String),
    /// A socket file.
    Unix(Box<Path>),
}

impl Peer {
    /// Reads what `option` was given: `http://HOST:PORT`, or `unix:/PATH` as the settings have it.
    ///
    /// # Errors
    /// A usage failure when it is anything else.
    pub fn read(option: &str, text: &str) -> Result<Self, Failure> {
        if !text.starts_with("unix:") {
            return authority(option, text).map(Self::Tcp);
        }
        match text.parse() {
            Ok(ListenAddress::Unix(path)) => Ok(Self::Unix(path)),
            Ok(ListenAddress::Tcp(_)) | Err(_) => Err(Failure::Usage(format!(
                "{option} must be unix: and an absolute path of at most 107 bytes"
            ))),
        }
    }

    /// The name by which the request asks for it. A socket file is on this host.
    fn host(&self) -> &str {
        match self {
            Self::Tcp(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }

    /// How messages about the connection name it.
    fn place(&self) -> String {
        match self {
            Self::Tcp(authority) => authority.clone(),
            Self::Unix(_) => self.to_string(),
        }
    }
}

/// As it can be given to an option.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

/// `host:port` of a URL that has nothing else.
fn authority(option: &str, text: &str) -> Result<String, Failure> {
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

/// Sends one request to a sidecar and returns the answer's head, its body still arriving.
///
/// Dropping the future closes the connection.
///
/// # Errors
/// When nobody listens there, or the answer is not HTTP/1.1.
pub async fn send(
    peer: &Peer,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Incoming>> {
    match peer {
        Peer::Tcp(authority) => {
            let stream = connected(peer, TcpStream::connect(authority)).await?;
            exchange(peer, stream, request).await
        }
        Peer::Unix(path) => {
            let stream = connected(peer, UnixStream::connect(path)).await?;
            exchange(peer, stream, request).await
        }
    }
}

async fn connected<S>(peer: &Peer, dial: impl Future<Output = io::Result<S>>) -> anyhow::Result<S> {
    tokio::time::timeout(CONNECT_TIMEOUT, dial)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .with_context(|| format!("nobody answers at {}", peer.place()))
}

async fn exchange(
    peer: &Peer,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    mut request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Incoming>> {
    let host = HeaderValue::from_str(peer.host()).context("not a host")?;
    request.headers_mut().insert(header::HOST, host);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends by itself: when the answer was read, or when the runtime of this command goes.
    tokio::task::spawn_local(connection);
    sender
        .send_request(request)
        .await
        .with_context(|| format!("no answer from {}", peer.place()))
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
            let expected = expected.map(|authority| Peer::Tcp(authority.to_owned()));
            assert_eq!(Peer::read("--url", url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn a_socket_file_is_named_as_the_settings_name_it() {
        for (text, expected) in [
            ("unix:/run/a.sock", Some("/run/a.sock")),
            ("unix:///run/a.sock", Some("/run/a.sock")),
            ("unix:a.sock", None),
            ("unix:/", None),
            ("unix://host/a.sock/", None),
        ] {
            let expected = expected.map(|path| Peer::Unix(Path::new(path).into()));
            assert_eq!(Peer::read("--url", text).ok(), expected, "{text}");
        }
    }
}
