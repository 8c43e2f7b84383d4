//! What each of the demo's calls must come to, so that the demo is also a test of the binary it
//! runs in.

use http::StatusCode;

use crate::cli::demo::backend::Seen;
use crate::cli::demo::scene::Scene;

/// What a scene must come to.
pub struct Expected {
    /// The answer's status.
    pub status: StatusCode,
    /// How many attempts the sidecar says it made.
    pub attempts: Option<usize>,
    /// The code of the sidecar's own answer.
    pub refusal: Option<&'static str>,
    /// Status and verdict of every request that reaches the backend.
    pub seen: &'static [(StatusCode, bool)],
}

impl Scene {
    /// The same scene, with what is wrong about it.
    pub fn held_against(mut self, expected: &Expected) -> Self {
        let verdict = |seen: &Seen| (seen.status, seen.verdict.is_ok());
        let seen: Vec<_> = self.seen.iter().map(verdict).collect();
        let unchanged = self.seen.iter().all(|seen| seen.body == self.body);
        let reply = &self.reply;
        self.wrong = if reply.status != expected.status {
            Some(format!(
                "the answer is {}, not {}",
                reply.status, expected.status
            ))
        } else if reply.attempts != expected.attempts {
            Some("the number of attempts is another".to_owned())
        } else if reply.refusal.as_deref() != expected.refusal {
            Some("the reason of the refusal is another".to_owned())
        } else if seen != expected.seen {
            Some("the backend saw something else".to_owned())
        } else if !unchanged {
            Some("the body was changed on the way".to_owned())
        } else {
            None
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::cli::demo::scene::{Reply, Sender};
    use crate::sign::verify::VerifyError;

    const EXPECTED: Expected = Expected {
        status: StatusCode::OK,
        attempts: Some(1),
        refusal: None,
        seen: &[(StatusCode::OK, true)],
    };

    fn good() -> Scene {
        Scene {
            title: "title",
            sender: Sender::Agent,
            path: "/tools/t".to_owned(),
            body: "{}",
            reply: Reply {
                status: StatusCode::OK,
                attempts: Some(1),
                refusal: None,
                message: String::new(),
            },
            seen: vec![Seen {
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"{}"),
                verdict: Ok(()),
                skew: Some(0),
                status: StatusCode::OK,
            }],
            wrong: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Scene), expected: Option<&str>) {
        let mut scene = good();
        change(&mut scene);
        assert_eq!(scene.held_against(&EXPECTED).wrong.as_deref(), expected);
    }

    // spec: CLI-3
    #[test]
    fn a_scene_that_ends_otherwise_is_noticed() {
        check(|_| {}, None);
        check(
            |scene| scene.reply.status = StatusCode::BAD_GATEWAY,
            Some("the answer is 502 Bad Gateway, not 200 OK"),
        );
        check(
            |scene| scene.reply.attempts = Some(2),
            Some("the number of attempts is another"),
        );
        check(
            |scene| scene.reply.refusal = Some("overloaded".to_owned()),
            Some("the reason of the refusal is another"),
        );
        let other = "the backend saw something else";
        check(|scene| scene.seen.clear(), Some(other));
        check(
            |scene| scene.seen[0].verdict = Err(VerifyError::UnknownAlgorithm),
            Some(other),
        );
        check(
            |scene| scene.seen[0].body = Bytes::from_static(b"{ }"),
            Some("the body was changed on the way"),
        );
    }
}
