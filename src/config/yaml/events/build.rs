//! Whole nodes out of events, each counted against the limits before it is kept.

use std::rc::Rc;

use granit_parser::{Event, ScalarStyle, Span, Tag};
use zeroize::Zeroizing;

use super::{Events, position};
use crate::config::problem::Position;
use crate::config::yaml::{Fault, Key, Kind, Node};

/// How many nodes anchors may keep in memory over the whole document.
const NODES_KEPT: usize = 100_000;

impl<'t> Events<'t> {
    /// The node that begins with `event`, whole.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum may grow, and its other events begin no node"
    )]
    pub(super) fn build(&mut self, event: Event<'t>, span: Span) -> Result<Node, Fault> {
        let at = position(&span);
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, at)?;
                if text.len() > self.limits.scalar_bytes {
                    let limit = self.limits.scalar_bytes;
                    let message = format!("text is longer than {limit} bytes");
                    return Err(Fault::new(at, message));
                }
                let tag = tag.as_deref();
                check_tag(tag, &span, &["str", "int", "bool", "null", "float"])?;
                let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| !is_text(tag));
                let text = Zeroizing::new(text.into_owned());
                let kind = if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
                {
                    Kind::Null
                } else {
                    let text = Rc::new(text);
                    Kind::Scalar { text, plain }
                };
                (leaf(at, kind), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), &span, &["seq"])?;
                (self.build_sequence(at)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), &span, &["map"])?;
                (self.build_mapping(at)?, anchor)
            }
            Event::Alias(anchor) => return self.repeat(anchor, at),
            _ => return Err(Fault::new(at, "a value is missing here")),
        };
        self.keep(anchor, &node)?;
        Ok(node)
    }

    fn build_sequence(&mut self, at: Position) -> Result<Node, Fault> {
        self.open(at)?;
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.build(event, span)?);
        }
        self.depth -= 1;
        let (nodes, height) = measure(items.iter());
        let kind = Kind::Sequence(items.into());
        Ok(Node {
            at,
            kind,
            nodes,
            height,
        })
    }

    fn build_mapping(&mut self, at: Position) -> Result<Node, Fault> {
        self.open(at)?;
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.build_key(event, span)?;
            let (event, span) = self.next()?;
            entries.push((key, self.build(event, span)?));
        }
        self.depth -= 1;
        let (nodes, height) = measure(entries.iter().map(|(_, value)| value));
        let kind = Kind::Mapping(entries.into());
        Ok(Node {
            at,
            kind,
            nodes,
            height,
        })
    }

    /// The key that begins with `event`.
    pub(super) fn build_key(&mut self, event: Event<'t>, span: Span) -> Result<Key, Fault> {
        let at = position(&span);
        let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
        match self.build(event, span)?.kind {
            Kind::Null => Ok(Key {
                at,
                text: Zeroizing::default(),
                merges,
            }),
            Kind::Scalar { text, .. } => Ok(Key {
                at,
                text: Rc::unwrap_or_clone(text),
                merges,
            }),
            Kind::Sequence(_) | Kind::Mapping(_) => Err(Fault::new(at, "a key must be text")),
        }
    }

    fn repeat(&mut self, anchor: usize, at: Position) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let message = "an alias cannot stand for something that it is part of or that is as \
                           large as the list of tools";
            return Err(Fault::new(at, message));
        };
        if self.depth + node.height > self.limits.depth {
            return Err(self.too_deep(at));
        }
        self.count(node.nodes, at)?;
        Ok(node)
    }

    /// Keeps what has an anchor; 0 means that it has none.
    fn keep(&mut self, anchor: usize, node: &Node) -> Result<(), Fault> {
        if anchor == 0 {
            return Ok(());
        }
        self.kept = self.kept.saturating_add(node.nodes);
        if self.anchors.len() >= self.limits.anchors || self.kept > NODES_KEPT {
            let message = format!(
                "too many anchors: at most {} of them, with at most {NODES_KEPT} values in all",
                self.limits.anchors
            );
            return Err(Fault::new(node.at, message));
        }
        self.anchors.insert(anchor, node.clone());
        Ok(())
    }

    /// Goes one level down.
    pub(super) fn open(&mut self, at: Position) -> Result<(), Fault> {
        self.count(1, at)?;
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.too_deep(at));
        }
        Ok(())
    }

    fn too_deep(&self, at: Position) -> Fault {
        let depth = self.limits.depth;
        Fault::new(at, format!("is nested more than {depth} levels deep"))
    }

    fn count(&mut self, nodes: usize, at: Position) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        let limit = if self.nodes > self.limits.nodes {
            self.limits.nodes
        } else if self.nodes > self.nodes_at_most {
            self.limits.nodes_at_once
        } else {
            return Ok(());
        };
        let message = format!("holds more than {limit} values, counting what aliases repeat");
        Err(Fault::new(at, message))
    }
}

pub(super) fn leaf(at: Position, kind: Kind) -> Node {
    Node {
        at,
        kind,
        nodes: 1,
        height: 0,
    }
}

/// Nodes and height of a collection of `parts`.
fn measure<'n>(parts: impl Iterator<Item = &'n Node>) -> (usize, usize) {
    let start = (1_usize, 0);
    let (nodes, height) = parts.fold(start, |(nodes, height), part| {
        (nodes.saturating_add(part.nodes), height.max(part.height))
    });
    (nodes, height + 1)
}

/// Only the core schema's tags for this kind of node; `!` alone is a plain node's "take it as is".
pub(super) fn check_tag(tag: Option<&Tag>, span: &Span, allowed: &[&str]) -> Result<(), Fault> {
    let Some(tag) = tag else { return Ok(()) };
    let known = tag
        .core_suffix()
        .is_some_and(|suffix| allowed.contains(&suffix));
    if known || is_nonspecific(tag) {
        return Ok(());
    }
    let at = span.tag_start().unwrap_or(span.start);
    let message = "this tag is not supported here; leave it out";
    Err(Fault::new(Position::from_marker(&at), message))
}

fn is_text(tag: &Tag) -> bool {
    is_nonspecific(tag) || tag.is_yaml_core_schema_tag("str")
}

fn is_nonspecific(tag: &Tag) -> bool {
    matches!(tag.parts(), ("", "!") | ("!", ""))
}
