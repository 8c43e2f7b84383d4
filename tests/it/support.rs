//! What tests of the real binary share. Everything else is in `countersign::test_support`.

pub mod shell;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign::test_support::{Reply, client};
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};

/// The binary that was built with these tests.
pub const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// Runs one request's worth of async code on a thread that has no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("a runtime");
    runtime.block_on(work)
}

/// `POST` with a JSON body.
pub fn post(address: SocketAddr, path: &str, body: &'static str) -> Reply {
    block_on(client::post(address, path, body))
}

/// `GET`.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    block_on(client::get(address, path))
}

/// Asks the admin listener with an operator's token. A body that is null is not sent.
pub fn ask(admin: SocketAddr, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    try_ask(admin, token, method, path, body).expect("a sidecar that lives answers")
}

/// The same for a sidecar that may go away: `None` without a whole answer.
pub fn try_ask(
    admin: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<Reply> {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::from(bytes))
        .unwrap();
    let reply = block_on(async {
        let stream = TcpStream::connect(admin).await.ok()?;
        client::send_over(stream, request).await.ok()
    })?;
    reply.body.is_some().then_some(reply)
}

/// The value of one series in an exposition; 0 where there is none yet.
pub fn metric(text: &str, series: &str) -> f64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse::<f64>().expect("a number"))
        .sum()
}

/// The text of the one code block of a page with this info string.
pub fn code_block<'text>(text: &'text str, info: &str) -> &'text str {
    let fence = format!("\n```{info}\n");
    let (_, rest) = text
        .split_once(&fence)
        .unwrap_or_else(|| panic!("no block ```{info}"));
    assert!(!rest.contains(&fence), "two blocks ```{info}");
    rest.split_once("\n```").expect("a fence is closed").0
}

/// A code block of a page.
#[derive(Debug)]
pub struct CodeBlock<'text> {
    /// The rest of its info string.
    pub name: &'text str,
    /// What is in it.
    pub text: &'text str,
    /// What follows it on the page, up to the next block that was asked for.
    pub after: &'text str,
}

/// Every code block of a page whose info string begins like this, in order.
pub fn code_blocks<'text>(text: &'text str, info: &str) -> Vec<CodeBlock<'text>> {
    let fence = format!("\n```{info}");
    let block = |rest: &'text str| {
        let (name, rest) = rest.split_once('\n').expect("a block is below its fence");
        let (text, after) = rest.split_once("\n```\n").expect("a fence is closed");
        CodeBlock { name, text, after }
    };
    text.split(&fence).skip(1).map(block).collect()
}

/// The cases of a file in `tests/vectors/`.
pub fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file);
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["cases"].as_array().unwrap().clone()
}

/// A field of a case that stands there as base64 or as a unit that is repeated.
pub fn vector_bytes(case: &Value, name: &str) -> Vec<u8> {
    if let Some(text) = case.get(format!("{name}_b64")) {
        return BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    }
    let repeat = &case[format!("{name}_repeat")];
    let unit = BASE64_STANDARD
        .decode(repeat["unit_b64"].as_str().unwrap())
        .unwrap();
    let length = usize::try_from(repeat["total_len"].as_u64().unwrap()).unwrap();
    unit.into_iter().cycle().take(length).collect()
}

/// Every Rust file below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
