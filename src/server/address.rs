//! Where a listener can be: an IP address with a port, or a socket file with its mode.
//!
//! A [`ListenAddress`] that exists can be handed to the system as it is: a path fits into a socket
//! address and names a file. Whether it is free, and whether the file may be opened to everybody
//! without a token, is for others to say.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

/// Bytes of a socket's path: `sun_path` has 108 on Linux, and the last one stays zero.
pub(super) const MAX_PATH_BYTES: usize = 107;

/// What tells a path from an IP address.
const UNIX: &str = "unix:";

/// An address to listen on, which is shown as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAddress {
    /// An IP address with a port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// A socket file: an absolute path of at most 107 bytes.
    Unix(Box<Path>),
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", ListenAddress::RULE)]
pub struct InvalidAddress;

impl ListenAddress {
    /// What the text of an address must be, as the end of a sentence about it.
    pub const RULE: &str = "must be an IP address with a port, such as 127.0.0.1:8787 or \
        [::1]:8787, or unix: and an absolute path of at most 107 bytes, such as \
        unix:/run/countersign/agents.sock";

    /// The address and port, unless it is a socket file.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether a listener at each of the two could not be. Two times any free port is two ports.
    pub fn collides_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one == other && one.port() != 0,
            (Self::Unix(one), Self::Unix(other)) => one == other,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp).map_err(|_| InvalidAddress);
        };
        let names_a_file = path.starts_with('/')
            && !path.ends_with('/')
            && !path.contains('\0')
            && Path::new(path).file_name().is_some();
        if names_a_file && path.len() <= MAX_PATH_BYTES {
            Ok(Self::Unix(Path::new(path).into()))
        } else {
            Err(InvalidAddress)
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Who may connect to a socket file: the permission bits of its owner, its group and all others.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SocketMode(u32);

/// A text that is no mode of a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", SocketMode::RULE)]
pub struct InvalidMode;

impl SocketMode {
    /// What the text of a mode must be, as the end of a sentence about it.
    pub const RULE: &str = "must be three octal digits with or without a 0 before them, such as \
        \"0600\" or \"0660\", the last one without the execute bit";

    /// The owner alone.
    pub const OWNER: Self = Self(0o600);

    const OTHERS: u32 = 0o007;
    const OTHERS_EXECUTE: u32 = 0o001;

    /// The bits, as `chmod` takes them.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether users besides the owner and the group get anything. Linux asks for the write bit of
    /// those who connect; other systems ask for less.
    pub fn admits_others(self) -> bool {
        self.0 & Self::OTHERS != 0
    }
}

impl FromStr for SocketMode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        let digits = match text.len() {
            4 => text.strip_prefix('0').ok_or(InvalidMode)?,
            _ => text,
        };
        let is_octal = |byte| matches!(byte, b'0'..=b'7');
        if digits.len() != 3 || !digits.bytes().all(is_octal) {
            return Err(InvalidMode);
        }
        let bits = u32::from_str_radix(digits, 8).map_err(|_| InvalidMode)?;
        // To execute a socket means nothing, so a mode that lets everybody do it was meant for
        // something else.
        if bits & Self::OTHERS_EXECUTE == 0 {
            Ok(Self(bits))
        } else {
            Err(InvalidMode)
        }
    }
}

impl fmt::Debug for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketMode({:04o})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<ListenAddress>) {
        let read = text.parse::<ListenAddress>();
        assert_eq!(read.as_ref().ok(), expected.as_ref(), "{text:?}");
        if let Ok(address) = read {
            assert_eq!(address.to_string(), text);
        }
    }

    // spec: CONF-1
    #[test]
    fn an_address_is_a_port_or_an_absolute_path() {
        let tcp = |text: &str| Some(ListenAddress::Tcp(text.parse().unwrap()));
        let unix = |path: &str| Some(ListenAddress::Unix(Path::new(path).into()));
        let longest = format!("/{}", "x".repeat(MAX_PATH_BYTES - 1));
        for (text, expected) in [
            ("127.0.0.1:8787", tcp("127.0.0.1:8787")),
            ("[::1]:0", tcp("[::1]:0")),
            ("unix:/run/a.sock", unix("/run/a.sock")),
            ("unix:///run/a.sock", unix("/run/a.sock")),
            ("unix:/run/with space", unix("/run/with space")),
            ("unix:/é", unix("/é")),
            (&format!("unix:{longest}"), unix(&longest)),
            (&format!("unix:{longest}x"), None),
            ("unix:", None),
            ("unix:/", None),
            ("unix:/..", None),
            ("unix:/run/", None),
            ("unix:run/a.sock", None),
            ("unix:./a.sock", None),
            ("unix:@abstract", None),
            ("unix:/run/a\0b", None),
            ("UNIX:/run/a.sock", None),
            ("/run/a.sock", None),
            ("127.0.0.1", None),
            ("localhost:8787", None),
            ("", None),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn two_listeners_need_two_places() {
        for (one, other, collide) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a/b", "unix://a/./b", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", "127.0.0.1:1", false),
        ] {
            let one: ListenAddress = one.parse().unwrap();
            let other: ListenAddress = other.parse().unwrap();
            assert_eq!(one.collides_with(&other), collide, "{one} {other}");
            assert_eq!(other.collides_with(&one), collide, "{other} {one}");
        }
    }

    // spec: CONF-1
    #[test]
    fn a_mode_is_three_octal_digits() {
        for (text, expected) in [
            ("0600", Some((0o600, false))),
            ("600", Some((0o600, false))),
            ("0660", Some((0o660, false))),
            ("0770", Some((0o770, false))),
            ("0000", Some((0, false))),
            ("0666", Some((0o666, true))),
            ("0604", Some((0o604, true))),
            ("602", Some((0o602, true))),
            ("0777", None),
            ("0601", None),
            ("1600", None),
            ("00600", None),
            ("0o600", None),
            ("+600", None),
            ("0680", None),
            ("60", None),
            ("0066", Some((0o066, true))),
            ("rw-", None),
            ("", None),
        ] {
            let read = text.parse::<SocketMode>().ok();
            let read = read.map(|mode| (mode.bits(), mode.admits_others()));
            assert_eq!(read, expected, "{text:?}");
        }
        assert_eq!("0600".parse(), Ok(SocketMode::OWNER));
        assert_eq!(format!("{:?}", SocketMode::OWNER), "SocketMode(0600)");
    }
}
