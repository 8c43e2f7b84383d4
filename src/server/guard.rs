//! What may talk to a listener on this host besides agents: browsers, and names that were rebound.
//!
//! A page that a user opens can send requests to 127.0.0.1. It cannot help saying so: browsers add
//! `Origin` or `Sec-Fetch-Site`, and a rebound name shows in `Host`. Both are checked here, for
//! both listeners; what is answered is the doors' business.

use std::net::IpAddr;
use std::str::FromStr as _;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Request, Version, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request's framing and target mean one thing only (RFC 9112, 3.2 and 6.1).
///
/// The parser below us is lenient about what comes before a final `chunked` and about `Host`; a
/// lenient proxy and a strict neighbour disagree about where a request ends.
///
/// # Errors
/// A sentence for the client.
// spec: FRAME-1
pub fn check_framing<B>(request: &Request<B>) -> Result<(), &'static str> {
    let headers = request.headers();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(first) = codings.next()
        && (codings.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err("the only transfer coding is one `chunked`");
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err("there is more than one Host"),
        (Some(host), None) if parse_host(host.as_bytes()).is_none() => Err("Host is not valid"),
        (None, None) if request.version() == Version::HTTP_11 => Err("Host is missing"),
        (Some(_) | None, None) => Ok(()),
        (None, Some(_)) => unreachable!("an iterator that has ended stays ended"),
    }
}

fn parse_host(host: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(host).ok()?;
    let authority = Authority::from_str(text).ok()?;
    let has_user = text.contains('@');
    (!has_user).then_some(authority)
}

/// Which origins and host names a listener takes requests from.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Origins of web pages that may call, as browsers spell them.
    pub allowed_origins: Vec<Box<str>>,
    /// DNS names under which the listener may be reached besides `localhost`.
    pub allowed_hosts: Vec<Box<str>>,
    /// Whether pages that the listener serves itself, and links typed by hand, may call.
    pub own_pages: bool,
}

impl Guard {
    /// Whether the request comes from an agent, or from a page that may act as one.
    // spec: ORIGIN-1
    pub fn allows_origin(&self, headers: &HeaderMap) -> bool {
        match (headers.get(header::ORIGIN), headers.get(SEC_FETCH_SITE)) {
            (None, None) => true,
            (Some(origin), _) => {
                self.allowed_origins
                    .iter()
                    .any(|allowed| allowed.as_bytes() == origin.as_bytes())
                    || (self.own_pages && is_own_origin(origin.as_bytes(), headers))
            }
            (None, Some(site)) => {
                self.own_pages && matches!(site.as_bytes(), b"same-origin" | b"none")
            }
        }
    }

    /// Whether `Host` is an address or a name that belongs to the listener.
    ///
    /// A name that an attacker's DNS points here is none of those.
    // spec: ORIGIN-1
    pub fn allows_host(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST) else {
            // HTTP/1.0 without Host: browsers never send it.
            return true;
        };
        let Some(authority) = parse_host(host.as_bytes()) else {
            return false;
        };
        let name = authority.host();
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        literal.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

/// `Host` has been checked to be ours, so a page of the same host and port is ours too.
fn is_own_origin(origin: &[u8], headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(|host| host.as_bytes());
    host.is_some() && origin.strip_prefix(b"http://") == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in fields {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name.parse::<HeaderName>().unwrap(), value);
        }
        request
    }

    #[test]
    fn framing_that_means_two_things_is_refused() {
        let check = |fields: &[(&str, &str)]| check_framing(&request(Version::HTTP_11, fields));
        let host = ("host", "a.example:80");
        assert_eq!(check(&[host]), Ok(()));
        assert_eq!(check(&[host, ("transfer-encoding", "Chunked")]), Ok(()));
        for coding in [
            "gzip, chunked",
            "identity, chunked",
            "chunked, chunked",
            "cow",
        ] {
            check(&[host, ("transfer-encoding", coding)]).unwrap_err();
        }
        check(&[
            host,
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "cow"),
        ])
        .unwrap_err();
        check(&[]).unwrap_err();
        check(&[host, host]).unwrap_err();
        for bad in ["a@b", "a/../b", "a b", "é", "[::1", "a#b", ""] {
            check(&[("host", bad)]).unwrap_err();
        }
        assert_eq!(check_framing(&request(Version::HTTP_10, &[])), Ok(()));
    }

    #[test]
    fn pages_are_refused_unless_listed() {
        let guard = Guard {
            allowed_origins: vec!["http://localhost:3000".into()],
            ..Guard::default()
        };
        let check = |fields: &[(&str, &str)]| {
            guard.allows_origin(request(Version::HTTP_11, fields).headers())
        };
        assert!(check(&[]));
        assert!(check(&[("origin", "http://localhost:3000")]));
        assert!(check(&[
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "same-site")
        ]));
        assert!(!check(&[("origin", "http://localhost:3001")]));
        assert!(!check(&[("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "none")]));
    }

    #[test]
    fn own_pages_pass_where_they_may() {
        let guard = Guard {
            own_pages: true,
            ..Guard::default()
        };
        let check = |fields: &[(&str, &str)]| {
            guard.allows_origin(request(Version::HTTP_11, fields).headers())
        };
        let host = ("host", "127.0.0.1:8788");
        assert!(check(&[host, ("origin", "http://127.0.0.1:8788")]));
        assert!(check(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(check(&[host, ("sec-fetch-site", "none")]));
        assert!(!check(&[host, ("origin", "http://127.0.0.1:3000")]));
        assert!(!check(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!check(&[("origin", "http://")]));
    }

    #[test]
    fn only_addresses_and_own_names_are_hosts() {
        let guard = Guard {
            allowed_hosts: vec!["sidecar".into()],
            ..Guard::default()
        };
        let check =
            |host: &str| guard.allows_host(request(Version::HTTP_11, &[("host", host)]).headers());
        for own in [
            "127.0.0.1:8787",
            "[::1]:8787",
            "localhost",
            "LOCALHOST:1",
            "sidecar:8787",
        ] {
            assert!(check(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example:8787",
            "sidecar.evil.example",
        ] {
            assert!(!check(foreign), "{foreign}");
        }
    }
}
