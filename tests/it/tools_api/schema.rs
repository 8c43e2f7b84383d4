//! The API's own description holds: schemathesis makes up requests from it and finds no answer that
//! contradicts it.

use countersign::test_support::python;
use serde_json::Value;
use tempfile::TempDir;

use crate::tools_api::{Desk, TOKEN};

// spec: API-2 API-4
#[test]
#[ignore = "needs schemathesis from PyPI and a minute"]
fn schemathesis_finds_no_violation() {
    let desk = Desk::open();
    let location = format!("http://{}/openapi.json", desk.sidecar.admin);
    let header = format!("Authorization: Bearer {TOKEN}");
    // It keeps a database of examples in the current folder.
    let scratch = TempDir::new().unwrap();
    let mut schemathesis = python::schemathesis();
    schemathesis
        .current_dir(scratch.path())
        .env("NO_PROXY", "*")
        .args(["run", &location, "--header", &header])
        // What ends the process does what it says.
        .args(["--exclude-path", "/quit"])
        .args(["--checks", "all", "--max-examples", "40", "--seed", "1"])
        .args(["--suppress-health-check", "all", "--continue-on-failure"]);
    println!("{}", python::run(&mut schemathesis));
    // The registry was really edited, and whatever was made of it is a good one.
    assert!(desk.reloads("replaced") > 1.0);
    assert_eq!(desk.reloads("refused"), 0.0);
    let reloaded = desk.ask("POST", "/v1/registry/reload", &Value::Null);
    assert_eq!(reloaded.status, 200, "{}", desk.file());
}
