//! From an address to listening sockets, one for each worker.
//!
//! Whoever gets [`Listeners`] is the only one at that address: one that somebody else accepts at
//! is refused, although the system would let us join in or take it over. Accepting is left to
//! `listen`.

mod unix;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Protocol, Socket, Type};

use crate::server::{ListenAddress, Listener, SocketMode};

pub use unix::SocketFile;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// A bound address. Connections wait in its queue until somebody accepts.
#[derive(Debug)]
pub struct Listeners {
    /// Where it is; port 0 has become the port that was free.
    pub address: ListenAddress,
    /// As many as were asked for.
    pub listeners: Vec<Listener>,
    /// The socket file, where there is one. It is removed when this is dropped.
    pub file: Option<SocketFile>,
}

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has a listener at this socket file.
    #[error("somebody accepts connections there already")]
    InUse,
    /// The path of the socket file is taken by something else, which is left alone.
    #[error("there is something else than a socket at this path, which is left as it is")]
    NoSocket,
    /// The socket file has no folder to be in.
    #[error("its folder does not exist")]
    NoFolder,
    /// There is a socket file, and nothing says that its process has ended.
    #[error("whether somebody accepts connections there cannot be told")]
    Unclear(#[source] io::Error),
    /// The system does not do it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Binds an address for `count` workers, at least one. `mode` is the socket file's and means
/// nothing for an IP address.
///
/// # Errors
/// When the address is in use or the system refuses it.
pub fn bind(
    address: &ListenAddress,
    mode: SocketMode,
    count: usize,
) -> Result<Listeners, BindError> {
    match address {
        ListenAddress::Tcp(address) => {
            let sockets = bind_tcp(*address, count)?;
            Ok(Listeners {
                address: ListenAddress::Tcp(sockets[0].local_addr()?),
                listeners: sockets.into_iter().map(Listener::Tcp).collect(),
                file: None,
            })
        }
        ListenAddress::Unix(path) => {
            let (socket, file) = SocketFile::bind(path, mode)?;
            Ok(Listeners {
                address: address.clone(),
                listeners: share(socket, count)?,
                file: Some(file),
            })
        }
    }
}

/// One socket for everybody: it has one queue, and whichever worker is awake first takes the
/// connection. `SO_REUSEPORT` has no meaning for socket files (docs/decisions/0011).
fn share(socket: UnixListener, count: usize) -> io::Result<Vec<Listener>> {
    let more = (1..count).map(|_| socket.try_clone()).collect::<Vec<_>>();
    let all = std::iter::once(Ok(socket)).chain(more);
    all.map(|socket| socket.map(Listener::Unix)).collect()
}

/// `SO_REUSEPORT` lets every worker have its own socket, so that no connection crosses threads. It
/// would also let another process of the same user join in unnoticed and take a share of the calls,
/// so the address has to be free without it first. That is tried without listening: a client that
/// came in between would be reset.
fn bind_tcp(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let alone = tcp_socket(address)?;
    alone.bind(&address.into())?;
    drop(alone);
    let first = bind_shared(address)?;
    let address = first.local_addr()?;
    let more = (1..count).map(|_| bind_shared(address));
    std::iter::once(Ok(first)).chain(more).collect()
}

fn bind_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections of a process that has just ended do not keep its address from the next one.
fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test(flavor = "local")]
    async fn each_worker_can_take_what_waits_at_a_socket_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        let address = ListenAddress::Unix(path.as_path().into());
        let bound = bind(&address, SocketMode::OWNER, 3).unwrap();
        assert_eq!(bound.address, address);
        let acceptors = bound.listeners.into_iter().map(Listener::acceptor);
        let acceptors: Vec<_> = acceptors.map(Result::unwrap).collect();
        assert_eq!(acceptors.len(), 3);
        for acceptor in acceptors.iter().chain(acceptors.iter().rev()) {
            let caller = UnixStream::connect(&path).await.unwrap();
            acceptor.accept().await.unwrap();
            drop(caller);
        }
        drop(bound.file);
        assert!(!path.exists());
    }

    #[test]
    fn a_port_that_is_free_gets_its_number_and_no_file() {
        let any: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let bound = bind(&any, SocketMode::OWNER, 2).unwrap();
        let address = bound.address.tcp().unwrap();
        assert_ne!(address.port(), 0);
        assert!(bound.file.is_none());
        let ports: Vec<_> = bound
            .listeners
            .iter()
            .map(|listener| match listener {
                Listener::Tcp(listener) => listener.local_addr().unwrap(),
                Listener::Unix(_) => panic!("a port was asked for"),
            })
            .collect();
        assert_eq!(ports, [address, address]);
        let taken = bind(&bound.address, SocketMode::OWNER, 1).unwrap_err();
        assert!(matches!(taken, BindError::Io(_)), "{taken}");
    }
}
