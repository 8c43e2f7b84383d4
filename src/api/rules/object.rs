//! The rule of values that callers make up themselves.

use serde_json::{Map, Value, json};

use crate::api::fault::Broken;
use crate::api::rules::Rule;

/// Any object of so many bytes.
#[derive(Debug)]
pub struct SizedObject {
    /// The most, as compact JSON.
    pub max_bytes: usize,
}

impl Rule for SizedObject {
    type Value = Map<String, Value>;

    fn parse(&self, value: &Value) -> Result<Self::Value, Broken> {
        let Value::Object(object) = value else {
            return Err(Broken::plain(
                "dict_type",
                "Input should be a valid dictionary",
            ));
        };
        let bytes = serde_json::to_vec(object).expect("what was read as JSON is JSON");
        if bytes.len() > self.max_bytes {
            let max = self.max_bytes;
            return Err(Broken::value(&format!(
                "it may have at most {max} bytes as JSON"
            )));
        }
        Ok(object.clone())
    }

    fn schema(&self) -> Value {
        json!({ "type": "object" })
    }
}
