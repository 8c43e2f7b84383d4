//! The real binary on socket files: who may connect, what is on disk, and that a call is a call.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Reply, client, sign_body};
use http::Request;
use http_body_util::Full;
use tempfile::TempDir;

use crate::support::{BINARY, block_on, code_block, code_blocks};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// A folder with a registry that has one tool, `send_email`.
struct World {
    folder: TempDir,
    tool: FakeTool,
}

impl World {
    fn new() -> Self {
        Self::around(FakeTool::ok())
    }

    fn around(tool: FakeTool) -> Self {
        let folder = TempDir::new().unwrap();
        let url = tool.listen();
        let auth = "{ type: hmac_sha256, secret: supersecret }";
        let text =
            format!("tools:\n  - name: send_email\n    url: http://{url}/\n    auth: {auth}\n");
        fs::write(folder.path().join("tools.yaml"), text).unwrap();
        Self { folder, tool }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }

    fn start(&self, environment: &[(&str, &str)]) -> Sidecar<PathBuf> {
        self.start_as(Command::new(BINARY), environment)
    }

    fn start_as(&self, command: Command, environment: &[(&str, &str)]) -> Sidecar<PathBuf> {
        let (folder, registry) = (self.folder.path(), self.path("tools.yaml"));
        Sidecar::start_on_sockets(command, folder, &registry, &[], environment)
    }

    /// `serve` that ends with 78, and its one line.
    #[track_caller]
    fn refuses(&self, agents: &str, environment: &[(&str, &str)], expected: &str) {
        let mut serve = Command::new(BINARY);
        serve
            .args(["serve", "--admin-listen", "127.0.0.1:0", "--listen", agents])
            .arg("--registry")
            .arg(self.path("tools.yaml"))
            .envs(environment.iter().copied());
        let (code, _, said) = run(&mut serve);
        assert_eq!(
            (code, said.as_str()),
            (78, format!("{expected}\n").as_str())
        );
    }
}

/// The permission bits of a socket file.
fn mode(path: &Path) -> u32 {
    let file = fs::symlink_metadata(path).unwrap();
    assert!(file.file_type().is_socket());
    file.permissions().mode() & 0o7777
}

fn call(path: &Path) -> Reply {
    let request = Request::post("/tools/send_email").header("host", "localhost");
    let request = request.body(Full::new(Bytes::from_static(b"{}"))).unwrap();
    block_on(client::send_to_file(path, request))
}

fn get(path: &Path, target: &str) -> Reply {
    let request = Request::get(target).body(Full::default()).unwrap();
    block_on(client::send_to_file(path, request))
}

// spec: BIND-2
#[test]
fn a_call_through_a_socket_file_is_a_call() {
    let world = World::new();
    let mut sidecar = world.start(&[]);
    assert_eq!(sidecar.agents, world.path("agents.sock"));
    assert_eq!(mode(&sidecar.agents), 0o600);
    assert_eq!(mode(&sidecar.admin), 0o600);

    call(&sidecar.agents).expect_answer(200);
    let received = world.tool.received().pop().unwrap();
    assert_eq!(received.body, b"{}");
    let signature = received.head.one("x-onceonly-signature");
    assert_eq!(signature, sign_body(b"supersecret", b"{}"));
    assert_eq!(get(&sidecar.admin, "/readyz").status, 200);
    // A browser can be led to neither, and the rules for its requests hold all the same.
    let page = Request::get("/tools/send_email").header("origin", "https://evil.example");
    let page = page.body(Full::default()).unwrap();
    let refused = block_on(client::send_to_file(&sidecar.agents, page));
    refused.expect_refusal(403, "origin_not_allowed");
    let rebound = Request::get("/tools/send_email").header("host", "evil.example");
    let rebound = rebound.body(Full::default()).unwrap();
    let refused = block_on(client::send_to_file(&sidecar.agents, rebound));
    refused.expect_refusal(421, "host_not_allowed");

    sidecar.signal("TERM");
    assert_eq!(sidecar.exit().code(), Some(0));
    assert!(!sidecar.agents.exists() && !sidecar.admin.exists());
}

// spec: BIND-2
#[test]
fn the_mode_is_the_settings_whatever_the_umask_is() {
    for umask in ["000", "077"] {
        let world = World::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), BINARY]);
        let modes = [
            ("COUNTERSIGN_AGENTS_SOCKET_MODE", "0660"),
            ("COUNTERSIGN_ADMIN_SOCKET_MODE", "640"),
        ];
        let sidecar = world.start_as(shell, &modes);
        assert_eq!(mode(&sidecar.agents), 0o660, "{umask}");
        assert_eq!(mode(&sidecar.admin), 0o640, "{umask}");
    }
}

// spec: BIND-1
#[test]
fn a_socket_for_everybody_needs_tokens_or_the_operators_word() {
    let world = World::new();
    let open = ("COUNTERSIGN_AGENTS_SOCKET_MODE", "0666");
    world.refuses(
        &world.address("agents.sock"),
        &[open],
        "COUNTERSIGN_AGENTS_SOCKET_MODE: agents.socket_mode: without agents.tokens, every user of \
         this host could have calls signed; end the mode in 0, set agents.tokens, or say \
         agents.allow_unauthenticated: true",
    );
    assert!(!world.path("agents.sock").exists());
    let sidecar = world.start(&[open, ("COUNTERSIGN_AGENTS_ALLOW_UNAUTHENTICATED", "true")]);
    assert_eq!(mode(&sidecar.agents), 0o666);
}

// spec: BIND-2 LIFE-3
#[test]
fn what_is_not_left_by_a_dead_process_is_left_alone() {
    let world = World::new();
    let agents = world.address("agents.sock");
    let refused = |reason: &str| format!("agents.listen: {agents} cannot be bound: {reason}");
    let in_use = refused("somebody accepts connections there already");

    let mut first = world.start(&[]);
    world.refuses(&agents, &[], &in_use);
    call(&first.agents).expect_answer(200);
    // Killed, it leaves its files behind.
    first.signal("KILL");
    first.exit();
    assert!(first.agents.exists());
    let mut second = world.start(&[]);
    call(&second.agents).expect_answer(200);
    second.signal("TERM");
    assert_eq!(second.exit().code(), Some(0));

    let somebody = UnixListener::bind(world.path("agents.sock")).unwrap();
    world.refuses(&agents, &[], &in_use);
    drop(somebody);
    fs::remove_file(world.path("agents.sock")).unwrap();
    fs::write(world.path("agents.sock"), "precious").unwrap();
    world.refuses(
        &agents,
        &[],
        &refused("there is something else than a socket at this path, which is left as it is"),
    );
    let kept = fs::read_to_string(world.path("agents.sock")).unwrap();
    assert_eq!(kept, "precious");

    let nowhere = world.address("no/agents.sock");
    let reason = format!("agents.listen: {nowhere} cannot be bound: its folder does not exist");
    world.refuses(&nowhere, &[], &reason);
}

/// The agents' socket is bound first, and has to go when the admin's cannot be.
// spec: BIND-2
#[test]
fn a_start_that_fails_leaves_no_socket() {
    let world = World::new();
    fs::create_dir(world.path("admin.sock")).unwrap();
    let mut serve = Command::new(BINARY);
    let (agents, admin) = (world.address("agents.sock"), world.address("admin.sock"));
    serve.args(["serve", "--listen", &agents, "--admin-listen", &admin]);
    let (code, _, said) = run(serve.arg("--registry").arg(world.path("tools.yaml")));
    assert_eq!(code, 78);
    let start = format!("admin.listen: {admin} cannot be bound: there is something else");
    assert!(said.starts_with(&start), "{said}");
    assert!(!world.path("agents.sock").exists());
}

/// An old process that drains while its successor serves already.
// spec: BIND-2 LIFE-2
#[test]
fn a_successors_socket_outlives_the_drain_of_the_one_before() {
    let world = World::around(FakeTool::silent());
    let mut first = world.start(&[("COUNTERSIGN_DRAIN_TIMEOUT_MS", "60000")]);
    let mut held = UnixStream::connect(&first.agents).unwrap();
    let request =
        b"POST /tools/send_email HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    held.write_all(request).unwrap();
    eventually(|| (world.tool.received().len() == 1).then_some(())).expect("a call in flight");
    first.signal("TERM");
    eventually(|| UnixStream::connect(&first.agents).is_err().then_some(())).expect("a drain");
    // Its admin socket answers to the end, so the successor's is somewhere else.
    let agents = world.address("agents.sock");
    let elsewhere = TempDir::new().unwrap();
    let second = Successor::start(&world, &agents, elsewhere.path());
    drop(held);
    assert_eq!(first.exit().code(), Some(0));
    assert!(!first.admin.exists());
    UnixStream::connect(&first.agents).expect("the successor's socket is still there");
    drop(second);
}

/// A sidecar with an admin socket of its own.
struct Successor(Child);

impl Successor {
    fn start(world: &World, agents: &str, folder: &Path) -> Self {
        let admin = folder.join("admin.sock");
        let mut serve = Command::new(BINARY);
        serve.args(["serve", "--listen", agents, "--registry"]);
        serve.arg(world.path("tools.yaml"));
        serve.args(["--admin-listen", &format!("unix:{}", admin.display())]);
        let child = serve.stderr(Stdio::null()).spawn().unwrap();
        eventually(|| UnixStream::connect(&admin).ok()).expect("it listens");
        let ready = || (get(&admin, "/readyz").status == 200).then_some(());
        eventually(ready).expect("it serves");
        Self(child)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

// spec: BIND-1
#[test]
fn one_connection_too_many_is_told_so() {
    let world = World::new();
    // Two workers could count the connections in another order than they came in.
    let sidecar = world.start(&[
        ("COUNTERSIGN_AGENTS_MAX_CONNECTIONS", "2"),
        ("COUNTERSIGN_WORKERS", "1"),
    ]);
    let held: Vec<_> = (0..2)
        .map(|_| UnixStream::connect(&sidecar.agents).unwrap())
        .collect();
    let mut told = String::new();
    let mut one_more = UnixStream::connect(&sidecar.agents).unwrap();
    one_more.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    assert!(
        told.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"),
        "{told}"
    );
    assert!(told.contains("\"error\":\"overloaded\""), "{told}");
    drop(held);
    eventually(|| {
        let mut stream = UnixStream::connect(&sidecar.agents).unwrap();
        let request = b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        // A connection that is turned away may be closed before it is written to.
        stream.write_all(request).ok()?;
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 404 ").then_some(())
    })
    .expect("room again");
}

/// Each worker has a pool of its own, so calls one after the other use a second connection to the
/// tool only when a second worker makes them.
#[test]
fn every_worker_takes_connections_from_the_one_socket() {
    let world = World::new();
    let sidecar = world.start(&[
        ("COUNTERSIGN_WORKERS", "2"),
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "600000"),
    ]);
    eventually(|| {
        call(&sidecar.agents).expect_answer(200);
        (world.tool.connections() == 2).then_some(())
    })
    .expect("calls by both workers");
}

// spec: CLI-1
#[test]
fn commands_reach_a_sidecar_at_its_socket_files() {
    let world = World::new();
    let token = ("COUNTERSIGN_ADMIN_TOKEN", "admin-token-4711");
    let sidecar = world.start(&[token]);
    let (agents, admin) = (world.address("agents.sock"), world.address("admin.sock"));
    let mut call = Command::new(BINARY);
    let (code, stdout, _) = run(call.args(["call", "send_email", "--url", &agents]));
    assert_eq!((code, stdout.as_str()), (0, "{\"status\":200}"));
    let mut tools = Command::new(BINARY);
    let listing = ["tools", "list", "--json", "--admin-url", &admin];
    let (code, stdout, stderr) = run(tools.args(listing).envs([token]));
    assert_eq!(code, 0, "{stderr}");
    let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(listed[0]["name"], "send_email");

    drop(sidecar);
    let mut nobody = Command::new(BINARY);
    let (code, _, said) = run(nobody.args(["tools", "list", "--admin-url", &admin]));
    assert_eq!(code, 1);
    let start = format!("nobody answers at {admin}: Connection refused");
    assert!(said.starts_with(&start), "{said}");
    assert!(said.contains(&format!("\ntried {admin}: ")), "{said}");
    let mut relative = Command::new(BINARY);
    let (code, _, said) = run(relative.args(["call", "send_email", "--url", "unix:agents.sock"]));
    assert_eq!(code, 64);
    let rule = "error: --url must be unix: and an absolute path of at most 107 bytes\n";
    assert_eq!(said, rule);
}

/// The page's settings in this folder, and each of its commands.
#[test]
fn the_page_about_socket_files_tells_the_truth() {
    let world = World::new();
    let folder = "/run/countersign";
    let here = world.folder.path().display().to_string();
    let settings = code_block(PAGE, "yaml test=unix-settings");
    assert!(settings.contains(folder));
    fs::write(
        world.path("countersign.yaml"),
        settings.replace(folder, &here),
    )
    .unwrap();
    let config = world.path("countersign.yaml");
    let _sidecar = world.start(&[("COUNTERSIGN_CONFIG", config.to_str().unwrap())]);
    assert_eq!(mode(&world.path("agents.sock")), 0o660);
    let bin = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let commands = code_blocks(PAGE, "sh test=unix-");
    assert_eq!(commands.len(), 2);
    for (calls, block) in commands.iter().enumerate() {
        let command = block.text.replace(folder, &here);
        let mut shell = Command::new("bash");
        let (code, stdout, stderr) = run(shell.env("PATH", &path).args(["-euc", &command]));
        assert_eq!((code, stdout.as_str()), (0, "{\"status\":200}"), "{stderr}");
        assert_eq!(world.tool.received().len(), calls + 1);
    }
}
