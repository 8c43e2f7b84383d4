//! An upstream that answers, never answers, or never ends its answer, as the path asks, and that
//! notices when it is left alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::test_support::http1::Reader;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Serves from a thread of its own as long as the test process lives.
pub struct Upstream {
    pub address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        std::thread::spawn(move || {
            crate::support::block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let open = Arc::clone(&counted);
                    open.fetch_add(1, Ordering::Relaxed);
                    tokio::task::spawn_local(async move {
                        serve(stream).await;
                        open.fetch_sub(1, Ordering::Relaxed);
                    });
                }
            });
        });
        Self { address, open }
    }

    /// Connections that nobody has closed.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream) {
    let mut reader = Reader::new(stream);
    while let Some(head) = reader.head().await {
        let length = head.one("content-length").parse().unwrap();
        if reader.exactly(length).await.is_none() {
            return;
        }
        let path = head.start_line.split(' ').nth(1).unwrap();
        match path {
            "/ok" => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = reader.io().write_all(answer).await;
            }
            "/stall" => {
                let _ = reader.io().read(&mut [0]).await;
                return;
            }
            "/stream" => return stream_for_ever(reader.io()).await,
            _ => panic!("{path} is no path of this upstream"),
        }
    }
}

async fn stream_for_ever(io: &mut TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let _ = io.write_all(head).await;
    while io.write_all(b"5\r\nevent\r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
