//! Just enough HTTP/1.1 for both ends of a measurement: one message read, bytes written.
//!
//! It trusts its peers, which are programs under test with known configurations, and is cheap enough
//! not to be what is measured.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Reads messages from one connection, keeping what comes after one for the next.
pub struct Messages<I> {
    io: I,
    buffer: Vec<u8>,
    start: usize,
}

/// One message within the buffer that it was read into.
pub struct Message<'b> {
    /// Start line and fields, with the empty line.
    pub head: &'b [u8],
    /// The body.
    pub body: &'b [u8],
}

impl<I: AsyncRead + Unpin> Messages<I> {
    /// Room for messages of the usual sizes without growing.
    pub fn new(io: I) -> Self {
        Self {
            io,
            buffer: Vec::with_capacity(16 * 1024),
            start: 0,
        }
    }

    /// The connection itself, for writing.
    pub fn io(&mut self) -> &mut I {
        &mut self.io
    }

    /// The next message, whose body has a stated length or is empty; `None` at the end of the
    /// connection.
    ///
    /// # Errors
    /// When the connection breaks, or ends within a message.
    pub async fn next(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let head_end = loop {
            if let Some(end) = end_of_head(&self.buffer) {
                break end;
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let length = field(&self.buffer[..head_end], "content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0_usize);
        let end = head_end + length;
        self.buffer.reserve(end.saturating_sub(self.buffer.len()));
        while self.buffer.len() < end {
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.start = end;
        let (head, rest) = self.buffer.split_at(head_end);
        Ok(Some(Message {
            head,
            body: &rest[..length],
        }))
    }
}

/// An answer's status.
pub fn status(head: &[u8]) -> Option<u16> {
    let code = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// A field's value without the space around it, by its lower-case name.
pub fn field<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    let value = lines.find_map(|line| {
        let (field, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        field.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    })?;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// Where the head that the bytes begin with ends. Looks at line ends only.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line_end = from + bytes[from..].iter().position(|byte| *byte == b'\n')?;
        if bytes[..line_end].ends_with(b"\r\n\r") {
            return Some(line_end + 1);
        }
        from = line_end + 1;
    }
}
