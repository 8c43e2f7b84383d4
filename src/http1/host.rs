//! `Host` and the authority of a target, which have one grammar (RFC 9110, 7.2).

use std::net::Ipv6Addr;
use std::str::FromStr as _;

use http::uri::Authority;

/// The authority that a `Host` names: a name or an address, and a port if any.
///
/// `None` where RFC 9110 does not allow it, and also for what it allows and nobody sends: user
/// information, an empty host, and an address of a future version of IP.
// spec: FRAME-1
pub fn parse_host(host: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(host).ok()?;
    let authority = Authority::from_str(text).ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (
                address,
                port.strip_prefix(':').or(port.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let is_named = !name.is_empty() && !text.contains('@');
    (is_named && is_port(port)).then_some(authority)
}

/// An empty port is the scheme's own (RFC 3986, 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}
