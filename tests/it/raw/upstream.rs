//! An upstream that records exactly what reaches it and answers exactly what it is told to.
//!
//! Without a script it answers every request with what it received, so that an answer tells which
//! request it belongs to. A script stands for one request; afterwards the connection goes on as
//! before, and whoever uses it again is seen to.

use std::borrow::Cow;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wire::{Head, Wire};

/// What a connection does instead of an ordinary answer.
#[derive(Debug)]
pub enum Act {
    /// Writes these bytes at once.
    Write(Cow<'static, [u8]>),
    /// Writes these bytes one by one.
    Drip(&'static [u8]),
    /// Writes what was received, as without a script, and that the connection ends there.
    EchoAndClose,
    /// Waits for [`RawUpstream::go_on`].
    Wait,
    /// Closes the connection.
    Close,
    /// Cuts the connection.
    Reset,
}

/// When a script begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// With a new connection, before anything is read from it.
    Accept,
    /// With a request's head, its body unread.
    Head,
    /// With a whole request.
    Request,
}

/// A whole request, or the head of one whose body is left unread.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Which connection it came on, counted from 1.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
    size: usize,
}

#[derive(Debug, Default)]
struct State {
    messages: Mutex<Vec<Message>>,
    connections: AtomicUsize,
    bytes: Arc<AtomicUsize>,
    script: Mutex<Option<(From, Vec<Act>)>>,
}

/// A listener with a thread for each connection.
#[derive(Debug)]
pub struct RawUpstream {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    go: Sender<()>,
    played: Receiver<()>,
}

/// A moment in what an upstream has seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    messages: usize,
    connections: usize,
    bytes: usize,
}

/// The upstream's side of the two signals that order a script and its test.
struct Signals {
    go: Mutex<Receiver<()>>,
    played: Sender<()>,
}

impl RawUpstream {
    /// Begins to listen on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let ((go, going), (playing, played)) = (channel(), channel());
        let signals = Arc::new(Signals {
            go: Mutex::new(going),
            played: playing,
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, signals) = (Arc::clone(&shared), Arc::clone(&signals));
                let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
                thread::spawn(move || serve(&state, &signals, stream.unwrap(), number));
            }
        });
        Self {
            address,
            state,
            go,
            played,
        }
    }

    /// What the next connection or request meets.
    pub fn play(&self, from: From, acts: Vec<Act>) {
        while self.played.try_recv().is_ok() {}
        *self.state.script.lock().unwrap() = Some((from, acts));
    }

    /// Forgets a script that nobody has met.
    pub fn play_nothing(&self) {
        *self.state.script.lock().unwrap() = None;
    }

    /// Ends a script's wait.
    pub fn go_on(&self) {
        self.go.send(()).unwrap();
    }

    /// Waits until a script has been played to its end.
    pub fn has_played(&self) {
        self.played.recv().unwrap();
    }

    /// What has been seen until now.
    pub fn mark(&self) -> Mark {
        Mark {
            messages: self.state.messages.lock().unwrap().len(),
            connections: self.state.connections.load(Ordering::SeqCst),
            bytes: self.state.bytes.load(Ordering::SeqCst),
        }
    }

    /// The messages since a mark.
    ///
    /// # Errors
    /// When there are bytes beside them.
    pub fn since(&self, mark: Mark) -> Result<Vec<Message>, String> {
        let messages = self.state.messages.lock().unwrap()[mark.messages..].to_vec();
        let bytes = self.state.bytes.load(Ordering::SeqCst) - mark.bytes;
        let known: usize = messages.iter().map(|message| message.size).sum();
        if bytes != known {
            return Err(format!(
                "{bytes} bytes reached the upstream, {known} of them in whole messages: {messages:?}"
            ));
        }
        Ok(messages)
    }
}

/// One connection, to its end.
fn serve(state: &State, signals: &Signals, stream: TcpStream, number: usize) {
    let mut wire = Wire::new(stream, Arc::clone(&state.bytes));
    let played = converse(state, signals, &mut wire, number);
    // The end of the connection is part of the script.
    drop(wire);
    if played == Ended::ByScript {
        // Whoever started the script may not care for its end.
        let _ = signals.played.send(());
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    ByPeer,
    ByScript,
}

fn converse(state: &State, signals: &Signals, wire: &mut Wire, number: usize) -> Ended {
    let take = |from: From| {
        let mut script = state.script.lock().unwrap();
        script.take_if(|(at, _)| *at == from).map(|(_, acts)| acts)
    };
    if let Some(acts) = take(From::Accept)
        && !play(wire, signals, acts, b"")
    {
        return Ended::ByScript;
    }
    // Whoever sends half a message and leaves is told by the bytes, not by a message.
    while let Ok(Some((head, mut size))) = wire.head() {
        if let Some(acts) = take(From::Head) {
            record(state, number, head, Vec::new(), size);
            if play(wire, signals, acts, b"") {
                // What is left of the body cannot be told from a next request.
                wire.rest();
            }
            return Ended::ByScript;
        }
        let length = head.all("content-length").first().map(|n| n.parse());
        let Ok(body) = wire.exactly(length.unwrap_or(Ok(0)).unwrap()) else {
            return Ended::ByPeer;
        };
        size += body.len();
        let answer = ordinary_answer(&head, &body);
        record(state, number, head, body, size);
        let ended = match take(From::Request) {
            Some(acts) => (!play(wire, signals, acts, &answer)).then_some(Ended::ByScript),
            None => (!wire.send(&answer)).then_some(Ended::ByPeer),
        };
        if let Some(ended) = ended {
            return ended;
        }
    }
    Ended::ByPeer
}

fn ordinary_answer(head: &Head, body: &[u8]) -> Vec<u8> {
    let echo = echo(&head.line, body);
    let length = echo.len();
    let body = if head.line.starts_with("HEAD ") {
        ""
    } else {
        &echo
    };
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What an ordinary answer says.
pub fn echo(line: &str, body: &[u8]) -> String {
    format!("[{line}] {}", body.escape_ascii())
}

fn record(state: &State, connection: usize, head: Head, body: Vec<u8>, size: usize) {
    let message = Message {
        connection,
        head,
        body,
        size,
    };
    state.messages.lock().unwrap().push(message);
}

/// Whether the connection is open after all acts.
fn play(wire: &mut Wire, signals: &Signals, acts: Vec<Act>, ordinary: &[u8]) -> bool {
    let open = acts
        .into_iter()
        .all(|act| perform(wire, signals, act, ordinary));
    if open {
        let _ = signals.played.send(());
    }
    open
}

/// Whether the connection goes on.
fn perform(wire: &mut Wire, signals: &Signals, act: Act, ordinary: &[u8]) -> bool {
    match act {
        Act::Write(bytes) => wire.send(&bytes),
        Act::Drip(bytes) => bytes.iter().all(|byte| wire.send(&[*byte])),
        Act::EchoAndClose => {
            let text = String::from_utf8(ordinary.to_vec()).unwrap();
            let closing = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            wire.send(closing.as_bytes());
            false
        }
        Act::Wait => signals.go.lock().unwrap().recv().is_ok(),
        Act::Close => false,
        Act::Reset => {
            wire.reset_at_end();
            false
        }
    }
}
