//! The members of a body that are looked at, as they are written.
//!
//! Nothing else of a body is taken apart, so that reading one costs no more memory than it has bytes,
//! whatever is in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::api::fields::RUN;
use crate::api::run::KEY;

/// Members by their names. Of two of one name the later one counts, as it does in the hosted API.
#[derive(Default)]
pub struct Members<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Members<'a> {
    /// A member's value.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value)
    }

    /// The body as rules are asked about it.
    pub fn shown(&self) -> Value {
        let members = self.0.iter();
        let members = members.map(|(name, value)| ((*name).to_owned(), shown(value)));
        Value::Object(members.collect())
    }

    fn put(&mut self, name: &'static str, value: &'a RawValue) {
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value));
    }
}

/// A value as its rule is asked about it: no rule here looks into an object or a list. What is no
/// value, such as a number beyond all range, is a list to every rule: none takes either.
pub fn shown(raw: &RawValue) -> Value {
    match raw.get().as_bytes().first() {
        Some(b'{') => Value::Object(Map::new()),
        Some(b'[') => Value::Array(Vec::new()),
        Some(_) | None => serde_json::from_str(raw.get()).unwrap_or(Value::Array(Vec::new())),
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let mut looked_at = RUN.iter().map(|field| field.name()).chain([KEY]);
            match looked_at.find(|name| *name == key) {
                Some(name) => members.put(name, map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}
