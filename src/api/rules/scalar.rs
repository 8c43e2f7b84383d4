//! Rules of numbers and flags, in all the spellings of Pydantic's lax mode.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::api::fault::Broken;
use crate::api::rules::Rule;

/// A whole number in a range.
#[derive(Debug)]
pub struct Whole(pub RangeInclusive<i64>);

impl Rule for Whole {
    type Value = i64;

    fn parse(&self, value: &Value) -> Result<i64, Broken> {
        let number = whole(value)?;
        let (min, max) = (*self.0.start(), *self.0.end());
        if number < min {
            return Err(Broken::with(
                "greater_than_equal",
                format!("Input should be greater than or equal to {min}"),
                json!({ "ge": min }),
            ));
        }
        if number > max {
            return Err(Broken::with(
                "less_than_equal",
                format!("Input should be less than or equal to {max}"),
                json!({ "le": max }),
            ));
        }
        Ok(number)
    }

    fn schema(&self) -> Value {
        let (min, max) = (*self.0.start(), *self.0.end());
        let whole = json!({ "type": "integer", "minimum": min, "maximum": max });
        if max - min > 16 {
            return whole;
        }
        // The other spellings of a short range, so that nobody takes their acceptance for a slip.
        let written = self.0.clone().map(|number| json!(number.to_string()));
        let flags = [(0, false), (1, true)].into_iter();
        let flags = flags.filter(|(number, _)| self.0.contains(number));
        let lax: Vec<_> = written.chain(flags.map(|(_, flag)| json!(flag))).collect();
        json!({ "anyOf": [whole, { "enum": lax }] })
    }
}

/// A whole number in a long range that a body says; a query has no flags.
#[derive(Debug)]
pub struct Count(pub Whole);

impl Rule for Count {
    type Value = i64;

    fn parse(&self, value: &Value) -> Result<i64, Broken> {
        self.0.parse(value)
    }

    fn schema(&self) -> Value {
        let small = [0, 1].into_iter();
        let small: Vec<_> = small.filter(|number| self.0.0.contains(number)).collect();
        spelt(self.0.schema(), &small)
    }
}

fn whole(value: &Value) -> Result<i64, Broken> {
    match value {
        Value::Bool(flag) => Ok((*flag).into()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            // Too large for any range here, and so is where the conversion ends.
            (None, Some(float)) if float.fract() == 0.0 => Ok(float as i64),
            (None, _) => Err(Broken::plain(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )),
        },
        Value::String(text) => written_whole(text).ok_or(Broken::plain(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Broken::plain("int_type", "Input should be a valid integer"))
        }
    }
}

/// `300`, ` +300 `, `1_000` and `300.0`.
fn written_whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let groups = digits.split('_');
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    if !groups.clone().all(is_number) {
        return None;
    }
    let magnitude: String = groups.collect();
    // What does not fit is beyond every range, on its own side.
    let magnitude = magnitude.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

/// An amount of money, not negative.
#[derive(Debug)]
pub struct Dollars;

impl Rule for Dollars {
    type Value = f64;

    fn parse(&self, value: &Value) -> Result<f64, Broken> {
        const NO_NUMBER: Broken = Broken::plain("float_type", "Input should be a valid number");
        let number = match value {
            Value::Bool(flag) => f64::from(u8::from(*flag)),
            Value::Number(number) => number.as_f64().ok_or(NO_NUMBER)?,
            Value::String(text) => text.trim().parse().map_err(|_| {
                Broken::plain(
                    "float_parsing",
                    "Input should be a valid number, unable to parse string as a number",
                )
            })?,
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(NO_NUMBER),
        };
        if !number.is_finite() {
            let msg = "Input should be a finite number";
            return Err(Broken::plain("finite_number", msg));
        }
        if number < 0.0 {
            return Err(Broken::with(
                "greater_than_equal",
                "Input should be greater than or equal to 0".to_owned(),
                json!({ "ge": 0 }),
            ));
        }
        Ok(number)
    }

    fn schema(&self) -> Value {
        spelt(json!({ "type": "number", "minimum": 0 }), &[0, 1])
    }
}

/// Dollars in a range that begins with 0.
#[derive(Debug)]
pub struct Amount(pub RangeInclusive<f64>);

impl Rule for Amount {
    type Value = f64;

    fn parse(&self, value: &Value) -> Result<f64, Broken> {
        let dollars = Dollars.parse(value)?;
        let max = *self.0.end();
        if dollars > max {
            return Err(Broken::with(
                "less_than_equal",
                format!("Input should be less than or equal to {max}"),
                json!({ "le": max }),
            ));
        }
        Ok(dollars)
    }

    fn schema(&self) -> Value {
        let number =
            json!({ "type": "number", "minimum": self.0.start(), "maximum": self.0.end() });
        spelt(number, &[0, 1])
    }
}

/// The schema of a number in a body, with those of its other spellings that people try first.
fn spelt(number: Value, small: &[i64]) -> Value {
    let written = small.iter().map(|number| json!(number.to_string()));
    let flags = small.iter().map(|number| json!(*number == 1));
    let lax: Vec<_> = written.chain(flags).collect();
    json!({ "anyOf": [number, { "enum": lax }] })
}

/// True or false.
#[derive(Debug)]
pub struct Flag;

impl Flag {
    const TRUE: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
    const FALSE: [&str; 6] = ["false", "f", "no", "n", "off", "0"];
}

impl Rule for Flag {
    type Value = bool;

    fn parse(&self, value: &Value) -> Result<bool, Broken> {
        const UNREADABLE: Broken = Broken::plain(
            "bool_parsing",
            "Input should be a valid boolean, unable to interpret input",
        );
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) => match number.as_f64() {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                Some(float) if float.fract() == 0.0 => Err(UNREADABLE),
                Some(_) | None => Err(NOT_A_FLAG),
            },
            Value::String(text) => {
                let is_one_of = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(text));
                match (is_one_of(&Self::TRUE), is_one_of(&Self::FALSE)) {
                    (true, _) => Ok(true),
                    (false, true) => Ok(false),
                    (false, false) => Err(UNREADABLE),
                }
            }
            Value::Null | Value::Array(_) | Value::Object(_) => Err(NOT_A_FLAG),
        }
    }

    fn schema(&self) -> Value {
        let words = [Self::TRUE, Self::FALSE].concat();
        let lax = words
            .into_iter()
            .map(Value::from)
            .chain([json!(0), json!(1)]);
        let lax: Vec<_> = lax.collect();
        json!({ "anyOf": [{ "type": "boolean" }, { "enum": lax }] })
    }
}

const NOT_A_FLAG: Broken = Broken::plain("bool_type", "Input should be a valid boolean");
