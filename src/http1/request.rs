//! A request's head: what it asks for, and where its body ends.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{Method, Uri, Version};

use crate::http1::host::is_host;
use crate::http1::{Fault, FieldList, Framing, ScannedHead, fields};

/// What a request's head says.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Any token but `CONNECT`.
    pub method: Method,
    /// Origin form, absolute form, or `*` of `OPTIONS`.
    pub uri: Uri,
    /// 1.0 or 1.1.
    pub version: Version,
    /// Every field; the values are slices of the head.
    pub fields: FieldList,
    /// Where the body ends; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client may send another request afterwards.
    pub keep_alive: bool,
    /// Whether the client waits for an interim answer before it sends the body.
    pub expects_continue: bool,
}

/// Reads a head.
///
/// # Errors
/// When it has no reading, or more than one.
// spec: FRAME-1
pub fn parse_request(head: &ScannedHead) -> Result<RequestHead, Fault> {
    const LINE: Fault =
        Fault::Malformed("the first line is not method, target and version, one space apart");
    let mut lines = head.lines();
    let mut words = lines.next().ok_or(LINE)?.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(LINE);
    };
    let version = parse_version(version)?;
    let method =
        Method::from_bytes(method).map_err(|_| Fault::Malformed("the method is not a token"))?;
    let uri = parse_target(&method, head.bytes().slice_ref(target))?;
    let mut fields = FieldList::with_capacity(head.fields());
    for field in fields::parse(head, lines) {
        let (name, value) = field?;
        fields.push(name, value);
    }
    check_host(version, &fields)?;
    let framing = framing_of(version, &fields)?;
    Ok(RequestHead {
        keep_alive: fields::keeps_alive(version, fields.get_all(&CONNECTION)),
        expects_continue: version == Version::HTTP_11
            && !matches!(framing, Framing::None | Framing::Length(0))
            && expects_continue(&fields),
        method,
        uri,
        version,
        fields,
        framing,
    })
}

pub(super) fn parse_version(text: &[u8]) -> Result<Version, Fault> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        _ => Err(Fault::Malformed("the version is not HTTP/1.1 or HTTP/1.0")),
    }
}

/// The forms of RFC 9112, 3.2, but for the one of tunnels.
fn parse_target(method: &Method, target: Bytes) -> Result<Uri, Fault> {
    const FORM: Fault =
        Fault::Malformed("the target is not a path, an http or https URL, or the `*` of OPTIONS");
    const AUTHORITY: Fault =
        Fault::Malformed("the target's host is missing, malformed or has user information");
    if *method == Method::CONNECT {
        return Err(Fault::Malformed("CONNECT is not served, this is no tunnel"));
    }
    if !target
        .iter()
        .all(|byte| matches!(byte, 0x21..=0x7e) && *byte != b'#')
    {
        return Err(Fault::Malformed(
            "the target holds a fragment or a character that has to be percent-encoded",
        ));
    }
    if &target[..] == b"*" {
        let is_options = *method == Method::OPTIONS;
        return is_options.then(|| Uri::from_static("*")).ok_or(FORM);
    }
    let is_path = target.first() == Some(&b'/');
    let authority = if is_path {
        None
    } else {
        Some(authority_of(&target).ok_or(FORM)?)
    };
    if authority.is_some_and(|authority| !is_host(authority)) {
        return Err(AUTHORITY);
    }
    Uri::from_maybe_shared(target).map_err(|_| FORM)
}

/// What stands between `http://` or `https://` and the path.
fn authority_of(target: &[u8]) -> Option<&[u8]> {
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    Some(&rest[..end.unwrap_or(rest.len())])
}

// spec: FRAME-1
fn check_host(version: Version, fields: &FieldList) -> Result<(), Fault> {
    let mut hosts = fields.get_all(&HOST);
    let fault = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => "there is more than one Host",
        (Some(host), None) if !is_host(host.as_bytes()) => "Host is not valid",
        (None, _) if version == Version::HTTP_11 => "Host is missing",
        (Some(_) | None, _) => return Ok(()),
    };
    Err(Fault::Malformed(fault))
}

// spec: FRAME-1
fn framing_of(version: Version, fields: &FieldList) -> Result<Framing, Fault> {
    let mut lengths = fields.get_all(&CONTENT_LENGTH);
    let length = lengths.next();
    if length.is_some() && fields.contains(&TRANSFER_ENCODING) {
        return Err(Fault::Malformed(
            "Content-Length and Transfer-Encoding exclude each other",
        ));
    }
    if lengths.next().is_some() {
        return Err(Fault::Malformed("there is more than one Content-Length"));
    }
    if fields::is_chunked(fields.get_all(&TRANSFER_ENCODING))? {
        return match version {
            Version::HTTP_11 => Ok(Framing::Chunked),
            _ => Err(Fault::Malformed("HTTP/1.0 has no transfer codings")),
        };
    }
    length.map_or(Ok(Framing::None), |length| {
        fields::parse_length(length).map(Framing::Length)
    })
}

fn expects_continue(fields: &FieldList) -> bool {
    let expectation = fields.get(&EXPECT).map(|value| value.as_bytes());
    expectation.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}
