//! What the containers beside the sidecar run, run here.

use std::process::{Child, Command, Stdio};

use countersign::test_support::FakeTool;
use countersign::test_support::process::{Sidecar, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::manifests::{Manifests, NATIVE, PLAIN};
use super::with_tool;

const TOKEN: &str = "an-admin-token-of-this-test";

/// A container's script as a process; the places that it names are those of the test. Every container has
/// the one folder in the place of those that it mounts.
fn run(name: &str, container: &str, sidecar: &Sidecar, folder: &TempDir) -> Child {
    let folder = folder.path().to_str().unwrap();
    let command = &Manifests::read().container(name, container)["command"];
    assert_eq!(
        json!([command[0], command[1]]),
        json!(["sh", "-c"]),
        "{name}"
    );
    let script = command[2]
        .as_str()
        .unwrap()
        .replace("127.0.0.1:8788", &sidecar.admin.to_string())
        .replace("/run/agent", folder)
        .replace("/run/admin", folder);
    Command::new("sh")
        .args(["-c", &script])
        .env("COUNTERSIGN_URL", format!("http://{}", sidecar.agents))
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn exit_code(mut child: Child) -> Option<i32> {
    let ended = eventually(|| child.try_wait().unwrap());
    if ended.is_none() {
        child.kill().unwrap();
    }
    ended.expect("the script ends").code()
}

#[test]
fn the_agents_of_the_deployments_call_and_stop_when_they_are_told_to() {
    for name in [NATIVE[0], PLAIN[0]] {
        let tool = FakeTool::ok();
        let sidecar = with_tool(&tool).start(&[]);
        let agent = run(name, "agent", &sidecar, &TempDir::new().unwrap());
        eventually(|| (!tool.received().is_empty()).then_some(())).expect("a call");
        // The shell may be within curl, for whose end it waits before it hears the signal.
        let pid = agent.id().to_string();
        Command::new("kill").arg(pid).status().unwrap();
        assert_eq!(exit_code(agent), Some(0), "{name}");
    }
}

// spec: LIFE-4
#[test]
fn a_job_without_native_sidecars_ends_its_sidecar() {
    let tool = FakeTool::ok();
    let done = TempDir::new().unwrap();
    let token = done.path().join("admin_token");
    std::fs::write(&token, TOKEN).unwrap();
    let variable = &Manifests::read().sidecar(PLAIN[1])["env"][0];
    let name = variable["name"].as_str().unwrap();
    let mut sidecar = with_tool(&tool).start(&[(name, token.to_str().unwrap())]);
    let closer = run(PLAIN[1], "when-done", &sidecar, &done);
    let agent = run(PLAIN[1], "agent", &sidecar, &done);
    assert_eq!(exit_code(agent), Some(0));
    assert_eq!(exit_code(closer), Some(0));
    assert_eq!(sidecar.exit().code(), Some(0));
    assert_eq!(tool.received().len(), 1);
}

#[test]
fn an_agent_that_fails_makes_its_job_fail() {
    for name in [NATIVE[1], PLAIN[1]] {
        let tool = FakeTool::script([countersign::test_support::Step::status(422, &[])]);
        let sidecar = with_tool(&tool).start(&[]);
        let done = TempDir::new().unwrap();
        // curl's code for an answer of 400 and above.
        assert_eq!(
            exit_code(run(name, "agent", &sidecar, &done)),
            Some(22),
            "{name}"
        );
        assert_eq!(done.path().join("done").exists(), name == PLAIN[1]);
    }
}
