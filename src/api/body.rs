//! The body of a request: read within limits, then as JSON.
//!
//! Nothing of a body is in an error that comes from here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use serde_json::Value;
use tokio::time::timeout;

use crate::api::failure::Failure;
use crate::api::fault::{Broken, Fault};

/// Most bytes of a body: a tool with the longest of everything, every character of it escaped, is
/// a tenth of this.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Longest time for a body to arrive.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request, wherever it comes from.
pub trait Incoming:
    Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
{
}

impl<B> Incoming for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
{
}

/// Reads a body as JSON.
///
/// Dropping the future drops what was read.
///
/// # Errors
/// When the body is too large or too slow, is not there, or is not JSON by its type or by itself.
// spec: API-2
pub async fn read(headers: &HeaderMap, body: impl Incoming) -> Result<Value, Failure> {
    let bytes = collect(body).await?;
    let text = json_text(headers, &bytes)?;
    serde_json::from_str(text).map_err(|error| not_json(text, &error))
}

/// Reads a body as JSON; `None` where there is none, which then needs no type either.
///
/// Dropping the future drops what was read.
///
/// # Errors
/// As [`read`], but for a body that is not there.
pub async fn read_if_any(
    headers: &HeaderMap,
    body: impl Incoming,
) -> Result<Option<Value>, Failure> {
    let bytes = collect(body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = json_text(headers, &bytes)?;
    let json = serde_json::from_str(text).map_err(|error| not_json(text, &error));
    json.map(Some)
}

/// The text of a body that says it is JSON; whether it is has not been looked at.
///
/// # Errors
/// When the body is not there, or is not JSON by its type.
// spec: API-2
pub fn json_text<'b>(headers: &HeaderMap, bytes: &'b [u8]) -> Result<&'b str, Failure> {
    if bytes.is_empty() {
        let missing = Broken::MISSING.at(vec!["body".into()], &Value::Null);
        return Err(Failure::Invalid(vec![missing]));
    }
    if !says_json(headers) {
        // The body is then a text, and a text is not an object.
        let text = Value::String(String::new());
        let fault = Broken::NOT_AN_OBJECT.at(vec!["body".into()], &text);
        return Err(Failure::Invalid(vec![fault]));
    }
    std::str::from_utf8(bytes).map_err(|_| Failure::NotText)
}

/// Says why a text is not JSON.
pub fn not_json(text: &str, error: &serde_json::Error) -> Failure {
    let fault = Fault::not_json(position(text, error), &reason(error));
    Failure::Invalid(vec![fault])
}

/// Reads a body to its end.
///
/// # Errors
/// When it is too large or too slow, or breaks off.
pub async fn collect(body: impl Incoming) -> Result<Bytes, Failure> {
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(Failure::TooLarge);
    }
    match timeout(TIMEOUT, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
        Ok(Err(_)) => Err(Failure::Broken),
        Err(_) => Err(Failure::TooSlow),
    }
}

/// `application/json` and `application/*+json`, as the hosted API decides it.
fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// How many characters are before the fault.
fn position(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.chars().count();
    }
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let bytes = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let starts = text.char_indices().map(|(start, _)| start);
    starts.take_while(|start| *start < bytes).count()
}

/// The parser's words without the place, which `loc` tells. They hold nothing of the text.
fn reason(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let end = words.rfind(" at line ").unwrap_or(words.len());
    words[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: (usize, &str)) {
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        let told = (position(text, &error), reason(&error));
        assert_eq!((told.0, &*told.1), expected, "{text:?}");
    }

    #[test]
    fn a_json_fault_is_told_by_its_character() {
        check("{", (1, "EOF while parsing an object"));
        check("[1 2]", (3, "expected `,` or `]`"));
        check("{\"a\":1} x", (8, "trailing characters"));
        check("\"é\" x", (4, "trailing characters"));
        check("{\n\"é\": 1,\n 2}", (11, "key must be a string"));
        check(&"[".repeat(200), (127, "recursion limit exceeded"));
    }

    #[test]
    fn only_json_types_are_json() {
        for (value, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("APPLICATION/JSON", true),
            ("application/vnd.x+json", true),
            ("application/jsonx", false),
            ("text/json", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(says_json(&headers), expected, "{value}");
        }
        assert!(!says_json(&HeaderMap::new()));
    }
}
