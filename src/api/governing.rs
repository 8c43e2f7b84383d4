//! Agents, locks, leases, events and counts over HTTP, in the shapes of the hosted API.
//!
//! Each endpoint reads what it is asked, asks the governance or the books, and shows what they say;
//! nothing is decided here.

mod account;
mod agents;
mod leases;
mod runs;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde_json::{Map, Value};

use crate::api::body::{self, Incoming};
use crate::api::books::Books;
use crate::api::failure::Failure;
use crate::api::fields::governed as fields;
use crate::api::routes::Governed;
use crate::call::{Governance, KeyHash};
use crate::headers::X_REQUEST_ID;
use crate::ids::RequestId;

type Reply = Response<Full<Bytes>>;

/// What the endpoints ask.
pub struct Governing {
    /// Who may do what, and the log of it.
    pub governance: Arc<Governance>,
    /// What the API remembers by itself.
    pub books: Books,
    /// Names the operator's key without telling it.
    pub key_preview: KeyHash,
}

/// A request whose body has been read.
struct Asking<'a> {
    head: &'a Parts,
    /// What stood in the path.
    name: &'a str,
    /// An empty object where there was no body.
    body: Value,
    /// Of this request, for events and the answer.
    request_id: RequestId,
}

impl Asking<'_> {
    fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    /// The answer, which names the request.
    fn tagged(&self, mut answer: Reply) -> Reply {
        let headers = answer.headers_mut();
        headers.insert(X_REQUEST_ID, self.request_id.to_header());
        answer
    }
}

impl Governing {
    /// Answers one request.
    ///
    /// Dropping the future stops waiting for what has begun, and undoes none of it.
    pub async fn answer(
        &self,
        what: Governed,
        head: &Parts,
        name: &str,
        body: impl Incoming,
    ) -> Result<Reply, Failure> {
        let body = match needs(what) {
            Needs::Nothing => Value::Null,
            Needs::PerhapsABody => body::read_if_any(&head.headers, body)
                .await?
                .unwrap_or_else(|| Value::Object(Map::new())),
            Needs::ABody => body::read(&head.headers, body).await?,
        };
        let offered = head.headers.get(X_REQUEST_ID);
        let asking = Asking {
            head,
            name,
            body,
            request_id: RequestId::adopt_or_new(offered, self.books.now()),
        };
        match what {
            Governed::Disable => self.disable(&asking).await,
            Governed::Enable => self.enable(&asking).await,
            Governed::Logs => self.logs(&asking),
            Governed::Sums => self.sums(&asking),
            Governed::Audit => self.audit(&asking),
            Governed::Me => Ok(self.me()),
            Governed::Notify => self.notify(&asking).await,
            Governed::Usage => self.usage(&asking),
            Governed::UsageAll => Ok(self.usage_all(&asking)),
            Governed::Days => self.days(&asking),
            Governed::CheckLock => self.check_lock(&asking).await,
            Governed::Lease => self.lease(&asking).await,
            Governed::Extend => self.end(&asking, fields::read_extend).await,
            Governed::Complete => self.end(&asking, fields::read_complete).await,
            Governed::Fail => self.end(&asking, fields::read_fail).await,
            Governed::Cancel => self.end(&asking, fields::read_cancel).await,
            Governed::Status => self.status(&asking),
            Governed::Result => self.result(&asking),
            Governed::Events => self.events(&asking),
            Governed::Report => self.report(&asking).await,
            Governed::Runs => self.runs(&asking),
            Governed::Run => self.run(&asking),
        }
    }
}

/// What a request brings beside its head.
enum Needs {
    Nothing,
    PerhapsABody,
    ABody,
}

fn needs(what: Governed) -> Needs {
    match what {
        Governed::Disable | Governed::Notify => Needs::PerhapsABody,
        Governed::CheckLock
        | Governed::Lease
        | Governed::Extend
        | Governed::Complete
        | Governed::Fail
        | Governed::Cancel
        | Governed::Report => Needs::ABody,
        Governed::Enable
        | Governed::Logs
        | Governed::Sums
        | Governed::Audit
        | Governed::Me
        | Governed::Usage
        | Governed::UsageAll
        | Governed::Days
        | Governed::Status
        | Governed::Result
        | Governed::Events
        | Governed::Runs
        | Governed::Run => Needs::Nothing,
    }
}

/// A word of the answer's own as a header.
fn with_header(mut answer: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
