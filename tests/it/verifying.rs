//! What a tool's author reads and copies works: the documented verifiers and the example backend.
//!
//! The checks themselves are in `tests/python/` and `tests/node/`; this file runs them on the
//! code blocks of `docs/verifying.md`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign::test_support::python::{Backend, python, run};
use tempfile::TempDir;

use crate::support::code_block;

const GUIDE: &str = include_str!("../../docs/verifying.md");
const VECTORS: &str = "tests/vectors/onceonly_body_hmac.json";

/// The code block as a file of its own, which goes when the folder does.
fn saved(info: &str, name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room for a small file");
    let file = folder.path().join(name);
    std::fs::write(&file, code_block(GUIDE, info)).expect("a new folder is writable");
    (folder, file)
}

// spec: SIG-1
#[test]
fn the_guides_python_accepts_and_refuses_what_it_should() {
    let (_folder, file) = saved("python test=verify", "snippet.py");
    run(python()
        .arg("tests/python/check_verifier.py")
        .arg(file)
        .arg(VECTORS));
}

// spec: SIG-1
#[test]
#[ignore = "needs node"]
fn the_guides_node_accepts_and_refuses_what_it_should() {
    let (_folder, file) = saved("js test=verify", "snippet.mjs");
    run(Command::new("node")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .arg("tests/node/check_verifier.mjs")
        .arg(file)
        .arg(VECTORS));
}

#[test]
fn the_guides_way_to_act_once_acts_once() {
    let (folder, file) = saved("python test=once", "once.py");
    run(python()
        .args(["-W", "error", "tests/python/check_once.py"])
        .arg(file)
        .arg(folder.path().join("answers.db")));
}

// spec: SIG-5
#[test]
#[ignore = "needs openssl"]
fn the_guides_way_to_a_secret_id_gives_the_documented_one() {
    let command = code_block(GUIDE, "sh test=secret-id");
    let printed = run(Command::new("sh").args(["-c", command]));
    let digest = printed.trim().rsplit(' ').next().unwrap();
    assert!(
        GUIDE.contains(&format!("`sec_{}`", &digest[..8])),
        "{digest}"
    );
}

#[test]
#[ignore = "needs curl and openssl"]
fn the_guides_call_by_hand_is_verified() {
    let backend = Backend::start("supersecret");
    let command = code_block(GUIDE, "sh test=by-hand");
    let here = command.replace("127.0.0.1:8000", &backend.address().to_string());
    assert_ne!(here, command);
    let answer = run(Command::new("sh").args(["-c", &here]).env("NO_PROXY", "*"));
    assert!(
        answer.contains(r#""to": "user@example.com", "verified""#),
        "{answer}"
    );
}

#[test]
fn the_examples_own_tests_pass() {
    for (folder, module) in [
        ("examples/backend", "test_verify"),
        ("tests/python", "test_backend"),
    ] {
        run(python()
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .args(["-W", "error", "-m", "unittest", module]));
    }
}
