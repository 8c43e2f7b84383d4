//! From the parser's events to an outline.
//!
//! The parser's offsets are exact for tokens. For block scalars and for values that are not there
//! they are not, and the text is asked.

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};

use super::super::text;
use super::{Ending, Extent, List, Outline, Pair, Part, Root, Shape, is_key};

/// Follows the events through the text.
pub(super) struct Tracer<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    /// Behind the last token that was seen.
    at: usize,
}

impl<'t> Tracer<'t> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            parser: Parser::new_from_str(text),
            at: 0,
        }
    }

    /// The outline of the whole file.
    pub(super) fn root(&mut self) -> Option<Root> {
        let (open, braced) = self.first_mapping()?;
        let mut pairs = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let close = span.byte_range()?.start;
                let braces = braced.then_some((open, close));
                return Some(Root { braces, pairs });
            }
            let key = self.extent(event, &span)?;
            let (event, span) = self.next()?;
            let value = self.extent(event, &span)?;
            pairs.push(super::Span { key, value });
        }
    }

    /// Where the file's mapping begins, and whether it does with a brace.
    fn first_mapping(&mut self) -> Option<(usize, bool)> {
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingStart(style, ..) = event {
                let open = span.byte_range()?;
                self.at = self.at.max(open.end);
                return Some((open.start, matches!(style, StructureStyle::Flow)));
            }
        }
    }

    /// The outline of a list, with one entry in full.
    pub(super) fn list_of(&mut self, list: List, target: Option<usize>) -> Option<Outline> {
        let (_, braced) = self.first_mapping()?;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return None;
            }
            let key = self.part(event, &span)?;
            if is_key(&self.text[key.extent.start..key.extent.end], list) {
                return self.entries((key.extent.start, key.extent.end), braced, target);
            }
            let (event, span) = self.next()?;
            self.extent(event, &span)?;
        }
    }

    fn entries(
        &mut self,
        key: (usize, usize),
        braced: bool,
        target: Option<usize>,
    ) -> Option<Outline> {
        let (event, span) = self.next()?;
        let Event::SequenceStart(style, ..) = event else {
            return None;
        };
        let open = span.byte_range()?;
        self.at = self.at.max(open.end);
        let mut outline = Outline {
            key,
            brackets: None,
            braced,
            items: Vec::new(),
            target: None,
        };
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                if matches!(style, StructureStyle::Flow) {
                    outline.brackets = Some((open.start, span.byte_range()?.start));
                }
                return Some(outline);
            }
            let part = self.part(event, &span)?;
            if target == Some(outline.items.len()) {
                outline.items.push(part.extent);
                outline.target = Some(part);
            } else {
                outline.items.push(part.extent);
            }
        }
    }

    /// Where the value that begins with `event` is, without keeping what is in it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum may grow, and its other events begin no collection"
    )]
    fn extent(&mut self, event: Event<'t>, span: &Span) -> Option<Extent> {
        let style = match &event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => *style,
            _ => return Some(self.part(event, span)?.extent),
        };
        let mut extent = self.open(span, matches!(style, StructureStyle::Flow))?;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                self.close(&mut extent, &span)?;
                return Some(extent);
            }
            let inner = self.extent(event, &span)?;
            extend(&mut extent, &inner);
        }
    }

    fn value(&mut self) -> Option<Part> {
        let (event, span) = self.next()?;
        self.part(event, &span)
    }

    /// The value that begins with `event`.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum may grow, and its other events begin no value"
    )]
    fn part(&mut self, event: Event<'t>, span: &Span) -> Option<Part> {
        match event {
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, anchor, _) => {
                self.block_scalar(span, anchor != 0)
            }
            Event::Scalar(_, style, anchor, _) => {
                self.leaf(span, Shape::Scalar(style), anchor != 0)
            }
            Event::Alias(_) => self.leaf(span, Shape::Alias, false),
            Event::SequenceStart(style, anchor, _) => {
                let braced = matches!(style, StructureStyle::Flow);
                self.list(span, braced, anchor != 0)
            }
            Event::MappingStart(style, anchor, _) => {
                let braced = matches!(style, StructureStyle::Flow);
                self.mapping(span, braced, anchor != 0)
            }
            _ => None,
        }
    }

    fn leaf(&mut self, span: &Span, shape: Shape, anchored: bool) -> Option<Part> {
        let range = span.byte_range()?;
        // The place of a value that is not there may be reported behind the next line break.
        if !range.is_empty() {
            self.at = range.end;
        }
        let extent = Extent {
            start: range.start,
            end: if range.is_empty() { self.at } else { range.end },
            line: line(span),
            ending: Ending::Token,
            braced: false,
        };
        Some(Part {
            extent,
            shape,
            anchored,
        })
    }

    /// The parser reports a block scalar without its head, and with what follows it up to the next
    /// token's column.
    fn block_scalar(&mut self, span: &Span, anchored: bool) -> Option<Part> {
        let head = text::skip_to_value(self.text, self.at);
        let indicators = self.text[head..].strip_prefix(['|', '>'])?;
        let keeps = indicators
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-'))
            .any(|byte| byte == b'+');
        let head_end = text::line_end(self.text, head);
        let reported = span.byte_range()?.end.max(head_end);
        let content = &self.text[head_end..reported];
        let end = if keeps {
            let rest = text::line_start(self.text, reported);
            let whole = if text::is_blank(&self.text[rest..reported]) {
                rest
            } else {
                reported
            };
            text::before_break(self.text, whole).unwrap_or(whole)
        } else {
            head_end + content.trim_end_matches([' ', '\t', '\n', '\r']).len()
        };
        let end = end.max(head_end);
        self.at = end;
        let extent = Extent {
            start: head,
            end,
            line: line(span),
            ending: if keeps {
                Ending::Keeping
            } else {
                Ending::Block
            },
            braced: false,
        };
        Some(Part {
            extent,
            shape: Shape::Block,
            anchored,
        })
    }

    fn list(&mut self, span: &Span, braced: bool, mut anchored: bool) -> Option<Part> {
        let mut extent = self.open(span, braced)?;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                self.close(&mut extent, &span)?;
                break;
            }
            let item = self.part(event, &span)?;
            extend(&mut extent, &item.extent);
            anchored |= item.anchored;
        }
        Some(Part {
            extent,
            shape: Shape::List,
            anchored,
        })
    }

    fn mapping(&mut self, span: &Span, braced: bool, mut anchored: bool) -> Option<Part> {
        let mut extent = self.open(span, braced)?;
        let mut pairs = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                self.close(&mut extent, &span)?;
                break;
            }
            let name = event.scalar().map_or("", |(text, _)| text).to_owned();
            let key = self.part(event, &span)?;
            extend(&mut extent, &key.extent);
            let value = self.value()?;
            extend(&mut extent, &value.extent);
            anchored |= key.anchored || value.anchored;
            let quoted = matches!(key.shape, Shape::Scalar(ScalarStyle::DoubleQuoted));
            pairs.push(Pair {
                name,
                key: key.extent,
                quoted,
                value,
            });
        }
        Some(Part {
            extent,
            shape: Shape::Mapping(pairs),
            anchored,
        })
    }

    fn open(&mut self, span: &Span, braced: bool) -> Option<Extent> {
        let range = span.byte_range()?;
        if braced {
            self.at = range.end;
        }
        Some(Extent {
            start: range.start,
            end: range.end,
            line: line(span),
            ending: Ending::Token,
            braced,
        })
    }

    fn close(&mut self, extent: &mut Extent, span: &Span) -> Option<()> {
        if extent.braced {
            let range = span.byte_range()?;
            self.at = range.end;
            extent.end = range.end;
            extent.ending = Ending::Token;
        }
        Some(())
    }

    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.parser.next_event()?.ok()
    }
}

fn extend(extent: &mut Extent, inner: &Extent) {
    if inner.end >= extent.end {
        extent.end = inner.end;
        extent.ending = inner.ending;
    }
}

fn line(span: &Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX)
}
