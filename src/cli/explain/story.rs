//! A line of the access log in sentences, in the order in which things happened.
//!
//! Every text of the line passes `printable`, because agents choose ids and names.

use crate::cli::explain::advice::advice;
use crate::cli::printable::printable;
use crate::telemetry::{CircuitVerdict, Ending, Entry, Limit, NoRetry, Tried, Unanswered};

/// What became of a call.
#[derive(Debug)]
pub struct Story {
    /// Status and outcome, in one line.
    pub headline: String,
    /// What happened, in order, and at last what to do.
    pub steps: Vec<Step>,
    /// What the backend can have seen.
    pub reach: Reach,
}

/// A part of a story.
#[derive(Debug)]
pub struct Step {
    /// What it is about, in a word or two.
    pub label: String,
    /// What happened.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
}

/// How a step looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

/// What the backend can have seen of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Nothing.
    No,
    /// Something, perhaps; nobody knows what it did.
    Maybe,
    /// All of it: it answered.
    Yes,
}

impl Reach {
    /// The word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
            Self::Yes => "yes",
        }
    }

    fn of(attempts: &[Tried]) -> Self {
        if attempts.iter().any(|attempt| attempt.status.is_some()) {
            return Self::Yes;
        }
        let unseen = Some(Unanswered::NotSent.word());
        match attempts
            .iter()
            .all(|attempt| attempt.verdict.as_deref() == unseen)
        {
            true => Self::No,
            false => Self::Maybe,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::No => "nothing of the call reached the backend: making it again is safe",
            Self::Maybe => {
                "the call may have been carried out: ask the backend before making it again"
            }
            Self::Yes => "the backend got the call and answered it",
        }
    }
}

/// Whether a call ended as everybody wanted.
pub fn is_well(ending: Ending) -> bool {
    match ending {
        Ending::Success | Ending::Dedup => true,
        Ending::ClientError
        | Ending::ServerError
        | Ending::Aborted
        | Ending::Cancelled
        | Ending::Blocked
        | Ending::Failed => false,
    }
}

impl Story {
    /// Tells what a line says.
    pub fn of(entry: &Entry) -> Self {
        let mut story = Self {
            headline: headline(entry),
            steps: Vec::new(),
            reach: Reach::of(&entry.attempts),
        };
        story.say("when", printable(&entry.ts));
        story.say("call", call(entry));
        story.say("ids", ids(entry));
        if let Some(queued) = entry.queued_ms {
            story.say(
                "queue",
                format!("waited {queued} ms for a place (max_concurrency)"),
            );
        }
        story.attempts(entry);
        story.decisions(entry);
        let ending = Ending::read(&entry.outcome);
        let tone = match ending.is_some_and(is_well) {
            true => Tone::Good,
            false => Tone::Bad,
        };
        story.add("end", end(entry), tone);
        if tone == Tone::Bad {
            story.say("effect", story.reach.sentence().to_owned());
        }
        story.say("time", time(entry));
        story.say("next", advice(entry).to_owned());
        story
    }

    fn say(&mut self, label: &str, text: String) {
        self.add(label, text, Tone::Plain);
    }

    fn add(&mut self, label: &str, text: String, tone: Tone) {
        let label = label.to_owned();
        self.steps.push(Step { label, text, tone });
    }

    fn attempts(&mut self, entry: &Entry) {
        if entry.attempts.is_empty() {
            self.say("attempts", "none: nothing was sent".to_owned());
        }
        for (number, attempt) in entry.attempts.iter().enumerate() {
            let wait = number
                .checked_sub(1)
                .and_then(|before| entry.retries.get(before));
            if let Some(wait) = wait {
                let reason = printable(&wait.reason);
                self.say(
                    "wait",
                    format!("{} ms, to try again after {reason}", wait.wait_ms),
                );
            }
            self.say(&format!("attempt {}", number + 1), tried(attempt));
        }
        // A retry that was decided on and then not made.
        for wait in entry
            .retries
            .iter()
            .skip(entry.attempts.len().saturating_sub(1))
        {
            let reason = printable(&wait.reason);
            self.say(
                "wait",
                format!("{} ms were to follow after {reason}", wait.wait_ms),
            );
        }
    }

    fn decisions(&mut self, entry: &Entry) {
        if let Some(why) = &entry.no_retry {
            let known = NoRetry::read(why).map(no_retry);
            self.say(
                "no retry",
                known.map_or_else(|| printable(why), str::to_owned),
            );
        } else if entry.budget_exhausted {
            self.say("no retry", no_retry(NoRetry::Budget).to_owned());
        }
        if let Some(circuit) = &entry.circuit {
            let known = CircuitVerdict::read(circuit).map(circuit_said);
            self.say(
                "circuit",
                known.map_or_else(|| printable(circuit), str::to_owned),
            );
        }
        if let Some(limit) = &entry.limit {
            let whose = match Limit::read(limit) {
                Some(limit) if limit.word().starts_with("limits.") => "a setting of the sidecar",
                Some(_) => "a field of the tool",
                None => "of a later version",
            };
            self.say("limit", format!("{} ({whose})", printable(limit)));
        }
        if let Some(lease) = &entry.lease_id {
            self.say(
                "lease",
                format!("{}, which the backend was told", printable(lease)),
            );
        }
        for (name, value) in &entry.others {
            let text = printable(&value.to_string());
            self.say("also", format!("{} is {text}", printable(name)));
        }
    }
}

fn headline(entry: &Entry) -> String {
    let outcome = printable(&entry.outcome);
    match entry.code.as_deref().filter(|code| *code != entry.outcome) {
        Some(code) => format!("{} {outcome}: {}", entry.status, printable(code)),
        None => format!("{} {outcome}", entry.status),
    }
}

fn call(entry: &Entry) -> String {
    let or = |text: &Option<String>, other: &str| {
        text.as_deref().map_or_else(|| other.to_owned(), printable)
    };
    let door = match entry.door.as_str() {
        "proxy" => "/tools/{name}".to_owned(),
        "governed" => "/v1/ai/run".to_owned(),
        other => printable(other),
    };
    let scope = match (&entry.scope, &entry.tool) {
        (Some(scope), _) => format!(" of scope {}", printable(scope)),
        (None, Some(_)) => " (no such tool for this agent)".to_owned(),
        (None, None) => String::new(),
    };
    format!(
        "{} {}{scope} through {door}, by {}, with {} bytes",
        or(&entry.method, "an unreadable request for"),
        or(&entry.tool, "no tool"),
        or(&entry.agent, "nobody known"),
        entry.request_bytes,
    )
}

fn ids(entry: &Entry) -> String {
    let (request, trace) = (printable(&entry.request_id), printable(&entry.trace_id));
    format!("request {request}, trace {trace}")
}

fn tried(attempt: &Tried) -> String {
    let took = attempt.duration_ms;
    if let Some(status) = attempt.status {
        return format!("the backend answered {status} after {took} ms");
    }
    let outcome = printable(&attempt.outcome);
    let seen = match attempt
        .verdict
        .as_deref()
        .map(|word| (word, Unanswered::read(word)))
    {
        Some((_, Some(Unanswered::NotSent))) => {
            ": not_sent, the backend saw nothing of it".to_owned()
        }
        Some((_, Some(Unanswered::MaybeSeen))) => {
            ": maybe_seen, the backend may have acted on it".to_owned()
        }
        Some((word, None)) => format!(": {}", printable(word)),
        None => String::new(),
    };
    format!("{outcome} after {took} ms{seen}")
}

fn no_retry(why: NoRetry) -> &'static str {
    match why {
        NoRetry::NotRepeatable => {
            "the backend may have acted, and neither method, Idempotency-Key nor the tool's idempotent \
             says that twice is safe"
        }
        NoRetry::RetryOn => "the tool's retry_on does not name this",
        NoRetry::MaxRetries => "the tool's max_retries are used up",
        NoRetry::RetryAfter => {
            "the backend's Retry-After asks for more than 30 s, which is the agent's to wait"
        }
        NoRetry::Deadline => "the wait would have passed the tool's deadline_ms",
        NoRetry::Budget => {
            "the tool's retry budget is spent: too many of its calls were retried lately"
        }
        NoRetry::Circuit => "the tool's circuit_breaker is open",
    }
}

fn circuit_said(verdict: CircuitVerdict) -> &'static str {
    match verdict {
        CircuitVerdict::Refused => "open: the call was refused before anything was sent",
        CircuitVerdict::NoRetry => "open: there was no further attempt",
        CircuitVerdict::Probe => {
            "half open: this call was the trial whether the backend is well again"
        }
    }
}

fn end(entry: &Entry) -> String {
    let passed = match entry.response_bytes {
        0 => String::new(),
        bytes => format!(", with {bytes} bytes of the answer's body"),
    };
    let who = match Ending::read(&entry.outcome) {
        Some(Ending::Success | Ending::ClientError | Ending::ServerError) => {
            "the agent got the backend's answer"
        }
        Some(Ending::Aborted) => "the agent's connection was cut within the answer",
        Some(Ending::Cancelled) => "the agent was gone",
        Some(Ending::Dedup) => "the agent got the answer of the earlier call",
        Some(Ending::Failed | Ending::Blocked) | None => "Countersign answered itself",
    };
    format!("{who}{passed}")
}

fn time(entry: &Entry) -> String {
    let (total, own) = (entry.duration_ms, entry.overhead_ms);
    format!("{total} ms from the call's head to its end, {own} ms of it in Countersign itself")
}

#[cfg(test)]
mod tests;
