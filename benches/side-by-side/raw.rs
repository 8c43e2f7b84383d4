//! The physical bound: a relay that reads, signs, writes, and does nothing else.
//!
//! No routing, no limits, no time-outs, no accounts, and no copy or allocation for a call once its
//! buffers have grown. A small call takes one read and one write on each side, like the proxies
//! beside it, and connections to the tool are kept and used again. What a proxy costs beyond this is
//! what its features cost.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use countersign::test_support::load::{Messages, field, signature};

/// Connections to the tool that carry no call now.
type Idle = Rc<RefCell<Vec<Messages<TcpStream>>>>;

/// Serves for ever.
pub async fn serve(listener: std::net::TcpListener, upstream: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let idle = Idle::default();
    loop {
        let (agent, _) = listener.accept().await?;
        let idle = Rc::clone(&idle);
        tokio::task::spawn_local(async move {
            // A peer that leaves has had what it wanted.
            let _ = relay(agent, upstream, &idle).await;
        });
    }
}

async fn relay(agent: TcpStream, upstream: SocketAddr, idle: &Idle) -> io::Result<()> {
    agent.set_nodelay(true)?;
    let mut agent = Messages::new(agent);
    let mut head = Vec::with_capacity(1024);
    while let Some(request) = agent.next().await? {
        signed_head(&mut head, request.head, request.body);
        let closes = field(request.head, "connection") == Some("close");
        let kept = idle.borrow_mut().pop();
        let mut tool = match kept {
            Some(tool) => tool,
            None => connect(upstream).await?,
        };
        write_both(tool.io(), &head, request.body).await?;
        let answer = tool.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        write_both(agent.io(), answer.head, answer.body).await?;
        idle.borrow_mut().push(tool);
        if closes {
            return Ok(());
        }
    }
    Ok(())
}

async fn connect(upstream: SocketAddr) -> io::Result<Messages<TcpStream>> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    Ok(Messages::new(stream))
}

/// The agent's head with the signature behind its fields.
fn signed_head(out: &mut Vec<u8>, head: &[u8], body: &[u8]) {
    out.clear();
    // Without the empty line.
    out.extend_from_slice(&head[..head.len() - 2]);
    out.extend_from_slice(b"X-OnceOnly-Signature: ");
    out.extend_from_slice(&signature(body));
    out.extend_from_slice(
        b"\r\nX-OnceOnly-Signature-Alg: hmac_sha256\r\nX-OnceOnly-Timestamp: 1705322400\r\n\
          X-OnceOnly-Tool: bench\r\nX-OnceOnly-Agent-Id: agent\r\n\
          X-OnceOnly-Secret-Id: sec_00000000\r\n\r\n",
    );
}

/// Head and body in one kernel call where the socket takes them.
async fn write_both(io: &mut TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let both = [IoSlice::new(head), IoSlice::new(body)];
    let written = io.write_vectored(&both).await?;
    if written < head.len() {
        io.write_all(&head[written..]).await?;
        return io.write_all(body).await;
    }
    io.write_all(&body[written - head.len()..]).await
}
