//! What goes to a tool: the signature, and the head that carries it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::Full;

use crate::body::{BodyLimits, BufferedBytes, Captured};
use crate::call::first_attempt;
use crate::http1::{FieldList, write_request_head};
use crate::ids::{AgentId, RequestId};
use crate::registry::{AuthSpec, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::{Signature, Signer, Stamp, sign_bytes};
use crate::test_support::bench::RequestHead;
use crate::test_support::load::run_local;
use crate::test_support::world::{SECRET, START};

/// A body and the key to sign it with.
pub struct Signing {
    signer: Signer,
    body: Vec<u8>,
    name: HeaderValue,
}

impl Signing {
    /// A body of `size` bytes.
    pub fn of(size: usize) -> Self {
        Self {
            signer: Signer::hmac_sha256(&Secret::new(SECRET), None),
            body: vec![b'x'; size],
            name: HeaderValue::from_static("send_email"),
        }
    }

    /// Hashes the body and writes the scheme's six headers.
    pub fn sign(&self) -> HeaderMap {
        let stamp = Stamp {
            tool: &self.name,
            agent: &self.name,
            at: START,
        };
        sign_bytes(&self.signer, &self.body, stamp)
    }
}

/// A call that is about to be sent for the first time.
pub struct Outbound {
    tool: Tool,
    agent: AgentId,
    request_id: RequestId,
    fields: FieldList,
    body: Captured<Signature>,
}

impl Outbound {
    /// A typical request with a body of 256 bytes, which has been captured and hashed.
    ///
    /// # Panics
    /// When there is no runtime to capture it with.
    pub fn typical() -> Self {
        let tool = Tool::compile(ToolSpec {
            name: "send_email".to_owned(),
            url: "http://tool.test/v1/send-email".to_owned(),
            auth: AuthSpec {
                scheme: Signer::HMAC_SHA256.to_owned(),
                secret: Some(Secret::new(SECRET)),
                secret_id: None,
            },
            ..ToolSpec::default()
        });
        let tool = tool.expect("the tool is valid");
        let limits = BodyLimits {
            max_bytes: 1024,
            timeout: Duration::from_secs(30),
            buffered: BufferedBytes::new(1024),
        };
        let body = Full::new(Bytes::from(vec![b'x'; 256]));
        let captured = async { Ok(Captured::read(body, &limits, tool.signer.begin()).await) };
        Self {
            body: run_local(captured)
                .expect("a runtime")
                .expect("the body is within its limits"),
            agent: "support_bot".parse().expect("a valid agent"),
            request_id: RequestId::new(START),
            fields: RequestHead::parse(RequestHead::typical().arrived()).fields,
            tool,
        }
    }

    /// The agent's fields, which the head takes over.
    pub fn agent_fields(&self) -> FieldList {
        self.fields.clone()
    }

    /// From the agent's fields to the bytes of a signed head. The body was hashed before.
    ///
    /// # Panics
    /// Never: the call is valid.
    pub fn head(&self, agent_fields: FieldList) -> BytesMut {
        let ids = (self.agent.clone(), self.request_id.clone());
        let mut out = BytesMut::new();
        first_attempt(&self.tool, ids, agent_fields, &self.body, START, |signed| {
            write_request_head(&mut out, signed.method(), signed.path(), signed.fields(), 0);
        })
        .expect("the call is valid");
        out
    }
}
