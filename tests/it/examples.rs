//! The example of a governed agent, run as its README says and compared with what that shows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::python::{self, Backend};
use tempfile::TempDir;

use crate::support::{BINARY, code_block};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/governed");
const README: &str = include_str!("../../examples/governed/README.md");
const TOKEN: &str = "an-operators-token";

/// A copy of the folder with the addresses of a backend and a sidecar that listen somewhere else.
struct Example {
    folder: TempDir,
    backend: Backend,
}

impl Example {
    fn new() -> Self {
        // What is said was said to the version that a reader installs.
        let installed = include_str!("../python/requirements.txt");
        let requirement = include_str!("../../examples/governed/requirements.txt");
        assert!(installed.contains(requirement), "{requirement}");
        let folder = TempDir::new().unwrap();
        let backend = Backend::start("supersecret");
        symlink(python::venv(), folder.path().join(".venv")).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let example = Self { folder, backend };
        let here = example.backend.address().to_string();
        example.copy(
            "tools.yaml",
            "state/tools.yaml",
            &[("127.0.0.1:8000", &here)],
        );
        example
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self, name: &str, to: &str, moved: &[(&str, &str)]) {
        let mut text = fs::read_to_string(Path::new(FOLDER).join(name)).unwrap();
        for (from, to) in moved {
            assert!(text.contains(from), "{name} names {from}");
            text = text.replace(from, to);
        }
        fs::write(self.path(to), text).unwrap();
    }

    /// What the README's second block starts, on other ports.
    fn sidecar(&self) -> Sidecar {
        let command = code_block(README, "sh test=sidecar");
        assert!(command.contains("cp tools.yaml state/\n"), "{command}");
        assert!(command.ends_with("countersign serve --registry state/tools.yaml"));
        let environment = [("COUNTERSIGN_ADMIN_TOKEN", TOKEN)];
        let sidecar =
            Sidecar::start_with(BINARY, &self.path("state/tools.yaml"), &[], &environment);
        let (agents, admin) = (sidecar.agents.to_string(), sidecar.admin.to_string());
        let moved = [("127.0.0.1:8787", &*agents), ("127.0.0.1:8788", &*admin)];
        self.copy("agent.py", "agent.py", &moved);
        sidecar
    }

    /// What a command of the README prints.
    fn shell(&self, info: &str) -> String {
        let command = code_block(README, info).replace("countersign ", &format!("{BINARY} "));
        let mut bash = Command::new("bash");
        bash.current_dir(self.folder.path());
        bash.env("NO_PROXY", "*")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let (code, out, err) = run(bash.args(["-euc", &command]));
        assert_eq!((code, &*err), (0, ""), "{out}");
        out
    }
}

/// Ends a sidecar as an operator does, with everything written.
fn end(mut sidecar: Sidecar) {
    sidecar.signal("TERM");
    assert!(sidecar.exit().success());
}

// spec: GOV-1 GOV-2 GOV-3 ONCE-1 POLICY-1 POLICY-3 POLICY-6 POLICY-8 AUDIT-3 AUDIT-5 LOCK-1 LEASE-1
#[test]
fn the_governed_agent_says_what_its_readme_shows() {
    let example = Example::new();
    let sidecar = example.sidecar();
    let said = example.shell("sh test=agent");
    assert_eq!(said.trim_end(), code_block(README, "text test=said"));
    // One policy was added to the file, at its end, and no byte of the rest has changed.
    let written = fs::read_to_string(example.path("state/tools.yaml")).unwrap();
    example.copy(
        "tools.yaml",
        "before.yaml",
        &[("127.0.0.1:8000", &example.backend.address().to_string())],
    );
    let before = fs::read_to_string(example.path("before.yaml")).unwrap();
    let added = written.strip_prefix(&before).expect("what was there stays");
    assert!(added.starts_with("  - agent_id: intern\n"), "{added}");
    end(sidecar);
    let verified = example.shell("sh test=verify");
    let (first, _) = verified.split_once('\n').unwrap();
    assert_eq!(first, code_block(README, "text test=verified"));

    // The same agent once more, at a sidecar that remembers the first.
    let sidecar = example.sidecar();
    let again = example.shell("sh test=agent");
    let expected = [
        ("executed", "dedup"),
        ("{'dedup': 1, 'dedup': 9}", "{'dedup': 10}"),
        ("ours to process", "duplicate"),
        ("    writing to ann@example.com\n", ""),
    ];
    let expected = expected
        .iter()
        .fold(said, |said, (first, then)| said.replace(first, then));
    let without_total = |said: &str| said.rsplit_once("\ntoday").unwrap().0.to_owned();
    assert_eq!(without_total(&again), without_total(&expected));
    assert!(again.ends_with(", $1.50\n"), "{again}");
    end(sidecar);
}
