//! A registry that somebody else manages: the API shows it, agents call its tools, nobody edits it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use countersign::test_support::FakeTool;
use countersign::test_support::process::Sidecar;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::BINARY;
use crate::tools_api::{Desk, ENVIRONMENT, HAND_MADE};

/// Every way to change the registry.
fn mutations(url: &str) -> Vec<(&'static str, &'static str, Value)> {
    let auth = json!({ "type": "hmac_sha256", "secret": "long-enough" });
    let keeping = json!({ "type": "hmac_sha256" });
    vec![
        (
            "POST",
            "/v1/tools",
            json!({ "name": "new", "url": url, "auth": auth }),
        ),
        (
            "POST",
            "/v1/tools",
            json!({ "name": "by_hand", "url": url, "auth": auth }),
        ),
        (
            "POST",
            "/v1/tools",
            json!({ "name": "by_hand", "url": url, "auth": keeping }),
        ),
        (
            "POST",
            "/v1/tools/by_hand/toggle",
            json!({ "enabled": false }),
        ),
        ("DELETE", "/v1/tools/by_hand", Value::Null),
        ("DELETE", "/v1/tools/unknown", Value::Null),
    ]
}

/// The files of a folder with their contents, and where links lead.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            found.push((name, target.into_os_string().into_encoded_bytes()));
        } else if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

// spec: EDIT-1
fn expect_read_only(desk: &Desk) {
    let before = contents(desk.dir.path());
    for (method, path, body) in mutations(&desk.url) {
        desk.ask(method, path, &body)
            .expect_refusal(409, "registry_read_only");
    }
    assert_eq!(contents(desk.dir.path()), before);

    let listed = desk
        .ask("GET", "/v1/tools?scope_id=all", &Value::Null)
        .json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let shown = desk.ask("GET", "/v1/tools/by_hand", &Value::Null).json();
    assert_eq!(shown, listed[0]);
    assert_eq!(shown["enabled"], true);
    desk.expect_signed("by_hand", "secret-by-hand");
}

/// A folder whose registry is written by `lay_out`, given the text, and served by `program`.
fn open(lay_out: impl FnOnce(&Path, &str), program: impl FnOnce() -> Command) -> Desk {
    let backend = FakeTool::ok();
    let url = format!("http://{}", backend.listen());
    let dir = TempDir::new().unwrap();
    lay_out(dir.path(), &HAND_MADE.replace("UPSTREAM", &url));
    let path = dir.path().join("tools.yaml");
    let sidecar = Sidecar::start_as(program(), &path, &[], &ENVIRONMENT);
    Desk {
        sidecar,
        backend,
        url,
        dir,
    }
}

#[test]
fn a_mounted_config_map_is_read_only() {
    let config_map = |dir: &Path, text: &str| {
        fs::create_dir(dir.join("..version-1")).unwrap();
        fs::write(dir.join("..version-1/tools.yaml"), text).unwrap();
        symlink("..version-1", dir.join("..data")).unwrap();
        symlink("..data/tools.yaml", dir.join("tools.yaml")).unwrap();
    };
    expect_read_only(&open(config_map, || Command::new(BINARY)));
}

#[test]
fn a_folder_without_write_permission_is_read_only() {
    let forbidden = |dir: &Path, text: &str| {
        fs::write(dir.join("tools.yaml"), text).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o555)).unwrap();
    };
    let desk = open(forbidden, unprivileged);
    expect_read_only(&desk);
    // So that it can be removed.
    fs::set_permissions(desk.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

/// The binary as somebody to whom permissions apply; they do not apply to root.
fn unprivileged() -> Command {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(BINARY);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY]);
    command
}
