//! The command line through the real binary: what it prints where, and its exit codes.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::{FakeTool, Received};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, vector_bytes, vectors};

/// Ends in digits, so that a masked form of it is seen as such. No output may show it.
const SECRET: &str = "correct-horse-4711";

/// A command without this machine's environment.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear();
    command
}

/// Runs a command that knows the secret, and asserts that it keeps it.
#[track_caller]
fn keeps_it(command: &mut Command) -> (i32, String, String) {
    let (code, stdout, stderr) = run(command.env("COUNTERSIGN_SECRET", SECRET));
    assert!(
        !stdout.contains(SECRET) && !stderr.contains(SECRET),
        "{stdout}{stderr}"
    );
    (code, stdout, stderr)
}

/// A folder for a test's files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

// spec: CLI-1
#[test]
fn usage_errors_end_with_64_and_say_why_on_standard_error() {
    for (arguments, reason) in [
        (&[][..], "Usage: countersign <COMMAND>"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["version", "--yaml"], "unexpected argument '--yaml'"),
        (&["check", "extra"], "unexpected argument 'extra'"),
        (
            &["sign", "--secret", SECRET],
            "unexpected argument '--secret'",
        ),
        (
            &["sign", "--tool", "a b"],
            "a tool name is 1 to 128 characters",
        ),
        (&["sign", "--registry", "tools.yaml"], "--tool <NAME>"),
        (
            &["sign", "--curl", "ftp://host/"],
            "--curl must be an http or https URL",
        ),
        (&["sign", "--body", "/missing"], "/missing: No such file"),
        (
            &["verify", "--headers", "-", "--body", "-"],
            "only one of --headers and --body",
        ),
        (
            &["call", "t", "--args", "[1]"],
            "--args must be a JSON object",
        ),
        (
            &["call", "t", "--args", "{\"a\":}"],
            "--args must be a JSON object (line 1, column 6)",
        ),
        (
            &["call", "t", "--args", "{}", "--data", "x"],
            "cannot be used with",
        ),
        (
            &["call", "t", "--url", "https://localhost"],
            "--url must be http",
        ),
        (&["demo", "--once", "--keep-serving"], "cannot be used with"),
    ] {
        let (code, stdout, stderr) = keeps_it(&mut command(arguments));
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

// spec: CLI-1
#[test]
fn help_and_versions_are_answers() {
    let version = format!("countersign {}", env!("CARGO_PKG_VERSION"));
    for (arguments, expected) in [
        (&["--help"][..], "Usage: countersign <COMMAND>"),
        (&["sign", "--help"], "--secret-file <FILE>"),
        (&["--version"], version.as_str()),
        (&["version"], version.as_str()),
    ] {
        let (code, stdout, stderr) = run(&mut command(arguments));
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains(expected), "{arguments:?}: {stdout}");
    }
    let (code, stdout, _) = run(&mut command(&["version", "--json"]));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &json["version"]),
        (0, &env!("CARGO_PKG_VERSION").into())
    );
}

// spec: SIG-1 SIG-2
#[test]
fn sign_agrees_with_every_published_signature() {
    let folder = Folder::new();
    let cases = vectors("onceonly_body_hmac.json");
    assert_eq!(cases.len(), 42);
    for case in cases {
        // One line end at the end of a secret's file does not belong to the secret.
        let secret = format!("{}\n", case["secret"].as_str().unwrap());
        let secret = folder.file("secret", secret);
        let body = folder.file("body", vector_bytes(&case, "body"));
        let mut sign = command(&["sign", "--json", "--secret-file", &secret, "--body", &body]);
        let (code, stdout, stderr) = run(&mut sign);
        assert_eq!((code, stderr.as_str()), (0, ""), "{}", case["id"]);
        let json: Value = serde_json::from_str(&stdout).unwrap();
        let signature = &json["headers"]["x-onceonly-signature"];
        assert_eq!(*signature, case["signature_hex"], "{}", case["id"]);
    }
}

/// `printf '{"a":1}' | openssl dgst -sha256 -hmac correct-horse-4711`
const SIGNATURE: &str = "3dcf2f977394719261dfe2cac562a93e56eff01b7c3f2692b75c85e72d8ccc51";
/// `printf 'countersign secret id' | openssl dgst -sha256 -hmac correct-horse-4711`, 8 digits.
const SECRET_ID: &str = "sec_2c449ab3";

fn headers(signature: &str, timestamp: &str) -> String {
    format!(
        "x-onceonly-signature: {signature}\nx-onceonly-signature-alg: hmac_sha256\n\
         x-onceonly-timestamp: {timestamp}\nx-onceonly-tool: send_email\n\
         x-onceonly-agent-id: support_bot\nx-onceonly-secret-id: {SECRET_ID}\n"
    )
}

const NAMED: [&str; 7] = [
    "sign",
    "--tool",
    "send_email",
    "--agent",
    "support_bot",
    "--timestamp",
    "1705322400",
];

// spec: SIG-2
#[test]
fn sign_prints_the_six_headers_for_every_source_of_a_secret() {
    let folder = Folder::new();
    let body = folder.file("body", r#"{"a":1}"#);
    let secret = folder.file("secret", format!("{SECRET}\r\n"));
    let registry = folder.file(
        "tools.yaml",
        "tools:\n  - name: send_email\n    url: http://localhost/\n    \
         auth: { type: hmac_sha256, secret_file: secret }\n",
    );
    for source in [
        &[][..],
        &["--secret-file", &secret],
        &["--registry", &registry],
    ] {
        let mut sign = command(&NAMED);
        let (code, stdout, stderr) = keeps_it(sign.args(["--body", &body]).args(source));
        assert_eq!((code, stderr.as_str()), (0, ""), "{source:?}");
        assert_eq!(stdout, headers(SIGNATURE, "1705322400"), "{source:?}");
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_an_error() {
    let folder = Folder::new();
    let body = folder.file("body", "");
    let empty = folder.file("empty", "\n");
    let registry = folder.file("tools.yaml", "tools: []\n");
    let sign = |arguments: &[&str]| {
        let (code, stdout, stderr) = run(command(&["sign", "--body", &body]).args(arguments));
        assert_eq!(stdout, "");
        (code, stderr)
    };
    let (code, stderr) = sign(&[]);
    assert_eq!(code, 64);
    assert!(
        stderr.contains("no secret: set COUNTERSIGN_SECRET"),
        "{stderr}"
    );
    assert_eq!(
        sign(&["--secret-file", &empty]),
        (78, format!("{empty}: holds no secret\n"))
    );
    let (code, stderr) = sign(&["--secret-file", "/missing"]);
    assert_eq!(code, 78);
    assert!(
        stderr.starts_with("/missing: cannot be read: No such file"),
        "{stderr}"
    );
    let (code, stderr) = sign(&["--registry", &registry, "--tool", "t"]);
    assert_eq!(code, 64);
    assert!(
        stderr.ends_with("has no tool t for the agent agent\n"),
        "{stderr}"
    );
}

#[test]
fn a_shell_reads_the_curl_line_as_it_was_meant() {
    let folder = Folder::new();
    let inline = folder.file("body", "{\"a\":\"it's @$x\"}\n");
    let binary = folder.file("it's binary", b"\xff\0");
    let from_file = format!("@{binary}");
    for (body, last) in [
        (&inline, ["--data-raw", "{\"a\":\"it's @$x\"}\n"]),
        (&binary, ["--data-binary", &from_file]),
    ] {
        let url = "http://127.0.0.1:8000/x?a=1&b=2";
        let mut sign = command(&NAMED);
        let (code, line, _) = keeps_it(sign.args(["--curl", url, "--body", body]));
        assert_eq!(code, 0);
        // A function of this name stands in for the program and shows what it was given.
        let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{line}");
        let (code, words, stderr) = run(Command::new("sh").args(["-c", &script]));
        assert_eq!((code, stderr.as_str()), (0, ""));
        let words: Vec<_> = words.split_terminator('\0').collect();
        assert_eq!(words[0], url);
        assert_eq!(words[words.len() - 2..], last);
        let named = words
            .iter()
            .filter(|word| word.starts_with("x-onceonly-"))
            .count();
        assert_eq!(named, 6, "{words:?}");
    }
}

#[test]
fn verify_says_ok_or_the_one_thing_that_is_wrong() {
    let folder = Folder::new();
    let body = folder.file("body", r#"{"a":1}"#);
    let longer = folder.file("longer", "{\"a\":1}\n");
    let good = headers(SIGNATURE, "1705322400");
    let verify = |headers: &str, body: &str, more: &[&str]| {
        let headers = folder.file("headers", headers);
        let mut verify = command(&["verify", "--headers", &headers, "--body", body]);
        let (code, stdout, stderr) = keeps_it(verify.args(more));
        assert_eq!(stderr, "", "only the answer is printed");
        (code, stdout)
    };
    let no = |reason: &str| (1, format!("{reason}\n"));
    let at = ["--at", "1705322400"];

    assert_eq!(verify(&good, &body, &at), (0, "ok\n".to_owned()));
    let raw = format!(
        "POST /x HTTP/1.1\r\nHost: h\r\n{}\r\n{{}}",
        good.replace('\n', "\r\n")
    );
    assert_eq!(verify(&raw, &body, &at), (0, "ok\n".to_owned()));
    assert_eq!(
        verify("", &body, &at),
        no("the header x-onceonly-signature is missing")
    );
    assert_eq!(
        verify(&format!("{good}X-OnceOnly-Timestamp: 1\n"), &body, &at),
        no("the header x-onceonly-timestamp is there more than once")
    );
    assert_eq!(
        verify(&good, &longer, &at),
        no(
            "the signature does not match this body and this secret; it does match the body \
            without its final line end, so something added one after signing"
        )
    );
    let late = ["--at", "1705322411", "--tolerance", "10"];
    let reason = "x-onceonly-timestamp is 11 s in the past, more than the 10 s allowed";
    assert_eq!(verify(&good, &body, &late), no(reason));
    let (code, stdout) = verify(&good, &body, &[&late[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, json), (1, json!({ "ok": false, "reason": reason })));
    let (code, stdout) = verify(&good, &body, &[&at[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, json), (0, json!({ "ok": true, "reason": null })));
}

#[test]
fn verify_names_the_line_that_is_no_header_and_not_its_text() {
    let folder = Folder::new();
    let (headers, body) = (
        folder.file("h", format!("a: 1\n{SECRET}\n")),
        folder.file("b", ""),
    );
    let mut verify = command(&["verify", "--headers", &headers, "--body", &body]);
    let (code, stdout, stderr) = keeps_it(&mut verify);
    assert_eq!((code, stdout.as_str()), (64, ""));
    assert!(
        stderr.ends_with("line 2 is not a header of the form `Name: value`\n"),
        "{stderr}"
    );
}

/// The reader is gone before anything can be printed.
#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command(&["sign"])
        .env("COUNTERSIGN_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

fn tool(name: &str, url: impl std::fmt::Display, more: &str) -> String {
    format!(
        "  - name: {name}\n    url: {url}\n    \
         auth: {{ type: hmac_sha256, secret: {SECRET} }}\n{more}"
    )
}

// spec: CLI-2
#[test]
fn check_counts_tools_and_shows_warnings() {
    let folder = Folder::new();
    let good = tool("a", "http://localhost/", "");
    let one = folder.file("one.yaml", format!("tools:\n{good}"));
    let plain = tool("b", "http://tool.example/", "");
    let two = folder.file("two.yaml", format!("tools:\n{good}{plain}"));
    let check = |registry: &str, more: &[&str]| {
        let mut check = command(&["check", "--registry", registry]);
        let (code, stdout, stderr) = keeps_it(check.current_dir(folder.0.path()).args(more));
        assert_eq!(stderr, "");
        (code, stdout)
    };
    assert_eq!(
        check(&one, &[]),
        (0, format!("{one}: 1 tool, no problems\n"))
    );
    let governed = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policies.yaml");
    let said = format!("{governed}: 3 tools, 3 policies, no problems\n");
    assert_eq!(check(governed, &[]), (0, said));
    let (code, stdout) = check(&two, &[]);
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(code, 0);
    assert!(
        lines[0].starts_with(&format!("{two}:6:10: warning: tools[1].url:")),
        "{stdout}"
    );
    assert_eq!(lines[1..], [format!("{two}: 2 tools, 1 warning")]);
    let (code, stdout) = check(&two, &["--json"]);
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &json["ok"], &json["tools"]),
        (0, &true.into(), &2.into())
    );
    let problem = &json["problems"][0];
    assert_eq!(json["problems"].as_array().unwrap().len(), 1);
    let place = (&problem["file"], &problem["line"], &problem["column"]);
    assert_eq!(place, (&two.into(), &6.into(), &10.into()));
    assert_eq!(problem["field"], "tools[1].url");
    assert_eq!(problem["severity"], "warning");
}

fn broken_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/broken");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5, "there are broken files to try: {files:?}");
    files
}

// spec: REG-2 RELOAD-2 CLI-2
#[test]
fn serve_and_check_say_the_same_about_every_broken_file() {
    for file in broken_files() {
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap();
        let name = format!(
            "config/broken/{}",
            file.file_name().unwrap().to_str().unwrap()
        );
        let name = name.as_str();
        let in_folder = |arguments: &[&str]| {
            let mut command = command(arguments);
            run(command.current_dir(env!("CARGO_MANIFEST_DIR")))
        };
        let (code, stdout, stderr) = in_folder(&["check", "--registry", name]);
        assert_eq!(
            (code, stdout, stderr.as_str()),
            (78, expected.clone(), ""),
            "{name}"
        );
        let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let serve = [&["serve", "--registry", name][..], &addresses].concat();
        let (code, stdout, stderr) = in_folder(&serve);
        assert_eq!(
            (code, stdout.as_str(), stderr),
            (78, "", expected.clone()),
            "{name}"
        );
        let (code, stdout, _) = in_folder(&["check", "--json", "--registry", name]);
        let json: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((code, &json["ok"]), (78, &false.into()), "{name}");
        assert_eq!(
            json["problems"].as_array().unwrap().len(),
            expected.lines().count(),
            "{name}"
        );
    }
}

/// A sidecar with a tool `t` behind `upstream` and a tool `off` that is switched off.
fn sidecar(folder: &Folder, upstream: &FakeTool) -> Sidecar {
    let url = format!("http://{}/x", upstream.listen());
    let tools = tool("t", &url, "") + &tool("off", &url, "    enabled: false\n");
    let registry = folder.file("tools.yaml", format!("tools:\n{tools}"));
    Sidecar::start(BINARY, Path::new(&registry))
}

fn call(agents: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    let url = format!("http://{agents}");
    run(command(&["call", "--url", &url]).args(arguments))
}

#[test]
fn call_sends_what_an_agent_would_and_prints_the_answer() {
    let folder = Folder::new();
    let upstream = FakeTool::ok();
    let sidecar = sidecar(&folder, &upstream);
    let last = || -> Received { upstream.received().pop().unwrap() };

    let args = r#"{"big":12345678901234567890123,"x":1.0}"#;
    let (code, stdout, stderr) = call(sidecar.agents, &["t", "--args", args, "--agent", "bot"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.starts_with("200 OK, 1 attempt, request "),
        "{stderr}"
    );
    assert_eq!(
        last().body,
        format!(r#"{{"tool":"t","args":{args}}}"#).into_bytes()
    );
    assert_eq!(last().head.one("content-type"), "application/json");
    assert_eq!(last().head.one("x-onceonly-agent-id"), "bot");

    let (code, whole, _) = call(sidecar.agents, &["t", "--json"]);
    let json: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(
        (code, &json["status"], &json["attempts"]),
        (0, &200.into(), &1.into())
    );
    assert_eq!(json["error"], Value::Null);
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["body"], printed);
    assert_eq!(last().body, br#"{"tool":"t","args":{}}"#);

    let data = folder.file("data", b"\xff\n");
    let (code, ..) = call(sidecar.agents, &["t", "--data", &format!("@{data}")]);
    assert_eq!((code, last().body), (0, b"\xff\n".to_vec()));
    assert_eq!(last().head.one("content-type"), "application/octet-stream");
}

#[test]
fn a_refused_call_ends_with_1_and_the_reason() {
    let folder = Folder::new();
    let upstream = FakeTool::ok();
    let sidecar = sidecar(&folder, &upstream);
    let (code, stdout, stderr) = call(sidecar.agents, &["off"]);
    assert_eq!(code, 1);
    let body: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(body["detail"]["error"], "tool_disabled");
    let lines: Vec<_> = stderr.lines().collect();
    assert!(
        lines[0].starts_with("403 Forbidden, 0 attempts, request "),
        "{stderr}"
    );
    assert_eq!(
        lines[1],
        "refused by the sidecar: tool_disabled: the tool is switched off: set enabled: true in \
         the registry"
    );
    let (code, stdout, _) = call(sidecar.agents, &["off", "--json"]);
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["error"]), (1, &"tool_disabled".into()));
    assert_eq!(upstream.received().len(), 0);
}

#[test]
fn a_sidecar_that_is_not_there_is_said_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (code, stdout, stderr) = call(address, &["t"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let expected = format!("nobody answers at {address}: Connection refused");
    assert!(stderr.starts_with(&expected), "{stderr}");
}

// spec: CLI-3
#[test]
fn the_demo_shows_its_calls_and_ends_when_nobody_watches() {
    for arguments in [&["demo"][..], &["demo", "--once"]] {
        let (code, stdout, stderr) = run(&mut command(arguments));
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        for shown in [
            "1. A good call",
            "200 OK after 1 attempt",
            "2. A tool that is busy at first: retried",
            "attempt 1\n",
            "answered   503 Service Unavailable",
            "refused    the signature does not match",
            "200 OK after 2 attempts",
            "3. A tool that is switched off: refused",
            "nothing: no request reached it",
            "403 Forbidden, refused by the sidecar: tool_disabled",
            "4. Stolen headers on another body, past the sidecar: refused",
            "401 Unauthorized from the backend itself",
            "All 4 calls ended as they should.",
        ] {
            assert!(stdout.contains(shown), "{shown} is not in {stdout}");
        }
        let wide = stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "every line fits a page");
        assert!(
            !stdout.contains('\x1b'),
            "there is no colour away from a terminal"
        );
    }
}

// spec: CLI-3
#[test]
fn the_demo_goes_on_serving_when_asked_to() {
    let mut child = command(&["demo", "--keep-serving"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let rest = line.trim().strip_prefix("agents call")?.trim();
        rest.strip_prefix("http://")?
            .strip_suffix("/tools/NAME")?
            .parse()
            .ok()
    });
    let address: SocketAddr = address.expect("the address for agents");
    let (code, stdout, _) = call(address, &["send_email"]);
    assert_eq!((code, stdout.as_str()), (0, r#"{"ok":true}"#));
    let passing = "  backend: send_email for agent: verified, answered 200";
    assert!(lines.map_while(Result::ok).any(|line| line == passing));
    let pid = child.id().to_string();
    let (code, ..) = run(Command::new("kill").args(["-s", "INT", &pid]));
    assert_eq!((code, child.wait().unwrap().code()), (0, Some(0)));
}

// spec: CLI-2
#[test]
fn the_example_settings_are_in_order() {
    let folder = Folder::new();
    let (code, example, stderr) = run(&mut command(&["config", "example"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    for setting in [
        "agents:\n",
        "  listen: 127.0.0.1:8787\n",
        "drain_timeout_ms: 30000\n",
    ] {
        assert!(example.contains(setting), "{setting} is not in {example}");
    }
    let config = folder.file("countersign.yaml", example);
    let registry = folder.file("tools.yaml", "tools: []\n");
    // The registry is beside the settings file, which names it.
    let (code, stdout, stderr) = run(&mut command(&["check", "--config", &config]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(stdout, format!("{registry}: 0 tools, no problems\n"));
}

// spec: CLI-2 LIFE-3
#[test]
fn serve_and_check_say_the_same_about_broken_settings() {
    let folder = Folder::new();
    let text = format!("workers: {SECRET}\nagents: {{ max_connections: 0 }}\nno_such: 1\n");
    let config = folder.file("countersign.yaml", text);
    let registry = folder.file("tools.yaml", "tools: []\n");
    let files = ["--config", &config, "--registry", &registry];
    let (code, checked, stderr) = keeps_it(command(&["check"]).args(files));
    assert_eq!((code, stderr.as_str()), (78, ""));
    let lines: Vec<_> = checked.lines().collect();
    assert_eq!(lines.len(), 3, "{checked}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with(&format!("{config}:"))),
        "{checked}"
    );
    let (code, stdout, served) = keeps_it(command(&["serve"]).args(files));
    assert_eq!((code, stdout.as_str()), (78, ""));
    assert_eq!(served, checked);
}

/// Variables of other commands are in the same shell as those of `serve`.
#[test]
fn the_variables_of_sign_and_call_are_no_settings() {
    let folder = Folder::new();
    let registry = folder.file("tools.yaml", "tools: []\n");
    let mut check = command(&["check", "--registry", &registry]);
    check.env("COUNTERSIGN_AGENT_TOKEN", "a-token-of-an-agent");
    let (code, stdout, _) = keeps_it(&mut check);
    assert_eq!(
        (code, stdout),
        (0, format!("{registry}: 0 tools, no problems\n"))
    );
}
