//! The tool behind every proxy: a server that answers at once and, when asked, checks signatures.

use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::test_support::load::wire::{Message, Messages, field};

/// What every proxy signs with.
pub const SECRET: &str = "side-by-side-secret";
/// Where calls are only answered.
pub const RUN: &str = "/run";
/// Where calls are answered with 200 when they are signed rightly, with [`UNSIGNED`] when not.
pub const CHECK: &str = "/check";
/// The status for a call that arrived with a wrong signature or with none. No proxy answers with it
/// on its own account, so it tells a wrong signature from a call that was refused on the way.
pub const UNSIGNED: u16 = 422;

const FINE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

/// The fields that a signed call carries beside its signature.
const FIELDS: [&str; 5] = [
    "x-onceonly-signature-alg",
    "x-onceonly-timestamp",
    "x-onceonly-tool",
    "x-onceonly-agent-id",
    "x-onceonly-secret-id",
];

/// Serves for ever.
///
/// # Errors
/// When connections can no longer be accepted.
pub async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            // A peer that leaves has had what it wanted.
            let _ = converse(stream).await;
        });
    }
}

async fn converse(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = Messages::new(stream);
    while let Some(request) = requests.next().await? {
        let wants_check = request.head.split(|byte| *byte == b' ').nth(1) == Some(CHECK.as_bytes());
        let fault = if wants_check { check(&request) } else { None };
        match fault {
            None => requests.io().write_all(FINE).await?,
            Some(fault) => {
                let length = fault.len();
                let answer = format!(
                    "HTTP/1.1 {UNSIGNED} Unsigned\r\nContent-Length: {length}\r\n\r\n{fault}"
                );
                requests.io().write_all(answer.as_bytes()).await?;
            }
        }
    }
    Ok(())
}

/// What is wrong with a call's signature.
fn check(request: &Message<'_>) -> Option<String> {
    let Some(given) = field(request.head, "x-onceonly-signature") else {
        return Some("there is no signature".to_owned());
    };
    let is_missing = |name: &&&str| field(request.head, name).is_none();
    if let Some(missing) = FIELDS.iter().find(is_missing) {
        return Some(format!("there is no {missing}"));
    }
    let is_right = given.as_bytes() == signature(request.body);
    (!is_right).then(|| format!("the signature of {} bytes is wrong", request.body.len()))
}

/// What a body's signature has to be, in lowercase hex. The key's schedule is computed once, as any
/// signer would, and nothing is allocated.
pub fn signature(body: &[u8]) -> [u8; 64] {
    thread_local! {
        static KEYED: Hmac<Sha256> = Hmac::new_from_slice(SECRET.as_bytes())
            .expect("HMAC takes a key of any length (RFC 2104)");
    }
    let mut mac = KEYED.with(Clone::clone);
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let mut hex = [0; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    hex
}
