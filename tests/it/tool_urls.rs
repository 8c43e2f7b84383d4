//! Every spelling of a URL at the doors where tools come in: the registry file and the Tools API.
//!
//! What the addresses behind a spelling are is compared where they are judged; here it is shown that
//! no door forgets to ask.

use std::collections::BTreeSet;
use std::process::Command;

use bytes::Bytes;
use countersign::test_support::client;
use countersign::test_support::process::{Sidecar, run};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, block_on, vectors};

const TOKEN: &str = "an-operators-token";

/// The indices of the cases that a door must refuse.
fn refused(cases: &[Value], door: &str) -> BTreeSet<usize> {
    let refused = |index: &usize| cases[*index][door] == "refused";
    (0..cases.len()).filter(refused).collect()
}

// spec: SSRF-1 REG-2
#[test]
fn the_file_is_refused_for_every_url_that_no_tool_may_have() {
    let cases = vectors("tool_urls.json");
    let mut registry = "tools:\n".to_owned();
    for (index, case) in cases.iter().enumerate() {
        // A string of JSON is a string of YAML.
        let url = &case["url"];
        registry += &format!(
            "  - {{ name: t{index}, url: {url}, auth: {{ type: hmac_sha256, secret: supersecret }} }}\n"
        );
    }
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    std::fs::write(&path, registry).unwrap();
    let (code, out, err) = run(Command::new(BINARY)
        .arg("check")
        .arg("--registry")
        .arg(path));
    assert_eq!(code, 78, "{out}{err}");
    let index = |line: &str| {
        let (_, rest) = line.split_once(": tools[")?;
        let (index, rest) = rest.split_once("].url: ")?;
        assert!(rest.starts_with("must "), "{line}");
        index.parse().ok()
    };
    let found: BTreeSet<usize> = out.lines().filter_map(index).collect();
    assert_eq!(found, refused(&cases, "file"));
}

// spec: SSRF-1 API-2
#[test]
fn the_api_refuses_every_url_that_its_tools_may_not_have() {
    let cases = vectors("tool_urls.json");
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    std::fs::write(&path, "tools: []\n").unwrap();
    let environment = [("COUNTERSIGN_ADMIN_TOKEN", TOKEN)];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    let is_refused = |case: &Value| {
        let tool = json!({
            "name": "t",
            "url": case["url"],
            "auth": { "type": "hmac_sha256", "secret": "supersecret" },
        });
        let request = Request::post("/v1/tools")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(tool.to_string())))
            .unwrap();
        let reply = block_on(client::send(sidecar.admin, request));
        match reply.status.as_u16() {
            200 => false,
            422 => {
                let faults = reply.json()["detail"].clone();
                assert_eq!(faults[0]["loc"], json!(["body", "url"]), "{case}");
                assert_eq!(faults.as_array().unwrap().len(), 1, "{case}");
                true
            }
            _ => panic!("{case}: {reply:?}"),
        }
    };
    let found: BTreeSet<usize> = (0..cases.len())
        .filter(|index| is_refused(&cases[*index]))
        .collect();
    assert_eq!(found, refused(&cases, "api"));
}
