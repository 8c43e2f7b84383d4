//! The names in a mapping: known ones, unknown ones, repeated ones, and those that `<<` brings.

use std::collections::HashMap;

use super::{Field, FieldPath, Fields, Reading, near};
use crate::config::yaml::{Key, Kind, Node};

impl Reading<'_> {
    /// The fields of a mapping. Duplicates and names that are not `allowed` are reported; `<<` is
    /// taken over where the mapping does not say otherwise itself.
    // spec: REG-2
    pub fn fields<'n>(
        &mut self,
        field: Field<'n>,
        allowed: &'static [&'static str],
    ) -> Option<Fields<'n>> {
        let entries = self.mapping(field)?;
        let mut found = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            match allowed.iter().find(|name| **name == key.text.as_str()) {
                Some(name) => found.push((*name, node)),
                None => self.unknown(&field.path, key, Some(node), allowed),
            }
        }
        Some(Fields {
            at: field.node.at,
            path: field.path,
            found,
        })
    }

    /// The entries of a mapping with free names, in the order written.
    pub fn mapping<'n>(&mut self, field: Field<'n>) -> Option<Vec<(&'n Key, &'n Node)>> {
        let Kind::Mapping(entries) = &field.node.kind else {
            self.mismatch(&field, "a mapping");
            return None;
        };
        let mut flat = Vec::with_capacity(entries.len());
        let mut lines = HashMap::with_capacity(entries.len());
        for (key, node) in entries.iter().filter(|(key, _)| !key.merges) {
            if let Some(first) = lines.insert(key.text.as_str(), key.at.line) {
                lines.insert(key.text.as_str(), first);
                let path = FieldPath::of_key(&field.path, key, node);
                let message = format!("this field is there already, in line {first}");
                self.report.error(key.at, path, message);
            } else {
                flat.push((key, node));
            }
        }
        self.merge(&field, entries, &mut lines, &mut flat);
        Some(flat)
    }

    /// Adds what `<<` brings and `seen` does not have; earlier sources win over later ones.
    fn merge<'n>(
        &mut self,
        field: &Field<'n>,
        entries: &'n [(Key, Node)],
        seen: &mut HashMap<&'n str, u32>,
        flat: &mut Vec<(&'n Key, &'n Node)>,
    ) {
        for (key, value) in entries.iter().filter(|(key, _)| key.merges) {
            let sources = match &value.kind {
                Kind::Mapping(_) => std::slice::from_ref(value),
                Kind::Sequence(sources) => sources,
                Kind::Null | Kind::Scalar { .. } => &[],
            };
            if sources.is_empty() {
                let message = "<< must be followed by the alias of a mapping";
                self.report.error(key.at, field.path, message);
            }
            for source in sources {
                let Kind::Mapping(entries) = &source.kind else {
                    let message = "<< must be followed by aliases of mappings only";
                    self.report.error(key.at, field.path, message);
                    continue;
                };
                for (key, node) in entries.iter().filter(|(key, _)| !key.merges) {
                    if !seen.contains_key(key.text.as_str()) {
                        seen.insert(&key.text, key.at.line);
                        flat.push((key, node));
                    }
                }
                // The reader's depth limit bounds this: an alias counts as what it stands for.
                self.merge(field, entries, seen, flat);
            }
        }
    }

    /// Reports a field that its mapping does not have. `value` helps to tell whether the name may
    /// be shown; without it, it is not.
    // spec: REG-2
    pub fn unknown(
        &mut self,
        parent: &FieldPath<'_>,
        key: &Key,
        value: Option<&Node>,
        allowed: &'static [&'static str],
    ) {
        let allowed_here = allowed.join(", ");
        let message = match near::nearest(&key.text, allowed) {
            Some(meant) => {
                format!("unknown field, did you mean {meant}? (allowed here: {allowed_here})")
            }
            None => format!("unknown field (allowed here: {allowed_here})"),
        };
        let path = value.map_or(*parent, |value| FieldPath::of_key(parent, key, value));
        self.report.error(key.at, path, message);
    }
}
