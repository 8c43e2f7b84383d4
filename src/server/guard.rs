//! What may talk to a listener on this host besides agents: browsers, and names that were rebound.
//!
//! A page that a user opens can send requests to 127.0.0.1. It cannot help saying so: browsers add
//! `Origin` or `Sec-Fetch-Site`, and a rebound name shows in `Host`. Both are checked here, for
//! both listeners; what is answered is the doors' business.

use std::cell::RefCell;
use std::net::IpAddr;

use http::{HeaderName, header};

use crate::http1::FieldList;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which origins and host names a listener takes requests from.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Origins of web pages that may call, as browsers spell them.
    allowed_origins: Vec<Box<str>>,
    /// DNS names under which the listener may be reached besides `localhost`.
    allowed_hosts: Vec<Box<str>>,
    /// Whether pages that the listener serves itself, and links typed by hand, may call.
    own_pages: bool,
    /// The last `Host` that passed: an agent says the same one in every request.
    passed: RefCell<Option<Box<[u8]>>>,
}

impl Guard {
    /// For a listener that agents call, and pages of these origins.
    pub fn of_agents(allowed_origins: Vec<Box<str>>, allowed_hosts: Vec<Box<str>>) -> Self {
        Self {
            allowed_origins,
            allowed_hosts,
            ..Self::default()
        }
    }

    /// For a listener that operators call, and its own pages.
    pub fn of_operators(allowed_hosts: Vec<Box<str>>) -> Self {
        Self {
            allowed_hosts,
            own_pages: true,
            ..Self::default()
        }
    }

    /// Whether the request comes from an agent, or from a page that may act as one.
    // spec: ORIGIN-1
    pub fn allows_origin(&self, fields: &FieldList) -> bool {
        match (fields.get(&header::ORIGIN), fields.get(&SEC_FETCH_SITE)) {
            (None, None) => true,
            (Some(origin), _) => {
                self.allowed_origins
                    .iter()
                    .any(|allowed| allowed.as_bytes() == origin.as_bytes())
                    || (self.own_pages && is_own_origin(origin.as_bytes(), fields))
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
    pub fn allows_host(&self, fields: &FieldList) -> bool {
        let Some(host) = fields.get(&header::HOST) else {
            // HTTP/1.0 without Host: browsers never send it.
            return true;
        };
        if self.passed.borrow().as_deref() == Some(host.as_bytes()) {
            return true;
        }
        let is_ours = host_name(host.as_bytes()).is_some_and(|name| self.is_ours(name));
        if is_ours {
            self.passed.replace(Some(host.as_bytes().into()));
        }
        is_ours
    }

    fn is_ours(&self, name: &str) -> bool {
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

/// The name or address of a `Host`, without brackets and port. The request was read by a parser that
/// refuses every malformed one, so it is not checked again but for what is looked at here.
fn host_name(host: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(host).ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(name)
}

/// `Host` has been checked to be ours, so a page of the same host and port is ours too.
fn is_own_origin(origin: &[u8], fields: &FieldList) -> bool {
    let host = fields.get(&header::HOST).map(|host| host.as_bytes());
    host.is_some() && origin.strip_prefix(b"http://") == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_refused_unless_listed() {
        let guard = Guard {
            allowed_origins: vec!["http://localhost:3000".into()],
            ..Guard::default()
        };
        let check = |fields: &[(&str, &str)]| guard.allows_origin(&fields.into());
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
        let check = |fields: &[(&str, &str)]| guard.allows_origin(&fields.into());
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
        let check = |host: &str| guard.allows_host(&[("host", host)].into());
        // Each is asked twice, since a host that has passed is remembered.
        for own in [
            "127.0.0.1:8787",
            "[::1]:8787",
            "localhost",
            "LOCALHOST:1",
            "sidecar:8787",
            "[::ffff:127.0.0.1]",
            "127.0.0.1:",
        ] {
            assert!(check(own) && check(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example:8787",
            "sidecar.evil.example",
            "localhost:80@evil.example",
            "localhost:8787.evil.example",
            "[::1].evil.example",
            "[::1",
            "[localhost.evil.example]",
            "evil.example:127.0.0.1",
            "",
        ] {
            assert!(!check(foreign) && !check(foreign), "{foreign}");
        }
    }
}
