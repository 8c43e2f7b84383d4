//! Refusals in words that say what to do next.
//!
//! They are made from a sidecar's machine words where one is known, and otherwise from its own
//! sentence. The `input` that an API may send back is never repeated: it may be a secret.

use http::StatusCode;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::printable::printable;
use crate::cli::tools::api::{Answer, Api, TOKEN_VARIABLE};
use crate::cli::tools::{Command, Named};

/// The hosted API's words for a token that is not its own.
const WRONG_TOKEN: &str = "Invalid API key";

/// Why the sidecar did not do it.
// spec: API-2 EDIT-1
pub fn refusal(answer: &Answer, command: &Command, api: &Api) -> Failure {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = &body["detail"];
    let lines = match (answer.status, code(detail)) {
        (StatusCode::UNAUTHORIZED, _) => vec![format!(
            "the sidecar wants its admin token: set {TOKEN_VARIABLE} or name a file with \
             --token-file"
        )],
        (StatusCode::FORBIDDEN, "admin_api_disabled") => vec![
            "the sidecar's API is closed, because it runs without an admin token".to_owned(),
            format!(
                "set admin.token in its settings file, or {TOKEN_VARIABLE} in its environment, and \
                 start it again"
            ),
        ],
        (StatusCode::FORBIDDEN, _) if detail == WRONG_TOKEN => vec![format!(
            "the sidecar has another admin token than the one from {}",
            api.token_from()
        )],
        (StatusCode::NOT_FOUND, "tool_not_found") => no_such_tool(command),
        (StatusCode::NOT_FOUND, "" | "not_found") => vec![format!(
            "{} has no Tools API: is it the admin address of a sidecar?",
            answer.from
        )],
        (StatusCode::UNPROCESSABLE_ENTITY, _) if detail.is_array() => faults(detail, command),
        (StatusCode::CONFLICT, code) => conflict(code, detail),
        (status, code) => vec![other(status, code, detail)],
    };
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    Failure::No(lines.join("\n"))
}

/// The machine word, where the answer has one.
fn code(detail: &Value) -> &str {
    detail["error"].as_str().unwrap_or_default()
}

fn message(detail: &Value) -> &str {
    let sentence = detail["message"].as_str().or(detail.as_str());
    sentence.unwrap_or("it does not say why")
}

fn no_such_tool(command: &Command) -> Vec<String> {
    let first = match command {
        Command::Get(Named { name, scope })
        | Command::Enable(Named { name, scope })
        | Command::Disable(Named { name, scope })
        | Command::Delete {
            named: Named { name, scope },
            ..
        } => format!("there is no tool {name} in {scope}"),
        Command::Add(put) => format!("there is no tool {} in {}", put.name, put.scope),
        Command::List { .. } => "there is no such tool".to_owned(),
    };
    vec![
        first,
        "`countersign tools list --scope all` shows what there is; --scope names another scope"
            .to_owned(),
    ]
}

/// One line for each field.
fn faults(detail: &Value, command: &Command) -> Vec<String> {
    let mut lines = vec!["the sidecar does not take this:".to_owned()];
    for fault in detail.as_array().into_iter().flatten() {
        let field = field(&fault["loc"]);
        let reason = fault["msg"].as_str().unwrap_or("it does not say why");
        lines.push(format!("  {field}: {reason}"));
        if let Command::Add(put) = command
            && put.keeps_secret()
            && field == "auth.secret"
        {
            let (name, scope) = (&put.name, &put.scope);
            lines.push(format!(
                "  there is no {name} in {scope} whose secret could be kept: leave --keep-secret out"
            ));
        }
    }
    lines
}

/// `auth.secret`; the step that only says that it was in the body is left out.
fn field(loc: &Value) -> String {
    let steps = loc.as_array().map(Vec::as_slice).unwrap_or_default();
    let steps = match steps {
        [Value::String(part), inner @ ..]
            if !inner.is_empty() && matches!(part.as_str(), "body" | "query" | "path") =>
        {
            inner
        }
        all => all,
    };
    let step = |step: &Value| {
        step.as_str()
            .map_or_else(|| step.to_string(), str::to_owned)
    };
    steps.iter().map(step).collect::<Vec<_>>().join(".")
}

fn conflict(code: &str, detail: &Value) -> Vec<String> {
    let mut lines = vec![format!("nothing was changed: {}", message(detail))];
    lines.extend(match code {
        "registry_read_only" => Some(
            "change the registry where it comes from; the sidecar takes it into service by itself"
                .to_owned(),
        ),
        "registry_not_editable" => detail["line"]
            .as_u64()
            .map(|line| format!("change the registry file by hand: line {line}")),
        _ => None,
    });
    let problems = detail["problems"].as_array().into_iter().flatten();
    lines.extend(
        problems
            .filter_map(Value::as_str)
            .map(|line| format!("  {line}")),
    );
    lines
}

fn other(status: StatusCode, code: &str, detail: &Value) -> String {
    let code = if code.is_empty() {
        String::new()
    } else {
        format!(": {code}")
    };
    format!("the sidecar answered {status}{code}: {}", message(detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_named_as_people_write_it() {
        for (loc, expected) in [
            (json!(["body", "auth", "secret"]), "auth.secret"),
            (json!(["query", "scope_id"]), "scope_id"),
            (json!(["body", "retry_on", 2]), "retry_on.2"),
            (json!(["body"]), "body"),
            (json!(["body", 17]), "17"),
            (json!("url"), ""),
        ] {
            assert_eq!(field(&loc), expected, "{loc}");
        }
    }
}
