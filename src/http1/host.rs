//! `Host` and the authority of a target, which have one grammar (RFC 9110, 7.2).

use std::net::Ipv6Addr;
use std::str::FromStr as _;

use http::uri::Authority;

/// Whether this is a name or an address, with a port if any.
///
/// It is not where RFC 9110 does not allow it, and also for what it allows and nobody sends: user
/// information, an empty host, and an address of a future version of IP.
// spec: FRAME-1
pub(super) fn is_host(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':');
    let (name, port) = host.split_at(colon.unwrap_or(host.len()));
    // Almost every host is like that, and then there is nothing to parse.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_common = !name.is_empty() && name.iter().all(is_plain);
    (is_common && is_port(port.strip_prefix(b":").unwrap_or(port))) || is_uncommon_host(host)
}

fn is_uncommon_host(host: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(host) else {
        return false;
    };
    let parts = match text.strip_prefix('[') {
        Some(rest) => bracketed(rest),
        None => Some(text.split_once(':').unwrap_or((text, ""))),
    };
    parts.is_some_and(|(name, port)| {
        let is_named = !name.is_empty() && !text.contains('@');
        is_named && is_port(port.as_bytes()) && Authority::from_str(text).is_ok()
    })
}

/// The address and the port of what follows an opening bracket.
fn bracketed(rest: &str) -> Option<(&str, &str)> {
    let (address, port) = rest.split_once(']')?;
    address.parse::<Ipv6Addr>().ok()?;
    let port = port.strip_prefix(':').or(port.is_empty().then_some(""))?;
    Some((address, port))
}

/// An empty port is the scheme's own (RFC 3986, 3.2.3).
fn is_port(text: &[u8]) -> bool {
    let number = text.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    });
    number.is_some()
}
