//! Header fields by what they mean to a proxy: ours, the connection's, or the message's.
//!
//! The one list of each kind. Which of them is removed or added where is decided by the callers.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Follows one call through logs, the upstream and the answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How many attempts an answer took.
pub const X_COUNTERSIGN_ATTEMPTS: HeaderName = HeaderName::from_static("x-countersign-attempts");
/// The code of an answer that we made ourselves.
pub const X_COUNTERSIGN_ERROR: HeaderName = HeaderName::from_static("x-countersign-error");
/// That an answer is the one that an earlier call of the same key got.
pub const X_COUNTERSIGN_REPLAYED: HeaderName = HeaderName::from_static("x-countersign-replayed");
/// Who an agent says it is.
pub const X_ONCEONLY_AGENT_ID: HeaderName = HeaderName::from_static("x-onceonly-agent-id");
/// W3C trace context, level 1.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems add to it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// A client's promise that equal keys mean one operation.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether only we may say this field.
///
/// Underscores count as hyphens: receivers behind CGI-style gateways read both as one name.
// spec: HDR-1
pub fn is_ours(name: &HeaderName) -> bool {
    const PREFIXES: [&[u8]; 2] = [b"x-onceonly-", b"x-countersign-"];
    let name = name.as_str().as_bytes();
    let alike = |a: u8, b: u8| a == b || (a == b'_' && b == b'-');
    PREFIXES.iter().any(|prefix| {
        name.len() >= prefix.len()
            && prefix
                .iter()
                .zip(name)
                .all(|(&want, &got)| alike(got, want))
    })
}

/// Whether the field belongs to one connection and is never passed on (RFC 9110, 7.6.1), or would
/// make sense only if we forwarded what we do not: trailers, upgrades and expectations.
// spec: HDR-1
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    match name.as_str() {
        "connection" | "transfer-encoding" | "te" | "trailer" | "upgrade" | "expect"
        | "keep-alive" => true,
        other => other.starts_with("proxy-"),
    }
}

/// Whether one of a message's `Connection` fields nominates `name` as hop-by-hop.
fn is_nominated<'v>(
    connection: impl IntoIterator<Item = &'v HeaderValue>,
    name: &HeaderName,
) -> bool {
    connection.into_iter().any(|value| {
        value.as_bytes().split(|b| *b == b',').any(|option| {
            option
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    })
}

/// The token of the one `Authorization: Bearer` field among all values of `Authorization`. Two such
/// fields could be read differently by whoever stands before us, so they count as none. The scheme's
/// name is case-insensitive (RFC 9110, 11.1).
pub fn bearer<'v>(authorization: impl IntoIterator<Item = &'v HeaderValue>) -> Option<&'v [u8]> {
    let mut fields = authorization.into_iter();
    let (Some(only), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let (scheme, token) = only.as_bytes().split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// One field of a head.
pub type Field = (HeaderName, HeaderValue);

/// The fields of a request that go on to a tool. None of them is the connection's, nominated by it,
/// or ours to say; and `Host` and `Content-Length` are not among them, because they are made anew
/// for the connection and the body that the request goes out with.
///
/// It is a list, for nothing is looked up in it any more.
#[derive(Debug, Default)]
pub struct EndToEnd(Vec<Field>);

impl EndToEnd {
    /// What goes on of a client's fields but those that `is_replaced` names, with room for `more`.
    // spec: HDR-1
    pub fn of(
        mut fields: Vec<Field>,
        more: usize,
        is_replaced: impl Fn(&HeaderName) -> bool,
    ) -> Self {
        let connection: Vec<HeaderValue> = fields
            .iter()
            .filter(|(name, _)| *name == header::CONNECTION)
            .map(|(_, value)| value.clone())
            .collect();
        fields.retain(|(name, _)| {
            *name != header::HOST
                && *name != header::CONTENT_LENGTH
                && !is_hop_by_hop(name)
                && !is_ours(name)
                && !is_replaced(name)
                && !is_nominated(&connection, name)
        });
        fields.reserve(more);
        Self(fields)
    }

    /// Adds a field of the tool's or of the call's, which must be none of the kinds that end here.
    pub fn push(&mut self, name: HeaderName, value: HeaderValue) {
        debug_assert!(!is_ours(&name) && !is_hop_by_hop(&name));
        self.0.push((name, value));
    }

    /// The fields, those of one name in their order.
    pub fn as_slice(&self) -> &[Field] {
        &self.0
    }
}

/// Removes every field that must not cross a proxy in either direction: the connection's own, what
/// `Connection` nominates, and what only we may say.
// spec: HDR-1 RESP-1
pub fn remove_what_ends_here(headers: &mut HeaderMap) {
    // Looking at a few names costs less than hashing one.
    let nominates = headers.keys().any(|name| *name == header::CONNECTION);
    let ends_here = |name: &HeaderName| {
        is_hop_by_hop(name)
            || is_ours(name)
            || (nominates && is_nominated(headers.get_all(header::CONNECTION), name))
    };
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| ends_here(name))
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_of_our_fields_are_ours() {
        for ours in [
            "x-onceonly-signature",
            "X-OnceOnly-Tool",
            "x_onceonly_signature",
            "x-onceonly_timestamp",
            "x_countersign-error",
        ] {
            assert!(is_ours(&ours.parse().unwrap()), "{ours}");
        }
        for other in [
            "x-onceonly",
            "xx-onceonly-tool",
            "x-once-only-tool",
            "authorization",
        ] {
            assert!(!is_ours(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn connection_options_are_read_from_every_field_and_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, "close, X-Drop-Me".parse().unwrap());
        headers.append(header::CONNECTION, "x-and-me".parse().unwrap());
        let check = |name: &str| {
            let connection = headers.get_all(header::CONNECTION);
            is_nominated(connection, &name.parse().unwrap())
        };
        for nominated in ["x-drop-me", "x-and-me", "close"] {
            assert!(check(nominated));
        }
        assert!(!check("x-drop"));
    }

    // spec: HDR-1
    #[test]
    fn what_goes_on_keeps_its_order_and_its_repetitions() {
        let mut fields = Vec::new();
        for (name, value) in [
            ("host", "sidecar"),
            ("x-twice", "1"),
            ("x-onceonly-tool", "forged"),
            ("x_onceonly_tool", "forged"),
            ("accept", "a"),
            ("content-length", "5"),
            ("connection", "x-named"),
            ("connection", "keep-alive"),
            ("x-named", "no"),
            ("x-named", "no"),
            ("proxy-authorization", "no"),
            ("x-replaced", "no"),
            ("accept", "b"),
            ("x-twice", "2"),
        ] {
            let name: HeaderName = name.parse().unwrap();
            fields.push((name, value.parse().unwrap()));
        }
        let mut passed = EndToEnd::of(fields, 1, |name| name == "x-replaced");
        passed.push(X_REQUEST_ID, "7".parse().unwrap());
        let passed: Vec<_> = passed
            .as_slice()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let expected = [
            ("x-twice", "1"),
            ("accept", "a"),
            ("accept", "b"),
            ("x-twice", "2"),
            ("x-request-id", "7"),
        ];
        assert_eq!(passed, expected);
    }
}
