//! Settings from YAML: the file, and the defaults, which are written the same way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::{Place, Resolution};
use crate::config::expand::Environment;
use crate::config::fields::{Field, FieldPath, Fields, Reading};
use crate::config::options::{Item, Kind, TABLE, Value, example};
use crate::config::problem::Report;
use crate::config::source::read_text;
use crate::config::yaml::{Kind as NodeKind, Limits, parse};

/// The names at the top of the file, and those within each section.
struct Names {
    top: Vec<&'static str>,
    sections: BTreeMap<&'static str, Vec<&'static str>>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        top: Vec::new(),
        sections: BTreeMap::new(),
    };
    for setting in TABLE {
        let (section, name) = setting.section_and_name();
        let top = section.unwrap_or(name);
        if !names.top.contains(&top) {
            names.top.push(top);
        }
        if let Some(section) = section {
            names.sections.entry(section).or_default().push(name);
        }
    }
    names
});

impl Resolution {
    pub(super) fn defaults(&mut self, base: &Path) {
        let nothing: &Environment<'_> = &|_| None;
        self.document(Path::new("defaults"), &example(), base, nothing);
        self.places
            .values_mut()
            .for_each(|place| *place = Place::Default);
    }

    pub(super) fn file(&mut self, path: &Path, base: &Path, environment: &Environment<'_>) {
        match read_text(path, Limits::SETTINGS.bytes) {
            Ok(text) => self.document(path, &text, base, environment),
            Err(problem) => {
                self.file_is_lost = true;
                self.problems.push(problem);
            }
        }
    }

    fn document(&mut self, path: &Path, text: &str, base: &Path, environment: &Environment<'_>) {
        let file: Arc<Path> = path.into();
        let mut reading = Reading::new(Report::new(Arc::clone(&file)), environment);
        match parse(text, &Limits::SETTINGS) {
            // An empty file says nothing, which is allowed.
            Ok(root) if matches!(root.kind, NodeKind::Null) => {}
            Ok(root) => {
                if let Some(top) = reading.fields(Field::root(&root), &NAMES.top) {
                    self.sections(&mut reading, &top, &file, base);
                }
            }
            Err(fault) => {
                self.file_is_lost = true;
                reading
                    .report
                    .error(fault.at, FieldPath::Root, fault.message);
            }
        }
        if let Err(problems) = reading.report.finish() {
            self.problems.extend(problems.iter().cloned());
        }
    }

    fn sections(
        &mut self,
        reading: &mut Reading<'_>,
        top: &Fields<'_>,
        file: &Arc<Path>,
        base: &Path,
    ) {
        let mut sections = BTreeMap::new();
        for (section, names) in &NAMES.sections {
            // A section whose lines are all commented out is null.
            let Some(field) = top.given(section) else {
                continue;
            };
            if let Some(fields) = reading.fields(field, names) {
                sections.insert(*section, fields);
            }
        }
        for setting in TABLE {
            let (section, name) = setting.section_and_name();
            let fields = match section {
                Some(section) => sections.get(section),
                None => Some(top),
            };
            let Some(field) = fields.and_then(|fields| fields.given(name)) else {
                continue;
            };
            let at = field.node.at;
            self.places
                .insert(setting.path, Place::File(Arc::clone(file), at));
            let taken = match read(reading, &setting.kind, field) {
                Some(value) => setting.kind.accept(value, base, &mut self.settings),
                None => Err(Vec::new()),
            };
            if let Err(faults) = taken {
                self.faulty.insert(setting.path);
                for fault in faults {
                    reading.error(fault.at.unwrap_or(at), field.path, fault.message);
                }
            }
        }
    }
}

/// A field's value of the type that `kind` asks for; `None` when it is of another, which is noted.
fn read(reading: &mut Reading<'_>, kind: &Kind, field: Field<'_>) -> Option<Value> {
    match kind {
        Kind::Integer { .. } => reading.integer(Some(field)).map(Value::Integer),
        Kind::Boolean(_) => reading.boolean(Some(field)).map(Value::Boolean),
        Kind::Tokens(_) => {
            let mut tokens = Vec::new();
            let entries = reading.mapping(field)?;
            let written = entries.len();
            for (key, node) in entries {
                // A name may be a misplaced token, so the place alone says which entry is meant.
                let entry = Field { node, ..field };
                let item = Item {
                    at: Some(node.at),
                    text: key.text.to_string(),
                };
                tokens.extend(reading.secret(Some(entry)).map(|token| (item, token)));
            }
            (tokens.len() == written).then_some(Value::Tokens(tokens))
        }
        Kind::Origins(_) | Kind::Hosts(_) => {
            let texts = reading.texts(Some(field))?;
            let places = match &field.node.kind {
                NodeKind::Sequence(items) => items.iter().map(|item| Some(item.at)).collect(),
                NodeKind::Null | NodeKind::Scalar { .. } | NodeKind::Mapping(_) => Vec::new(),
            };
            let items = places.into_iter().zip(texts);
            Some(Value::List(
                items.map(|(at, text)| Item { at, text }).collect(),
            ))
        }
        Kind::Word { .. }
        | Kind::Address(_)
        | Kind::SocketMode(_)
        | Kind::AgentId(_)
        | Kind::Path(_)
        | Kind::Folder(_)
        | Kind::OptionalPath(_)
        | Kind::Label(_)
        | Kind::Store(_)
        | Kind::AnyStore { .. }
        | Kind::Token(_) => reading.secret(Some(field)).map(Value::Text),
    }
}
