//! A tool's answer as the object that a governed call's agent gets.
//!
//! Clients drop every result that is no JSON object. An object is passed on byte for byte, anything else
//! is put into one with its own bytes, and what is no text at all is written in base64. Whether the
//! answer is too large to be shown is decided before.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;

/// The largest body of a tool's error that is shown, in bytes: an explanation, not a result.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A body as a JSON object: itself if it is one.
// spec: GOV-3
pub(super) fn object_of(body: Bytes) -> Bytes {
    if body.is_empty() {
        return Bytes::from_static(b"{\"data\":null}");
    }
    let mut object = Vec::with_capacity(body.len() + b"{\"data_base64\":\"\"}".len());
    match read(&body) {
        Read::Json(json) if json.starts_with('{') => return body.slice_ref(json.as_bytes()),
        Read::Json(json) => {
            object.extend_from_slice(b"{\"data\":");
            object.extend_from_slice(json.as_bytes());
        }
        Read::Text(text) => {
            object.extend_from_slice(b"{\"data\":");
            serde_json::to_writer(&mut object, text).expect("a Vec takes everything");
        }
        Read::Bytes => {
            object.extend_from_slice(b"{\"data_base64\":\"");
            base64(&body, &mut object);
            object.push(b'"');
        }
    }
    object.push(b'}');
    object.into()
}

/// What the agent is told of a tool's error.
pub(super) fn error_of(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Bytes {
    let mut error = format!("{{\"error\":\"tool_status\",\"status\":{}", status.as_u16());
    if let Some(wait) = headers.get(header::RETRY_AFTER)
        && let Ok(wait) = wait.to_str()
    {
        let wait = serde_json::Value::from(wait);
        write!(error, ",\"retry_after\":{wait}").expect("a String takes everything");
    }
    let body = match read(body) {
        _ if body.is_empty() || body.len() > MAX_ERROR_BYTES => "null".to_owned(),
        Read::Json(json) => json.to_owned(),
        Read::Text(text) => serde_json::Value::from(text).to_string(),
        Read::Bytes => "null".to_owned(),
    };
    write!(error, ",\"body\":{body}}}").expect("a String takes everything");
    error.into()
}

/// What a body is.
enum Read<'b> {
    Json(&'b str),
    Text(&'b str),
    Bytes,
}

fn read(body: &[u8]) -> Read<'_> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Read::Bytes;
    };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => Read::Json(json.get()),
        Err(_) => Read::Text(text),
    }
}

/// With padding, in the alphabet of RFC 4648, section 4.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|index| group.get(index).copied().unwrap_or_default());
        let sextets = [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ];
        let digits = sextets.map(|sextet| ALPHABET[usize::from(sextet)]);
        out.extend_from_slice(&digits[..=group.len()]);
        out.resize(out.len() + 3 - group.len(), b'=');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: GOV-3
    #[test]
    fn a_result_is_an_object() {
        let check = |body: &'static [u8], expected: &str| {
            let object = object_of(Bytes::from_static(body));
            assert_eq!(std::str::from_utf8(&object).unwrap(), expected, "{body:?}");
        };
        check(b"{\"a\": 1.0 }", "{\"a\": 1.0 }");
        check(b" {\"a\":1e400}\r\n", "{\"a\":1e400}");
        check(b"[1,2 ]", "{\"data\":[1,2 ]}");
        check(b"7", "{\"data\":7}");
        check(b"null", "{\"data\":null}");
        check(b"", "{\"data\":null}");
        check(b"\"x\"", "{\"data\":\"x\"}");
        check(b"done\n", "{\"data\":\"done\\n\"}");
        check(b"{\"a\":1} x", "{\"data\":\"{\\\"a\\\":1} x\"}");
        check("é".as_bytes(), "{\"data\":\"é\"}");
        // From `base64`.
        check(b"\xff", "{\"data_base64\":\"/w==\"}");
        check(b"\xff\x00", "{\"data_base64\":\"/wA=\"}");
        check(b"\xff\x00\xfa\xce", "{\"data_base64\":\"/wD6zg==\"}");
    }

    #[test]
    fn an_error_tells_status_and_body() {
        let check = |status: u16, wait: Option<&str>, body: &[u8], expected: &str| {
            let mut headers = HeaderMap::new();
            if let Some(wait) = wait {
                headers.insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            let error = error_of(status, &headers, &Bytes::copy_from_slice(body));
            assert_eq!(std::str::from_utf8(&error).unwrap(), expected);
        };
        let start = "{\"error\":\"tool_status\",\"status\":";
        check(
            500,
            None,
            b"{\"e\":1}",
            &format!("{start}500,\"body\":{{\"e\":1}}}}"),
        );
        check(
            429,
            Some("7"),
            b"slow",
            &format!("{start}429,\"retry_after\":\"7\",\"body\":\"slow\"}}"),
        );
        check(302, None, b"", &format!("{start}302,\"body\":null}}"));
        check(400, None, b"\xff", &format!("{start}400,\"body\":null}}"));
        let long = vec![b'1'; MAX_ERROR_BYTES + 1];
        check(400, None, &long, &format!("{start}400,\"body\":null}}"));
    }
}
