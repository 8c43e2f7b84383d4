//! The path of a field, such as `tools[3].auth.secret`.
//!
//! Paths are chains of borrowed steps, so that reading a good file of 100,000 tools makes no text
//! of any of them.

use std::fmt;

use crate::config::yaml::{Key, Kind, Node};

/// Where in a document's structure a value stands.
#[derive(Clone, Copy, Debug)]
pub enum FieldPath<'p> {
    /// The document itself.
    Root,
    /// A named field.
    Name(&'p FieldPath<'p>, &'p str),
    /// An item of a list, from 0.
    Index(&'p FieldPath<'p>, usize),
}

impl<'p> FieldPath<'p> {
    /// The path of a field whose name is the file's own choice: the name is part of the path only
    /// if it cannot be a secret that lost its way, else the mapping's path must do.
    ///
    /// `{ secret:hunter2hunter2 }` is a name without a value, and a name with digits, dashes or
    /// capitals is unlike any of ours.
    // spec: REG-2
    pub fn of_key(parent: &'p Self, key: &'p Key, value: &Node) -> Self {
        const LONGEST: usize = 32;
        let ours = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let named = !matches!(value.kind, Kind::Null);
        if named && key.text.len() <= LONGEST && key.text.bytes().all(ours) {
            Self::Name(parent, &key.text)
        } else {
            *parent
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Name(Self::Root, name) => f.write_str(name),
            Self::Name(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
