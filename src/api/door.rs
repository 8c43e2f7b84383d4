//! The admin listener's service: what must hold before the API is asked anything.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tracing::debug;

use crate::api::AdminApi;
use crate::call::Refusal;
use crate::http1::FieldList;
use crate::server::guard::Guard;
use crate::server::{Request, Service, Unreadable};

/// Keeps foreign pages and rebound names away from the API.
#[derive(Debug)]
pub struct AdminDoor {
    /// Answers what comes through.
    pub api: AdminApi,
    /// Decides what does.
    pub guard: Guard,
}

impl Service for AdminDoor {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request) -> Response<Full<Bytes>> {
        match self.check(&request.head.fields) {
            Ok(()) => self.api.answer(http::Request::from(request)).await,
            Err(refusal) => refusal.to_response().map(Full::new),
        }
    }

    // spec: ERR-1
    fn refuse(&self, why: Unreadable) -> Response<Full<Bytes>> {
        debug!(?why, "what an operator's client sent is no request");
        Refusal::from(why).to_response().map(Full::new)
    }
}

impl AdminDoor {
    // spec: ORIGIN-1
    fn check(&self, fields: &FieldList) -> Result<(), Refusal> {
        if !self.guard.allows_host(fields) && !self.api.carries_token(fields) {
            return Err(Refusal::HostNotAllowed);
        }
        if !self.guard.allows_origin(fields) {
            return Err(Refusal::OriginNotAllowed);
        }
        Ok(())
    }
}
