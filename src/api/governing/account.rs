//! The operator's account: what was used, day by day, and what the operator wants to be told.
//!
//! A sidecar has no plan, so nothing has a limit here. `make` counts locks; `ai` counts leases and
//! the calls of tools that the audit log has.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

use crate::api::books::{Counts, DayNumber, Preferences, month_of};
use crate::api::failure::{Failure, read};
use crate::api::fields::governed as fields;
use crate::api::governing::{Asking, Governing, Reply, with_header};
use crate::api::reply;
use crate::audit::Day;
use crate::clock::Timestamp;

/// What stands where the hosted API names a plan.
const PLAN: &str = "self_hosted";

/// The last day of the calendar that is shown.
const LAST_DAY: DayNumber = DayNumber(2_932_896);

#[derive(Serialize)]
struct Me<'a> {
    plan: &'static str,
    key_preview: &'a str,
    email: Option<&'static str>,
    is_active: bool,
    current_period_end: Option<&'static str>,
    requests_total_all_time: u64,
    blocked_total_all_time: u64,
    #[serde(flatten)]
    preferences: Preferences,
}

#[derive(Serialize)]
struct Usage {
    plan: &'static str,
    month: String,
    #[serde(flatten)]
    used: Used,
}

#[derive(Clone, Copy, Serialize)]
struct Used {
    usage: u64,
    limit: Option<u64>,
    requests_total_month: u64,
    blocked_total_month: u64,
}

#[derive(Serialize)]
struct UsageAll {
    plan: &'static str,
    month: String,
    make: Kind,
    ai: Kind,
}

#[derive(Serialize)]
struct Kind {
    #[serde(flatten)]
    used: Used,
    charged_total_month: u64,
    polling_total_month: u64,
}

#[derive(Serialize)]
struct ShownDay {
    day: DayNumber,
    checks_total: u64,
    locks_created: u64,
    duplicates_blocked: u64,
    /// The sidecar's own limits of rate are per tool and not counted here.
    rate_limited: u64,
    ai_acquired: u64,
    ai_in_progress: u64,
    ai_completed: u64,
    ai_failed: u64,
    ai_extended: u64,
    ai_canceled: u64,
    calls_executed: u64,
    calls_dedup: u64,
    calls_blocked: u64,
    calls_failed: u64,
}

/// Locks and leases, and the calls of tools.
#[derive(Clone, Copy, Default)]
struct Both {
    own: Counts,
    calls: Day,
}

impl Both {
    fn add(&mut self, other: &Self) {
        self.own.add(&other.own);
        self.calls.add_all(&other.calls);
    }

    fn make(&self) -> Used {
        Used {
            usage: self.own.locks_created,
            limit: None,
            requests_total_month: self.own.checks_total,
            blocked_total_month: self.own.duplicates_blocked,
        }
    }

    fn ai(&self) -> Used {
        let Day {
            executed,
            dedup,
            blocked,
            failed,
            ..
        } = self.calls;
        let leases = self.own.ai_acquired + self.own.ai_in_progress;
        Used {
            usage: self.own.ai_acquired + executed + failed,
            limit: None,
            requests_total_month: leases + executed + dedup + blocked + failed,
            blocked_total_month: self.own.ai_in_progress + dedup + blocked,
        }
    }
}

impl Governing {
    /// `GET /v1/me`
    // spec: USAGE-1
    pub(super) fn me(&self) -> Reply {
        let all = self.total(DayNumber(0), LAST_DAY);
        let (make, ai) = (all.make(), all.ai());
        let me = Me {
            plan: PLAN,
            key_preview: self.key_preview.as_str(),
            email: None,
            is_active: true,
            current_period_end: None,
            requests_total_all_time: make.requests_total_month + ai.requests_total_month,
            blocked_total_all_time: make.blocked_total_month + ai.blocked_total_month,
            preferences: self.books.preferences(),
        };
        reply::json(StatusCode::OK, &me)
    }

    /// `POST /v1/me/notifications`
    // spec: USAGE-1
    pub(super) async fn notify(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let [mail, tools, runs] = read(|faults| fields::read_notifications(&asking.body, faults))?;
        let preferred = self.books.prefer(|preferences| {
            let before = *preferences;
            *preferences = Preferences {
                email_notifications_enabled: mail.unwrap_or(before.email_notifications_enabled),
                tool_error_notifications_enabled: tools
                    .unwrap_or(before.tool_error_notifications_enabled),
                run_failure_notifications_enabled: runs
                    .unwrap_or(before.run_failure_notifications_enabled),
            };
        });
        Ok(reply::json(StatusCode::OK, &preferred.await?))
    }

    /// `GET /v1/usage`
    // spec: USAGE-1
    pub(super) fn usage(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let kind = read(|faults| fields::read_kind(asking.query(), faults))?;
        let (first, last, month) = month_of(self.books.now());
        let total = self.total(first, last);
        let usage = Usage {
            plan: PLAN,
            used: match kind {
                "ai" => total.ai(),
                _ => total.make(),
            },
            month,
        };
        Ok(reply::json(StatusCode::OK, &usage))
    }

    /// `GET /v1/usage/all`
    // spec: USAGE-1
    pub(super) fn usage_all(&self, asking: &Asking<'_>) -> Reply {
        let (first, last, month) = month_of(self.books.now());
        let total = self.total(first, last);
        let kind = |used: Used, polling_total_month| Kind {
            used,
            charged_total_month: used.usage,
            polling_total_month,
        };
        let usage = UsageAll {
            plan: PLAN,
            make: kind(total.make(), 0),
            ai: kind(total.ai(), total.own.polls),
            month,
        };
        let answer = reply::json(StatusCode::OK, &usage);
        let answer = with_header(answer, "x-onceonly-plan", PLAN);
        asking.tagged(with_header(answer, "x-onceonly-month", &usage.month))
    }

    /// `GET /v1/metrics`
    // spec: USAGE-1
    pub(super) fn days(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (first, last) = read(|faults| fields::read_days(asking.query(), faults))?;
        let days = self.by_day(first, last).into_iter();
        let days: Vec<_> = days.map(|(day, both)| ShownDay::of(day, &both)).collect();
        Ok(reply::json(StatusCode::OK, &days))
    }

    /// What leases and calls of tools have used of the present month.
    pub(super) fn used_by_agents(&self, now: Timestamp) -> u64 {
        let (first, last, _) = month_of(now);
        self.total(first, last).ai().usage
    }

    fn total(&self, first: DayNumber, last: DayNumber) -> Both {
        let mut total = Both::default();
        self.by_day(first, last)
            .values()
            .for_each(|day| total.add(day));
        total
    }

    fn by_day(&self, first: DayNumber, last: DayNumber) -> BTreeMap<DayNumber, Both> {
        let mut days: BTreeMap<DayNumber, Both> = BTreeMap::new();
        for (day, own) in self.books.counts(first, last) {
            days.entry(day).or_default().own = own;
        }
        for (day, calls) in self.governance.audit.days(first.0, last.0) {
            days.entry(DayNumber(day)).or_default().calls = calls;
        }
        days
    }
}

impl ShownDay {
    fn of(day: DayNumber, both: &Both) -> Self {
        let Both { own, calls } = both;
        Self {
            day,
            checks_total: own.checks_total,
            locks_created: own.locks_created,
            duplicates_blocked: own.duplicates_blocked,
            rate_limited: 0,
            ai_acquired: own.ai_acquired,
            ai_in_progress: own.ai_in_progress,
            ai_completed: own.ai_completed,
            ai_failed: own.ai_failed,
            ai_extended: own.ai_extended,
            ai_canceled: own.ai_canceled,
            calls_executed: calls.executed,
            calls_dedup: calls.dedup,
            calls_blocked: calls.blocked,
            calls_failed: calls.failed,
        }
    }
}
