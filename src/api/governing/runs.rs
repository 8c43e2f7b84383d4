//! Events and the runs that they belong to.

use http::StatusCode;
use serde::Serialize;

use crate::api::books::{Event, Run};
use crate::api::failure::{Failure, read};
use crate::api::fields::governed as fields;
use crate::api::governing::{Asking, Governing, Reply};
use crate::api::reply;

#[derive(Serialize)]
struct Reported<'a> {
    ok: bool,
    event_id: u64,
    run_id: &'a str,
}

#[derive(Serialize)]
struct Runs {
    total: usize,
    items: Vec<Run>,
}

#[derive(Serialize)]
struct Timeline<'a> {
    run_id: &'a str,
    total: usize,
    events: Vec<Event>,
}

impl Governing {
    /// `GET /v1/events`
    // spec: RUN-1
    pub(super) fn events(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let page = read(|faults| fields::read_events(asking.query(), faults))?;
        let events = self.books.events(page.limit, page.offset);
        Ok(reply::json(StatusCode::OK, &events))
    }

    /// `POST /v1/events`
    // spec: RUN-1
    pub(super) async fn report(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let now_s = self.books.now().unix_seconds().max(0);
        let event = read(|faults| fields::read_event(&asking.body, now_s, faults))?;
        let run_id = event.run_id.clone().unwrap_or_default();
        let event_id = self.books.report(event).await?;
        let reported = Reported {
            ok: true,
            event_id,
            run_id: &run_id,
        };
        Ok(reply::json(StatusCode::OK, &reported))
    }

    /// `GET /v1/runs`
    // spec: RUN-1
    pub(super) fn runs(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (page, part) = read(|faults| fields::read_runs(asking.query(), faults))?;
        let (total, items) = self.books.runs(&part, page.limit, page.offset);
        Ok(reply::json(StatusCode::OK, &Runs { total, items }))
    }

    /// `GET /v1/runs/{run_id}`
    // spec: RUN-1
    pub(super) fn run(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (run_id, page) = read(|faults| {
            let run_id = fields::read_run_id(asking.name, faults);
            run_id.zip(fields::read_run(asking.query(), faults))
        })?;
        let (total, events) = self.books.run(&run_id, page.limit, page.offset);
        let timeline = Timeline {
            run_id: &run_id,
            total,
            events,
        };
        Ok(reply::json(StatusCode::OK, &timeline))
    }
}
