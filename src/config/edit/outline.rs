//! Where things are: the byte ranges of a list of tools or policies and of everything in one of them.
//!
//! The parser's events say where tokens are; what lies between them (dashes, colons, comments,
//! the heads of block scalars) is found in the text. A text that gets here has been read as a
//! registry before, so limits, duplicates and types are not looked at again.

mod trace;

use granit_parser::ScalarStyle;

use super::text;

/// One of the two lists of a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum List {
    /// `tools:`.
    Tools,
    /// `policies:`.
    Policies,
}

impl List {
    /// Its key in the file.
    fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Policies => "policies",
        }
    }
}

/// The fields of a whole file.
#[derive(Debug)]
pub struct Root {
    /// Where `{` and `}` are, if the file is written within them.
    pub braces: Option<(usize, usize)>,
    /// Its fields, in order.
    pub pairs: Vec<Span>,
}

/// Where a field of the file is.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Where the key is.
    pub key: Extent,
    /// Where the value is.
    pub value: Extent,
}

impl Span {
    /// Behind its last character. A key may have no value at all.
    pub fn end(&self) -> usize {
        self.value.end.max(self.key.end)
    }
}

impl Root {
    /// Outlines a file. `None` where the parser and the text do not fit together.
    pub fn of(text: &str) -> Option<Self> {
        trace::Tracer::new(text).root()
    }

    /// Whether it has this list.
    pub fn has(&self, text: &str, list: List) -> bool {
        let is_list = |pair: &Span| is_key(&text[pair.key.start..pair.key.end], list);
        self.pairs.iter().any(is_list)
    }

    /// The column that its keys begin at.
    pub fn column(&self, text: &str) -> Option<usize> {
        let key = self.pairs.last()?.key.start;
        Some(key - text::line_start(text, key))
    }
}

/// Whether a key, as it is written, is that of a list.
fn is_key(written: &str, list: List) -> bool {
    written.trim_matches(['"', '\'']) == list.key()
}

/// A list in a text.
#[derive(Debug)]
pub struct Outline {
    /// Where the list's key begins and ends.
    pub key: (usize, usize),
    /// Where `[` and `]` are, if the list is written with them.
    pub brackets: Option<(usize, usize)>,
    /// Whether the whole file is within braces.
    pub braced: bool,
    /// The entries, in order.
    pub items: Vec<Extent>,
    /// The entry that was asked for, in full.
    pub target: Option<Part>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Its first character, behind dash, anchor and tag.
    pub start: usize,
    /// Behind its last character; a line break is not part of it.
    pub end: usize,
    /// The line that `start` is in, from 1.
    pub line: u32,
    /// How it ends.
    pub ending: Ending,
    /// Whether it is written in braces.
    pub braced: bool,
}

/// How a value ends, which says what may follow it without becoming part of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// With a token.
    Token,
    /// With a block scalar, which a line break ends.
    Block,
    /// With a block scalar that keeps the line breaks after it (`|+`, `>+`).
    Keeping,
}

/// A value.
#[derive(Debug)]
pub struct Part {
    /// Where it is.
    pub extent: Extent,
    /// What it is.
    pub shape: Shape,
    /// Whether it, or something in it, has an anchor.
    pub anchored: bool,
}

/// What a value is, as far as editing it goes.
#[derive(Debug)]
pub enum Shape {
    /// A plain or quoted scalar.
    Scalar(ScalarStyle),
    /// A block scalar; the extent begins with its `|` or `>`.
    Block,
    /// `*name`.
    Alias,
    /// A list.
    List,
    /// A mapping; the extent says whether in braces.
    Mapping(Vec<Pair>),
}

/// A key with its value.
#[derive(Debug)]
pub struct Pair {
    /// The key's text; nothing for a key that is no text.
    pub name: String,
    /// Where the key is.
    pub key: Extent,
    /// Whether the key is in double quotes.
    pub quoted: bool,
    /// The value.
    pub value: Part,
}

impl Part {
    /// Its pairs; none if it is no mapping.
    pub fn pairs(&self) -> &[Pair] {
        match &self.shape {
            Shape::Mapping(pairs) => pairs,
            Shape::Scalar(_) | Shape::Block | Shape::Alias | Shape::List => &[],
        }
    }

    /// The pair of this name.
    pub fn pair(&self, name: &str) -> Option<&Pair> {
        self.pairs().iter().find(|pair| pair.name == name)
    }
}

impl Pair {
    /// Behind its last character. A key may have no value at all.
    pub fn end(&self) -> usize {
        self.value.extent.end.max(self.key.end)
    }
}

impl Outline {
    /// Outlines a list, with the entry at index `target` in full. `None` where the parser and the
    /// text do not fit together, which is a reason not to edit it.
    pub fn of(text: &str, list: List, target: Option<usize>) -> Option<Self> {
        trace::Tracer::new(text).list_of(list, target)
    }

    /// Where the dash of the entry at `index` is, in a list that is written with dashes.
    pub fn dash(&self, text: &str, index: usize) -> Option<usize> {
        let before = match index.checked_sub(1) {
            Some(previous) => self.items.get(previous)?.end,
            None => self.colon(text)?,
        };
        let mut at = text::skip_gap(text, before);
        while text[at..].starts_with(['&', '!']) {
            at = text::skip_gap(text, at + text[at..].find([' ', '\t', '\n', '\r'])?);
        }
        text[at..].starts_with('-').then_some(at)
    }

    /// The offset behind the colon of the list's key.
    pub fn colon(&self, text: &str) -> Option<usize> {
        let at = text::skip_gap(text, self.key.1);
        text[at..].starts_with(':').then_some(at + 1)
    }
}
