//! Fields that hold more than one value.

use serde_json::{Value, json};

use crate::api::fields::Described;
use crate::api::rules::Rule;

/// A field that is a list. Left out or null, it is empty.
pub struct ListOf<R> {
    pub(super) name: &'static str,
    pub(super) item: R,
    pub(super) max: usize,
    pub(super) about: &'static str,
}

/// A field that is a map. Left out or null, it is empty.
pub struct MapOf<K, R> {
    pub(super) name: &'static str,
    pub(super) key: K,
    pub(super) value: R,
    pub(super) max: usize,
    pub(super) about: &'static str,
}

/// A field that may be left out, with a schema that is made for it alone.
pub struct Made {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: fn() -> Value,
}

impl<R: Rule + Sync> Described for ListOf<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        false
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn schema(&self) -> Value {
        let (items, max) = (self.item.schema(), self.max);
        json!({ "type": ["array", "null"], "items": items, "maxItems": max, "default": [] })
    }
}

impl<K: Rule + Sync, R: Rule + Sync> Described for MapOf<K, R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        false
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn schema(&self) -> Value {
        json!({
            "type": ["object", "null"],
            "propertyNames": self.key.schema(),
            "additionalProperties": self.value.schema(),
            "maxProperties": self.max,
            "default": {},
        })
    }
}

impl Described for Made {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        false
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn schema(&self) -> Value {
        (self.schema)()
    }
}
