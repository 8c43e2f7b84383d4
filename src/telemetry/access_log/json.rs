//! A line as a JSON object, written straight into the worker's buffer.
//!
//! Almost every value is a word of ours, a checked id or a number, and then its JSON is its text.
//! Whatever else a text holds is left to `serde_json`, and so is the decision what a number or a
//! string must look like: the tests compare with it byte for byte.

use std::io::Write as _;

use crate::ids::{LeaseId, ScopeId};
use crate::telemetry::access_log::line::Line;
use crate::telemetry::outcome::{Attempt, Millis, Retry};

/// What stands before the value of a field that is not the first: put together by the compiler,
/// because a line has some twenty of them.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The same for a string, with its first quotation mark.
macro_rules! text_key {
    ($name:literal) => {
        concat!(key!($name), "\"")
    };
}

/// Appends `line` to `out`, without an end.
pub fn write(line: &Line<'_>, out: &mut Vec<u8>) {
    let mut json = Json(out);
    json.raw("{\"ts\":\"");
    json.0.extend_from_slice(&line.ts.to_ascii());
    json.0.push(b'"');
    json.text(text_key!("request_id"), line.request_id);
    json.word(text_key!("trace_id"), line.trace_id);
    json.word(text_key!("door"), line.door);
    if let Some(tool) = line.tool {
        json.text(text_key!("tool"), tool);
    }
    if let Some(scope) = line.scope {
        json.scope(text_key!("scope"), scope);
    }
    if let Some(agent) = line.agent {
        json.text(text_key!("agent"), agent);
    }
    if let Some(method) = line.method {
        json.text(text_key!("method"), method);
    }
    json.number(key!("status"), line.status.into());
    json.word(text_key!("outcome"), line.outcome);
    if let Some(code) = line.code {
        json.word(text_key!("code"), code);
    }
    let attempts = line.attempts.first.into_iter().chain(line.attempts.more);
    json.list(key!("attempts"), attempts, Json::attempt);
    if !line.retries.is_empty() {
        json.list(key!("retries"), line.retries, Json::retry);
    }
    if let Some(why) = line.no_retry {
        json.word(text_key!("no_retry"), why.word());
    }
    if line.budget_exhausted {
        json.raw(concat!(key!("budget_exhausted"), "true"));
    }
    if let Some(limit) = line.limit {
        json.word(text_key!("limit"), limit.word());
    }
    if let Some(queued) = line.queued {
        json.millis(key!("queued_ms"), queued);
    }
    if let Some(circuit) = line.circuit {
        json.word(text_key!("circuit"), circuit.word());
    }
    if let Some(lease) = line.lease {
        json.lease(text_key!("lease_id"), lease);
    }
    json.number(key!("request_bytes"), line.request_bytes);
    json.number(key!("response_bytes"), line.response_bytes);
    json.millis(key!("duration_ms"), line.duration);
    json.millis(key!("overhead_ms"), line.overhead);
    json.raw("}");
}

/// Appends JSON to a buffer. A `key` comes with everything around the name, and that of a string
/// with the string's first quotation mark.
///
/// What takes a key is inlined: where the key's length is known, copying it is a few stores.
struct Json<'o>(&'o mut Vec<u8>);

impl Json<'_> {
    #[inline(always)]
    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// A string that needs no escapes, because it is one of ours.
    #[inline(always)]
    fn word(&mut self, key: &str, word: &str) {
        self.raw(key);
        self.raw(word);
        self.0.push(b'"');
    }

    /// Any string.
    #[inline(always)]
    fn text(&mut self, key: &str, text: &str) {
        self.raw(key);
        self.escaped(text);
        self.0.push(b'"');
    }

    fn scope(&mut self, key: &str, scope: &ScopeId) {
        match scope {
            ScopeId::Global => self.word(key, "global"),
            ScopeId::Agent(agent) => {
                self.raw(key);
                self.raw("agent:");
                self.escaped(agent.as_str());
                self.0.push(b'"');
            }
        }
    }

    fn lease(&mut self, key: &str, lease: &LeaseId) {
        self.raw(key);
        write!(self.0, "{lease}\"").expect("a Vec takes everything");
    }

    /// The inside of a string.
    fn escaped(&mut self, text: &str) {
        if stands_for_itself(text) {
            self.raw(text);
        } else {
            let quoted = serde_json::to_string(text).expect("a str is valid JSON text");
            self.raw(&quoted[1..quoted.len() - 1]);
        }
    }

    #[inline(always)]
    fn number(&mut self, key: &str, number: u64) {
        self.raw(key);
        self.decimal(number);
    }

    fn decimal(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[first..]);
    }

    /// A number with at least one digit behind the point and at most three.
    fn millis(&mut self, key: &str, Millis(time): Millis) {
        let micros = time.subsec_micros();
        let whole = time.as_secs().saturating_mul(1000);
        self.number(key, whole.saturating_add((micros / 1000).into()));
        let [tenths, hundredths, thousandths] =
            [micros / 100 % 10, micros / 10 % 10, micros % 10].map(|d| b'0' + d as u8);
        self.0.extend_from_slice(&[b'.', tenths]);
        if (hundredths, thousandths) != (b'0', b'0') {
            self.0.push(hundredths);
        }
        if thousandths != b'0' {
            self.0.push(thousandths);
        }
    }

    fn list<'v, V: 'v>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = &'v V>,
        write: impl Fn(&mut Self, &V),
    ) {
        self.raw(key);
        let mut separator = "[";
        for value in values {
            self.raw(separator);
            write(self, value);
            separator = ",";
        }
        self.raw(if separator == "[" { "[]" } else { "]" });
    }

    fn attempt(&mut self, attempt: &Attempt) {
        self.word("{\"outcome\":\"", attempt.outcome);
        if let Some(status) = attempt.status {
            self.number(key!("status"), status.into());
        }
        if let Some(unanswered) = attempt.unanswered {
            self.word(text_key!("verdict"), unanswered.word());
        }
        self.millis(key!("duration_ms"), attempt.took);
        self.raw("}");
    }

    fn retry(&mut self, retry: &Retry) {
        self.word("{\"reason\":\"", retry.reason);
        self.millis(key!("wait_ms"), retry.wait);
        self.raw("}");
    }
}

/// Whether `text` needs no escapes. It looks at every byte, whatever it has seen, because the
/// compiler then makes it look at many at once.
fn stands_for_itself(text: &str) -> bool {
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    text.bytes()
        .fold(true, |plain, byte| plain & is_plain(byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Json(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_as_serde_json_writes_them() {
        let check = |text: &str| {
            let expected = serde_json::to_string(text).unwrap();
            assert_eq!(written(|json| json.text("\"", text)), expected);
        };
        for c in (0..0x250).chain([0x2028, 0xfeff, 0x1f511]) {
            let c = char::from_u32(c).unwrap();
            check(&c.to_string());
            check(&format!("a long text before it and {c} behind"));
        }
        check("");
    }

    #[test]
    fn times_are_as_serde_json_writes_milliseconds() {
        let check = |micros: u64| {
            let time = Millis(Duration::from_micros(micros));
            let expected = serde_json::to_string(&time.as_f64()).unwrap();
            assert_eq!(written(|json| json.millis("", time)), expected);
        };
        (0..20_000).for_each(check);
        // Hours, days and a year to the microsecond.
        for micros in [3_600_000_001, 86_400_000_010, 31_536_000_000_100] {
            (0..1_100).for_each(|more| check(micros + more));
        }
        assert_eq!(
            written(|json| json.millis("", Millis(Duration::from_nanos(1_999)))),
            "0.001"
        );
        assert_eq!(
            written(|json| json.millis("", Millis(Duration::MAX))),
            format!("{}.999", u64::MAX)
        );
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 200, 10_485_760, u64::MAX] {
            assert_eq!(written(|json| json.decimal(number)), number.to_string());
        }
    }
}
