//! The front page tells the truth: each of its examples is run as it stands there. So does the page
//! about security: what it names as proof is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::python::Backend;
use countersign::test_support::{FakeTool, sign_body};
use tempfile::TempDir;

use crate::support::{BINARY, code_block, get, metric};

const README: &str = include_str!("../../README.md");
const SECURITY: &str = include_str!("../../SECURITY.md");

/// The registry of the page in a folder of its own, at the address where the tool really is.
fn registry(tool: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    let text = code_block(README, "yaml test=registry");
    assert!(text.contains("http://127.0.0.1:8000"));
    std::fs::write(&path, text.replace("http://127.0.0.1:8000", tool)).unwrap();
    (dir, path)
}

/// Runs the page's call against a sidecar.
fn call(sidecar: &Sidecar) -> String {
    curl(sidecar, "sh test=call")
}

fn curl(sidecar: &Sidecar, info: &str) -> String {
    let command = code_block(README, info);
    assert!(command.contains("http://127.0.0.1:8787"));
    let command = command.replace("127.0.0.1:8787", &sidecar.agents.to_string());
    let mut shell = Command::new("bash");
    let (code, out, err) = run(shell.env("NO_PROXY", "*").args(["-euc", &command]));
    assert_eq!(code, 0, "{err}");
    out
}

#[test]
fn the_demo_command_runs_the_main_job() {
    let command = code_block(README, "sh test=demo");
    let arguments = command
        .strip_prefix("cargo run --release --locked -- ")
        .unwrap();
    let (code, out, err) = run(Command::new(BINARY).args(arguments.split(' ')));
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.to_lowercase().contains("x-onceonly-signature"), "{out}");
}

#[test]
fn the_call_reaches_the_example_backend_and_verifies() {
    let backend = Backend::start("supersecret");
    let (_dir, path) = registry(&format!("http://{}", backend.address()));
    let sidecar = Sidecar::start(BINARY, &path);
    let answer: serde_json::Value = serde_json::from_str(&call(&sidecar)).unwrap();
    assert_eq!(answer["status"], "sent");
    assert_eq!(answer["verified"]["agent"], "support_bot");
}

// spec: GOV-1 GOV-3 ONCE-1
#[test]
fn the_governed_call_is_made_once() {
    let backend = Backend::start("supersecret");
    let (_dir, path) = registry(&format!("http://{}", backend.address()));
    let sidecar = Sidecar::start(BINARY, &path);
    let [first, again] = [0, 1].map(|_| curl(&sidecar, "sh test=governed"));
    let [first, again]: [serde_json::Value; 2] =
        [first, again].map(|answer| serde_json::from_str(&answer).unwrap());
    assert_eq!(first["decision"], "executed");
    assert_eq!(first["result"]["verified"]["tool"], "send_email");
    assert_eq!(again["decision"], "dedup");
    assert_eq!(again["result"], first["result"]);
}

#[test]
fn the_backend_sees_what_the_page_shows() {
    let tool = FakeTool::ok();
    let (_dir, path) = registry(&format!("http://{}", tool.listen()));
    let sidecar = Sidecar::start(BINARY, &path);
    call(&sidecar);
    let received = tool.received().pop().unwrap();

    let shown = code_block(README, "http test=seen");
    let (head, body) = shown.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some(received.head.start_line.as_str()));
    assert_eq!(body.as_bytes(), received.body);
    let differs_each_time = [
        "host",
        "x-onceonly-timestamp",
        "x-request-id",
        "traceparent",
    ];
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        let seen = received.head.one(name);
        if differs_each_time.contains(&name) {
            assert!(!seen.is_empty());
        } else {
            assert_eq!(seen, value, "{name}");
        }
    }
    assert_eq!(
        received.head.one("x-onceonly-signature"),
        sign_body(b"supersecret", &received.body)
    );
}

#[test]
fn the_metrics_that_the_page_names_are_there() {
    let tool = FakeTool::ok();
    let (_dir, path) = registry(&format!("http://{}", tool.listen()));
    let sidecar = Sidecar::start(BINARY, &path);
    call(&sidecar);
    let command = code_block(README, "sh test=metrics");
    assert_eq!(command, "curl http://127.0.0.1:8788/metrics");
    let text = get(sidecar.admin, "/metrics").text().to_owned();
    assert_eq!(
        metric(&text, "countersign_registry_last_reload_successful"),
        1.0
    );
    let named: Vec<&str> = README
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `countersign_")?
                .split(['{', '`'])
                .next()
        })
        .collect();
    assert_eq!(named.len(), 5, "{named:?}");
    for name in named {
        assert!(
            text.contains(&format!("# TYPE countersign_{name} ")),
            "{name} is not exposed"
        );
    }
}

/// Whether a word between backticks or the target of a link is a path of the repository.
fn is_path(word: &str) -> bool {
    let folders = [
        "src/",
        "tests/",
        "docs/",
        "fuzz/",
        "config/",
        "examples/",
        ".ci/",
    ];
    folders.iter().any(|folder| word.starts_with(folder)) || word.ends_with(".toml")
}

#[test]
fn every_proof_that_the_security_page_names_is_there() {
    let words = SECURITY.split(['`', '(', ')']).filter(|word| is_path(word));
    let words: Vec<&str> = words.collect();
    assert!(words.len() > 20, "{words:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let missing = |word: &&&str| !root.join(word.split('#').next().unwrap()).exists();
    let missing: Vec<_> = words.iter().filter(missing).collect();
    assert!(missing.is_empty(), "SECURITY.md names {missing:?}");
}
