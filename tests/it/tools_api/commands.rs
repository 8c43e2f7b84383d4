//! `countersign tools` against a real sidecar: what an operator types at night.

use std::process::Command;

use countersign::test_support::process::run;

use crate::support::BINARY;
use crate::tools_api::{BODY, Desk, TOKEN, post};

/// Runs one command and returns its exit code with all that it said.
fn tools(desk: &Desk, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .env("COUNTERSIGN_ADMIN_TOKEN", TOKEN)
        .env("COUNTERSIGN_SECRET", "secret-by-command")
        .args([
            "tools",
            "--admin-url",
            &format!("http://{}", desk.sidecar.admin),
        ])
        .args(arguments);
    let (code, stdout, stderr) = run(&mut command);
    (code, stdout + &stderr)
}

// spec: API-1 API-3 CLI-1
#[test]
fn an_operator_adds_switches_and_deletes_a_tool() {
    let desk = Desk::open();
    let url = format!("{}/by-command", desk.url);
    let (code, said) = tools(&desk, &["add", "by_command", "--url", &url]);
    assert_eq!(code, 0, "{said}");
    desk.expect_signed("by_command", "secret-by-command");

    // The kill switch holds for the very next call.
    let (code, said) = tools(&desk, &["disable", "by_command"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "disabled by_command in global\n")
    );
    let refused = post(desk.sidecar.agents, "/tools/by_command", BODY);
    refused.expect_refusal(403, "tool_disabled");
    let (_, listed) = tools(&desk, &["list"]);
    assert!(listed.ends_with("2 tools, 1 disabled\n"), "{listed}");

    let (code, said) = tools(&desk, &["delete", "by_command", "--yes"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "deleted by_command from global\n")
    );
    let gone = post(desk.sidecar.agents, "/tools/by_command", BODY);
    gone.expect_refusal(404, "tool_not_found");
    let (code, said) = tools(&desk, &["get", "by_command"]);
    assert_eq!(code, 1, "{said}");
    let again = super::HAND_MADE.replace("UPSTREAM", &desk.url);
    assert_eq!(desk.file(), again, "the file is what it was");
}
