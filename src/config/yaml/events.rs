//! The parser's events, turned into nodes under a budget.
//!
//! A caller either takes whole nodes or steps into a collection and takes its parts one by one;
//! only the part at hand and what anchors keep is in memory. After a [`Fault`] nothing more can be
//! read.

mod build;

use std::collections::HashMap;

use granit_parser::{Event, Parser, Span, StrInput};

use super::syntax::Fault;
use super::{Key, Kind, Limits, Node};
use crate::config::problem::Position;

use build::{check_tag, leaf};

/// Reads one document from its beginning to its end.
pub struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    limits: Limits,
    /// Collections that were stepped into and not left yet.
    depth: usize,
    /// Nodes read so far, aliases expanded.
    nodes: usize,
    /// What `nodes` may become before the part at hand is too large.
    nodes_at_most: usize,
    anchors: HashMap<usize, Node>,
    /// Nodes that `anchors` keeps.
    kept: usize,
    /// Whether there is no document at all, which reads as one null.
    empty: bool,
}

/// What [`Events::enter`] found.
pub enum Entered {
    /// A sequence begins here; its items follow.
    Sequence(Position),
    /// A mapping begins here; its keys and values follow.
    Mapping(Position),
    /// A scalar or an alias, whole.
    Whole(Node),
}

impl<'t> Events<'t> {
    /// Opens the document.
    ///
    /// # Errors
    /// When the text does not begin like YAML.
    pub fn new(text: &'t str, limits: &Limits) -> Result<Self, Fault> {
        // The parser takes a null character for the end of the input and would drop the rest.
        if let Some(offset) = text.find('\0') {
            let message = "holds a null character; is it text in UTF-8?";
            return Err(Fault::new(Position::of(text, offset), message));
        }
        let options = granit_parser::options! {
            flow_nesting_limit: limits.depth,
            block_nesting_limit: limits.depth,
        };
        let mut events = Self {
            parser: Parser::new_from_str_with_options(text, options),
            limits: *limits,
            depth: 0,
            nodes: 0,
            nodes_at_most: 0,
            anchors: HashMap::new(),
            kept: 0,
            empty: false,
        };
        events.next()?; // the start of the stream
        let (event, _) = events.next()?;
        events.empty = matches!(event, Event::StreamEnd);
        Ok(events)
    }

    /// Reads the next node, whole.
    ///
    /// # Errors
    /// When it is not YAML or passes a limit.
    pub fn node(&mut self) -> Result<Node, Fault> {
        if self.empty {
            return Ok(leaf(Position::START, Kind::Null));
        }
        let (event, span) = self.next()?;
        self.begin_part();
        self.build(event, span)
    }

    /// Steps into the next node if it is a collection, and reads it whole if it is not.
    ///
    /// What was stepped into cannot be repeated by an alias.
    ///
    /// # Errors
    /// When it is not YAML or passes a limit.
    pub fn enter(&mut self) -> Result<Entered, Fault> {
        if self.empty {
            return self.node().map(Entered::Whole);
        }
        let (event, span) = self.next()?;
        self.begin_part();
        let at = position(&span);
        if let Event::SequenceStart(_, _, tag) = &event {
            check_tag(tag.as_deref(), &span, &["seq"])?;
            self.open(at)?;
            Ok(Entered::Sequence(at))
        } else if let Event::MappingStart(_, _, tag) = &event {
            check_tag(tag.as_deref(), &span, &["map"])?;
            self.open(at)?;
            Ok(Entered::Mapping(at))
        } else {
            self.build(event, span).map(Entered::Whole)
        }
    }

    /// The next item of the sequence that was stepped into; `None` at its end, which leaves it.
    ///
    /// # Errors
    /// When it is not YAML or passes a limit.
    pub fn item(&mut self) -> Result<Option<Node>, Fault> {
        let (event, span) = self.next()?;
        if matches!(event, Event::SequenceEnd) {
            self.depth -= 1;
            return Ok(None);
        }
        self.begin_part();
        self.build(event, span).map(Some)
    }

    /// The next key of the mapping that was stepped into; `None` at its end, which leaves it.
    ///
    /// # Errors
    /// When it is not YAML or passes a limit.
    pub fn key(&mut self) -> Result<Option<Key>, Fault> {
        let (event, span) = self.next()?;
        if matches!(event, Event::MappingEnd) {
            self.depth -= 1;
            return Ok(None);
        }
        self.begin_part();
        self.build_key(event, span).map(Some)
    }

    /// Passes over the next node, however large it is, without keeping any of it.
    ///
    /// # Errors
    /// When it is not YAML or is nested too deeply.
    pub fn skip(&mut self) -> Result<(), Fault> {
        let mut open = 0_usize;
        loop {
            let event = self.next()?.0;
            if matches!(event, Event::SequenceStart(..) | Event::MappingStart(..)) {
                open += 1;
            } else if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                open -= 1;
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// Makes sure that nothing follows the document.
    ///
    /// # Errors
    /// When something does, which includes a second document.
    pub fn close(&mut self) -> Result<(), Fault> {
        if self.empty {
            return Ok(());
        }
        self.next()?; // the end of the document
        let (event, span) = self.next()?;
        if matches!(event, Event::StreamEnd) {
            Ok(())
        } else {
            let message = "a second document begins here; the file must hold one";
            Err(Fault::new(position(&span), message))
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Fault::from(&error)),
            None => Err(Fault::new(Position::START, "ends too early")),
        }
    }

    fn begin_part(&mut self) {
        self.nodes_at_most = self.nodes.saturating_add(self.limits.nodes_at_once);
    }
}

impl std::fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

fn position(span: &Span) -> Position {
    Position::from_marker(&span.start)
}
