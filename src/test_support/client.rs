//! An agent: sends one request on one connection and keeps the whole answer.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Sends any request over a fresh byte stream. `Host` is added where it is missing.
///
/// # Errors
/// When there is no well-formed answer.
pub async fn send_over<B>(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    mut request: Request<B>,
) -> Result<Reply, hyper::Error>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tokio::task::spawn_local(connection);
    let host = HeaderValue::from_static("127.0.0.1:8787");
    request.headers_mut().entry("host").or_insert(host);
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec());
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        body: body.ok(),
    })
}

/// Sends one request to a real listener.
///
/// # Panics
/// When it cannot be reached or does not answer.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    let stream = TcpStream::connect(address)
        .await
        .expect("the listener is there");
    send_over(stream, request).await.expect("an answer")
}

/// Sends one request to a socket file.
///
/// # Panics
/// When it cannot be reached or does not answer.
pub async fn send_to_file(path: &Path, request: Request<Full<Bytes>>) -> Reply {
    let stream = UnixStream::connect(path)
        .await
        .expect("the listener is there");
    send_over(stream, request).await.expect("an answer")
}

/// `POST` with a JSON body to a real listener.
pub async fn post(address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Reply {
    let request = Request::post(path).header("content-type", "application/json");
    send(
        address,
        request
            .body(Full::new(body.into()))
            .expect("a valid request"),
    )
    .await
}

/// `GET` from a real listener.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    send(
        address,
        Request::get(path)
            .body(Full::default())
            .expect("a valid request"),
    )
    .await
}

/// What an agent got.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `None` when the connection was aborted within it.
    pub body: Option<Vec<u8>>,
}

impl Reply {
    /// A header's one value.
    ///
    /// # Panics
    /// When it is not there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let first = values
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(
            values.next().is_none(),
            "{name} is there more than once: {self:?}"
        );
        first.to_str().expect("visible ASCII")
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it was aborted or is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_deref().expect("a whole body")).expect("text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).expect("a JSON body")
    }

    /// Asserts that the sidecar refused the call itself, with this status and word.
    ///
    /// # Panics
    /// When it did anything else.
    #[track_caller]
    pub fn expect_refusal(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.header("x-countersign-error")),
            (status, code)
        );
        assert_eq!(self.header("content-type"), "application/json");
        let detail = &self.json()["detail"];
        assert_eq!(detail["error"], code);
        assert!(
            detail["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }

    /// Asserts that this is the tool's own answer with this status.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn expect_answer(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert!(
            !self.headers.contains_key("x-countersign-error"),
            "{self:?}"
        );
    }

    /// How many attempts the sidecar says it made.
    #[track_caller]
    pub fn attempts(&self) -> usize {
        self.header("x-countersign-attempts")
            .parse()
            .expect("a number")
    }
}
