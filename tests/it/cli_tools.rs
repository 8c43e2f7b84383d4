//! `tools` and `completions` through the real binary: the very requests that the Tools API gets,
//! what is printed of its answers, and what a shell makes of the scripts.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use countersign::test_support::process::run;
use countersign::test_support::{FakeTool, Received, Step};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::BINARY;

/// No output may show either of them.
const TOKEN: &str = "once_live_token-4711";
const SECRET: &str = "correct \"horse\" é-4711";

const TOOL: &str = r#"{"name":"send_email","scope_id":"global","url":"https://api.example.com/v1/send-email","timeout_ms":15000,"max_retries":2,"enabled":true,"description":"Send transactional emails","has_secret":true,"secret_id":"sec_a1b2c3d4","secret_mask":"***key"}"#;
const TOOL_SHOWN: &str = "\
name         send_email
scope        global
state        enabled
url          https://api.example.com/v1/send-email
timeout      15 s
retries      2
secret       ***key (sec_a1b2c3d4)
description  Send transactional emails
";

/// An admin listener that gives one answer to everything.
struct Admin {
    fake: FakeTool,
    address: SocketAddr,
}

impl Admin {
    fn answers(status: u16, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let fake = FakeTool::script([Step::Answer((head + body).into_bytes())]);
        let address = fake.listen();
        Self { fake, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("COUNTERSIGN_ADMIN_TOKEN", TOKEN)
            .env("COUNTERSIGN_SECRET", SECRET)
            .args(["tools", "--admin-url", &self.url()])
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        keeps_them(&mut self.command(arguments))
    }

    #[track_caller]
    fn one_request(&self) -> Received {
        match &self.fake.received()[..] {
            [only] => only.clone(),
            all => panic!("{} requests: {all:?}", all.len()),
        }
    }
}

/// Runs a command that knows token and secret, and asserts that it keeps them.
#[track_caller]
fn keeps_them(command: &mut Command) -> (i32, String, String) {
    let (code, stdout, stderr) = run(command);
    for secret in [TOKEN, SECRET, "4711"] {
        let all = format!("{stdout}{stderr}");
        assert!(!all.contains(secret), "{all}");
    }
    (code, stdout, stderr)
}

/// Name and value of every field, names in small letters, in the alphabet's order.
fn fields(request: &Received) -> Vec<(String, String)> {
    let fields = request.head.fields.iter();
    let mut fields: Vec<_> = fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    fields.sort();
    fields
}

/// The whole request and the whole output of one command.
#[track_caller]
fn check(arguments: &[&str], answer: &str, line: &str, body: &str, printed: &str) {
    let admin = Admin::answers(200, answer);
    let (code, stdout, stderr) = admin.run(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    assert_eq!(stdout, printed, "{arguments:?}");

    let request = admin.one_request();
    assert_eq!(request.head.start_line, line, "{arguments:?}");
    let mut expected = vec![
        ("authorization".to_owned(), format!("Bearer {TOKEN}")),
        ("host".to_owned(), admin.address.to_string()),
    ];
    if !body.is_empty() {
        expected.push(("content-length".to_owned(), body.len().to_string()));
        expected.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    expected.sort();
    assert_eq!(fields(&request), expected, "{arguments:?}");
    assert_eq!(String::from_utf8(request.body).unwrap(), body);

    // The same request, and nothing but the API's bytes.
    let admin = Admin::answers(200, answer);
    let (code, stdout, stderr) = admin.run(&[arguments, &["--json"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    assert_eq!(stdout, format!("{answer}\n"), "{arguments:?}");
    assert_eq!(admin.one_request().head.start_line, line);
}

// spec: API-1
#[test]
fn looking_at_tools_asks_and_prints() {
    check(
        &["get", "send_email"],
        TOOL,
        "GET /v1/tools/send_email?scope_id=global HTTP/1.1",
        "",
        TOOL_SHOWN,
    );
    check(
        &["get", "stripe:charge", "--scope", "agent:a/b&c=d+e"],
        r#"{ "name":"stripe:charge", "scope_id":"agent:a/b&c=d+e", "url":"http://10.0.0.1/x", "timeout_ms":250, "max_retries":0, "enabled":false, "description":null, "has_secret":true, "secret_id":null, "secret_mask":"***" }"#,
        "GET /v1/tools/stripe%3Acharge?scope_id=agent%3Aa%2Fb%26c%3Dd%2Be HTTP/1.1",
        "",
        "name         stripe:charge\n\
         scope        agent:a/b&c=d+e\n\
         state        disabled\n\
         url          http://10.0.0.1/x\n\
         timeout      0.25 s\n\
         retries      0\n\
         secret       ***\n\
         description  -\n",
    );
    check(
        &["list"],
        &format!("[{TOOL}]"),
        "GET /v1/tools?scope_id=global HTTP/1.1",
        "",
        "NAME        SCOPE   STATE    TIMEOUT  RETRIES  URL\n\
         send_email  global  enabled  15 s     2        https://api.example.com/v1/send-email\n\
         1 tool\n",
    );
    check(
        &["list"],
        "[]",
        "GET /v1/tools?scope_id=global HTTP/1.1",
        "",
        "no tools in global; --scope all lists every scope\n",
    );
    check(
        &["list", "--scope", "agent:bot"],
        "[]",
        "GET /v1/tools?scope_id=agent%3Abot HTTP/1.1",
        "",
        "no tools in agent:bot; --scope all lists every scope\n",
    );
    check(
        &["list", "--scope", "all"],
        "[]",
        "GET /v1/tools?scope_id=all HTTP/1.1",
        "",
        "no tools in any scope\n",
    );
}

// spec: API-1
#[test]
fn changing_tools_asks_and_prints() {
    let saved = format!("saved send_email in global\n{TOOL_SHOWN}");
    let secret = r#"{"type":"hmac_sha256","secret":"correct \"horse\" é-4711"}"#;
    check(
        &["add", "send_email", "--url", "https://api.example.com/x"],
        TOOL,
        "POST /v1/tools HTTP/1.1",
        &format!(
            r#"{{"name":"send_email","scope_id":"global","url":"https://api.example.com/x","auth":{secret},"enabled":true}}"#
        ),
        &saved,
    );
    let everything = [
        "add",
        "send_email",
        "--url",
        "no URL",
        "--scope",
        "agent:bot",
        "--timeout-ms",
        "1",
        "--max-retries",
        "11",
        "--description",
        "a\n\"b\"",
        "--disabled",
        "--keep-secret",
    ];
    // Whether these values are good ones is for the sidecar to say.
    check(
        &everything,
        TOOL,
        "POST /v1/tools HTTP/1.1",
        r#"{"name":"send_email","scope_id":"agent:bot","url":"no URL","auth":{"type":"hmac_sha256"},"timeout_ms":1,"max_retries":11,"enabled":false,"description":"a\n\"b\""}"#,
        &saved,
    );
    check(
        &["enable", "a:b"],
        r#"{"name":"a:b","enabled":true}"#,
        "POST /v1/tools/a%3Ab/toggle?scope_id=global HTTP/1.1",
        r#"{"enabled":true}"#,
        "enabled a:b in global\n",
    );
    check(
        &["disable", "t", "--scope", "agent:bot"],
        r#"{"name":"t","enabled":false}"#,
        "POST /v1/tools/t/toggle?scope_id=agent%3Abot HTTP/1.1",
        r#"{"enabled":false}"#,
        "disabled t in agent:bot\n",
    );
    check(
        &["delete", "t", "--yes", "--scope", "agent:bot"],
        r#"{"ok":true,"deleted":"t","scope_id":"agent:bot"}"#,
        "DELETE /v1/tools/t?scope_id=agent%3Abot HTTP/1.1",
        "",
        "deleted t from agent:bot\n",
    );
}

fn named(name: &str, scope: &str, url: &str, enabled: bool, timeout: u64) -> Value {
    json!({
        "name": name, "scope_id": scope, "url": url, "timeout_ms": timeout, "max_retries": 10,
        "enabled": enabled, "description": null, "has_secret": true, "secret_id": "sec_00000000",
        "secret_mask": "***",
    })
}

#[test]
fn many_tools_stand_in_columns_that_fit_a_page() {
    let mut tools: Vec<_> = (0..200)
        .map(|n| {
            let url = format!("http://a/{}{n}", "path/".repeat(n));
            named(&format!("tool_{n}"), "global", &url, n % 10 != 0, 15_000)
        })
        .collect();
    let long = "n".repeat(128);
    let scope = format!("agent:{}", "s".repeat(128));
    tools.push(named(
        &long,
        &scope,
        "http://a/\u{1b}[2J\n\u{202e}é",
        true,
        120_000,
    ));
    // What another implementation leaves out of its lists.
    tools.push(json!({ "name": "bare", "scope_id": "global", "url": "http://a", "enabled": true }));

    let admin = Admin::answers(200, &json!(tools).to_string());
    let (code, stdout, stderr) = admin.run(&["list", "--scope", "all"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 1 + tools.len() + 1);
    let last = "202 tools, 20 disabled; … stands for what was cut, --json has it";
    assert_eq!(lines[lines.len() - 1], last);
    let state = lines[0].find("STATE").unwrap();
    for line in &lines[..lines.len() - 1] {
        let characters: Vec<char> = line.chars().collect();
        assert!(characters.len() <= 100, "{line}");
        assert!(!line.ends_with(' '), "{line:?}");
        let word: String = characters[state..]
            .iter()
            .take_while(|c| **c != ' ')
            .collect();
        assert!(
            ["STATE", "enabled", "disabled"].contains(&word.as_str()),
            "{line}"
        );
        assert_eq!(characters[state - 2..state], [' ', ' '], "{line}");
    }
    assert!(lines[1].starts_with("tool_0 "), "the API's order is kept");
    assert!(lines[1].ends_with(" http://a/0"), "{}", lines[1]);
    assert!(lines[201].contains("120 s "), "{}", lines[201]);
    assert!(
        lines[201].ends_with("http://a/\u{fffd}[2J\u{fffd}\u{fffd}é"),
        "{}",
        lines[201]
    );
    let bare: Vec<_> = lines[202].split_whitespace().collect();
    assert_eq!(bare, ["bare", "global", "enabled", "-", "-", "http://a"]);
}

#[test]
fn a_long_description_is_folded() {
    let mut tool: Value = serde_json::from_str(TOOL).unwrap();
    tool["description"] = "seven. ".repeat(73).trim_end().into();
    let admin = Admin::answers(200, &tool.to_string());
    let (_, stdout, _) = admin.run(&["get", "send_email"]);
    let folded: Vec<_> = stdout.lines().skip(7).collect();
    assert!(folded.len() > 5, "{stdout}");
    assert!(
        folded[0].starts_with("description  seven. seven."),
        "{stdout}"
    );
    for line in &folded[1..] {
        assert!(
            line.starts_with("             seven.") && line.len() <= 100,
            "{stdout}"
        );
    }
    assert_eq!(stdout.matches("seven.").count(), 73);
}

/// A refusal's status and body, and the whole of what is said about it.
#[track_caller]
fn refused(arguments: &[&str], status: u16, body: &Value, said: &str) {
    let body = body.to_string();
    let admin = Admin::answers(status, &body);
    let said = said.replace("ITS_URL", &admin.url());
    let expected = (1, String::new(), format!("{said}\n"));
    assert_eq!(admin.run(arguments), expected, "{arguments:?}");
    // Machines get the API's own words as well.
    let expected = (1, format!("{body}\n"), format!("{said}\n"));
    let as_json = [arguments, &["--json"]].concat();
    assert_eq!(admin.run(&as_json), expected, "{arguments:?}");
}

// spec: API-2
#[test]
fn a_refused_caller_reads_which_token_to_set() {
    refused(
        &["list"],
        401,
        &json!({ "detail": "Missing Authorization Bearer token" }),
        "the sidecar wants its admin token: set COUNTERSIGN_ADMIN_TOKEN or name a file with \
         --token-file",
    );
    refused(
        &["list"],
        403,
        &json!({ "detail": "Invalid API key" }),
        "the sidecar has another admin token than the one from COUNTERSIGN_ADMIN_TOKEN",
    );
    refused(
        &["list"],
        403,
        &json!({ "detail": { "error": "admin_api_disabled", "message": "closed" } }),
        "the sidecar's API is closed, because it runs without an admin token\n\
         set admin.token in its settings file, or COUNTERSIGN_ADMIN_TOKEN in its environment, and \
         start it again",
    );
    refused(
        &["list"],
        421,
        &json!({ "detail": { "error": "host_not_allowed", "message": "list the host" } }),
        "the sidecar answered 421 Misdirected Request: host_not_allowed: list the host",
    );
}

// spec: API-2
#[test]
fn what_is_not_there_is_said_so() {
    let nowhere = json!({ "detail": { "error": "tool_not_found", "name": "t", "scope_id": "x" } });
    let said = "there is no tool t in agent:bot\n`countersign tools list --scope all` shows what \
                there is; --scope names another scope";
    for command in [
        &["get"][..],
        &["enable"],
        &["disable"],
        &["delete", "--yes"],
    ] {
        let arguments = [command, &["t", "--scope", "agent:bot"]].concat();
        refused(&arguments, 404, &nowhere, said);
    }
    let said = "ITS_URL has no Tools API: is it the admin address of a sidecar?";
    for detail in [
        json!("Not Found"),
        json!({ "error": "not_found", "message": "agents call /tools/{name}" }),
    ] {
        refused(&["list"], 404, &json!({ "detail": detail }), said);
    }
}

// spec: API-2
#[test]
fn a_422_is_one_line_for_each_field_and_repeats_no_input() {
    let fault =
        |loc: Value, msg: &str| json!({ "type": "x", "loc": loc, "msg": msg, "input": SECRET });
    let add = ["add", "t", "--url", "u"];
    let faults = json!({ "detail": [
        fault(json!(["body", "url"]), "Input should be a valid URL, must name a host"),
        fault(json!(["body", "auth", "secret"]), "String should have at least 8 characters"),
        fault(json!(["body", "timeout_ms"]), "Input should be\u{1b}[31m less"),
    ]});
    let admin = Admin::answers(422, &faults.to_string());
    let said = "the sidecar does not take this:\n  url: Input should be a valid URL, must name a \
                host\n  auth.secret: String should have at least 8 characters\n  timeout_ms: Input \
                should be\u{fffd}[31m less\n";
    assert_eq!(admin.run(&add), (1, String::new(), said.to_owned()));

    let missing = json!({ "detail": [
        { "type": "missing", "loc": ["body", "auth", "secret"], "msg": "Field required", "input": {} },
    ]});
    refused(
        &["add", "t", "--url", "u", "--keep-secret"],
        422,
        &missing,
        "the sidecar does not take this:\n  auth.secret: Field required\n  there is no t in global \
         whose secret could be kept: leave --keep-secret out",
    );
}

// spec: EDIT-1
#[test]
fn a_registry_that_cannot_be_changed_is_left_to_whoever_can() {
    let conflict = |detail: Value, said: &str| {
        refused(&["enable", "t"], 409, &json!({ "detail": detail }), said);
    };
    conflict(
        json!({ "error": "registry_read_only", "message": "/etc/tools.yaml is a symlink" }),
        "nothing was changed: /etc/tools.yaml is a symlink\nchange the registry where it comes \
         from; the sidecar takes it into service by itself",
    );
    conflict(
        json!({ "error": "registry_not_editable", "message": "tools is an alias", "line": 7 }),
        "nothing was changed: tools is an alias\nchange the registry file by hand: line 7",
    );
    conflict(
        json!({ "error": "registry_invalid", "message": "mend it first",
                "problems": ["tools.yaml:2:1: tools: is missing", "tools.yaml:3:1: x: unknown"] }),
        "nothing was changed: mend it first\n  tools.yaml:2:1: tools: is missing\n  \
         tools.yaml:3:1: x: unknown",
    );
    refused(
        &["enable", "t"],
        500,
        &json!({ "detail": { "error": "registry_write_failed", "message": "disk full" } }),
        "the sidecar answered 500 Internal Server Error: registry_write_failed: disk full",
    );
}

#[test]
fn an_answer_that_is_none_of_the_api_is_not_taken_for_one() {
    for (arguments, body) in [
        (&["list"][..], "<html>"),
        (&["list"], "{}"),
        (&["get", "t"], "[]"),
        (&["enable", "t"], r#"{"ok":true}"#),
        (&["delete", "t", "--yes"], ""),
    ] {
        let admin = Admin::answers(200, body);
        let said = format!(
            "{} answered 200 OK, but not as the Tools API does: is it the admin address of a \
             sidecar?\n",
            admin.url()
        );
        assert_eq!(admin.run(arguments), (1, String::new(), said), "{body}");
    }
    let admin = Admin::answers(200, "<html>");
    let (code, stdout, stderr) = admin.run(&["list", "--json"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    let admin = Admin::answers(502, "<html>");
    let said = "the sidecar answered 502 Bad Gateway: it does not say why\n";
    for arguments in [&["list"][..], &["list", "--json"]] {
        assert_eq!(admin.run(arguments), (1, String::new(), said.to_owned()));
    }
}

#[test]
fn a_sidecar_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let fake = FakeTool::ok();
    let admin = Admin { fake, address };
    let (code, stdout, stderr) = admin.run(&["list"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let lines: Vec<_> = stderr.lines().collect();
    let refused = format!("nobody answers at {address}: Connection refused");
    assert!(lines[0].starts_with(&refused), "{stderr}");
    assert_eq!(
        lines[1..],
        [format!(
            "tried http://{address}: is a sidecar running there? --admin-url names another address"
        )]
    );
}

fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_token_comes_from_a_file_or_the_environment() {
    let folder = TempDir::new().unwrap();
    let token = file(&folder, "token", "another-4711\n");
    let admin = Admin::answers(403, r#"{"detail":"Invalid API key"}"#);
    let (code, _, stderr) = admin.run(&["list", "--token-file", &token]);
    let said = format!("the sidecar has another admin token than the one from {token}\n");
    assert_eq!((code, stderr), (1, said));
    let sent = admin.one_request();
    assert_eq!(sent.head.one("authorization"), "Bearer another-4711");

    for none in [None, Some("")] {
        let admin = Admin::answers(200, "[]");
        let mut list = admin.command(&["list"]);
        match none {
            None => list.env_remove("COUNTERSIGN_ADMIN_TOKEN"),
            Some(empty) => list.env("COUNTERSIGN_ADMIN_TOKEN", empty),
        };
        assert_eq!(keeps_them(&mut list).0, 0);
        let sent = admin.one_request();
        assert_eq!(sent.head.all("authorization"), Vec::<&str>::new());
    }

    let admin = Admin::answers(200, "[]");
    let (empty, two) = (
        file(&folder, "empty", "\n"),
        file(&folder, "two", "4711\n4711\n"),
    );
    for (path, code, said) in [
        (&empty, 78, format!("{empty}: holds no secret\n")),
        (
            &two,
            64,
            format!("error: {two} holds no token: it has to be visible ASCII\n"),
        ),
    ] {
        let ended = admin.run(&["list", "--token-file", path]);
        assert_eq!(ended, (code, String::new(), said));
    }
    assert!(
        admin.fake.received().is_empty(),
        "nothing is sent without it"
    );
}

#[test]
fn the_secret_comes_from_a_file_or_the_environment() {
    let folder = TempDir::new().unwrap();
    let admin = Admin::answers(200, TOOL);
    let add = ["add", "t", "--url", "u"];
    let path = file(&folder, "secret", "from-a-file-4711\r\n");
    let (code, ..) = admin.run(&[&add[..], &["--secret-file", &path]].concat());
    assert_eq!(code, 0);
    let sent: Value = serde_json::from_slice(&admin.one_request().body).unwrap();
    assert_eq!(sent["auth"]["secret"], "from-a-file-4711");
    admin.fake.forget();

    let mut without = admin.command(&add);
    let (code, stdout, stderr) = keeps_them(without.env_remove("COUNTERSIGN_SECRET"));
    assert_eq!((code, stdout.as_str()), (64, ""));
    assert_eq!(
        stderr,
        "error: no secret: set COUNTERSIGN_SECRET or name a file with --secret-file; --keep-secret \
         keeps the one of a tool that exists\n"
    );
    let binary = file(&folder, "binary", b"4711\xff4711");
    let (code, _, stderr) = admin.run(&[&add[..], &["--secret-file", &binary]].concat());
    assert_eq!(code, 64);
    assert!(
        stderr.starts_with("error: the secret is not UTF-8 text"),
        "{stderr}"
    );
    assert!(
        admin.fake.received().is_empty(),
        "nothing is sent without it"
    );
}

// spec: CLI-1
#[test]
fn a_wrong_command_line_ends_with_64_and_asks_nobody() {
    let admin = Admin::answers(200, "[]");
    for (arguments, reason) in [
        (&[][..], "Usage: countersign tools"),
        (&["get"], "<NAME>"),
        (&["get", "a b"], "a tool name is 1 to 128 characters"),
        (
            &["get", "t", "--scope", "all"],
            "a scope is `global` or `agent:<agent_id>`",
        ),
        (
            &["list", "--scope", "bot"],
            "a scope is `global`, `agent:<agent_id>` or `all`",
        ),
        (&["add", "t"], "--url <URL>"),
        (
            &["add", "t", "--url", "u", "--timeout-ms", "1s"],
            "invalid digit",
        ),
        (
            &["add", "t", "--url", "u", "--secret", "x"],
            "unexpected argument '--secret'",
        ),
        (&["list", "--token", "x"], "unexpected argument '--token'"),
        (
            &[
                "add",
                "t",
                "--url",
                "u",
                "--keep-secret",
                "--secret-file",
                "f",
            ],
            "cannot be used with",
        ),
        (
            &["delete", "t"],
            "error: there is no terminal to ask on: --yes deletes without asking",
        ),
    ] {
        let (code, stdout, stderr) = admin.run(arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
    for url in [
        "https://localhost",
        "http://127.0.0.1:8788/v1",
        "localhost:1",
    ] {
        let mut list = Command::new(BINARY);
        let (code, _, stderr) = run(list.args(["tools", "list", "--admin-url", url]));
        assert_eq!(code, 64, "{url}");
        assert!(stderr.starts_with("error: --admin-url "), "{stderr}");
    }
    assert!(admin.fake.received().is_empty());
}

/// Gives the command a terminal, types an answer, and prints what was shown and the exit code.
const TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
while b"[y/N] " not in shown:
    shown += os.read(terminal, 4096)
os.write(terminal, sys.argv[1].encode() + b"\n")
try:
    while more := os.read(terminal, 4096):
        shown += more
except OSError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r", ""))
"#;

#[test]
fn a_person_is_asked_before_a_tool_is_gone() {
    for (typed, code, said, requests) in [
        ("y", 0, "deleted t from global", 1),
        ("n", 1, "nothing was deleted", 0),
        ("", 1, "nothing was deleted", 0),
    ] {
        let answer = r#"{"ok":true,"deleted":"t","scope_id":"global"}"#;
        let admin = Admin::answers(200, answer);
        let url = admin.url();
        let mut python = Command::new("python3");
        python.env("COUNTERSIGN_ADMIN_TOKEN", TOKEN);
        python.args(["-c", TERMINAL, typed, BINARY]);
        python.args(["tools", "delete", "t", "--admin-url", &url]);
        let (ended, shown, stderr) = keeps_them(&mut python);
        assert_eq!((ended, stderr.as_str()), (0, ""));
        let expected = format!("{code} delete t in global from {url}? [y/N] {typed}\n{said}\n\n");
        assert_eq!(shown, expected);
        assert_eq!(admin.fake.received().len(), requests, "{typed:?}");
    }
}

fn completions(shell: &str) -> String {
    let (code, script, stderr) = run(Command::new(BINARY).args(["completions", shell]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
    script
}

/// The commands that the help lists under `words`.
fn commands(words: &[&str]) -> Vec<String> {
    let (_, help, _) = run(Command::new(BINARY).args(words).arg("--help"));
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let names = list
        .lines()
        .map_while(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_shell_gets_a_script_for_every_command() {
    let folder = TempDir::new().unwrap();
    let mut all = commands(&[]);
    assert!(all.len() > 10, "{all:?}");
    all.extend(commands(&["tools"]));
    all.extend(commands(&["config"]));
    let options = [
        "admin-url",
        "token-file",
        "keep-secret",
        "scope",
        "keep-serving",
    ];
    for shell in ["bash", "zsh", "fish"] {
        let script = completions(shell);
        for word in all.iter().map(String::as_str).chain(options) {
            assert!(
                script.contains(word),
                "{word} is not in the script for {shell}"
            );
        }
        let path = file(&folder, shell, &script);
        // The shells that this machine has read the script; `bash` is one that every machine has.
        let is_here =
            Path::new("/bin").join(shell).exists() || Path::new("/usr/bin").join(shell).exists();
        assert!(is_here || shell != "bash");
        if is_here {
            let (code, _, stderr) = run(Command::new(shell).args(["-n", &path]));
            assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        }
    }
    let (code, _, stderr) = run(Command::new(BINARY).args(["completions", "tcsh"]));
    assert_eq!(code, 64);
    assert!(
        stderr.contains("[possible values: bash, zsh, fish]"),
        "{stderr}"
    );
}

#[test]
fn bash_completes_what_was_begun() {
    let folder = TempDir::new().unwrap();
    let script = file(&folder, "bash", completions("bash"));
    for (typed, expected) in [
        (&["ver"][..], "verify version"),
        (&["tools", "d"], "disable delete"),
        (&["tools", "list", "--sc"], "--scope"),
        (&["tools", "add", "t", "--k"], "--keep-secret"),
        (&["completions", ""], "bash zsh fish"),
    ] {
        let words = typed.iter().map(|word| format!("'{word}'"));
        let words = words.collect::<Vec<_>>().join(" ");
        let (last, before) = (typed[typed.len() - 1], typed.iter().nth_back(1));
        let before = before.unwrap_or(&"countersign");
        let line = format!(
            "source {script}; COMP_WORDS=(countersign {words}); COMP_CWORD={}; \
             _countersign countersign '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            typed.len()
        );
        let mut bash = Command::new("bash");
        let (code, stdout, stderr) = run(bash.args(["--norc", "-c", &line]));
        assert_eq!((code, stderr.as_str()), (0, ""), "{typed:?}");
        for word in expected.split(' ') {
            assert!(
                stdout.split_whitespace().any(|w| w == word),
                "{typed:?}: {stdout}"
            );
        }
        let fits = |word: &str| word.starts_with(last) || last.is_empty();
        assert!(stdout.split_whitespace().all(fits), "{typed:?}: {stdout}");
    }
}
