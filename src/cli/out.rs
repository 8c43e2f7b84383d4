//! Where commands print: standard output and standard error that survive a reader who has left.
//!
//! `countersign check | head -1` closes the pipe early. That is the reader's right, so everything
//! after it is dropped silently; any other failure to write is the command's failure.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// A stream to print to.
pub struct Out {
    to: Box<dyn Write>,
    terminal: bool,
    colour: bool,
    /// The reader is gone.
    closed: bool,
}

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// A headline.
    Strong,
    /// Something less important.
    Faint,
    /// Something that is as it should be.
    Good,
    /// Something that is not.
    Bad,
}

impl Out {
    /// Standard output, buffered by line.
    pub fn stdout() -> Self {
        Self::new(io::stdout(), io::stdout().is_terminal())
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self::new(io::stderr(), io::stderr().is_terminal())
    }

    fn new(to: impl Write + 'static, terminal: bool) -> Self {
        Self {
            to: Box::new(to),
            terminal,
            colour: terminal && colour_is_wanted(),
            closed: false,
        }
    }

    /// Whether a person reads this.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Prints a line.
    ///
    /// # Errors
    /// When it cannot be written for any reason but a closed pipe.
    pub fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// When they cannot be written for any reason but a closed pipe.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = self.to.write_all(bytes);
        self.unless_closed(written)
    }

    /// Prints text as it is, where nobody can be told that it failed.
    pub fn say(&mut self, text: &str) {
        let _ = self.bytes(text.as_bytes()).and_then(|()| self.finish());
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// When it cannot be written for any reason but a closed pipe.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.unless_closed(flushed)
    }

    /// The text, standing out where this is a terminal that may be coloured.
    pub fn styled(&self, style: Style, text: impl fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn unless_closed(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// Whether a terminal may be coloured.
pub fn colour_is_wanted() -> bool {
    // https://no-color.org: any value but an empty one switches colour off.
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_failure_and_a_full_disk_is_one() {
        let mut left = Out::new(Failing(io::ErrorKind::BrokenPipe), false);
        left.line("text").unwrap();
        left.finish().unwrap();
        let mut full = Out::new(Failing(io::ErrorKind::StorageFull), false);
        assert_eq!(
            full.line("text").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }

    #[test]
    fn nothing_is_coloured_away_from_a_terminal() {
        let out = Out::new(io::sink(), false);
        assert_eq!(out.styled(Style::Bad, "text"), "text");
    }
}
