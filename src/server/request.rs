//! A request as a service gets it.

use crate::http1::RequestHead;
use crate::server::RequestBody;

/// What a head says, and the body behind it, of which nothing has been read.
pub struct Request {
    /// What it asks for.
    pub head: RequestHead,
    /// Comes when it is polled.
    pub body: RequestBody,
}

impl From<Request> for http::Request<RequestBody> {
    fn from(Request { head, body }: Request) -> Self {
        let mut request = Self::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.version_mut() = head.version;
        *request.headers_mut() = head.fields.into();
        request
    }
}
