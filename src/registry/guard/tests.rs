//! Addresses in every spelling, with the verdict of each kind of tool.

use super::*;
use crate::registry::Origin;

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

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// The text is no URL of a tool, or its host is refused as it stands.
    Refused,
    /// The host is a name, which its addresses decide about.
    Resolve,
    Allowed,
}

fn verdict(url: &str) -> Verdict {
    let Ok(origin) = Origin::of_url(url) else {
        return Verdict::Refused;
    };
    match (forbidden(origin.host(), Reach::PublicOnly), origin.host()) {
        (Some(_), _) => Verdict::Refused,
        (None, Host::Name(_)) => Verdict::Resolve,
        (None, Host::Address(_)) => Verdict::Allowed,
    }
}

// spec: SSRF-1
#[test]
fn tools_of_the_api_reach_public_addresses_only() {
    let refused = [
        "http://100.64.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[0:0:0:0:0:ffff:7f00:1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:0:0:0:0:80ff:fffe]/",
        "http://[::ffff:a00:1]/",
        "http://[::10.0.0.1]/",
        "http://[64:ff9b:1::a00:1]/",
        "http://[::ffff:0:10.0.0.1]/",
        "http://127.0.0.1/",
        "http://127.0.0.2/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://LOCALHOST/",
        "http://foo.localhost/",
        "http://ip6-localhost/",
        "http://2852039166/",
        "http://025177524776/",
        "http://169.16689662/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0x000000a9.0x000000fe.0x000000a9.0x000000fe/",
        "http://169.254.169.254./",
        "http://\u{ff11}\u{ff16}\u{ff19}.\u{ff12}\u{ff15}\u{ff14}.\u{ff11}\u{ff16}\u{ff19}.\u{ff12}\u{ff15}\u{ff14}/",
        "http://169\u{ff0e}254\u{ff0e}169\u{ff0e}254/",
        "http://169.254.169.254\u{ad}/",
        "http://[::ffff:169.254.169.254]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:0:0:0:0:5601:5601]/",
        "http://169.254.170.2/",
        "http://169.254.0.1/",
        "http://168.63.129.16/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00:ec2::23]/",
        "http://224.0.0.1/",
        "http://[ff02::1]/",
        "http://0x7f000001/",
        "http://127.0.1/",
        "http://0177.00.00.01/",
        "http://127.000.000.001/",
        "http://0x0000007f.0x00000000.0x00000000.0x00000001/",
        "http://0177.1/",
        "http://0xa000001/",
        "http://10.0.1/",
        "http://012.00.00.01/",
        "http://010.000.000.001/",
        "http://0x0000000a.0x00000000.0x00000000.0x00000001/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://198.18.0.1/",
        "http://203.0.113.9/",
        "http://[2001:db8::1]/",
        "http://[fec0::1]/",
        "ftp://example.com/",
        "dict://127.0.0.1:11211/",
        "unix:///var/run/docker.sock",
        "data:text/plain,x",
        "jar:http://example.com!/",
        "netdoc:///etc/passwd",
        "s3://bucket/key",
        "about:blank",
        "view-source:http://example.com/",
        "http\u{17f}://example.com/",
        "http://6425673729/",
        "http://\u{ff11}\u{ff12}\u{ff17}.\u{ff10}.\u{ff10}.\u{ff11}/",
        "http://127\u{ff0e}0\u{ff0e}0\u{ff0e}1/",
        "http://127.0.0.1\u{ad}/",
        "http://4462739457/",
        "http://\u{ff11}\u{ff10}.\u{ff10}.\u{ff10}.\u{ff11}/",
        "http://10\u{ff0e}0\u{ff0e}0\u{ff0e}1/",
        "http://10.0.0.1\u{ad}/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http:/127.0.0.1/",
        "http:////127.0.0.1/",
        "127.0.0.1/",
        "http://127.0.0.1 /",
        "http://127.0.0.1\n/",
        "http://example.com\u{0}.evil/",
        "http://[::1]x/",
        "http://[127.0.0.1]/",
        "http://example.com:0/",
        "http://example.com:-1/",
        "http://example.com:08 0/",
        "http:///",
        "http://?a",
        "http://../",
        "http://.example.com/",
        "http://1.2.3.4.5/",
        "http://0x/",
        "http://\u{24db}\u{24de}\u{24d2}\u{24d0}\u{24db}\u{24d7}\u{24de}\u{24e2}\u{24e3}/",
        "http://local\u{ad}host/",
        "http://example.com%09/",
        "http://\u{2488}.1.1.1/",
        "http://\u{2105}.example.com/",
        "http://0.1.2.3/",
        "http://0x0/",
        "http://[::ffff:0.0.0.0]/",
    ];
    let named = [
        "http://169.254.169.254.nip.io/",
        "http://a9fea9fe.nip.io/",
        "http://spoofed.burpcollaborator.net/",
        "http://metadata.google.internal/",
        "http://METADATA.google.internal/",
        "http://metadata/",
        "http://instance-data.ec2.internal/",
        "http://rancher-metadata/",
        "https://api.example.com/v1/send-email",
        "https://api.example.com:8443/x",
        "HTTPS://API.EXAMPLE.COM/X",
        "https://api.example.com/?u=http://127.0.0.1/",
        "https://127.example.com/",
        "https://localhost.example.com/",
        "https://deadbeef.example.com/",
        "https://metadata.google.internal.example.com/",
        "https://api.example.com./",
        "https://api.example.com",
        "http://rebind.test/",
        "http://rebind-cname.test/",
    ];
    let allowed = [
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:8443/x",
        "https://172.32.0.1/",
        "https://126.255.255.255/",
        "https://169.253.255.255/",
        "https://192.167.255.255/",
        "https://100.63.255.255/",
        "https://223.255.255.254/",
    ];
    for (urls, expected) in [
        (&refused[..], Verdict::Refused),
        (&named, Verdict::Resolve),
        (&allowed, Verdict::Allowed),
    ] {
        for url in urls {
            assert_eq!(verdict(url), expected, "{url:?}");
        }
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
