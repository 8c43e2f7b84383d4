//! The Compose file is one, and its services work as it starts them, as far as that shows without containers.
//!
//! Neither an engine nor the images of others are at hand here, so what a container would see is put in its
//! place: each path that the file mounts by the path that it mounts there, the tool's name by its address.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::python::{self, Backend, python, python_with_compose};
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::shipped;
use crate::support::{BINARY, ask, code_block};

const PAGE: &str = include_str!("../../docs/deployment.md");

/// The file as the Compose Specification reads it.
fn compose() -> Value {
    let file = shipped("config/compose.yaml");
    let json = python::run(
        python_with_compose()
            .arg("tests/python/compose.py")
            .arg(file),
    );
    serde_json::from_str(&json).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap()).collect()
}

/// What a service mounts from the repository: the path in the container, and the path here.
fn mounted(service: &Value) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for volume in texts(&service["volumes"]) {
        let parts: Vec<_> = volume.split(':').collect();
        if parts[0].starts_with('.') {
            assert_eq!(parts[2..], ["ro"], "{volume}");
            found.insert(parts[1].to_owned(), shipped("config").join(parts[0]));
        }
    }
    found
}

// spec: DEPLOY-1
#[test]
fn every_service_is_hardened_and_what_it_mounts_is_there() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let names: Vec<_> = services.keys().collect();
    assert_eq!(names, ["countersign", "agent", "backend", "prometheus"]);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"]);
        for path in mounted(service).values() {
            assert!(path.exists(), "{name}: {}", path.display());
        }
        if let Some(folder) = service["build"].as_str() {
            let folder = shipped("config").join(folder);
            assert!(folder.join("Containerfile").is_file(), "{name}");
        }
        let volumes = texts(&service["volumes"]);
        let named = volumes.iter().filter(|volume| !volume.starts_with('.'));
        for volume in named {
            let name = volume.split(':').next().unwrap();
            assert!(compose["volumes"].get(name).is_some(), "{volume}");
        }
        // Whoever waits for a service waits until that is well, so that service has to say.
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(condition["condition"], "service_healthy", "{name}");
            assert!(services[other]["healthcheck"].is_object(), "{other}");
        }
        // Nothing but Prometheus' page is reached from outside, and that from this host only.
        for port in texts(&service["ports"]) {
            assert_eq!(port, "127.0.0.1:9090:9090");
        }
    }
    for name in ["agent", "prometheus"] {
        assert_eq!(services[name]["network_mode"], "service:countersign");
    }
    let users = ["countersign", "agent"].map(|name| services[name]["user"].as_str());
    assert_eq!(users, [Some("65532:65532"), Some("65534:65534")]);
}

/// What somebody has who did what docs/deployment.md says.
struct Prepared {
    folder: TempDir,
    secrets: PathBuf,
}

impl Prepared {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let commands = code_block(PAGE, "sh test=compose-secrets");
        let mut shell = Command::new("sh");
        shell.args(["-euc", commands]).current_dir(folder.path());
        let (code, _, said) = run(&mut shell);
        assert_eq!((code, &*said), (0, ""));
        let secrets = folder.path().join("config/compose/secrets");
        Self { folder, secrets }
    }

    fn secret(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.secrets.join(name)).unwrap();
        text.trim_end().to_owned()
    }

    /// A text of a container as it is on this host.
    fn here(&self, text: &str) -> String {
        let secrets = format!("{}/", self.secrets.display());
        text.replace("/run/secrets/", &secrets)
    }
}

// spec: DEPLOY-1
#[test]
fn the_secrets_are_the_files_that_the_page_makes() {
    let prepared = Prepared::new();
    let compose = compose();
    for (name, secret) in compose["secrets"].as_object().unwrap() {
        let file = format!("./compose/secrets/{name}");
        assert_eq!(secret["file"], file);
        assert!(prepared.secret(name).len() >= 32, "{name}");
    }
}

/// The registry that the sidecar mounts, with the backend where it is here.
fn registry(prepared: &Prepared, service: &Value, backend: &str) -> PathBuf {
    let command = texts(&service["command"]);
    let ["serve", "--registry", path] = command[..] else {
        panic!("{command:?}");
    };
    let path = Path::new(path);
    let mounted = mounted(service);
    let folder = &mounted[path.parent().unwrap().to_str().unwrap()];
    let text = std::fs::read_to_string(folder.join(path.file_name().unwrap())).unwrap();
    assert!(text.contains("http://backend:8000"), "{text}");
    let text = prepared.here(&text).replace("http://backend:8000", backend);
    let copy = prepared.folder.path().join("tools.yaml");
    std::fs::write(&copy, text).unwrap();
    copy
}

// spec: DEPLOY-1 CLI-1
#[test]
fn the_sidecar_starts_as_the_file_says_and_the_agent_reaches_its_tool() {
    let prepared = Prepared::new();
    let compose = compose();
    let service = &compose["services"]["countersign"];
    let backend = Backend::start(&prepared.secret("send_email"));
    let mut binary = Command::new(BINARY);
    for (name, value) in service["environment"].as_object().unwrap() {
        binary.env(name, prepared.here(value.as_str().unwrap()));
    }
    let registry = registry(&prepared, service, &backend.url(""));
    let mut sidecar = Sidecar::start_as(binary, &registry, &[], &[]);

    let agent = &compose["services"]["agent"];
    let command = texts(&agent["command"]);
    let script = &mounted(agent)[command[2]];
    assert_eq!(command[..2], ["python", "-u"]);
    let mut agent = python();
    agent.arg("-u").arg(script).env("CALLS", "1");
    agent.env("SIDECAR_URL", format!("http://{}", sidecar.agents));
    let said = python::run(&mut agent);
    assert!(said.starts_with("200 "), "{said}");

    let token = prepared.secret("admin_token");
    let state = ask(sidecar.admin, &token, "GET", "/v1/registry", &Value::Null);
    assert_eq!(state.status, 200, "{state:?}");
    // The store is in memory, as the file says: nothing is written beside the registry.
    let files = std::fs::read_dir(prepared.folder.path()).unwrap().count();
    assert_eq!(files, 2);

    let check = texts(&service["healthcheck"]["test"]);
    assert_eq!(check[..2], ["CMD", "/countersign"]);
    let url = format!("http://{}", sidecar.admin);
    let healthy = || {
        let mut command = Command::new(BINARY);
        run(command.args(&check[2..]).args(["--admin-url", &url])).0
    };
    assert_eq!(healthy(), 0);
    sidecar.signal("TERM");
    assert_eq!(sidecar.exit().code(), Some(0));
    assert_eq!(healthy(), 1);
}

// spec: DEPLOY-1
#[test]
fn the_backend_gets_the_secret_of_its_file() {
    let prepared = Prepared::new();
    let compose = compose();
    let command = texts(&compose["services"]["backend"]["command"]);
    let ["sh", "-c", script] = command[..] else {
        panic!("{command:?}");
    };
    let serve = "exec uvicorn app:app --host 0.0.0.0 --port 8000";
    assert!(script.ends_with(serve), "{script}");
    let script = prepared
        .here(script)
        .replace(serve, "exec printenv TOOL_SECRET");
    let (code, said, _) = run(Command::new("sh").args(["-c", &script]));
    assert_eq!(
        (code, said.trim_end()),
        (0, &*prepared.secret("send_email"))
    );
}

// spec: DEPLOY-1
#[test]
fn prometheus_gets_the_files_that_promtool_checks() {
    let compose = compose();
    let service = &compose["services"]["prometheus"];
    let config = "--config.file=/etc/prometheus/prometheus.yaml";
    assert!(texts(&service["command"]).contains(&config));
    let folder = mounted(service)["/etc/prometheus"].canonicalize().unwrap();
    assert_eq!(folder, shipped("config/prometheus").canonicalize().unwrap());
}
