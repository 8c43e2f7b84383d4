//! Just enough HTTP/1.1 to see the very bytes that went over a wire. Panics on anything that is not
//! well formed, because a test that reads a malformed request has found a bug.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A request or response head, as it stood on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The first line, without its end.
    pub start_line: String,
    /// Fields in order; names as they were spelled.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Every value of a field, whatever the case of its name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The one value of a field.
    ///
    /// # Panics
    /// When there is none or more than one.
    #[track_caller]
    pub fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [only] => only,
            ref all => panic!("{name} is there {} times: {self:?}", all.len()),
        }
    }

    fn parse(text: &str) -> Self {
        let mut lines = text
            .strip_suffix("\r\n\r\n")
            .expect("a head ends in a blank line")
            .split("\r\n");
        let start_line = lines.next().expect("a head has a first line").to_owned();
        let field = |line: &str| {
            let (name, value) = line
                .split_once(": ")
                .expect("a field has a colon and a space");
            assert!(
                !name.contains([' ', '\t', '\n']),
                "a field's name holds white space: {line:?}"
            );
            (name.to_owned(), value.to_owned())
        };
        Self {
            start_line,
            fields: lines.map(field).collect(),
        }
    }
}

/// Reads messages from a connection, keeping what has arrived beyond the one that was asked for.
#[derive(Debug)]
pub struct Reader<I> {
    io: I,
    buffer: Vec<u8>,
}

impl<I: AsyncRead + Unpin> Reader<I> {
    /// Starts with an empty buffer.
    pub fn new(io: I) -> Self {
        Self {
            io,
            buffer: Vec::new(),
        }
    }

    /// The connection, for writing.
    pub fn io(&mut self) -> &mut I {
        &mut self.io
    }

    /// The next head, or `None` when the connection ends before its first byte.
    pub async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(Head::parse(&String::from_utf8_lossy(&head)));
            }
            if !self.fill().await {
                assert!(self.buffer.is_empty(), "the connection ended within a head");
                return None;
            }
        }
    }

    /// The next `length` bytes, or `None` when the connection ends before.
    pub async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.buffer.drain(..length).collect())
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Bytes that have arrived and not been asked for.
    pub fn left_over(&self) -> usize {
        self.buffer.len()
    }

    /// False at the end of the connection; a reset is an end too.
    async fn fill(&mut self) -> bool {
        matches!(self.io.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }
}
