//! What a service manager sees of the real binary, and the unit that is shipped for systemd.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Gate, Step, sign_body};
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::shipped;
use crate::support::{BINARY, ask, get, metric, post};

/// The manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let heard = Vec::new();
        Self { socket, heard }
    }

    fn in_folder(folder: &Path) -> (Self, String) {
        let path = folder.join("notify");
        let manager = Self::at(&SocketAddr::from_pathname(&path).unwrap());
        (manager, path.to_str().unwrap().to_owned())
    }

    /// Every message so far, without the signs of life.
    fn heard(&mut self) -> &[String] {
        let mut room = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut room) {
            let message = str::from_utf8(&room[..length]).unwrap();
            // What the clock says is nobody's to expect.
            let lines = message.lines().map(|line| match line.split_once('=') {
                Some(("MONOTONIC_USEC", value)) => {
                    assert!(value.parse::<u64>().unwrap() > 0);
                    "MONOTONIC_USEC=now".to_owned()
                }
                _ => line.to_owned(),
            });
            self.heard.push(lines.collect::<Vec<_>>().join(" "));
        }
        &self.heard
    }

    /// Waits for as many messages, and says that these are they.
    fn hears(&mut self, expected: &[&str]) {
        let got = eventually(|| (self.heard().len() >= expected.len()).then_some(()));
        assert_eq!(self.heard(), expected, "{got:?}");
    }
}

fn registry(folder: &Path, names: &[&str], upstream: &FakeTool) -> PathBuf {
    let url = upstream.listen();
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let tool =
        |name: &&str| format!("  - {{ name: {name}, url: 'http://{url}/', auth: {auth} }}\n");
    let tools: String = names.iter().map(tool).collect();
    let path = folder.join("tools.yaml");
    replace(&path, &format!("tools:\n{tools}"));
    path
}

/// Nobody can read half of it.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// A sidecar that does not look at its files by itself, so that only a signal makes it read them.
fn start(registry: &Path, socket: &str, more: &[(&str, &str)]) -> Sidecar {
    let environment = [&[("NOTIFY_SOCKET", socket)], more].concat();
    Sidecar::start_with(BINARY, registry, &[], &environment)
}

// spec: NOTIFY-1 LIFE-2
#[test]
fn start_and_end_are_told_in_order() {
    let folder = TempDir::new().unwrap();
    let (mut manager, socket) = Manager::in_folder(folder.path());
    let gate = Gate::closed();
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let mut sidecar = start(
        &registry(folder.path(), &["a", "b"], &upstream),
        &socket,
        &[],
    );
    manager.hears(&["READY=1 STATUS=serving 2 tools"]);
    // Whoever was told so can call at once.
    let agents = sidecar.agents;
    let call = thread::spawn(move || post(agents, "/tools/a", "{}"));
    eventually(|| (upstream.received().len() == 1).then_some(())).expect("a call in flight");
    sidecar.signal("TERM");
    let told = [
        "READY=1 STATUS=serving 2 tools",
        "STOPPING=1 STATUS=draining",
    ];
    manager.hears(&told);
    // The end had begun, and was not over.
    sidecar.signal("HUP");
    gate.open();
    call.join().unwrap().expect_answer(200);
    assert_eq!(sidecar.exit().code(), Some(0));
    manager.hears(&told);
}

// spec: NOTIFY-1 RELOAD-1 RELOAD-2
#[test]
fn a_reload_by_signal_is_announced_and_its_end_told_whatever_it_came_to() {
    let folder = TempDir::new().unwrap();
    let (mut manager, socket) = Manager::in_folder(folder.path());
    let upstream = FakeTool::ok();
    let path = registry(folder.path(), &["a"], &upstream);
    let sidecar = start(&path, &socket, &[]);
    let mut expected = vec!["READY=1 STATUS=serving 1 tools"];
    manager.hears(&expected);

    sidecar.signal("HUP");
    expected.extend([
        "RELOADING=1 MONOTONIC_USEC=now",
        "READY=1 STATUS=serving 1 tools",
    ]);
    manager.hears(&expected);

    // These are followed without a signal, and change only what a person reads.
    registry(folder.path(), &["a", "b", "c"], &upstream);
    expected.push("STATUS=serving 3 tools");
    manager.hears(&expected);
    replace(&path, "tools: [{ name: supersecret }]");
    let refused =
        "STATUS=serving 3 tools of the last good registry, what is in the files was refused";
    expected.push(refused);
    manager.hears(&expected);

    sidecar.signal("HUP");
    let ready = format!("READY=1 {refused}");
    expected.extend(["RELOADING=1 MONOTONIC_USEC=now", &ready]);
    manager.hears(&expected);
    post(sidecar.agents, "/tools/a", "{}").expect_answer(200);
}

// spec: NOTIFY-1
#[test]
fn an_abstract_name_is_a_socket_too() {
    let folder = TempDir::new().unwrap();
    let name = format!("countersign-test-{}", std::process::id());
    let mut manager = Manager::at(&SocketAddr::from_abstract_name(&name).unwrap());
    let path = registry(folder.path(), &["a"], &FakeTool::ok());
    let _sidecar = start(&path, &format!("@{name}"), &[]);
    manager.hears(&["READY=1 STATUS=serving 1 tools"]);
}

// spec: NOTIFY-1
#[test]
fn signs_of_life_go_on_until_the_end_and_only_where_they_are_wanted() {
    let folder = TempDir::new().unwrap();
    let path = registry(folder.path(), &["a"], &FakeTool::ok());
    let signs = |watched: &[(&str, &str)], wanted: usize| {
        let folder = TempDir::new().unwrap();
        let (mut manager, socket) = Manager::in_folder(folder.path());
        let mut sidecar = start(&path, &socket, watched);
        let mut signs = || {
            manager
                .heard()
                .iter()
                .filter(|said| *said == "WATCHDOG=1")
                .count()
        };
        eventually(|| (signs() >= wanted).then_some(())).expect("signs of life");
        sidecar.signal("TERM");
        assert_eq!(sidecar.exit().code(), Some(0));
        signs()
    };
    assert!(signs(&[("WATCHDOG_USEC", "60000")], 4) >= 4);
    // By the end of a sidecar that has no watchdog, or another process's, there was none.
    assert_eq!(signs(&[], 0), 0);
    let other = [("WATCHDOG_USEC", "60000"), ("WATCHDOG_PID", "1")];
    assert_eq!(signs(&other, 0), 0);
}

// spec: NOTIFY-1
#[test]
fn a_manager_that_does_not_listen_holds_nobody_up() {
    let folder = TempDir::new().unwrap();
    let path = registry(folder.path(), &["a"], &FakeTool::ok());
    for socket in ["/no/such/socket", "vsock:2:1234", "@"] {
        let mut sidecar = start(&path, socket, &[("WATCHDOG_USEC", "60000")]);
        post(sidecar.agents, "/tools/a", "{}").expect_answer(200);
        sidecar.signal("TERM");
        assert_eq!(sidecar.exit().code(), Some(0), "{socket}");
    }
}

fn unit() -> String {
    std::fs::read_to_string(shipped("config/systemd/countersign.service")).unwrap()
}

/// The values of a setting of the unit, in order.
fn of_unit(name: &str) -> Vec<String> {
    let text = unit();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    text.lines().filter_map(value).collect()
}

/// Does what systemd does before it starts the unit, as far as the binary can tell: credentials, folder for
/// the state, environment. The root user's files are below `root`.
fn environment_of_unit(root: &Path) -> Vec<(String, OsString)> {
    let credentials = root.join("run/credentials/countersign.service");
    std::fs::create_dir_all(&credentials).unwrap();
    for loaded in of_unit("LoadCredential") {
        let (name, path) = loaded.split_once(':').unwrap();
        let path = root.join(path.strip_prefix('/').unwrap());
        if path.is_dir() {
            for file in std::fs::read_dir(path).unwrap() {
                let file = file.unwrap();
                let name = format!("{name}_{}", file.file_name().to_str().unwrap());
                std::fs::copy(file.path(), credentials.join(name)).unwrap();
            }
        } else {
            std::fs::copy(path, credentials.join(name)).unwrap();
        }
    }
    let state = root.join("var/lib");
    for folder in of_unit("StateDirectory") {
        std::fs::create_dir_all(state.join(folder)).unwrap();
    }
    let mut variables = vec![(
        "CREDENTIALS_DIRECTORY".to_owned(),
        credentials.clone().into_os_string(),
    )];
    for assignment in of_unit("Environment") {
        let (name, value) = assignment.split_once('=').unwrap();
        let value = value.replace("%d", credentials.to_str().unwrap());
        let value = value.replace("%S", state.to_str().unwrap());
        assert!(!value.contains('%'), "{value}");
        variables.push((name.to_owned(), value.into()));
    }
    variables
}

// spec: NOTIFY-1 DEPLOY-1
#[test]
fn the_unit_starts_a_sidecar_that_serves_its_registry() {
    const TOKEN: &str = "token-of-the-operator";
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let etc = root.join("etc/countersign");
    std::fs::create_dir_all(etc.join("credentials")).unwrap();
    std::fs::write(etc.join("credentials/send_email"), "secret-of-mail\n").unwrap();
    std::fs::write(etc.join("admin_token"), format!("{TOKEN}\n")).unwrap();
    let upstream = FakeTool::ok();
    let shipped_tools = std::fs::read_to_string(shipped("config/systemd/tools.yaml")).unwrap();
    let url = format!("http://{}/", upstream.listen());
    let tools = shipped_tools.replace("https://tools.example.com/send-email", &url);
    assert_ne!(tools, shipped_tools);
    std::fs::write(etc.join("tools.yaml"), tools).unwrap();

    let [command] = of_unit("ExecStart").try_into().unwrap();
    let expected = "/usr/local/bin/countersign serve --registry /etc/countersign/tools.yaml";
    assert_eq!(command, expected);
    let mut binary = Command::new(BINARY);
    binary.envs(environment_of_unit(root));
    let (mut manager, socket) = Manager::in_folder(root);
    binary.env("NOTIFY_SOCKET", socket);
    let sidecar = Sidecar::start_as(binary, &etc.join("tools.yaml"), &[], &[]);
    manager.hears(&["READY=1 STATUS=serving 1 tools"]);

    let reply = post(sidecar.agents, "/tools/send_email", "{}");
    reply.expect_answer(200);
    let seen = &upstream.received()[0];
    let headers = sign_body(b"secret-of-mail", b"{}");
    assert_eq!(seen.head.one("x-onceonly-signature"), headers);
    assert_eq!(
        ask(sidecar.admin, TOKEN, "GET", "/v1/registry", &Value::Null).status,
        200
    );
    let call = r#"{"agent_id":"bot","tool":"send_email","args":{}}"#;
    assert_eq!(post(sidecar.agents, "/v1/ai/run", call).status, 200);
    assert!(root.join("var/lib/countersign/store").exists());
    assert_eq!(
        metric(
            get(sidecar.admin, "/metrics").text(),
            "countersign_store_working"
        ),
        1.0
    );
}

// spec: DEPLOY-1
/// The time to stop must be longer than what the drain may take, or calls are cut that would have ended.
#[test]
fn the_unit_gives_a_drain_the_time_that_it_may_take() {
    let seconds = |name: &str| of_unit(name)[0].parse::<u64>().unwrap();
    let example = std::fs::read_to_string(shipped("config/countersign.yaml")).unwrap();
    let milliseconds = |name: &str| {
        let line = example.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .trim_start_matches(": ")
            .parse::<u64>()
            .unwrap()
    };
    let drain = milliseconds("drain_timeout_ms") + milliseconds("drain_delay_ms");
    // The ends of the admin listener, of the log and of the store come after it.
    let last = Duration::from_millis(drain) + Duration::from_secs(5);
    assert!(Duration::from_secs(seconds("TimeoutStopSec")) >= last);
}

// spec: DEPLOY-1
#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_accepts_the_unit_and_finds_it_hardened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("countersign.service");
    // The program has to be where the unit says that it is.
    let text = unit().replace("/usr/local/bin/countersign", BINARY);
    std::fs::write(&path, text).unwrap();
    let verify = run(Command::new("systemd-analyze").arg("verify").arg(&path));
    assert_eq!((verify.0, &*verify.2), (0, ""), "{verify:?}");
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=yes", "--threshold=20", "--no-pager"]);
    let (code, said, problems) = run(security.arg(&path));
    assert_eq!(code, 0, "{said}{problems}");
    assert!(
        said.contains("Overall exposure level for countersign.service: 1."),
        "{said}"
    );
}
