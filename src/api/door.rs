//! The admin listener's service: what must hold before the API is asked anything.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::api::AdminApi;
use crate::call::Refusal;
use crate::server::Service;
use crate::server::guard::{Guard, check_framing};

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

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.check(&request) {
            Ok(()) => self.api.answer(request).await,
            Err(refusal) => refusal.to_response().map(Full::new),
        }
    }
}

impl AdminDoor {
    // spec: ORIGIN-1
    fn check(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        check_framing(request).map_err(Refusal::BadRequest)?;
        let headers = request.headers();
        if !self.guard.allows_host(headers) && !self.api.carries_token(headers) {
            return Err(Refusal::HostNotAllowed);
        }
        if !self.guard.allows_origin(headers) {
            return Err(Refusal::OriginNotAllowed);
        }
        Ok(())
    }
}
