//! Registry files: every problem has a place and tells no secret, and what is accepted means the
//! same every time.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::{self, Loaded, Position, Problem, Problems, Refused};
use crate::policy::Policy;
use crate::registry::{Snapshot, Tool, limits};
use crate::test_support::fuzz::MARK;

/// Enough for every kind of mistake; how time and memory grow is measured elsewhere.
const MOST_BYTES: usize = 64 * 1024;

/// A registry file, whatever is in it. Its secrets are `SECRET/MARK`, written there or taken from
/// the variable `MARKED`.
///
/// # Panics
/// When a problem has no place or tells a secret, or when two readings differ.
// spec: REG-2
pub fn registry(data: &[u8]) {
    if data.len() > MOST_BYTES {
        return;
    }
    let text = match config::text_of(path(), Zeroizing::new(data.to_vec())) {
        Ok(text) => text,
        Err(problem) => return assert_problem(&problem, &String::from_utf8_lossy(data)),
    };
    match (read(&text, None), read(&text, None)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.digest, second.digest);
            assert_problems(&first.warnings, &text);
            assert_eq!(first.warnings, second.warnings);
            assert_in_range(&first.snapshot);
            assert_eq!(tools(&first.snapshot), tools(&second.snapshot));
            assert_eq!(rules(first.policies.iter()), rules(second.policies.iter()));
            let third = read(&text, Some(&second.snapshot)).expect("it was accepted before");
            assert_eq!(tools(&second.snapshot), tools(&third.snapshot));
        }
        (Err(first), Err(second)) => {
            assert!(!first.problems.is_empty(), "refused without a reason");
            assert_problems(&first.problems, &text);
            assert_eq!(first.problems, second.problems);
            assert_eq!(first.digest, second.digest);
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("two readings differ"),
    }
}

/// Where the file would be. Nothing is beside it.
fn path() -> &'static Path {
    Path::new("/nonexistent/fuzz/tools.yaml")
}

fn read(text: &str, previous: Option<&Snapshot>) -> Result<Loaded, Refused> {
    let environment = |name: &str| {
        let value = match name {
            "MARKED" => MARK,
            "PORT" => "8000",
            _ => return None,
        };
        Some(value.to_owned())
    };
    config::read(path(), text, &environment, previous, &mut |_| {})
}

fn tools(snapshot: &Snapshot) -> Vec<String> {
    described(snapshot.tools().map(|tool| &**tool))
}

/// Tools with all that they are, sorted.
pub(super) fn described<'t>(tools: impl Iterator<Item = &'t Tool>) -> Vec<String> {
    // The id comes from the secret, which nothing shows.
    let text = |tool: &Tool| format!("{tool:?} {}", tool.signer.secret_id().as_str());
    let mut tools: Vec<_> = tools.map(text).collect();
    tools.sort();
    tools
}

/// Policies with all that they say, sorted.
pub(super) fn rules<'p>(policies: impl Iterator<Item = &'p Arc<Policy>>) -> Vec<String> {
    let mut rules: Vec<_> = policies
        .map(|policy| format!("{:?}", policy.spec()))
        .collect();
    rules.sort();
    rules
}

fn assert_in_range(snapshot: &Snapshot) {
    for tool in snapshot.tools() {
        let timeout = i64::try_from(tool.timeout.as_millis()).expect("at most two minutes");
        assert!(limits::TIMEOUT_MS.contains(&timeout));
        assert!(limits::MAX_RETRIES.contains(&tool.max_retries.into()));
        let described = tool.description.as_deref().unwrap_or_default();
        assert!(described.chars().count() <= limits::DESCRIPTION_CHARS);
        assert!(tool.path.starts_with('/') && tool.origin.port() != 0);
    }
}

fn assert_problems(problems: &Problems, text: &str) {
    for problem in problems.iter() {
        assert_problem(problem, text);
    }
    for line in problems.lines() {
        assert!(!line.contains(MARK), "a secret is told");
        assert!(!line.contains(['\n', '\r']), "a problem is one line");
    }
}

fn assert_problem(problem: &Problem, text: &str) {
    assert!(!problem.message.is_empty());
    let Position { line, column } = problem.at.expect("a problem of the text has a place");
    // A line ends with CRLF, CR or LF (YAML 1.2, 5.4).
    let text = text.replace("\r\n", "\n");
    let before = usize::try_from(line).expect("a line of the text") - 1;
    let its_line = text.split(['\n', '\r']).nth(before);
    let most = its_line.expect("beyond the text").chars().count() + 1;
    assert!((1..=most).contains(&(column as usize)), "beyond the line");
}
