//! Locks and leases.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::books::{Asked, Checked, End, Lease, LeaseState, Taken};
use crate::api::failure::{Failure, read};
use crate::api::fault::Fault;
use crate::api::fields::governed as fields;
use crate::api::governing::{Asking, Governing, Reply, with_header};
use crate::api::reply;
use crate::clock::Timestamp;
use crate::telemetry::Rfc3339;

/// How long a lock holds, in seconds, if its taker does not say.
const LOCK_TTL_S: u64 = 86_400;

/// How long a lease holds, in seconds, if its taker does not say. A holder that dies blocks its key
/// for so long.
const LEASE_TTL_S: u64 = 300;

/// When to ask again for a lease that somebody has, in seconds.
const ASK_AGAIN_S: u64 = 1;

#[derive(Serialize)]
struct Lock<'a> {
    success: bool,
    status: &'static str,
    key: &'a str,
    ttl: u64,
    first_seen_at: Option<Rfc3339>,
}

/// How a lease stands, for everybody. Who holds it is between the holder and the sidecar: whoever
/// knows a lease's id can end it.
#[derive(Serialize)]
struct Status<'a> {
    ok: bool,
    status: &'static str,
    key: &'a str,
    lease_id: Option<String>,
    version: u64,
    ttl_left: Option<u64>,
    first_seen_at: Option<Rfc3339>,
    done_at: Option<Rfc3339>,
    result_hash: Option<&'a str>,
    error_code: Option<&'a str>,
    retry_after_sec: Option<u64>,
}

#[derive(Serialize)]
struct Leased<'a> {
    #[serde(flatten)]
    status: Status<'a>,
    ttl: u64,
    charged: u64,
    usage: u64,
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    ok: bool,
    status: &'static str,
    key: &'a str,
    result: Option<&'a Map<String, Value>>,
    result_hash: Option<&'a str>,
    error_code: Option<&'a str>,
    done_at: Option<Rfc3339>,
}

#[derive(Serialize)]
struct Changed<'a> {
    ok: bool,
    status: &'static str,
    key: &'a str,
    ttl: u64,
    version: u64,
}

impl Governing {
    /// `POST /v1/check-lock`
    // spec: LOCK-1
    pub(super) async fn check_lock(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let take = read(|faults| fields::read_take(&asking.body, faults))?;
        let ttl_s = take.ttl_s.unwrap_or(LOCK_TTL_S);
        let checked = self.books.check_lock(asking.about(&take), ttl_s).await?;
        let (status, ttl, first_seen_at) = match checked {
            Checked::Locked => ("locked", ttl_s, None),
            Checked::Duplicate { first_seen, ttl_s } => {
                ("duplicate", ttl_s, Some(Rfc3339(first_seen)))
            }
        };
        let lock = Lock {
            success: first_seen_at.is_none(),
            status,
            key: &take.key,
            ttl,
            first_seen_at,
        };
        let answer = with_header(
            reply::json(StatusCode::OK, &lock),
            "x-onceonly-status",
            status,
        );
        Ok(asking.tagged(answer))
    }

    /// `POST /v1/ai/lease`
    // spec: LEASE-1
    pub(super) async fn lease(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let take = read(|faults| fields::read_take(&asking.body, faults))?;
        let ttl_s = take.ttl_s.unwrap_or(LEASE_TTL_S);
        let taken = self.books.lease(asking.about(&take), ttl_s).await?;
        let now = self.books.now();
        let (lease, is_ours) = match &taken {
            Taken::Acquired(lease) => (lease, true),
            Taken::Found(lease) => (lease, false),
        };
        let mut status = Status::of(&take.key, Some(lease), now);
        if is_ours {
            status.status = "acquired";
            status.lease_id = Some(lease.id.to_string());
            status.retry_after_sec = None;
        }
        let leased = Leased {
            status,
            ttl: lease.ttl_s,
            charged: is_ours.into(),
            usage: self.used_by_agents(now),
            limit: None,
        };
        Ok(asking.tagged(reply::json(StatusCode::OK, &leased)))
    }

    /// `POST /v1/ai/extend`, `complete`, `fail` and `cancel`, as `reading` says.
    // spec: LEASE-2
    pub(super) async fn end(
        &self,
        asking: &Asking<'_>,
        reading: fn(&Value, &mut Vec<Fault>) -> Option<fields::Ending>,
    ) -> Result<Reply, Failure> {
        let ending = read(|faults| reading(&asking.body, faults))?;
        let status = match ending.end {
            End::Extend { .. } => "extended",
            End::Complete { .. } => "completed",
            End::Fail { .. } => "failed",
            End::Cancel { .. } => "canceled",
        };
        let asked = asking.about_key(&ending.key);
        let ended = self.books.end(asked, &ending.lease_id, ending.end).await?;
        let lease = ended.map_err(|_lost| Failure::LeaseLost {
            key: ending.key.clone(),
        })?;
        let changed = Changed {
            ok: true,
            status,
            key: &ending.key,
            ttl: lease.ttl_s,
            version: lease.version,
        };
        Ok(asking.tagged(reply::json(StatusCode::OK, &changed)))
    }

    /// `GET /v1/ai/status`
    // spec: LEASE-3
    pub(super) fn status(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let key = read(|faults| fields::read_key(asking.query(), faults))?;
        let lease = self.books.look(&key);
        let status = Status::of(&key, lease.as_ref(), self.books.now());
        Ok(reply::json(StatusCode::OK, &status))
    }

    /// `GET /v1/ai/result`
    // spec: LEASE-3
    pub(super) fn result(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let key = read(|faults| fields::read_key(asking.query(), faults))?;
        let lease = self.books.look(&key);
        let status = Status::of(&key, lease.as_ref(), self.books.now());
        let outcome = Outcome {
            ok: status.status == "completed",
            status: status.status,
            key: &key,
            result: lease.as_ref().and_then(|lease| match &lease.state {
                LeaseState::Completed { result, .. } => result.as_ref(),
                LeaseState::Held | LeaseState::Failed { .. } => None,
            }),
            result_hash: status.result_hash,
            error_code: status.error_code,
            done_at: status.done_at,
        };
        Ok(reply::json(StatusCode::OK, &outcome))
    }
}

impl Asking<'_> {
    fn about<'a>(&'a self, take: &'a fields::Take) -> Asked<'a> {
        Asked {
            run_id: take.run_id.as_deref(),
            ..self.about_key(&take.key)
        }
    }

    fn about_key<'a>(&'a self, key: &'a str) -> Asked<'a> {
        Asked {
            key,
            request_id: self.request_id.as_str(),
            run_id: None,
            message: None,
        }
    }
}

impl<'a> Status<'a> {
    fn of(key: &'a str, lease: Option<&'a Lease>, now: Timestamp) -> Self {
        let mut status = Self {
            ok: lease.is_some(),
            status: "not_found",
            key,
            lease_id: None,
            version: lease.map_or(0, |lease| lease.version),
            ttl_left: None,
            first_seen_at: lease.map(|lease| time(lease.first_seen_ms)),
            done_at: None,
            result_hash: None,
            error_code: None,
            retry_after_sec: None,
        };
        match lease.map(|lease| &lease.state) {
            None => {}
            Some(LeaseState::Held) => {
                status.status = "in_progress";
                status.ttl_left = lease.map(|lease| lease.left_s(now));
                status.retry_after_sec = Some(ASK_AGAIN_S);
            }
            Some(LeaseState::Completed {
                done_ms,
                result_hash,
                ..
            }) => {
                status.status = "completed";
                status.done_at = Some(time(*done_ms));
                status.result_hash = result_hash.as_deref();
            }
            Some(LeaseState::Failed {
                done_ms,
                error_code,
            }) => {
                status.status = "failed";
                status.done_at = Some(time(*done_ms));
                status.error_code = Some(error_code);
            }
        }
        status
    }
}

fn time(millis: u64) -> Rfc3339 {
    Rfc3339(Timestamp::from_unix_millis(millis.cast_signed()))
}
