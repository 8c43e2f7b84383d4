//! YAML text in, nodes with positions out.
//!
//! A bounded reader of one document: size, depth, nodes, anchors and what aliases expand to all
//! have limits, so that a hostile file costs little before it is refused. Nodes keep scalars as
//! they were written; what a scalar means depends on the field that wants it, which `fields`
//! decides. Why events and not serde: `docs/decisions/0001-yaml-from-events.md`.

mod events;
mod syntax;

use std::fmt;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::config::problem::Position;

pub use events::{Entered, Events};
pub use syntax::Fault;

/// How much of a document is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Collections within collections.
    pub depth: usize,
    /// Nodes of the whole document, with every alias counted as what it stands for.
    pub nodes: usize,
    /// Nodes, counted the same way, of what is in memory at once: the document, or one item of it
    /// where items are read one by one.
    pub nodes_at_once: usize,
    /// Bytes of one scalar.
    pub scalar_bytes: usize,
    /// `&anchors` of the document.
    pub anchors: usize,
}

impl Limits {
    /// For a file of settings.
    pub const SETTINGS: Self = Self {
        bytes: 1024 * 1024,
        depth: 32,
        nodes: 20_000,
        nodes_at_once: 20_000,
        scalar_bytes: 256 * 1024,
        anchors: 1_000,
    };

    /// For a registry: 100,000 tools are about 30 MB and two million nodes.
    pub const REGISTRY: Self = Self {
        bytes: 64 * 1024 * 1024,
        depth: 32,
        nodes: 10_000_000,
        nodes_at_once: 10_000,
        scalar_bytes: 256 * 1024,
        anchors: 1_000,
    };
}

/// A part of a document. Cloning shares what is inside.
#[derive(Clone)]
pub struct Node {
    /// Where it begins. What an alias stands for keeps the place where it is written out.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
    /// Itself and everything within, aliases expanded.
    nodes: usize,
    /// Collections from here down to the deepest scalar.
    height: usize,
}

/// What a node is.
#[derive(Clone)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as it was written, escapes resolved.
    Scalar {
        /// Its text.
        text: Rc<Zeroizing<String>>,
        /// Whether it may be a number or a boolean; quotes, blocks and `!!str` make it text.
        plain: bool,
    },
    /// `- a` or `[a]`.
    Sequence(Rc<[Node]>),
    /// `a: b` or `{a: b}`, in the order written, duplicates and `<<` included.
    Mapping(Rc<[(Key, Node)]>),
}

/// A mapping's key.
pub struct Key {
    /// Where it begins.
    pub at: Position,
    /// Its text; it may be a misplaced secret.
    pub text: Zeroizing<String>,
    /// Whether it is `<<`, unquoted: the value's fields are taken over.
    pub merges: bool,
}

impl Node {
    /// What it is, in words for "found …".
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }

    /// The value of a mapping's first key of this name, its own before what `<<` brings.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let (_, value) = self.entry(name)?;
        Some(value)
    }

    /// The mapping's first key of this name with its value, its own before what `<<` brings.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Self)> {
        let Kind::Mapping(entries) = &self.kind else {
            return None;
        };
        let own = |key: &Key| !key.merges && key.text.as_str() == name;
        let found = entries.iter().find(|(key, _)| own(key));
        found.map(|(key, value)| (key, value)).or_else(|| {
            let merges = entries.iter().filter(|(key, _)| key.merges);
            merges
                .flat_map(|(_, value)| match &value.kind {
                    Kind::Mapping(_) => std::slice::from_ref(value),
                    Kind::Sequence(sources) => sources,
                    Kind::Null | Kind::Scalar { .. } => &[],
                })
                .find_map(|source| source.entry(name))
        })
    }
}

/// Shows the place and the kind; text may be secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}:{} ", self.at.line, self.at.column)?;
        write!(f, "{})", self.noun())
    }
}

/// Reads `text` as one document, held in memory as a whole.
///
/// # Errors
/// When it is not YAML, is more than one document, or passes a limit. What fields mean is not
/// looked at.
pub fn parse(text: &str, limits: &Limits) -> Result<Node, Fault> {
    let mut events = Events::new(text, limits)?;
    let root = events.node()?;
    events.close()?;
    Ok(root)
}

#[cfg(test)]
mod tests;
