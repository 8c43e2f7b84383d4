//! The published Python SDK manages a tool, and an agent calls it between two of its steps.

use std::os::unix::fs::PermissionsExt as _;

use countersign::test_support::python;
use serde_json::{Value, json};

use crate::tools_api::editor::secret_id;
use crate::tools_api::files::names;
use crate::tools_api::{Desk, HAND_MADE, TOKEN};

const SECRET: &str = "Zq7#marker-of-a-secret";
/// The longest part of it that is sent by itself.
const SHORT: &str = "Zq7#mar";
const NAME: &str = "support.tool:v_1-a";

/// One phase of the script; each of its observations by name.
fn sdk(desk: &Desk, kind: &str, phase: &str) -> Value {
    let base = format!("http://{}/v1", desk.sidecar.admin);
    let url = format!("{}/sdk?a=1", desk.url);
    let mut script = python::python();
    script
        .args(["tests/python/sdk_tools.py", kind, phase, &base, NAME, &url])
        .envs([
            ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
            ("SDK_TOOL_SECRET", SECRET),
            ("NO_PROXY", "*"),
        ]);
    let observed = python::run(&mut script);
    assert!(!observed.contains(SHORT), "{observed}");
    serde_json::from_str(&observed).unwrap()
}

fn returned(value: Value) -> Value {
    json!({ "returned": value })
}

fn raised(class: &str, text: &str) -> Value {
    json!({ "raised": class, "text": text, "status": null, "detail": null })
}

fn not_found(name: &str, scope: &str) -> Value {
    let detail = json!({ "error": "tool_not_found", "name": name, "scope_id": scope });
    json!({ "raised": "ApiError", "text": "tool_not_found", "status": 404, "detail": detail })
}

/// The tool as it is after its creation.
fn created(desk: &Desk) -> Value {
    json!({
        "name": NAME,
        "scope_id": "global",
        "url": format!("{}/sdk?a=1", desk.url),
        "timeout_ms": 15000,
        "max_retries": 2,
        "enabled": true,
        "description": null,
        "has_secret": true,
        "secret_id": secret_id(SECRET),
        "secret_mask": "***ret",
    })
}

/// The same after the update, which leaves the secret out.
fn updated(desk: &Desk) -> Value {
    let mut tool = created(desk);
    tool["timeout_ms"] = 4000.into();
    tool["max_retries"] = 0.into();
    tool["description"] = "Größe: ☃, 100 %".into();
    tool
}

// spec: API-1 API-2 API-3 EDIT-1 EDIT-2
fn manage(kind: &str) {
    let desk = Desk::open();
    let before = desk.reloads("replaced");

    let seen = sdk(&desk, kind, "create");
    assert_eq!(seen["create"], returned(created(&desk)));
    desk.expect_signed(NAME, SECRET);
    expect_stored_secret(&desk);
    read(&desk, kind);

    let seen = sdk(&desk, kind, "update");
    assert_eq!(seen["update"], returned(updated(&desk)));
    desk.expect_signed(NAME, SECRET);

    let (mut off, mut toggled) = (updated(&desk), json!({ "name": NAME, "enabled": false }));
    off["enabled"] = false.into();
    let seen = sdk(&desk, kind, "off");
    assert_eq!(
        seen,
        json!({ "toggle": returned(toggled.clone()), "get": returned(off) })
    );
    desk.expect_refused(NAME, 403, "tool_disabled");

    toggled["enabled"] = true.into();
    let seen = sdk(&desk, kind, "on");
    let on = returned(updated(&desk));
    assert_eq!(seen, json!({ "toggle": returned(toggled), "get": on }));
    desk.expect_signed(NAME, SECRET);

    refuse(&desk, kind);

    let seen = sdk(&desk, kind, "delete");
    let deleted = json!({ "ok": true, "deleted": NAME, "scope_id": "global" });
    assert_eq!(seen["delete"], returned(deleted));
    assert_eq!(seen["again"], not_found(NAME, "global"));
    assert_eq!(seen["toggle"], not_found(NAME, "global"));
    desk.expect_refused(NAME, 404, "tool_not_found");

    assert_eq!(desk.file(), HAND_MADE.replace("UPSTREAM", &desk.url));
    assert!(names(&desk.dir.path().join("secrets")).is_empty());
    // Create, update, off, on and delete, each seen once.
    assert_eq!(desk.settled_reloads(), before + 5.0);
}

fn read(desk: &Desk, kind: &str) {
    let seen = sdk(desk, kind, "read");
    assert_eq!(seen["get"], returned(created(desk)));
    for list in ["list", "list_all"] {
        // The SDK hides the difference between an array and what it makes of other answers.
        let tools = seen[list]["returned"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["by_hand", NAME], "{list}");
        assert_eq!(tools[1], created(desk), "{list}");
    }
    assert_eq!(seen["list_other_scope"], returned(json!([])));
    assert_eq!(seen["get_absent"], not_found("absent", "agent:support_bot"));
}

fn refuse(desk: &Desk, kind: &str) {
    let file = desk.file();
    let seen = sdk(desk, kind, "refusals");
    let wrong_key = raised("UnauthorizedError", "Invalid API key");
    assert_eq!(seen["wrong_key"], wrong_key);
    let no_key = json!({ "detail": "Missing Authorization Bearer token" });
    assert_eq!(seen["no_key"], json!({ "status": 401, "body": no_key }));
    let check = |case: &str, locations: &[&[&str]]| {
        assert_eq!(seen[case]["raised"], "ValidationError", "{case}");
        let text = seen[case]["text"].as_str().unwrap();
        let body = text.strip_prefix("Validation Error: ").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let faults = body["detail"].as_array().unwrap();
        let mut found: Vec<_> = faults
            .iter()
            .map(|fault| fault["loc"].to_string())
            .collect();
        let mut expected: Vec<_> = locations.iter().map(|loc| json!(loc).to_string()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{case}: {body}");
    };
    check(
        "empty",
        &[&["body", "name"], &["body", "url"], &["body", "auth"]],
    );
    check("without_name", &[&["body", "name"]]);
    check("short_secret", &[&["body", "auth", "secret"]]);
    check("bad_url", &[&["body", "url"]]);
    check("misplaced", &[&["body", "auth"], &["body", "timeout_ms"]]);
    assert_eq!(desk.file(), file);
}

/// The secret is in a file of its own that nobody else can read, and not in the registry.
fn expect_stored_secret(desk: &Desk) {
    assert!(!desk.file().contains(SECRET), "{}", desk.file());
    let folder = desk.dir.path().join("secrets");
    let files: Vec<_> = names(&folder).into_iter().collect();
    let [file] = &files[..] else {
        panic!("{files:?}");
    };
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join(file)), 0o600);
    assert_eq!(std::fs::read_to_string(folder.join(file)).unwrap(), SECRET);
}

#[test]
fn the_blocking_sdk_manages_a_tool() {
    manage("sync");
}

#[test]
fn the_asynchronous_sdk_manages_a_tool() {
    manage("async");
}
