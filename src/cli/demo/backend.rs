//! The demo's tool: a backend that verifies every request before it acts on it, the way the
//! published guide asks of every tool, and that remembers what it saw.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::secret::Secret;
use crate::sign::verify::{DEFAULT_TOLERANCE, VerifyError, verify};

/// Bodies of the demo are short; what anybody else sends here is none of ours.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// How long to wait after an accept that failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Where the tool that is busy every other time is.
pub const BUSY_PATH: &str = "/look-up-order";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What came of checking it.
    pub verdict: Result<(), VerifyError>,
    /// Seconds between the backend's clock and the timestamp, where there is one.
    pub skew: Option<i64>,
    /// How it was answered.
    pub status: StatusCode,
}

/// The backend. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Backend {
    secret: Secret,
    /// What arrived since it was last asked; only ever touched between awaits.
    seen: Rc<RefCell<Vec<Seen>>>,
    /// How often the busy tool was called with a valid signature.
    busy_calls: Rc<RefCell<u32>>,
    arrived: Rc<Notify>,
}

impl Backend {
    /// A backend that shares `secret` with the sidecar.
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            seen: Rc::default(),
            busy_calls: Rc::default(),
            arrived: Rc::default(),
        }
    }

    /// Takes what arrived since this was last called.
    pub fn take_seen(&self) -> Vec<Seen> {
        self.seen.take()
    }

    /// Waits until something arrived that nobody has taken. Nothing is lost when the future is
    /// dropped.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Binds a free port of this host.
    ///
    /// # Errors
    /// When there is none.
    pub async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Answers until the future is dropped, which leaves open connections to their own end.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            };
            let backend = self.clone();
            let answer = service_fn(move |request| {
                let backend = backend.clone();
                async move { Ok::<_, Infallible>(backend.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::task::spawn_local(connection);
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST_BODY_BYTES).collect().await else {
            return answer(
                StatusCode::BAD_REQUEST,
                &json!({ "error": "unreadable body" }),
            );
        };
        let body = body.to_bytes();
        let now = Clock::System.now();
        let verdict = verify(&head.headers, &body, &self.secret, now, DEFAULT_TOLERANCE);
        let (status, says) = match &verdict {
            Err(reason) => (
                StatusCode::UNAUTHORIZED,
                json!({ "error": reason.to_string() }),
            ),
            Ok(()) if head.uri.path() == BUSY_PATH && self.is_busy() => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "error": "busy, try again" }),
            ),
            Ok(()) => (StatusCode::OK, json!({ "ok": true })),
        };
        self.seen.borrow_mut().push(Seen {
            skew: timestamp(&head.headers).map(|at| now.unix_seconds() - at),
            headers: head.headers,
            body,
            verdict,
            status,
        });
        self.arrived.notify_one();
        answer(status, &says)
    }

    /// Busy at the first call, the third, and so on.
    fn is_busy(&self) -> bool {
        let mut calls = self.busy_calls.borrow_mut();
        *calls = calls.wrapping_add(1);
        *calls % 2 == 1
    }
}

fn timestamp(headers: &HeaderMap) -> Option<i64> {
    headers
        .get("x-onceonly-timestamp")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
