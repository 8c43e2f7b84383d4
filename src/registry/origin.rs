//! Where a tool lives: the part of its URL that decides which connection can carry a call.
//!
//! Two tools with equal origins share pooled connections, also across reloads.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use url::Url;

use crate::registry::spec::limits;
use crate::registry::trust::Trust;

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TransportScheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl TransportScheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The host of an upstream. Odd spellings of an address (`127.1`, `0x7f000001`) have become an
/// address already, so a check of the variant cannot be talked round.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A name to resolve.
    Name(Box<str>),
    /// A literal address.
    Address(IpAddr),
}

/// Which addresses an upstream may have.
// spec: SSRF-1
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reach {
    /// Also this machine and the networks around it: the operator wrote the tool into his file.
    Lenient,
    /// Public ones only: whoever holds an API key registered the tool.
    PublicOnly,
}

/// Scheme, host, port, trust and reach of an upstream.
#[derive(Debug, Eq, PartialEq)]
pub struct Origin {
    /// Of scheme, host, port and trust, so that a look-up by origin, of which a call makes several,
    /// reads no text.
    hash: u64,
    scheme: TransportScheme,
    host: Host,
    port: u16,
    trust: Option<Arc<Trust>>,
    /// What `Host` (or `:authority`) says: the port only where it is not the scheme's own.
    authority: HeaderValue,
    /// A part of the origin, so that a connection that one tool may have is never lent to another
    /// that may not.
    reach: Reach,
}

/// Equal origins have equal hashes: what is hashed is a part of what is compared.
impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A map by origin, which takes the hash that an origin brings along for what it is.
pub type OriginMap<V> = HashMap<Arc<Origin>, V, BuildHasherDefault<OriginHash>>;

/// The one number that an origin is hashed by.
#[derive(Debug, Default)]
pub struct OriginHash(u64);

impl Hasher for OriginHash {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an origin writes one number");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A hash that nobody outside the process can predict: whoever may register tools must not be able
/// to choose origins that collide.
fn hash_of(scheme: TransportScheme, host: &Host, port: u16, trust: Option<&Trust>) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one((scheme, host, port, trust))
}

impl Origin {
    /// The origin of a URL that a stranger offers, by the rules that
    /// [`Tool::compile`](crate::registry::Tool::compile) holds it to and two more, because programs
    /// disagree about what else passes for a URL, and a check that reads it one way says nothing
    /// about who reads it another: an IPv4 address is four decimal numbers (`010.0.0.1` is not),
    /// and only characters of RFC 3986 are used.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    // spec: REG-3 SSRF-1
    pub fn of_url(text: &str) -> Result<Self, &'static str> {
        let origin = parse_url(text, None)?.origin;
        match &origin.host {
            Host::Address(IpAddr::V4(address)) if !names(text, &address.to_string()) => {
                return Err("must write an IPv4 address as four decimal numbers");
            }
            Host::Address(_) | Host::Name(_) => {}
        }
        let behind_scheme = behind_scheme(text);
        let path = behind_scheme.find(['/', '?']);
        if !is_encoded(path.map_or("", |path| &behind_scheme[path..])) {
            return Err("must percent-encode what RFC 3986 does not allow in a path or query");
        }
        Ok(origin)
    }

    /// The same origin with another reach.
    pub(super) fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Whether both are the same scheme, host and port, however they are reached.
    pub fn is_same_place(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// Which addresses it may have.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How to speak to it.
    pub fn scheme(&self) -> TransportScheme {
        self.scheme
    }

    /// Where to dial.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Which port to dial.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The tool's own `tls:` settings, where it has any.
    pub fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    /// The `Host` header.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }
}

/// A tool's URL, taken apart.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// Path without query, never empty.
    pub(super) path: Box<str>,
    /// Query without the question mark.
    pub(super) query: Option<Box<str>>,
}

/// Takes a tool's URL apart.
///
/// The URL standard's parser repairs a lot (back slashes, missing slashes, control characters);
/// what it would repair is refused first, so that the URL means here what it says.
// spec: REG-2
pub(super) fn parse_url(text: &str, trust: Option<Arc<Trust>>) -> Result<Target, &'static str> {
    if text.len() > limits::URL_BYTES {
        return Err("must be at most 8192 bytes long");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be visible ASCII without spaces (percent-encode the rest)");
    }
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let (scheme, rest) = if lower.starts_with("http://") {
        (TransportScheme::Http, &text[7..])
    } else if lower.starts_with("https://") {
        (TransportScheme::Https, &text[8..])
    } else {
        return Err("must start with http:// or https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err("must name a host");
    }
    if authority.contains('@') {
        return Err("must not hold a user name or password (use headers: or auth:)");
    }
    if text.contains('\\') {
        return Err("must not hold a backslash");
    }
    if text.contains('#') {
        return Err("must not have a #fragment");
    }
    let url = Url::parse(text).map_err(|_| "must be a valid URL")?;
    let port = url.port_or_known_default().filter(|port| *port != 0);
    let port = port.ok_or("must have a port between 1 and 65535")?;
    let host = match url.host().ok_or("must name a host")? {
        url::Host::Domain(name) if is_hostname(name) => Host::Name(name.into()),
        url::Host::Domain(_) => return Err("must name a valid host"),
        url::Host::Ipv4(address) => Host::Address(IpAddr::V4(address)),
        url::Host::Ipv6(address) => Host::Address(IpAddr::V6(address)),
    };
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let authority = authority.parse().map_err(|_| "must name a valid host")?;
    Ok(Target {
        origin: Origin {
            hash: hash_of(scheme, &host, port, trust.as_deref()),
            scheme,
            host,
            port,
            trust,
            authority,
            reach: Reach::Lenient,
        },
        path: url.path().into(),
        query: url.query().map(Into::into),
    })
}

fn behind_scheme(url: &str) -> &str {
    url.split_once("//").map_or(url, |(_, rest)| rest)
}

/// Whether `host` stands in the URL as it is.
fn names(url: &str, host: &str) -> bool {
    let rest = behind_scheme(url).strip_prefix(host);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']))
}

/// Whether a path and query are written in the characters of RFC 3986 (3.3 and 3.4).
fn is_encoded(text: &str) -> bool {
    let mut parts = text.split('%');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=".contains(&b);
    parts.next().unwrap_or_default().bytes().all(plain)
        && parts.all(|part| {
            let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
            digits.len() == 2
                && digits.bytes().all(|b| b.is_ascii_hexdigit())
                && rest.bytes().all(plain)
        })
}

/// Whether the name is one of a host (RFC 1123, 2.1): labels of 1 to 63 letters, digits and hyphens
/// that no hyphen begins or ends, 253 in all, and a dot at the end where the name is complete.
/// Underscores are no part of it and are in use.
fn is_hostname(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl Host {
    /// Whether it is this machine by its very spelling; a name that merely resolves here is not.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
            Self::Address(IpAddr::V4(address)) => address.is_loopback(),
            Self::Address(IpAddr::V6(address)) => {
                *address == Ipv6Addr::LOCALHOST
                    || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, file: bool, api: bool) {
        assert_eq!(parse_url(url, None).is_ok(), file, "{url}");
        assert_eq!(Origin::of_url(url).is_ok(), api, "{url}");
    }

    #[test]
    fn a_host_is_a_name_of_dns() {
        for good in [
            "https://api.example.com",
            "https://api.example.com./",
            "https://a_b.xn--bcher-kva.example/",
            "https://1.2.example:8443?q",
            "https://tool",
        ] {
            check(good, true, true);
        }
        let long = format!("https://{}/", ["a23456789"; 26].join("."));
        for bad in [
            "https://../",
            "https://.example.com/",
            "https://a..example.com/",
            "https://example.com../",
            "https://-a.example.com/",
            "https://a-.example.com/",
            "https://*.example.com/",
            "https://example.com!/",
            "https://example.com%2a/",
            &long,
            &format!("https://{}.com/", "a".repeat(64)),
        ] {
            check(bad, false, false);
        }
    }

    // spec: SSRF-1
    #[test]
    fn a_stranger_writes_urls_that_read_one_way() {
        check("http://8.8.8.8/", true, true);
        check("http://8.8.8.8", true, true);
        check("http://8.8.8.8:80?x", true, true);
        check("http://010.8.8.8/", true, false);
        check("http://8.8.2056/", true, false);
        check("http://0x08080808/", true, false);
        check("http://8.8.8.8./", true, false);
        check(
            "https://a.example/%7Bx%7D?y=%20-._~:/?@!$&'()*+,;=",
            true,
            true,
        );
        for doubtful in [
            "/{x}", "?a|b", "/<", "/\"", "?%", "?%2", "?%2g", "/[", "/%C3%",
        ] {
            check(&format!("https://a.example{doubtful}"), true, false);
        }
    }
}
