//! A listener of the attacker's: it serves the hostile page under `/page`, hands everything else on
//! to a listener of the sidecar, and keeps a copy of what went by.

use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const PAGE: &str = include_str!("../../browser/page.html");

/// One connection's bytes: what came from the browser, and what went back.
type Copied = Arc<[Mutex<Vec<u8>>; 2]>;

/// The listener. Its threads live as long as the test process.
pub struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Copied>>>,
}

/// A request with a `via` and the status that it was answered with.
pub struct Answered {
    pub via: String,
    pub method: String,
    pub status: u16,
}

impl Tap {
    /// A tap before a listener of the sidecar.
    pub fn before(listener: SocketAddr) -> Self {
        Self::start(Some(listener))
    }

    /// Only pages.
    pub fn of_pages() -> Self {
        Self::start(None)
    }

    fn start(behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let copied = Copied::default();
                kept.lock().unwrap().push(Arc::clone(&copied));
                // A browser may leave at any moment.
                thread::spawn(move || drop(serve(stream, behind, &copied)));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Its origin under a name that leads to this machine.
    pub fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    /// Every answered request so far that a page says it made; a browser asks for icons by itself.
    pub fn answered(&self) -> Vec<Answered> {
        let connections = self.connections.lock().unwrap();
        let text =
            |side: &Mutex<Vec<u8>>| String::from_utf8_lossy(&side.lock().unwrap()).into_owned();
        let of_connection = |copied: &Copied| {
            let (requests, answers) = (requests(&text(&copied[0])), statuses(&text(&copied[1])));
            let answered = |((method, via), status): ((String, Option<String>), u16)| {
                Some(Answered {
                    via: via?,
                    method,
                    status,
                })
            };
            let both = requests.into_iter().zip(answers);
            both.filter_map(answered).collect::<Vec<_>>()
        };
        connections.iter().flat_map(of_connection).collect()
    }
}

/// Method and `via` of each request, in order. A body may stand before a request line, without a
/// line break in between.
fn requests(text: &str) -> Vec<(String, Option<String>)> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_suffix(" HTTP/1.1"));
    let parse = |line: &str| {
        let (before, target) = line.rsplit_once(' ')?;
        let method = ["GET", "POST", "OPTIONS", "DELETE"];
        let method = method.into_iter().find(|method| before.ends_with(method))?;
        let via = target.split_once("?via=").map(|(_, via)| via.to_owned());
        Some((method.to_owned(), via))
    };
    lines.filter_map(parse).collect()
}

fn statuses(text: &str) -> Vec<u16> {
    let starts = text.split("HTTP/1.1 ").skip(1);
    starts
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .collect()
}

fn serve(
    mut browser: TcpStream,
    behind: Option<SocketAddr>,
    copied: &Copied,
) -> std::io::Result<()> {
    let mut first = [0; 64 * 1024];
    let length = browser.read(&mut first)?;
    let first = &first[..length];
    let is_page = first.starts_with(b"GET /page?");
    let Some(behind) = behind.filter(|_| !is_page) else {
        let (status, body) = if is_page {
            ("200 OK", PAGE)
        } else {
            ("404 Not Found", "")
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        return browser.write_all((head + body).as_bytes());
    };
    let mut listener = TcpStream::connect(behind)?;
    copied[0].lock().unwrap().extend_from_slice(first);
    listener.write_all(first)?;
    let back = (
        listener.try_clone()?,
        browser.try_clone()?,
        Arc::clone(copied),
    );
    thread::spawn(move || drop(hand_on(back.0, back.1, &back.2[1])));
    hand_on(browser, listener, &copied[0])
}

/// Copies until one side ends, and ends the other.
fn hand_on(mut from: TcpStream, mut to: TcpStream, copy: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut piece = [0; 64 * 1024];
    loop {
        let length = from.read(&mut piece).unwrap_or(0);
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&piece[..length])?;
        copy.lock().unwrap().extend_from_slice(&piece[..length]);
    }
}
