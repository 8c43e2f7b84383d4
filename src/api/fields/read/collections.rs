//! Reading lists and maps, whose entries are faulty one by one.

use serde_json::{Map, Value, json};

use super::Reader;
use crate::api::fault::{Broken, Step};
use crate::api::fields::{ListOf, MapOf};
use crate::api::rules::Rule;

impl<'a> Reader<'a> {
    /// The entries of a list; none where it is left out or null.
    pub(in crate::api::fields) fn take_list<R: Rule>(
        &mut self,
        field: &ListOf<R>,
    ) -> Option<Vec<R::Value>> {
        let items = self.items(field.name, field.max)?;
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match field.item.parse(item) {
                Ok(value) => read.push(value),
                Err(broken) => {
                    let loc = self.loc_within(field.name, Step::Index(index));
                    self.faults.push(broken.at(loc, item));
                }
            }
        }
        (read.len() == items.len()).then_some(read)
    }

    /// The values of a map by their keys; none where it is left out or null.
    pub(in crate::api::fields) fn take_map<K: Rule, R: Rule>(
        &mut self,
        field: &MapOf<K, R>,
    ) -> Option<Vec<(K::Value, R::Value)>> {
        let entries = self.entries(field.name, field.max)?;
        let mut read = Vec::with_capacity(entries.len());
        for (text, value) in entries.iter().copied() {
            let key = field.key.parse(&json!(text));
            // Only what is a key of this map is shown; anything else may be a misplaced secret.
            let shown = if key.is_ok() { text } else { "***" };
            let loc = self.loc_within(field.name, Step::Name(shown.to_owned().into()));
            let key = key.map_err(|broken| {
                let mut loc = loc.clone();
                loc.push("[key]".into());
                self.faults.push(broken.at(loc, &json!(text)));
            });
            let parsed = field.value.parse(value);
            let parsed = parsed.map_err(|broken| self.faults.push(broken.at(loc, value)));
            read.extend(key.ok().zip(parsed.ok()));
        }
        (read.len() == entries.len()).then_some(read)
    }

    /// The objects of a list, each read by itself; none where it is left out or null.
    pub(in crate::api::fields) fn take_objects<T>(
        &mut self,
        name: &'static str,
        max: usize,
        read: impl Fn(&mut Reader<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(name, max)?;
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let loc = self.loc_within(name, Step::Index(index));
            let object = Reader::open(item, loc, self.faults);
            objects.extend(object.and_then(|mut object| read(&mut object)));
        }
        (objects.len() == items.len()).then_some(objects)
    }

    fn items(&mut self, name: &'static str, max: usize) -> Option<&'a [Value]> {
        let object = self.object;
        match object.get(name) {
            None | Some(Value::Null) => Some(&[]),
            Some(Value::Array(items)) if items.len() <= max => Some(items),
            Some(Value::Array(items)) => {
                let actual = items.len();
                self.note(
                    name,
                    too_long("List", max, &actual.to_string(), json!(actual)),
                );
                None
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                let msg = "Input should be a valid list";
                self.note(name, Broken::plain("list_type", msg));
                None
            }
        }
    }

    fn entries(&mut self, name: &'static str, max: usize) -> Option<Vec<(&'a str, &'a Value)>> {
        let object = self.object;
        match object.get(name) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Object(entries)) if entries.len() <= max => {
                let pairs = Map::iter(entries).map(|(key, value)| (key.as_str(), value));
                Some(pairs.collect())
            }
            Some(Value::Object(_)) => {
                // Pydantic stops to count here.
                self.note(name, too_long("Dictionary", max, "more", Value::Null));
                None
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                let msg = "Input should be a valid dictionary";
                self.note(name, Broken::plain("dict_type", msg));
                None
            }
        }
    }

    fn loc_within(&self, name: &'static str, step: Step) -> Vec<Step> {
        let mut loc = self.loc_of(name);
        loc.push(step);
        loc
    }
}

fn too_long(kind: &str, max: usize, actual: &str, length: Value) -> Broken {
    Broken::with(
        "too_long",
        format!("{kind} should have at most {max} items after validation, not {actual}"),
        json!({ "field_type": kind, "max_length": max, "actual_length": length }),
    )
}
