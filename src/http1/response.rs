//! An answer's head: its status, and where its body ends.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::http1::request::parse_version;
use crate::http1::{Fault, Framing, ScannedHead, fields};

/// What an answer's head says. The reason phrase is for people and is dropped.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// 100 to 999, interim ones included.
    pub status: StatusCode,
    /// Every field; the values are slices of the head. A length that contradicts the body is gone.
    pub headers: HeaderMap,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection can carry another request afterwards.
    pub keep_alive: bool,
}

/// What an answer gets on its way to an agent: which call it answers, and after how many attempts.
/// There is room for it, because a map that grows is built anew.
const ROOM: usize = 2;

/// Reads the head of the answer to a request of this method.
///
/// # Errors
/// When it has no reading, or more than one. The connection is of no use then.
// spec: FRAME-1
pub fn parse_response(head: &ScannedHead, method: &Method) -> Result<ResponseHead, Fault> {
    if head.has_empty_lines_before() {
        return Err(Fault::Malformed("there is an empty line before the answer"));
    }
    let mut lines = head.lines();
    let (version, status) = parse_status_line(lines.next().unwrap_or_default())?;
    let mut headers = HeaderMap::with_capacity(head.fields() + ROOM);
    for field in fields::parse(head, lines) {
        let (name, value) = field?;
        headers.append(name, value);
    }
    let stated = stated_body(version, &mut headers)?;
    let has_no_body = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD;
    let mut keep_alive =
        fields::keeps_alive(version, headers.get_all(CONNECTION)) && stated.trusted;
    let framing = if has_no_body {
        keep_alive &= !states_what_cannot_be(status, stated.framing)?;
        if status == StatusCode::NO_CONTENT {
            fields::remove_length(&mut headers);
        }
        Framing::None
    } else {
        keep_alive &= stated.framing != Framing::UntilClose;
        stated.framing
    };
    Ok(ResponseHead {
        status,
        headers,
        framing,
        keep_alive,
    })
}

fn parse_status_line(line: &[u8]) -> Result<(Version, StatusCode), Fault> {
    const LINE: Fault = Fault::Malformed("the first line is not version, status and reason");
    let (version, rest) = line.split_at_checked(8).ok_or(LINE)?;
    let version = parse_version(version)?;
    let (code, reason) = rest
        .strip_prefix(b" ")
        .and_then(|rest| rest.split_at_checked(3))
        .ok_or(LINE)?;
    let status = StatusCode::from_bytes(code).map_err(|_| LINE)?;
    // Some servers leave out the space that RFC 9112 wants before an empty reason.
    if !reason.is_empty() && reason[0] != b' ' {
        return Err(LINE);
    }
    Ok((version, status))
}

/// What the fields say about the body, whether or not the status lets it have one.
struct Stated {
    framing: Framing,
    /// Whether to believe the peer about where its next answer begins.
    trusted: bool,
}

// spec: FRAME-1
fn stated_body(version: Version, headers: &mut HeaderMap) -> Result<Stated, Fault> {
    if fields::is_chunked(headers.get_all(TRANSFER_ENCODING))? {
        if version == Version::HTTP_10 {
            return Err(Fault::Malformed("HTTP/1.0 has no transfer codings"));
        }
        // The coding decides (RFC 9112, 6.3), and a length beside it would reach the next reader
        // without it.
        let trusted = !fields::remove_length(headers);
        let framing = Framing::Chunked;
        return Ok(Stated { framing, trusted });
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let trusted = true;
    let Some(first) = lengths.next() else {
        let framing = Framing::UntilClose;
        return Ok(Stated { framing, trusted });
    };
    let length = fields::parse_length(first)?;
    let mut is_repeated = false;
    for other in lengths {
        is_repeated = true;
        if fields::parse_length(other)? != length {
            return Err(Fault::Malformed("the Content-Length fields differ"));
        }
    }
    if is_repeated {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let framing = Framing::Length(length);
    Ok(Stated { framing, trusted })
}

/// Whether an answer that can never have a body states one, so that what comes next on its
/// connection is in doubt.
///
/// # Errors
/// For an interim answer: the final one is what comes next.
fn states_what_cannot_be(status: StatusCode, stated: Framing) -> Result<bool, Fault> {
    let states_body = matches!(stated, Framing::Chunked | Framing::Length(1..));
    if states_body && status.is_informational() {
        return Err(Fault::Malformed("an interim answer states a body"));
    }
    Ok(states_body && status == StatusCode::NO_CONTENT)
}
