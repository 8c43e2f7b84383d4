//! Reading the bodies, queries and paths of everything but tools.
//!
//! Reading goes on after a fault, so that a caller learns of all of them at once.

use serde_json::{Map, Value};

use crate::api::books::{DayNumber, End, Event, event_limits};
use crate::api::fault::Fault;
use crate::api::fields::governed::{
    AFTER, AGENT_ID, BY_MAIL, CANCEL_IN_FLIGHT, DATA, DURATION_MS, ERROR_CODE, EVENT_AGENT,
    EVENT_LEASE, FROM_DAY, KEY, KIND, LEASE_ID, LIMIT_AUDIT, LIMIT_EVENTS, LIMIT_LOGS, LIMIT_RUN,
    MESSAGE, METADATA, OF_RUN_FAILURES, OF_TOOL_ERRORS, OFFSET, PART, PERIOD, REASON, REQ_ID,
    RESULT, RESULT_HASH, RUN_ID, STATUS, STEP, TO_DAY, TOOL, TS, TTL, TYPE,
};
use crate::api::fields::read::{Reader, query_object, read_query};
use crate::ids::AgentId;

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many at most.
    pub limit: usize,
    /// How many to leave out.
    pub offset: usize,
}

/// A request for a lock or a lease.
#[derive(Debug)]
pub struct Take {
    /// Of what.
    pub key: String,
    /// For so long.
    pub ttl_s: Option<u64>,
    /// As a part of this run.
    pub run_id: Option<String>,
}

/// A holder's request.
#[derive(Debug)]
pub struct Ending {
    /// Of what.
    pub key: String,
    /// By whom.
    pub lease_id: String,
    /// What.
    pub end: End,
}

/// Reads an agent's id.
pub fn read_agent(text: &str, faults: &mut Vec<Fault>) -> Option<AgentId> {
    let path = path_object("agent_id", text);
    Reader::open(&path, vec!["path".into()], faults)?.take(&AGENT_ID)
}

/// Reads a run's name.
pub fn read_run_id(text: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let path = path_object("run_id", text);
    Reader::open(&path, vec!["path".into()], faults)?.take(&RUN_ID)
}

fn path_object(name: &str, text: &str) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), text.into())]))
}

/// Reads why an agent is switched off, and whether its calls are cut off.
pub fn read_disable(body: &Value, faults: &mut Vec<Fault>) -> Option<(Option<String>, bool)> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let reason = reader.take(&REASON);
    let cancel = reader.take(&CANCEL_IN_FLIGHT);
    Some((reason?, cancel?))
}

/// Reads a request for a lock or a lease.
pub fn read_take(body: &Value, faults: &mut Vec<Fault>) -> Option<Take> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let key = reader.take(&KEY);
    let ttl = reader.take(&TTL);
    let metadata = reader.take(&METADATA);
    let run_id = |metadata: Map<String, Value>| {
        let run_id = metadata.get("run_id")?.as_str()?;
        let fits = (1..=event_limits::RUN_ID_CHARS).contains(&run_id.chars().count());
        fits.then(|| run_id.to_owned())
    };
    Some(Take {
        key: key?,
        ttl_s: ttl?.map(i64::unsigned_abs),
        run_id: metadata?.and_then(run_id),
    })
}

/// Reads that a lease goes on.
pub fn read_extend(body: &Value, faults: &mut Vec<Fault>) -> Option<Ending> {
    read_ending(body, faults, |reader| {
        let ttl_s = reader.take(&TTL)?.map(i64::unsigned_abs);
        Some(End::Extend { ttl_s })
    })
}

/// Reads that a lease ended well.
pub fn read_complete(body: &Value, faults: &mut Vec<Fault>) -> Option<Ending> {
    read_ending(body, faults, |reader| {
        let (result, result_hash) = (reader.take(&RESULT), reader.take(&RESULT_HASH));
        Some(End::Complete {
            result: result?,
            result_hash: result_hash?,
        })
    })
}

/// Reads that a lease ended in vain.
pub fn read_fail(body: &Value, faults: &mut Vec<Fault>) -> Option<Ending> {
    read_ending(body, faults, |reader| {
        let error_code = reader.take(&ERROR_CODE)?;
        Some(End::Fail { error_code })
    })
}

/// Reads that a lease is given back.
pub fn read_cancel(body: &Value, faults: &mut Vec<Fault>) -> Option<Ending> {
    read_ending(body, faults, |reader| {
        let reason = reader.take(&REASON)?;
        Some(End::Cancel { reason })
    })
}

/// Reads whose lease is meant, and what `rest` says becomes of it.
fn read_ending(
    body: &Value,
    faults: &mut Vec<Fault>,
    rest: impl FnOnce(&mut Reader<'_>) -> Option<End>,
) -> Option<Ending> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let (key, lease_id) = (reader.take(&KEY), reader.take(&LEASE_ID));
    let end = rest(&mut reader);
    Some(Ending {
        key: key?,
        lease_id: lease_id?,
        end: end?,
    })
}

/// Reads an event; its time is `now_s` where it is not said.
pub fn read_event(body: &Value, now_s: i64, faults: &mut Vec<Fault>) -> Option<Event> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let run_id = reader.take(&RUN_ID);
    let kind = reader.take(&TYPE);
    let ts = reader.take(&TS);
    let status = reader.take(&STATUS);
    let duration_ms = reader.take(&DURATION_MS);
    let step = reader.take(&STEP);
    let tool = reader.take(&TOOL);
    let req_id = reader.take(&REQ_ID);
    let lease_id = reader.take(&EVENT_LEASE);
    let agent_id = reader.take(&EVENT_AGENT);
    let message = reader.take(&MESSAGE);
    let data = reader.take(&DATA);
    Some(Event {
        id: 0,
        run_id: Some(run_id?),
        ts: ts?.unwrap_or(now_s),
        r#type: kind?,
        status: status?,
        duration_ms: duration_ms?,
        step: step?,
        tool: tool?,
        req_id: req_id?,
        lease_id: lease_id?,
        agent_id: agent_id?,
        message: message?,
        data: data?,
        key: None,
    })
}

/// Reads what the operator wants to be told: by mail, of tools, of runs.
pub fn read_notifications(body: &Value, faults: &mut Vec<Fault>) -> Option<[Option<bool>; 3]> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let all = [&BY_MAIL, &OF_TOOL_ERRORS, &OF_RUN_FAILURES].map(|field| reader.take(field));
    let [mail, tools, runs] = all;
    Some([mail?, tools?, runs?])
}

/// Reads how many records of an agent are wanted.
pub fn read_logs(query: &str, faults: &mut Vec<Fault>) -> Option<usize> {
    let limit = read_query(query, &LIMIT_LOGS, faults);
    limit.and_then(|limit| usize::try_from(limit).ok())
}

/// Reads how far to look back.
pub fn read_period(query: &str, faults: &mut Vec<Fault>) -> Option<&'static str> {
    read_query(query, &PERIOD, faults)
}

/// Reads which part of the audit log is wanted: what follows a record, and how much of it.
pub fn read_audit(query: &str, faults: &mut Vec<Fault>) -> Option<(u64, usize)> {
    let query = query_object(query);
    let mut reader = Reader::open(&query, vec!["query".into()], faults)?;
    let (after, limit) = (reader.take(&AFTER), reader.take(&LIMIT_AUDIT));
    Some((after?.unsigned_abs(), usize::try_from(limit?).ok()?))
}

/// Reads which lease is meant.
pub fn read_key(query: &str, faults: &mut Vec<Fault>) -> Option<String> {
    read_query(query, &KEY, faults)
}

/// Reads which use is meant.
pub fn read_kind(query: &str, faults: &mut Vec<Fault>) -> Option<&'static str> {
    read_query(query, &KIND, faults)
}

/// Reads the first and the last day.
pub fn read_days(query: &str, faults: &mut Vec<Fault>) -> Option<(DayNumber, DayNumber)> {
    let query = query_object(query);
    let mut reader = Reader::open(&query, vec!["query".into()], faults)?;
    reader.take(&FROM_DAY).zip(reader.take(&TO_DAY))
}

/// Reads which events are wanted.
pub fn read_events(query: &str, faults: &mut Vec<Fault>) -> Option<Page> {
    let query = query_object(query);
    let mut reader = Reader::open(&query, vec!["query".into()], faults)?;
    page(reader.take(&LIMIT_EVENTS), reader.take(&OFFSET))
}

/// Reads which runs are wanted, and the part of their names.
pub fn read_runs(query: &str, faults: &mut Vec<Fault>) -> Option<(Page, String)> {
    let query = query_object(query);
    let mut reader = Reader::open(&query, vec!["query".into()], faults)?;
    let page = page(reader.take(&LIMIT_EVENTS), reader.take(&OFFSET));
    page.zip(reader.take(&PART))
}

/// Reads which events of a run are wanted.
pub fn read_run(query: &str, faults: &mut Vec<Fault>) -> Option<Page> {
    let query = query_object(query);
    let mut reader = Reader::open(&query, vec!["query".into()], faults)?;
    page(reader.take(&LIMIT_RUN), reader.take(&OFFSET))
}

fn page(limit: Option<i64>, offset: Option<i64>) -> Option<Page> {
    Some(Page {
        limit: usize::try_from(limit?).ok()?,
        offset: usize::try_from(offset?).ok()?,
    })
}
