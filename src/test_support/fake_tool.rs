//! A tool backend that does what a script says and remembers the bytes it got.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::registry::Origin;
use crate::test_support::http1::{Head, Reader};
use crate::upstream::{Connect, ConnectError, Connected, Protocol};

/// What the backend does with one request, or with the dial before it.
#[derive(Clone, Debug)]
pub enum Step {
    /// Refuses the connection; counts for a dial, not for a request.
    Refuse,
    /// Sends these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// Waits, then sends these bytes and keeps the connection.
    AnswerAfter(Duration, Vec<u8>),
    /// Waits until the gate opens, then sends these bytes and keeps the connection.
    AnswerWhenOpen(Gate, Vec<u8>),
    /// Sends these bytes and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Closes as soon as the request's head is there.
    CloseAfterHead,
    /// Closes when the whole request is there.
    CloseAfterRequest,
    /// Sends these bytes when the request's head is there, takes no byte of its body, and says
    /// nothing more.
    AnswerUnread(Vec<u8>),
    /// Says nothing and keeps the connection open.
    Silence,
    /// Sends these bytes, then says nothing more.
    AnswerThenSilence(Vec<u8>),
    /// Is up for a period, then down for one, and so on: while it is down it refuses connections
    /// and closes those on which a request comes.
    Flap(Flapping),
}

impl Step {
    /// An answer with this status, these extra field lines and a JSON body.
    pub fn status(status: u16, fields: &[(&str, &str)]) -> Self {
        Self::Answer(answer(status, fields))
    }

    /// `200 OK` with a JSON body.
    pub fn ok() -> Self {
        Self::status(200, &[])
    }
}

/// When a flapping backend is up.
#[derive(Clone, Copy, Debug)]
pub struct Flapping {
    since: Instant,
    period: Duration,
}

impl Flapping {
    /// Up from now on, for periods of this length.
    pub fn every(period: Duration) -> Self {
        let since = Instant::now();
        Self { since, period }
    }

    /// Whether it is up now.
    pub fn is_up(&self) -> bool {
        let periods = self.since.elapsed().as_nanos() / self.period.as_nanos();
        periods.is_multiple_of(2)
    }
}

/// A small answer's bytes.
pub fn answer(status: u16, fields: &[(&str, &str)]) -> Vec<u8> {
    let body = format!("{{\"status\":{status}}}");
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    (text + &body).into_bytes()
}

/// Holds answers back until a test lets them go.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        let mut state = self.0.subscribe();
        state
            .wait_for(|open| *open)
            .await
            .expect("a gate outlives its waiters");
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its last byte was there.
    pub at: Instant,
    /// Which connection carried it, counted from 1.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
}

/// A scripted backend. Clones share script and memory.
#[derive(Clone, Debug, Default)]
pub struct FakeTool {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What comes next; the last step is repeated for ever.
    script: VecDeque<Step>,
    dials: usize,
    connections: usize,
    received: Vec<Received>,
}

impl FakeTool {
    /// Follows `script`; its last step is repeated.
    pub fn script(script: impl IntoIterator<Item = Step>) -> Self {
        let tool = Self::default();
        tool.with(|state| state.script = script.into_iter().collect());
        tool
    }

    /// Always answers `200`.
    pub fn ok() -> Self {
        Self::script([Step::ok()])
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self::script([Step::Silence])
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.with(|state| state.received.clone())
    }

    /// How often a connection was tried.
    pub fn dials(&self) -> usize {
        self.with(|state| state.dials)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.with(|state| state.connections)
    }

    /// Serves real connections on a port of 127.0.0.1 from a thread of its own, which lives as long
    /// as the test process.
    pub fn listen(&self) -> SocketAddr {
        self.listen_with(None)
    }

    /// The same with TLS. Clients that fail the handshake are not seen.
    pub fn listen_tls(&self, tls: rustls::ServerConfig) -> SocketAddr {
        self.listen_with(Some(TlsAcceptor::from(Arc::new(tls))))
    }

    fn listen_with(&self, tls: Option<TlsAcceptor>) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let tool = self.clone();
        let accept = async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
            while let Ok((stream, _)) = listener.accept().await {
                let (tool, tls) = (tool.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        let connection = tool.count_connection();
                        return tool.serve(stream, connection).await;
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        let connection = tool.count_connection();
                        tool.serve(stream, connection).await;
                    }
                });
            }
        };
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(accept);
        });
        address
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.with(|state| state.received.clear());
    }

    /// Our end of a new connection through memory, or a refusal where the script says so.
    pub(super) fn accept(&self) -> io::Result<DuplexStream> {
        if self.refuses() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let takes_bodies = self.with(|state| {
            let next = state.script.front();
            !matches!(next, Some(Step::AnswerUnread(_)))
        });
        let room = if takes_bodies {
            PIPE_BYTES
        } else {
            NARROW_PIPE_BYTES
        };
        let (ours, theirs) = tokio::io::duplex(room);
        let connection = self.count_connection();
        tokio::task::spawn_local(self.clone().serve(theirs, connection));
        Ok(ours)
    }

    async fn serve<I: AsyncRead + AsyncWrite + Unpin>(self, io: I, connection: usize) {
        let mut reader = Reader::new(io);
        while let Some(head) = reader.head().await {
            let step = self.next_step();
            if matches!(step, Step::CloseAfterHead | Step::AnswerUnread(_)) {
                self.note(connection, head, Vec::new());
                act(step, reader.io()).await;
                return;
            }
            assert!(
                head.all("transfer-encoding").is_empty(),
                "a captured body has a length: {head:?}"
            );
            let length = match head.all("content-length")[..] {
                [] => 0,
                [one] => one.parse().expect("a length is a number"),
                ref many => panic!("{} lengths: {head:?}", many.len()),
            };
            let Some(body) = reader.exactly(length).await else {
                return;
            };
            assert_eq!(reader.left_over(), 0, "more than one request was written");
            self.note(connection, head, body);
            if !act(step, reader.io()).await {
                return;
            }
        }
    }

    fn next_step(&self) -> Step {
        self.with(|state| match state.script.len() {
            0 => Step::ok(),
            1 => state.script[0].clone(),
            _ => state.script.pop_front().expect("there are at least two"),
        })
    }

    /// Whether the next thing in the script is a refused dial; takes it out if so.
    fn refuses(&self) -> bool {
        let refuses = self.with(|state| {
            state.dials += 1;
            match state.script.front() {
                Some(Step::Flap(flapping)) => !flapping.is_up(),
                Some(step) => matches!(step, Step::Refuse),
                None => false,
            }
        });
        refuses && matches!(self.next_step(), Step::Refuse | Step::Flap(_))
    }

    fn count_connection(&self) -> usize {
        self.with(|state| {
            state.connections += 1;
            state.connections
        })
    }

    fn note(&self, connection: usize, head: Head, body: Vec<u8>) {
        let received = Received {
            at: Instant::now(),
            connection,
            head,
            body,
        };
        self.with(|state| state.received.push(received));
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("no test thread panics inside"))
    }
}

/// Returns whether the connection goes on.
async fn act<I: AsyncWrite + Unpin>(step: Step, io: &mut I) -> bool {
    match step {
        Step::Answer(bytes) => io.write_all(&bytes).await.is_ok(),
        Step::AnswerAfter(wait, bytes) => {
            tokio::time::sleep(wait).await;
            io.write_all(&bytes).await.is_ok()
        }
        Step::AnswerWhenOpen(gate, bytes) => {
            gate.opened().await;
            io.write_all(&bytes).await.is_ok()
        }
        Step::AnswerAndClose(bytes) => {
            let _ = io.write_all(&bytes).await;
            false
        }
        Step::AnswerThenSilence(bytes) | Step::AnswerUnread(bytes) => {
            let _ = io.write_all(&bytes).await;
            std::future::pending().await
        }
        Step::Flap(flapping) if flapping.is_up() => io.write_all(&answer(200, &[])).await.is_ok(),
        Step::Silence => std::future::pending().await,
        Step::Flap(_) | Step::Refuse | Step::CloseAfterHead | Step::CloseAfterRequest => false,
    }
}

/// Room for a whole test body, so that a pipe never stalls a writer that a socket would not.
const PIPE_BYTES: usize = 16 * 1024 * 1024;

/// Room for a head and the beginning of a large body, so that a tool which does not read is noticed.
const NARROW_PIPE_BYTES: usize = 64 * 1024;

/// Connects through pipes in memory, so that time can be paused.
impl Connect for FakeTool {
    fn connect<'a>(
        &'a self,
        _: &'a Origin,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + 'a>> {
        Box::pin(async move {
            let address = SocketAddr::from(([192, 0, 2, 1], 80));
            let failed = |source| ConnectError::Dial { address, source };
            Ok(Connected {
                io: Box::new(self.accept().map_err(failed)?),
                protocol: Protocol::Http1,
            })
        })
    }
}
