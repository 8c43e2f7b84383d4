//! Where a call can be made to go, and where not: names that change their answer, addresses in other
//! spellings, connections that are kept, redirects. Every new connection is checked anew, the checked
//! address is the one that is dialled, and what was refused is counted. The network is in memory, so
//! that a test sees every look-up and every dial.

use std::time::Duration;

use countersign::test_support::{FakeNetwork, FakeTool, Harness, Step, World};

use crate::support::metric;

/// A public address; the port is that of `http://tool.test/`.
const PUBLIC: &str = "93.184.215.14";
const METADATA: &str = "169.254.169.254";

fn refused(world: &World) -> f64 {
    metric(&world.metrics(), "countersign_ssrf_refused_total")
}

#[track_caller]
fn check_dialled(network: &FakeNetwork, expected: &[&str]) {
    let dialled: Vec<String> = network.dialled().iter().map(ToString::to_string).collect();
    let expected: Vec<String> = expected.iter().map(|ip| format!("{ip}:80")).collect();
    assert_eq!(dialled, expected);
}

/// The first attempt is answered 503 on a connection that then closes, so the second looks the name
/// up again.
// spec: SSRF-1 RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_retry_resolves_and_checks_again() {
    for second in [METADATA, "127.0.0.1", "10.1.2.3", "::1", "::ffff:a9fe:a9fe"] {
        let unavailable =
            Step::AnswerAndClose(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".into());
        let tool = FakeTool::script([unavailable, Step::ok()]);
        let network = FakeNetwork::resolving(&tool, &[&[PUBLIC], &[second]]);
        let harness = Harness::with_tool("a", tool).of_the_api().retries(1);
        let world = harness.network(&network).start();
        let reply = world.call("a", "{}").await;
        reply.expect_refusal(502, "upstream_connect");
        assert_eq!(reply.attempts(), 2);
        assert_eq!(network.looked_up(), ["tool.test"; 2]);
        check_dialled(&network, &[PUBLIC]);
        assert_eq!(world.backend.received().len(), 1);
        assert_eq!(refused(&world), 1.0, "{second}");
    }
}

/// While a connection is kept nothing is looked up; the one that follows it is checked.
// spec: SSRF-1 UP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_expired_is_not_replaced_by_one_to_a_forbidden_address() {
    let tool = FakeTool::ok();
    let network = FakeNetwork::resolving(&tool, &[&[PUBLIC], &["127.0.0.1"]]);
    let harness = Harness::with_tool("a", tool).of_the_api().retries(0);
    let world = harness.network(&network).start();
    world.call("a", "{}").await.expect_answer(200);
    world.call("a", "{}").await.expect_answer(200);
    assert_eq!(network.looked_up().len(), 1);

    world.let_time_pass(Duration::from_secs(5)).await;
    world
        .call("a", "{}")
        .await
        .expect_refusal(502, "upstream_connect");
    assert_eq!(network.looked_up().len(), 2);
    check_dialled(&network, &[PUBLIC]);
    assert_eq!(refused(&world), 1.0);
}

/// The operator's own tool may move to a private address, and never to the metadata service.
// spec: SSRF-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_of_the_file_is_checked_at_every_connection_too() {
    let tool = FakeTool::ok();
    let network = FakeNetwork::resolving(&tool, &[&[PUBLIC], &["127.0.0.1"], &[METADATA]]);
    let harness = Harness::with_tool("a", tool).retries(0);
    let world = harness.network(&network).start();
    for _ in 0..2 {
        world.call("a", "{}").await.expect_answer(200);
        world.let_time_pass(Duration::from_secs(5)).await;
    }
    world
        .call("a", "{}")
        .await
        .expect_refusal(502, "upstream_connect");
    check_dialled(&network, &[PUBLIC, "127.0.0.1"]);
    assert_eq!(refused(&world), 1.0);
}

/// One bad address does not spoil the others, and is not tried when they fail.
// spec: SSRF-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_forbidden_address_among_others_is_skipped() {
    const OTHER: &str = "8.8.4.4";
    for (first_step, dialled) in [
        (Step::ok(), &[PUBLIC][..]),
        (Step::Refuse, &[PUBLIC, OTHER]),
    ] {
        let tool = FakeTool::script([first_step, Step::ok()]);
        let answer = [METADATA, PUBLIC, "10.0.0.1", OTHER, "::1"];
        let network = FakeNetwork::resolving(&tool, &[&answer]);
        let harness = Harness::with_tool("a", tool).of_the_api().retries(0);
        let world = harness.network(&network).start();
        world.call("a", "{}").await.expect_answer(200);
        check_dialled(&network, dialled);
        assert_eq!(refused(&world), 3.0);
    }
}

/// Two tools of one URL: what the operator's leaves in the pool is not lent to the API's.
// spec: SSRF-1 UP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_pooled_connection_to_a_private_address_is_not_lent_to_a_tool_of_the_api() {
    let tool = FakeTool::ok();
    let network = FakeNetwork::resolving(&tool, &[&["10.0.0.5"]]);
    let harness = Harness::with_tool("home", tool).retries(0);
    let harness = harness.also("stranger", "global", "/").of_the_api();
    let world = harness.network(&network).start();
    world.call("home", "{}").await.expect_answer(200);
    world
        .call("stranger", "{}")
        .await
        .expect_refusal(502, "upstream_connect");
    world.call("home", "{}").await.expect_answer(200);
    assert_eq!(world.backend.connections(), 1);
    check_dialled(&network, &["10.0.0.5"]);
}

/// An address in the URL is never looked up, and is checked all the same.
// spec: SSRF-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_literal_bypasses_the_resolver_and_not_the_check() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:a00:1::]/",
        "http://[2001::f5ff:fffe]/",
    ] {
        let tool = FakeTool::ok();
        let network = FakeNetwork::resolving(&tool, &[&[PUBLIC]]);
        let harness = Harness::with_tool("a", tool).spec(|tool| {
            tool.url(url);
        });
        let world = harness.of_the_api().retries(0).network(&network).start();
        world
            .call("a", "{}")
            .await
            .expect_refusal(502, "upstream_connect");
        assert_eq!(network.looked_up(), [""; 0], "{url}");
        check_dialled(&network, &[]);
        assert_eq!(refused(&world), 1.0, "{url}");
    }
}

/// What the packets reach counts, however the resolver spells it.
// spec: SSRF-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_resolver_cannot_hide_an_address_in_another() {
    // 169.254.169.254 as itself, mapped, compatible, translated, by NAT64 of either prefix, by 6to4
    // and by Teredo, whose bits are inverted.
    for spelling in [
        METADATA,
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
        "::ffff:0:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001::5601:5601",
    ] {
        let tool = FakeTool::ok();
        let network = FakeNetwork::resolving(&tool, &[&[spelling]]);
        let world = Harness::with_tool("a", tool)
            .retries(0)
            .network(&network)
            .start();
        world
            .call("a", "{}")
            .await
            .expect_refusal(502, "upstream_connect");
        check_dialled(&network, &[]);
        assert_eq!(refused(&world), 1.0, "{spelling}");
    }
}

/// The signature is for one recipient. An answer that points elsewhere is the agent's to judge.
// spec: RESP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn no_redirect_is_followed() {
    for (status, location) in [
        (301, "http://169.254.169.254/latest/meta-data/"),
        (302, "//evil.example/"),
        (303, "https://evil.example/"),
        (307, "http://[::ffff:169.254.169.254]/"),
        (308, "http://127.0.0.1:1/"),
        (307, "/v1/another"),
        (308, "file:///etc/passwd"),
    ] {
        let tool = FakeTool::script([Step::status(status, &[("location", location)])]);
        let network = FakeNetwork::resolving(&tool, &[&[PUBLIC]]);
        let world = Harness::with_tool("a", tool).network(&network).start();
        let reply = world.call("a", "{}").await;
        reply.expect_answer(status);
        assert_eq!(reply.header("location"), location);
        assert_eq!(reply.attempts(), 1);
        assert_eq!(world.backend.received().len(), 1);
        check_dialled(&network, &[PUBLIC]);
    }
}
