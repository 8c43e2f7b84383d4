//! The shapes of the admin door's answers.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body as _;
use serde::Serialize;
use serde_json::json;

use crate::headers::X_COUNTERSIGN_ERROR;

type Reply = Response<Full<Bytes>>;

/// Plain words.
pub fn text(status: StatusCode, words: &'static str) -> Reply {
    let body = Bytes::from_static(words.as_bytes());
    reply(status, "text/plain; charset=utf-8", body)
}

/// Metrics in Prometheus' text format.
pub fn exposition(metrics: String) -> Reply {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    reply(StatusCode::OK, format, metrics.into())
}

/// JSON values, one a line.
pub fn json_lines(lines: Vec<u8>) -> Reply {
    reply(StatusCode::OK, "application/x-ndjson", lines.into())
}

/// A value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value)
        .expect("answers are structs of strings and numbers, which JSON can say");
    reply(status, "application/json", body.into())
}

/// The end has begun.
// spec: LIFE-4
pub fn draining() -> Reply {
    json(
        StatusCode::ACCEPTED,
        &json!({ "ok": true, "status": "draining" }),
    )
}

/// `{"detail": …}`, which is how the hosted API words every refusal.
// spec: API-2
pub fn detail(status: StatusCode, detail: impl Serialize) -> Reply {
    #[derive(Serialize)]
    struct Detail<T> {
        detail: T,
    }
    json(status, &Detail { detail })
}

/// A refusal of our own: its machine word stands in a header too.
// spec: ERR-1
pub fn coded(status: StatusCode, code: &'static str, told: &impl Serialize) -> Reply {
    let mut response = detail(status, told);
    let code = HeaderValue::from_static(code);
    response.headers_mut().insert(X_COUNTERSIGN_ERROR, code);
    response
}

/// The whole API is closed, because nobody could be told from anybody.
// spec: BIND-1
pub fn admin_api_disabled() -> Reply {
    let error = "admin_api_disabled";
    let message = "the API is closed until an admin token is set: admin.token in the settings \
                   file, or COUNTERSIGN_ADMIN_TOKEN";
    let told = json!({ "error": error, "message": message });
    coded(StatusCode::FORBIDDEN, error, &told)
}

/// The path exists and the method does not fit it.
pub fn method_not_allowed(allowed: &[&'static str]) -> Reply {
    let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let allowed = HeaderValue::from_str(&allowed.join(", "))
        .expect("method names are visible ASCII, and so is what joins them");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// The same answer for `HEAD`: the length without the bytes.
pub fn without_body(response: Reply) -> Reply {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Full::default())
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
