//! One way through the registry's document, entry by entry.

mod policies;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use crate::config::expand::Environment;
use crate::config::fields::{Field, FieldPath, Reading};
use crate::config::problem::{Position, Report};
use crate::config::registry_file::defaults::Defaults;
use crate::config::registry_file::files::Files;
use crate::config::registry_file::{Loaded, Refused, Seen, entry};
use crate::config::yaml::{Entered, Events, Fault, Key, Kind, Limits};
use crate::registry::{Snapshot, SnapshotBuilder, Tool, ToolSpec};

const FIELDS: &[&str] = &["defaults", "tools", "policies"];

/// One way through the file.
pub(super) struct Pass<'a> {
    reading: Reading<'a>,
    files: Files,
    builder: SnapshotBuilder<'a>,
    defaults: Defaults,
    /// Where each name and scope was first.
    lines: HashMap<(Box<str>, Box<str>), u32>,
    read: policies::Read,
}

/// Whether `defaults:` may still change what a tool means.
pub(super) enum Order {
    /// They may.
    Unknown,
    /// They were found by a pass before.
    Known(Box<Defaults>),
}

/// How far a pass went.
pub(super) enum Reached {
    /// Everything that can be read was read.
    End,
    /// `defaults:` stand behind `tools:`.
    LateDefaults(Box<Defaults>),
}

impl<'a> Pass<'a> {
    /// A pass that has read nothing but the registry's text.
    pub(super) fn new(
        path: &Path,
        text: &str,
        environment: &'a Environment<'a>,
        previous: Option<&'a Snapshot>,
    ) -> Self {
        let mut files = Files::beside(path);
        files.note(path, text.as_bytes());
        Self {
            reading: Reading::new(Report::new(path), environment),
            files,
            builder: SnapshotBuilder::new(previous),
            defaults: Defaults::default(),
            lines: HashMap::new(),
            read: policies::Read::default(),
        }
    }

    /// What came of it.
    pub(super) fn finish(mut self) -> Result<Loaded, Refused> {
        self.warn_of_unknown_tools();
        let unreadable_files = self.files.unreadable();
        let (files, digest) = self.files.finish();
        match self.reading.report.finish() {
            Ok(warnings) => Ok(Loaded {
                snapshot: self.builder.finish(),
                policies: self.read.policies,
                warnings,
                files,
                digest,
            }),
            Err(problems) => Err(Refused {
                problems,
                files,
                unreadable_files,
                digest,
            }),
        }
    }

    /// Reads the document, from its beginning as far as it goes.
    pub(super) fn run(
        &mut self,
        text: &str,
        order: Order,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Reached {
        seen(Seen::Start);
        let settled = match order {
            Order::Unknown => false,
            Order::Known(defaults) => {
                self.defaults = *defaults;
                true
            }
        };
        self.document(text, settled, seen).unwrap_or_else(|fault| {
            self.reading
                .report
                .error(fault.at, FieldPath::Root, fault.message);
            Reached::End
        })
    }

    fn document(
        &mut self,
        text: &str,
        settled: bool,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<Reached, Fault> {
        let mut events = Events::new(text, &Limits::REGISTRY)?;
        let start = match events.enter()? {
            Entered::Mapping(at) => at,
            Entered::Sequence(at) => {
                self.not_a_registry(at, "a list");
                return Ok(Reached::End);
            }
            Entered::Whole(node) => {
                events.close()?;
                self.not_a_registry(node.at, node.noun());
                return Ok(Reached::End);
            }
        };
        let mut tools_at = None;
        let mut defaults_at = None;
        let mut policies_at = None;
        while let Some(key) = events.key()? {
            match key.text.as_str() {
                "tools" if tools_at.is_none() => {
                    tools_at = Some(key.at);
                    self.tools(&key, &mut events, seen)?;
                }
                "defaults" if defaults_at.is_none() => {
                    defaults_at = Some(key.at);
                    let node = events.node()?;
                    let defaults = Defaults::read(&mut self.reading, &node);
                    if tools_at.is_some() && !settled {
                        return Ok(Reached::LateDefaults(Box::new(defaults)));
                    }
                    self.defaults = defaults;
                }
                "policies" if policies_at.is_none() => {
                    policies_at = Some(key.at);
                    self.policies(&key, &mut events, seen)?;
                }
                "tools" => self.repeated("tools", tools_at, &key, &mut events)?,
                "defaults" => self.repeated("defaults", defaults_at, &key, &mut events)?,
                "policies" => self.repeated("policies", policies_at, &key, &mut events)?,
                _ => {
                    let root = FieldPath::Root;
                    self.reading.unknown(&root, &key, None, FIELDS);
                    events.skip()?;
                }
            }
        }
        events.close()?;
        if tools_at.is_none() {
            self.tools_missing(start);
        }
        Ok(Reached::End)
    }

    fn tools(
        &mut self,
        key: &Key,
        events: &mut Events<'_>,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<(), Fault> {
        let path = FieldPath::Name(&FieldPath::Root, "tools");
        match events.enter()? {
            Entered::Sequence(_) => {
                let mut index = 0;
                while let Some(node) = events.item()? {
                    let path = FieldPath::Index(&path, index);
                    self.tool(Field { node: &node, path }, seen);
                    index += 1;
                }
            }
            Entered::Mapping(at) => {
                let message = "expected a list, found a mapping; begin every tool with `- `";
                self.reading.report.error(at, path, message);
                while events.key()?.is_some() {
                    events.skip()?;
                }
            }
            Entered::Whole(node) if matches!(node.kind, Kind::Null) => self.tools_missing(key.at),
            Entered::Whole(node) => {
                let found = node.noun();
                let message = format!("expected a list written here, found {found}");
                self.reading.report.error(node.at, path, message);
            }
        }
        Ok(())
    }

    fn tool(&mut self, field: Field<'_>, seen: &mut dyn FnMut(Seen<'_>)) {
        self.reading.forget();
        let read = entry::read(&mut self.reading, &mut self.files, field, &self.defaults);
        let Some(spec) = read else { return };
        seen(Seen::Tool(field.node, &spec));
        let unique = self.is_unique(&spec, field);
        match Tool::compile(spec) {
            Ok(tool) => {
                if let Some((name, message)) = tool.warning() {
                    let at = field.node.get(name).unwrap_or(field.node).at;
                    let path = FieldPath::Name(&field.path, name);
                    self.reading.report.warning(at, path, message);
                }
                // After the first error nothing will be put into service.
                if unique && self.reading.report.errors() == 0 {
                    let added = self.builder.add(tool);
                    added.expect("names that are there already were refused by `is_unique`");
                }
            }
            Err(violations) => {
                for violation in &violations {
                    entry::report(&mut self.reading, field, violation);
                }
            }
        }
    }

    /// Notes a name that is taken in its scope.
    // spec: REG-2
    fn is_unique(&mut self, spec: &ToolSpec, field: Field<'_>) -> bool {
        if spec.name.is_empty() {
            return true;
        }
        let at = field.node.get("name").unwrap_or(field.node).at;
        let scope = spec.scope_id.as_deref().unwrap_or("global");
        let id = (Box::from(spec.name.as_str()), Box::from(scope));
        match self.lines.entry(id) {
            Entry::Vacant(free) => {
                free.insert(at.line);
                true
            }
            Entry::Occupied(first) => {
                let first = first.get();
                let message =
                    format!("a tool of this name and scope is there already, in line {first}");
                let path = FieldPath::Name(&field.path, "name");
                self.reading.report.error(at, path, message);
                false
            }
        }
    }

    fn repeated(
        &mut self,
        name: &'static str,
        first: Option<Position>,
        key: &Key,
        events: &mut Events<'_>,
    ) -> Result<(), Fault> {
        let line = first.map_or(1, |at| at.line);
        let message = format!("this field is there already, in line {line}");
        self.reading.report.error(key.at, name, message);
        events.skip()
    }

    fn not_a_registry(&mut self, at: Position, found: &str) {
        let message = format!(
            "expected a mapping with `tools:`, found {found}; an empty registry is `tools: []`"
        );
        self.reading.report.error(at, FieldPath::Root, message);
    }

    // spec: REG-2
    fn tools_missing(&mut self, at: Position) {
        let message = "this field is required; write `tools: []` for a registry without tools";
        self.reading.report.error(at, "tools", message);
    }
}
