//! Where the server is that sidecars share: a URL as the operator wrote it, understood once.
//!
//! A URL can hold a password, so nothing here prints one. Certificates are always checked: the client
//! library's way around that is refused.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};
use url::Url;

/// The schemes of a shared store.
const SCHEMES: &[&str] = &[
    "redis",
    "rediss",
    "redis+unix",
    "valkey",
    "valkeys",
    "valkey+unix",
];

/// A Redis or Valkey server.
#[derive(Clone)]
pub struct FleetAddress(ConnectionInfo);

impl FleetAddress {
    /// What one looks like.
    pub const FORM: &str =
        "redis://[user:password@]host[:port][/database], rediss:// for TLS, or redis+unix:///path";

    /// Whether `text` begins like a URL of a shared store, so that it is meant to be one.
    pub fn is_meant_by(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| SCHEMES.contains(&scheme))
    }

    /// Reads a URL of this form; `valkey` means the same as `redis`.
    // spec: FLEET-6
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        // The client library has a fragment that switches the check of certificates off.
        if !SCHEMES.contains(&url.scheme()) || url.fragment().is_some() {
            return None;
        }
        let info = url.into_connection_info().ok()?;
        // Messages to subscribers come over the same connection as answers, which takes RESP3.
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("countersign", env!("CARGO_PKG_VERSION"));
        Some(Self(info.set_redis_settings(settings)))
    }

    /// What the client library needs.
    pub(super) fn info(&self) -> ConnectionInfo {
        self.0.clone()
    }

    /// The same server's neighbour, to which a cluster has sent us. Login and TLS stay the same.
    pub(super) fn moved_to(&self, host: &str, port: u16) -> ConnectionInfo {
        let mut there = ConnectionAddr::Tcp(host.to_owned(), port);
        if let ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } = self.0.addr()
        {
            there = ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            };
        }
        self.0.clone().set_addr(there)
    }
}

impl fmt::Debug for FleetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetAddress(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: FLEET-6
    #[test]
    fn addresses_are_urls_without_a_way_around_certificates() {
        for good in [
            "redis://127.0.0.1",
            "redis://:hunter2-hunter2@cache.internal:6380/2",
            "rediss://user:pass@cache.internal",
            "valkey://[::1]:6379",
            "redis+unix:///run/redis/redis.sock",
        ] {
            assert!(FleetAddress::is_meant_by(good), "{good}");
            assert!(FleetAddress::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "redis:",
            "redis://",
            "http://127.0.0.1",
            "redis://host/database",
            "rediss://host/#insecure",
            "file:countersign.store",
        ] {
            assert!(FleetAddress::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let address = FleetAddress::parse("redis://:hunter2-hunter2@cache.internal").unwrap();
        assert_eq!(format!("{address:?}"), "FleetAddress(***)");
    }
}
