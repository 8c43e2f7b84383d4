//! The addresses that a tool may not have.
//!
//! Pure functions: over one address, asked for every address that is about to be dialled, and over
//! a host, asked when a tool is registered. Some addresses are refused whoever registered the tool.
//! Loopback and private ranges are where the tools of an operator's file live; they are refused to
//! tools that may reach public addresses only. An IPv4 address inside an IPv6 one is judged as the
//! IPv4 address that the packets reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::registry::origin::{Host, Reach};

/// An address that is not dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{address} is {reason}")]
pub struct ForbiddenAddress {
    address: IpAddr,
    reason: &'static str,
}

const UNSPECIFIED: &str = "an unspecified address";
const LINK_LOCAL: &str = "a link-local address";
const METADATA: &str = "a cloud metadata address";
const MULTICAST: &str = "a multicast address";
const RESERVED: &str = "a reserved address";
const LOOPBACK: &str = "a loopback address";
const PRIVATE: &str = "a private address";
const SHARED: &str = "an address shared behind a carrier's NAT";
const DOCUMENTATION: &str = "an address for documentation";
const BENCHMARK: &str = "an address for benchmarks";
const LOCAL_NAME: &str = "a name of this machine";

/// Metadata and platform services outside the link-local range: Azure's wire server, Alibaba's and
/// Oracle's metadata.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Metadata over IPv6: Amazon's for instances and for pods, and Google's.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0023),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// Names that resolvers answer with this machine without asking anybody.
const LOCAL_NAMES: [&str; 4] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
];

/// Whether `address` may be dialled by a tool of this reach.
///
/// # Errors
/// The reason why it may not.
// spec: SSRF-1
pub fn check_address(address: IpAddr, reach: Reach) -> Result<(), ForbiddenAddress> {
    let reason = reason(address, reach);
    reason.map_or(Ok(()), |reason| Err(ForbiddenAddress { address, reason }))
}

/// What is known to be wrong with a host before it is resolved: `None` for a name that only the
/// check of its addresses can judge.
// spec: SSRF-1
pub fn forbidden(host: &Host, reach: Reach) -> Option<&'static str> {
    match host {
        Host::Address(address) => reason(*address, reach),
        Host::Name(name) => match reach {
            Reach::Lenient => None,
            Reach::PublicOnly => is_local(name).then_some(LOCAL_NAME),
        },
    }
}

fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    LOCAL_NAMES.contains(&name) || name.ends_with(".localhost")
}

fn reason(address: IpAddr, reach: Reach) -> Option<&'static str> {
    let public_only = reach == Reach::PublicOnly;
    match address {
        IpAddr::V4(v4) => judge_v4(v4, public_only),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => judge_v4(v4, public_only).or_else(|| {
                is_local_nat64(v6)
                    .then_some(RESERVED)
                    .filter(|_| public_only)
            }),
            None => forbidden_v6(v6).or_else(|| private_v6(v6).filter(|_| public_only)),
        },
    }
}

fn judge_v4(address: Ipv4Addr, public_only: bool) -> Option<&'static str> {
    forbidden_v4(address).or_else(|| private_v4(address).filter(|_| public_only))
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    // All of 0.0.0.0/8 means "this host", and Linux connects 0.0.0.0 to itself.
    if address.octets()[0] == 0 {
        Some(UNSPECIFIED)
    } else if address.is_link_local() {
        Some(LINK_LOCAL)
    } else if METADATA_V4.contains(&address) {
        Some(METADATA)
    } else if address.is_multicast() {
        Some(MULTICAST)
    } else if address.octets()[0] >= 240 {
        Some(RESERVED)
    } else {
        None
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some(UNSPECIFIED)
    } else if address.is_unicast_link_local() {
        Some(LINK_LOCAL)
    } else if METADATA_V6.contains(&address) {
        Some(METADATA)
    } else if address.is_multicast() {
        Some(MULTICAST)
    } else {
        None
    }
}

/// What of IANA's special-purpose registry is not global, beyond what nobody may reach.
fn private_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some(LOOPBACK),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(PRIVATE),
        [100, 64..=127, ..] => Some(SHARED),
        // Protocol assignments, and the anycast of 6to4 relays.
        [192, 0, 0, _] | [192, 88, 99, _] => Some(RESERVED),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(DOCUMENTATION),
        [198, 18..=19, ..] => Some(BENCHMARK),
        _ => None,
    }
}

fn private_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        _ if address.is_loopback() => Some(LOOPBACK),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(PRIVATE),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(DOCUMENTATION),
        // Protocol assignments below 2001:200::.
        [0x2001, 0..=0x01ff, ..] => Some(RESERVED),
        [0x2000..=0x3fff, ..] => None,
        // Global unicast is 2000::/3 and nothing else.
        _ => Some(RESERVED),
    }
}

/// Whether the address is of the prefix for a network's own NAT64 (RFC 8215). Where in it the IPv4
/// address stands is that network's choice (RFC 6052, 2.2), so no place of it can be called public.
fn is_local_nat64(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 1, ..])
}

/// The IPv4 address that an IPv6 address stands for, where it stands for one.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let words = address.segments();
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match words {
        // `::` and `::1` are addresses in their own right.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible, IPv4-mapped and IPv4-translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            from(high, low)
        }
        // NAT64: the well-known prefix, and the local one as it is used with 96 bits.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => {
            from(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => from(high, low),
        // Teredo: the client's address, its bits inverted.
        [0x2001, 0, .., high, low] => from(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
