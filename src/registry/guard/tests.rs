//! Addresses in every spelling, with the verdict of each kind of tool.

use std::sync::Arc;

use super::*;
use crate::registry::{AuthSpec, Origin, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::Signer;

fn check_reason(address: &str, expected: Option<&str>) {
    let refused = check_address(address.parse().unwrap(), Reach::Lenient).err();
    assert_eq!(refused.map(|f| f.reason), expected, "{address}");
}

#[test]
fn loopback_private_and_public_addresses_pass() {
    for address in [
        "127.0.0.1",
        "127.0.0.2",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "203.0.113.9",
        "8.0.0.1",
        "223.255.255.255",
        "169.253.255.255",
        "169.255.0.0",
        "168.63.129.15",
        "100.100.100.201",
        "192.0.0.193",
        "1.0.0.0",
        "::1",
        "fd00::1",
        "fd00:ec2::253",
        "fec0::1",
        "2606:4700::1",
        "2001:db8::1",
        "fe7f::1",
        "::10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:a00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001::80ff:fffe",
    ] {
        check_reason(address, None);
    }
}

// spec: SSRF-1
#[test]
fn what_no_tool_may_reach_is_refused_in_every_spelling() {
    for (address, reason) in [
        ("0.0.0.0", UNSPECIFIED),
        ("0.1.2.3", UNSPECIFIED),
        ("::", UNSPECIFIED),
        ("::2", UNSPECIFIED),
        ("169.254.0.1", LINK_LOCAL),
        ("169.254.169.254", LINK_LOCAL),
        ("169.254.170.2", LINK_LOCAL),
        ("fe80::1", LINK_LOCAL),
        ("febf::1", LINK_LOCAL),
        ("168.63.129.16", METADATA),
        ("100.100.100.200", METADATA),
        ("192.0.0.192", METADATA),
        ("fd00:ec2::254", METADATA),
        ("fd00:ec2::23", METADATA),
        ("fd20:ce::254", METADATA),
        ("224.0.0.1", MULTICAST),
        ("239.255.255.255", MULTICAST),
        ("ff02::1", MULTICAST),
        ("240.0.0.1", RESERVED),
        ("255.255.255.255", RESERVED),
    ] {
        check_reason(address, Some(reason));
    }
}

/// Every wrapping of two forbidden addresses, and of one allowed one as the control. The
/// wrapped texts are computed by hand from the RFCs that define them.
// spec: SSRF-1
#[test]
fn an_ipv4_address_cannot_hide_in_an_ipv6_one() {
    for (address, reason) in [
        // 169.254.169.254 is a9fe:a9fe, inverted 5601:5601.
        ("::a9fe:a9fe", LINK_LOCAL),
        ("::ffff:169.254.169.254", LINK_LOCAL),
        ("::ffff:0:a9fe:a9fe", LINK_LOCAL),
        ("64:ff9b::a9fe:a9fe", LINK_LOCAL),
        ("64:ff9b:1::a9fe:a9fe", LINK_LOCAL),
        ("64:ff9b:1:2:3:4:a9fe:a9fe", LINK_LOCAL),
        ("2002:a9fe:a9fe::", LINK_LOCAL),
        ("2002:a9fe:a9fe:1:2:3:4:5", LINK_LOCAL),
        ("2001::5601:5601", LINK_LOCAL),
        ("2001:0:4136:e378:8000:63bf:5601:5601", LINK_LOCAL),
        // 168.63.129.16 is a83f:8110, inverted 57c0:7eef.
        ("::ffff:168.63.129.16", METADATA),
        ("64:ff9b::a83f:8110", METADATA),
        ("2002:a83f:8110::1", METADATA),
        ("2001::57c0:7eef", METADATA),
        // 0.0.0.0, 224.0.0.1 and 255.255.255.255.
        ("::ffff:0.0.0.0", UNSPECIFIED),
        ("64:ff9b::", UNSPECIFIED),
        ("::ffff:224.0.0.1", MULTICAST),
        ("::ffff:255.255.255.255", RESERVED),
    ] {
        check_reason(address, Some(reason));
    }
}

/// What becomes of a URL, in the words of the vectors.
fn verdict(origin: Option<&Origin>, reach: Reach) -> &'static str {
    match origin.map(|origin| (forbidden(origin.host(), reach), origin.host())) {
        None | Some((Some(_), _)) => "refused",
        Some((None, Host::Name(_))) => "name",
        Some((None, Host::Address(_))) => "address",
    }
}

/// A tool of the file with this URL, where it is valid.
fn origin_of_file(url: &str) -> Option<Arc<Origin>> {
    let auth = AuthSpec {
        scheme: Signer::HMAC_SHA256.to_owned(),
        secret: Some(Secret::new("supersecret")),
        secret_id: None,
    };
    let spec = ToolSpec {
        name: "tool".to_owned(),
        url: url.to_owned(),
        auth,
        ..ToolSpec::default()
    };
    Some(Arc::clone(&Tool::compile(spec).ok()?.origin))
}

// spec: SSRF-1 REG-2
#[test]
fn every_spelling_of_a_url_has_its_verdict() {
    let vectors = include_str!("../../../tests/vectors/tool_urls.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 133);
    for case in cases {
        let url = case["url"].as_str().unwrap();
        let of_file = origin_of_file(url);
        assert_eq!(
            (
                verdict(of_file.as_deref(), Reach::Lenient),
                verdict(Origin::of_url(url).ok().as_ref(), Reach::PublicOnly)
            ),
            (
                case["file"].as_str().unwrap(),
                case["api"].as_str().unwrap()
            ),
            "{case}"
        );
        let expected = case.get("address").map(|address| {
            let address = address.as_str().unwrap();
            Host::Address(address.parse().unwrap())
        });
        let found = of_file.map(|origin| origin.host().clone());
        let found = found.filter(|host| matches!(host, Host::Address(_)));
        assert_eq!(found, expected, "{case}");
    }
}

/// The first and last address of every range, and their neighbours outside.
// spec: SSRF-1
#[test]
fn ranges_that_are_not_public_have_exact_borders() {
    let check = |address: &str, expected: Option<&str>| {
        let host = Host::Address(address.parse().unwrap());
        assert_eq!(forbidden(&host, Reach::PublicOnly), expected, "{address}");
    };
    for (first, last, reason) in [
        ("10.0.0.0", "10.255.255.255", PRIVATE),
        ("100.64.0.0", "100.127.255.255", SHARED),
        ("127.0.0.0", "127.255.255.255", LOOPBACK),
        ("172.16.0.0", "172.31.255.255", PRIVATE),
        ("192.0.0.0", "192.0.0.255", RESERVED),
        ("192.0.2.0", "192.0.2.255", DOCUMENTATION),
        ("192.88.99.0", "192.88.99.255", RESERVED),
        ("192.168.0.0", "192.168.255.255", PRIVATE),
        ("198.18.0.0", "198.19.255.255", BENCHMARK),
        ("198.51.100.0", "198.51.100.255", DOCUMENTATION),
        ("203.0.113.0", "203.0.113.255", DOCUMENTATION),
        ("fc00::", "fdff::ffff", PRIVATE),
        ("fec0::", "feff::1", PRIVATE),
        ("2001:db8::", "2001:db8:ffff::1", DOCUMENTATION),
        ("3fff::", "3fff:fff::1", DOCUMENTATION),
        ("2001:1::", "2001:1ff::1", RESERVED),
        ("100::1", "5f00::1", RESERVED),
        ("4000::", "fbff::1", RESERVED),
        // 169.254.169.254 behind 48 bits, 8.8.8.8 behind 96.
        (
            "64:ff9b:1::808:808",
            "64:ff9b:1:a9fe:a9:fe00:808:808",
            RESERVED,
        ),
        ("::1", "::ffff:127.0.0.1", LOOPBACK),
    ] {
        check(first, Some(reason));
        check(last, Some(reason));
    }
    for public in [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "203.0.114.0",
        "2000::1",
        "2001:200::",
        "2001:db7::1",
        "2001:db9::1",
        "3ffe::1",
        "3fff:1000::",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ] {
        check(public, None);
    }
}

#[test]
fn a_lenient_reach_leaves_names_to_their_addresses() {
    let origin = Origin::of_url("http://localhost:3000/").unwrap();
    assert_eq!(forbidden(origin.host(), Reach::Lenient), None);
    let origin = Origin::of_url("http://169.254.169.254/").unwrap();
    assert_eq!(forbidden(origin.host(), Reach::Lenient), Some(LINK_LOCAL));
}
