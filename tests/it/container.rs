//! The image: built as people build it, and run as a pod runs it. `podman` needs no daemon and no
//! registry for that.

mod podman;

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{eventually, run};
use countersign::test_support::{FakeTool, Gate, Step, sign_body};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{get, metric, post};
use podman::{Container, Storage, said};

const IMAGE: &str = "localhost/countersign:test";

/// What a node has to fetch before the agent of a new pod can start.
const MAX_IMAGE_BYTES: u64 = 8 * 1024 * 1024;

const BODY: &str = r#"{"to":"user@example.com"}"#;

/// A volume of a ConfigMap or a Secret, as the kubelet makes it and changes it.
struct Volume<'a>(&'a Path);

impl Volume<'_> {
    /// Puts this content in the place of what was there, in one step.
    fn set(&self, version: &str, file: &str, text: &str) {
        let folder = self.0.join(version);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
        let link = self.0.join(file);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(file), link).unwrap();
        }
        let before = fs::read_link(self.0.join("..data")).ok();
        symlink(version, self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
        if let Some(before) = before {
            fs::remove_dir_all(self.0.join(before)).unwrap();
        }
    }
}

fn registry(tools: &[(&str, SocketAddr)]) -> String {
    let tool = |(name, address): &(&str, SocketAddr)| {
        let auth = "{ type: hmac_sha256, secret_file: ../secrets/key }";
        let port = address.port();
        format!("  - {{ name: {name}, url: 'http://localhost:{port}/', auth: {auth} }}\n")
    };
    let tools: String = tools.iter().map(tool).collect();
    format!("tools:\n{tools}")
}

/// Registry and secret in the folders that are mounted.
struct Mounted {
    dir: TempDir,
}

impl Mounted {
    fn new(tools: &str, secret: &str) -> Self {
        let dir = TempDir::new().unwrap();
        // The container's user is nobody here, and has to be able to read.
        said(Command::new("chmod").args(["-R", "a+rX"]).arg(dir.path()));
        for folder in ["registry", "secrets"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let mounted = Self { dir };
        mounted.volume("registry", |v| v.set("..1", "tools.yaml", tools));
        mounted.volume("secrets", |v| v.set("..1", "key", secret));
        mounted
    }

    fn volume(&self, name: &str, change: impl FnOnce(Volume)) {
        change(Volume(&self.dir.path().join(name)));
    }

    /// A container of the image that reads these, on free ports; where agents and operators find it.
    fn start<'a>(
        &self,
        storage: &'a Storage,
        more: &[&str],
    ) -> (Container<'a>, SocketAddr, SocketAddr) {
        let mount = |name: &str| {
            let path = self.dir.path().join(name);
            format!("{}:/etc/countersign/{name}:ro", path.display())
        };
        let (registry, secrets) = (mount("registry"), mount("secrets"));
        let volumes = ["--volume", registry.as_str(), "--volume", &secrets];
        let options = [more, &volumes].concat();
        let arguments = [
            "serve",
            "--registry",
            "/etc/countersign/registry/tools.yaml",
        ];
        let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let container = Container::start(
            storage,
            IMAGE,
            &options,
            &[arguments.as_slice(), &listen].concat(),
        );
        let fields = container.logged("listening");
        let address = |name: &str| fields[name].as_str().unwrap().parse().unwrap();
        let (agents, admin) = (address("agents"), address("admin"));
        (container, agents, admin)
    }
}

#[test]
#[ignore = "needs buildah, podman and runc, and builds the release binary"]
fn the_image_holds_the_binary_and_nothing_else() {
    let storage = Storage::new();
    println!("{}", storage.build(IMAGE));
    let image = storage.inspect("image", IMAGE);
    let bytes = image["Size"].as_u64().unwrap();
    assert!(bytes < MAX_IMAGE_BYTES, "{bytes} bytes");
    let config = &image["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/countersign"]));
    assert_eq!(config["Cmd"], json!(["serve"]));
    assert_eq!(config["WorkingDir"], "/etc/countersign");
    let revision = said(Command::new("git").args(["rev-parse", "HEAD"]));
    let labels = config["Labels"].as_object().unwrap();
    let label = |name: &str| {
        labels[&format!("org.opencontainers.image.{name}")]
            .as_str()
            .unwrap()
    };
    assert_eq!(label("title"), "countersign");
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("licenses"), "Apache-2.0");
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(
        label("revision").trim_end_matches("-dirty"),
        revision.trim()
    );
    assert_eq!(labels.len(), 5, "{labels:?}");

    // One layer, in which nothing belongs to the image's user and nothing can be written by it.
    let dir = TempDir::new().unwrap();
    let archive = dir.path().join("image.tar");
    said(
        storage
            .podman()
            .args(["save", "--quiet", "--output"])
            .arg(&archive)
            .arg(IMAGE),
    );
    said(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(dir.path()),
    );
    let manifest: Value =
        serde_json::from_slice(&fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    let layer = dir.path().join(layers[0].as_str().unwrap());
    let listing = said(
        Command::new("tar")
            .args(["--numeric-owner", "-tvf"])
            .arg(layer),
    );
    let entries: Vec<_> = listing
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    let entries: Vec<_> = entries
        .iter()
        .map(|e| (e[0], e[1], *e.last().unwrap()))
        .collect();
    let expected = [
        ("-r-xr-xr-x", "0/0", "countersign"),
        ("drwxr-xr-x", "0/0", "etc/"),
        ("drwxr-xr-x", "0/0", "etc/countersign/"),
    ];
    assert_eq!(entries, expected);
}

/// What the kernel says about a process.
fn status(pid: u64, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned()
}

fn expect_no_rights(container: &Container) {
    let pid = container.pid();
    assert_eq!(status(pid, "Uid"), "65532");
    assert_eq!(status(pid, "Gid"), "65532");
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(pid, set), "0000000000000000", "{set}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let options = |place: &str| {
        let mut lines = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = lines.find(|fields| fields[4] == place);
        mount.unwrap_or_else(|| panic!("{place} is not mounted"))[5].to_owned()
    };
    for place in ["/", "/etc/countersign/registry", "/etc/countersign/secrets"] {
        assert!(
            options(place).split(',').any(|option| option == "ro"),
            "{place}"
        );
    }
    for absent in ["/tmp", "/run", "/var/tmp"] {
        assert!(
            !mounts
                .lines()
                .any(|line| line.split(' ').nth(4) == Some(absent)),
            "{absent}"
        );
    }
    // Not even the engine finds a shell.
    let (code, _, err) = container.exec(&["sh", "-c", "true"]);
    assert_eq!(code, 127, "{err}");
}

// spec: RELOAD-1 LIFE-1 LIFE-2 SIG-1
#[test]
#[ignore = "needs buildah, podman and runc, and builds the release binary"]
fn a_container_calls_reloads_rotates_and_drains() {
    let storage = Storage::new();
    storage.build(IMAGE);
    let gate = Gate::closed();
    let (tool, slow) = (
        FakeTool::ok(),
        FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]),
    );
    let (at, slow_at) = (tool.listen(), slow.listen());
    let mounted = Mounted::new(&registry(&[("t", at)]), "first-secret");
    let (container, agents, admin) = mounted.start(&storage, &[]);
    assert_eq!(get(admin, "/readyz").text(), "ready");
    expect_no_rights(&container);

    let signature = || {
        post(agents, "/tools/t", BODY).expect_answer(200);
        let received = tool.received().pop().unwrap();
        received.head.one("x-onceonly-signature").to_owned()
    };
    assert_eq!(signature(), sign_body(b"first-secret", BODY.as_bytes()));
    post(agents, "/tools/slow", BODY).expect_refusal(404, "tool_not_found");

    // The ConfigMap changes.
    let tools = registry(&[("t", at), ("slow", slow_at)]);
    mounted.volume("registry", |v| v.set("..2", "tools.yaml", &tools));
    let served = || metric(get(admin, "/metrics").text(), "countersign_registry_tools") == 2.0;
    eventually(|| served().then_some(())).expect("the new registry serves");
    // The Secret changes, and nothing else.
    mounted.volume("secrets", |v| v.set("..2", "key", "second-secret"));
    let second = sign_body(b"second-secret", BODY.as_bytes());
    eventually(|| (signature() == second).then_some(())).expect("the new secret signs");

    // The end, with a call that is not over.
    let call = thread::spawn(move || post(agents, "/tools/slow", BODY));
    eventually(|| (slow.received().len() == 1).then_some(())).expect("a call in flight");
    container.signal("TERM");
    eventually(|| (get(admin, "/readyz").text() == "draining").then_some(())).expect("draining");
    eventually(|| TcpStream::connect(agents).is_err().then_some(())).expect("nothing new");
    gate.open();
    call.join().unwrap().expect_answer(200);
    assert_eq!(container.wait(), 0, "{}", container.logs());
    assert_eq!(container.logged("ended")["message"], "ended");

    // What the engine itself puts there so that programs find names, and nothing of the sidecar's.
    let mut changes = container.changes();
    changes
        .retain(|change| !["C /etc", "A /etc/passwd", "A /etc/group"].contains(&change.as_str()));
    let mounts = |change: &String| change.contains("/etc/countersign/") && change.starts_with("A ");
    changes.retain(|change| !mounts(change) && change != "C /etc/countersign");
    assert_eq!(changes, [""; 0]);
}

/// Answers for one name with 127.0.0.1, and says of all others that there are none.
fn name_server(socket: UdpSocket, name: &'static str) {
    let mut wanted = Vec::new();
    for label in name.split('.') {
        wanted.push(u8::try_from(label.len()).unwrap());
        wanted.extend_from_slice(label.as_bytes());
    }
    // The root's empty label, then type A and class IN.
    wanted.extend([0, 0, 1, 0, 1]);
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let end = query[12..length]
                .iter()
                .position(|byte| *byte == 0)
                .unwrap()
                + 12
                + 5;
            let question = &query[12..end];
            let known = question == wanted;
            let is_of_name = question[..question.len() - 4] == wanted[..wanted.len() - 4];
            // An answer with authority; the code 3 says that there is no such name.
            let code = if is_of_name { 0 } else { 3 };
            let mut answer = [
                &query[..2],
                &[0x84, code, 0, 1, 0, u8::from(known), 0, 0, 0, 0],
            ]
            .concat();
            answer.extend_from_slice(question);
            if known {
                // The name above, its type and class, a minute, and four bytes of address.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
}

/// A static binary brings its own resolver, which has to find what the container's surroundings say.
// spec: UP-1
#[test]
#[ignore = "needs buildah, podman and runc, and builds the release binary"]
fn names_are_looked_up_in_the_hosts_file_and_at_the_name_server_of_the_container() {
    let storage = Storage::new();
    storage.build(IMAGE);
    // Where resolvers ask, at an address that nobody else on this machine has.
    let server = UdpSocket::bind("127.20.20.20:53").expect("root may have this port");
    name_server(server, "tool.from-a-name-server.example");
    let names = [
        "tool.from-the-hosts-file.example",
        "tool.from-a-name-server.example",
    ];
    for name in names {
        let tool = FakeTool::ok();
        let text = registry(&[("t", tool.listen())]).replace("localhost", name);
        let mounted = Mounted::new(&text, "first-secret");
        let more = [
            "--add-host",
            "tool.from-the-hosts-file.example:127.0.0.1",
            "--dns",
            "127.20.20.20",
        ];
        let (_container, agents, _) = mounted.start(&storage, &more);
        post(agents, "/tools/t", BODY).expect_answer(200);
        assert_eq!(tool.received().len(), 1, "{name}");
    }
}

/// The page's transcript is what the script prints, but for what is never the same twice.
#[test]
#[ignore = "needs buildah, podman and runc, and builds the release binary"]
fn the_recording_of_the_page_is_what_happens() {
    let storage = Storage::new();
    storage.build(IMAGE);
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/containers.md")).unwrap();
    let shown = crate::support::code_block(&page, "text test=recording");
    let mut script = storage.command("120", "tests/container/record");
    let (code, out, err) = run(script.arg(IMAGE));
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(masked(out.trim()), masked(shown));
}

/// A text without the ports and request ids in it.
fn masked(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut without_ports = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        without_ports.push_str("127.0.0.1:PORT");
        without_ports.push_str(rest);
    }
    let is_id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let line = |line: &str| {
        let words = line.split(' ');
        let words = words.map(|word| if is_id(word) { "ID" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    without_ports
        .lines()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn ports_and_ids_do_not_count() {
    let id = "01a1fe8b-8ecd-7f78-9282-e8254743d869";
    let text = format!("a 127.0.0.1:8788/x,127.0.0.1:1\nrequest {id}");
    let expected = "a 127.0.0.1:PORT/x,127.0.0.1:PORT\nrequest ID";
    assert_eq!(masked(&text), expected);
    assert_eq!(masked("200 OK, {\"a\": 1}"), "200 OK, {\"a\": 1}");
}
