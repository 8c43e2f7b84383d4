//! Rules of texts from small sets: words and days.

use serde_json::{Value, json};

use crate::api::books::DayNumber;
use crate::api::fault::Broken;
use crate::api::rules::Rule;

/// One of some words.
#[derive(Debug)]
pub struct OneOf(pub &'static [&'static str]);

impl Rule for OneOf {
    type Value = &'static str;

    fn parse(&self, value: &Value) -> Result<&'static str, Broken> {
        let found = self.0.iter().find(|word| value == **word);
        found.copied().ok_or_else(|| {
            let quoted: Vec<_> = self.0.iter().map(|word| format!("'{word}'")).collect();
            let expected = match quoted.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, others)) => format!("{} or {last}", others.join(", ")),
                None => String::new(),
            };
            let msg = format!("Input should be {expected}");
            Broken::with("literal_error", msg, json!({ "expected": expected }))
        })
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "enum": self.0 })
    }
}

/// A day as `2025-01-31`.
#[derive(Debug)]
pub struct Date;

impl Rule for Date {
    type Value = DayNumber;

    fn parse(&self, value: &Value) -> Result<DayNumber, Broken> {
        let day = value.as_str().and_then(|text| text.parse().ok());
        day.ok_or_else(|| Broken::value("it should be a day, such as 2025-01-31"))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "date" })
    }
}
