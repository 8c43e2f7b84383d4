//! What is asked of the server, one atomic script each, and what its answers mean.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::super::super::StoreError;
use super::super::claims::{Ask, Ended, Found, Grant, Held, Run, Saying};
use super::super::link::Unanswered;
use super::super::script::hex;
use super::super::spending::{Charge, Charged, DAY, HOUR};
use super::super::waiting::RunName;
use super::keeper::LIFE;
use super::{Actor, millis};
use crate::ids::LeaseId;

/// How long a claim outlives its ttl while it runs, at most: longer than any call.
const LONGEST_RUN: Duration = Duration::from_secs(86_400);

impl Actor {
    /// Whether a sidecar that was not heard lately may be believed dead: not before everybody had the
    /// time to be heard on this connection.
    fn trust(&self) -> &'static str {
        if self.link.age() > LIFE { "1" } else { "0" }
    }

    pub(super) async fn claim(&self, ask: Ask) -> Result<Found, StoreError> {
        let Some(requests) = self.requests.upgrade() else {
            return Err(StoreError::Closed);
        };
        self.tokens.set(self.tokens.get() + 1);
        let token = format!("{}.{}", self.me, self.tokens.get());
        let mut script = self.scripts.claim(&self.keys, &ask.key);
        script
            .arg(&token)
            .arg(&self.me)
            .arg(ask.lease.to_string())
            .arg(millis(ask.ttl + LONGEST_RUN))
            .arg(if ask.retry_in_doubt {
                "retry"
            } else {
                "refuse"
            })
            .arg(ask.fingerprint.as_ref().map_or(&[][..], |print| &print[..]))
            .arg(self.trust())
            .arg(millis(ask.ttl));
        let grant = |lease| Grant {
            key: ask.key,
            token: token.clone(),
            lease,
            ttl: ask.ttl,
            fingerprint: ask.fingerprint,
        };
        let said: Vec<Bytes> = match self.link.ask(&script, true).await {
            Ok(said) => said,
            Err(Unanswered { error, maybe_done }) => {
                if maybe_done {
                    // Nobody will run it, so nobody shall wait for it.
                    drop(Held::new(grant(ask.lease), requests));
                }
                return Err(error);
            }
        };
        match &said[..] {
            [word, lease] if word == "ours" => {
                Ok(Found::Ours(Held::new(grant(lease_of(lease)?), requests)))
            }
            [word, lease, answer] if word == "finished" => Ok(Found::Finished(Ended {
                lease: lease_of(lease)?,
                ok: true,
                answer: answer.clone(),
            })),
            [word, token] if word == "running" => Ok(Found::Running(Run {
                key: ask.key,
                token: text_of(token)?,
                requests,
            })),
            [word, lease] if word == "doubt" => Ok(Found::InDoubt(lease_of(lease)?)),
            [word] if word == "mismatch" => Ok(Found::Mismatch),
            _ => Err(unexpected()),
        }
    }

    /// Sends an ending, unless it has been heard or is on its way.
    pub(super) async fn say(self: Rc<Self>, number: u64) {
        let Some(saying) = self.backlog.borrow_mut().send(number) else {
            return;
        };
        let Saying { grant, end } = &*saying;
        let mut script = self.scripts.say(&self.keys, &grant.key);
        script
            .arg(end.word())
            .arg(&grant.token)
            .arg(grant.lease.to_string())
            .arg(millis(grant.ttl))
            .arg(end.answer())
            .arg(
                grant
                    .fingerprint
                    .as_ref()
                    .map_or(&[][..], |print| &print[..]),
            )
            .arg(&self.keys.ended)
            .arg(hex(&grant.key));
        let heard = self.link.ask::<i64>(&script, true).await;
        let mut backlog = self.backlog.borrow_mut();
        match heard {
            Ok(_) => backlog.heard(number),
            Err(unheard) => backlog.unheard(number, unheard.error),
        }
    }

    /// Looks how a run is getting on, and tells those who wait if it is over.
    pub(super) async fn look(self: Rc<Self>, run: RunName) {
        let mut script = self.scripts.look(&self.keys, &run.0);
        script.arg(&run.1).arg(self.trust());
        let ended = match self.link.ask::<Vec<Bytes>>(&script, true).await.as_deref() {
            Ok([word]) if word == "running" => return,
            Ok([word, lease, answer]) if word == "done" || word == "failed" => {
                lease_of(lease).ok().map(|lease| Ended {
                    lease,
                    ok: word == "done",
                    answer: answer.clone(),
                })
            }
            // It is over and nobody knows how, or the server is silent, which whoever asks for the key
            // again will be told.
            Ok(_) | Err(_) => None,
        };
        self.waiting.borrow_mut().tell(&run, ended.as_ref());
    }

    pub(super) async fn spend(&self, charge: Charge) -> Result<Charged, StoreError> {
        let mut script = self.scripts.spend(&self.keys, &charge.agent);
        script
            .arg(charge.per_hour.map_or(String::new(), |cap| cap.to_string()))
            .arg(HOUR.as_secs())
            .arg(&charge.tool)
            .arg(charge.per_tool.map_or(String::new(), |cap| cap.to_string()))
            .arg(charge.per_day.map_or(String::new(), |cap| cap.to_string()))
            .arg(charge.price)
            .arg(DAY.as_secs());
        let answer: (String, u64) = match self.link.ask(&script, false).await {
            Ok(answer) => answer,
            Err(unanswered) => return Err(unanswered.error),
        };
        Charged::from_words(&answer.0, Duration::from_millis(answer.1)).ok_or_else(unexpected)
    }

    /// Switches an agent here at once, and everywhere as soon as the server has heard it.
    pub(super) async fn switch(&self, agent: String, off: Option<Bytes>) -> Result<(), StoreError> {
        self.switched.borrow_mut().insert(agent, off);
        self.switches.overlay(&self.switched.borrow());
        self.say_switches().await
    }

    /// Says what the server has not heard yet.
    pub(super) async fn say_switches(&self) -> Result<(), StoreError> {
        let unsaid = self.switched.borrow().clone();
        for (agent, off) in unsaid {
            let mut script = self.scripts.switch(&self.keys);
            script
                .arg(&agent)
                .arg(off.as_deref().unwrap_or_default())
                .arg(&self.keys.switched);
            let said = self.link.ask::<String>(&script, true).await;
            said.map_err(|unanswered| unanswered.error)?;
            let mut switched = self.switched.borrow_mut();
            if switched.get(&agent) == Some(&off) {
                switched.remove(&agent);
            }
        }
        Ok(())
    }

    /// Reads all kill switches.
    pub(super) async fn read_switches(&self) -> Result<(), StoreError> {
        let script = self.scripts.switches(&self.keys);
        let read = self
            .link
            .ask::<(String, HashMap<String, Bytes>)>(&script, true);
        let (version, off) = read.await.map_err(|unanswered| unanswered.error)?;
        self.version.replace(Some(version));
        self.switches.publish(off, &self.switched.borrow());
        Ok(())
    }
}

fn lease_of(text: &[u8]) -> Result<LeaseId, StoreError> {
    text_of(text)?.parse().map_err(|_| unexpected())
}

fn text_of(text: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(text.to_vec()).map_err(|_| unexpected())
}

fn unexpected() -> StoreError {
    let code = "unexpected answer".into();
    StoreError::Refused { code }
}
