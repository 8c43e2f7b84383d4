//! Keys that one asker has at a time: locks and leases, taken and ended.
//!
//! Each of these is one write: the key, its event and the counts of the day, or nothing of them.

use crate::api::books::events::Event;
use crate::api::books::{
    Books, Checked, Counts, End, Lease, LeaseState, Lost, Pages, Taken, Unwritten,
};
use crate::clock::Timestamp;
use crate::store::Change;

/// Who asked for something, as far as events tell.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The key that it is about.
    pub key: &'a str,
    /// The request.
    pub request_id: &'a str,
    /// The run that it is a part of.
    pub run_id: Option<&'a str>,
    /// What the asker says about it.
    pub message: Option<&'a str>,
}

impl Books {
    /// Takes the lock of a key for `ttl_s` seconds, or says since when somebody has it.
    ///
    /// Dropping the future leaves a lock that is taken, durable or not.
    ///
    /// # Errors
    /// When there are too many locks, or the store fails; nothing is locked then.
    // spec: LOCK-1
    pub async fn check_lock(&self, asked: Asked<'_>, ttl_s: u64) -> Result<Checked, Unwritten> {
        let now = self.now();
        let (checked, written) = {
            let mut pages = self.pages.borrow_mut();
            let mut changes = Vec::new();
            let checked = pages.locks.check(asked.key, ttl_s, now, &mut changes)?;
            let kind = match checked {
                Checked::Locked => "locked",
                Checked::Duplicate { .. } => "duplicate",
            };
            pages.count(now, &mut changes, |counts| counts.checked(checked));
            pages.tell(asked, kind, now, &mut changes);
            (checked, self.store.write(changes))
        };
        if let Err(error) = written.await {
            if checked == Checked::Locked {
                self.pages.borrow_mut().locks.forget(asked.key, now);
            }
            return Err(error.into());
        }
        Ok(checked)
    }

    /// Takes the lease of a key for `ttl_s` seconds, or says what became of the one that there is.
    ///
    /// Dropping the future leaves a lease that is taken, durable or not.
    ///
    /// # Errors
    /// When there are too many leases, or the store fails; nothing is taken then.
    // spec: LEASE-1
    pub async fn lease(&self, asked: Asked<'_>, ttl_s: u64) -> Result<Taken, Unwritten> {
        let now = self.now();
        let (taken, written) = {
            let mut pages = self.pages.borrow_mut();
            let mut changes = Vec::new();
            let taken = pages.leases.take(asked, ttl_s, now, &mut changes)?;
            let kind = match &taken {
                Taken::Acquired(_) => "ai_acquired",
                Taken::Found(lease) => lease.state.event(),
            };
            pages.count(now, &mut changes, |counts| counts.leased(&taken));
            pages.tell(asked, kind, now, &mut changes);
            (taken, self.store.write(changes))
        };
        if let Err(error) = written.await {
            if let Taken::Acquired(lease) = &taken {
                self.pages.borrow_mut().leases.forget(asked.key, lease.id);
            }
            return Err(error.into());
        }
        Ok(taken)
    }

    /// Prolongs or ends a lease; `end` says which. An end that was made before is made again without
    /// harm.
    ///
    /// Dropping the future leaves the change made, durable or not.
    ///
    /// # Errors
    /// `Ok(Err(Lost))` when the lease is another's by now; otherwise as [`Books::lease`], and the
    /// lease is as it was before.
    // spec: LEASE-2
    pub async fn end(
        &self,
        asked: Asked<'_>,
        lease_id: &str,
        end: End,
    ) -> Result<Result<Lease, Lost>, Unwritten> {
        let now = self.now();
        let (before, after, written) = {
            let mut pages = self.pages.borrow_mut();
            let mut changes = Vec::new();
            let ended = pages
                .leases
                .end(asked.key, lease_id, &end, now, &mut changes)?;
            let (before, after) = match ended {
                Ok(changed) => changed,
                Err(lost) => return Ok(Err(lost)),
            };
            // An end that is repeated happened once.
            if before.state == LeaseState::Held {
                pages.count(now, &mut changes, |counts| counts.ended(&end));
                let asked = Asked {
                    run_id: before.run_id.as_deref(),
                    message: end.message(),
                    ..asked
                };
                pages.tell(asked, end.event(), now, &mut changes);
            }
            (before, after, self.store.write(changes))
        };
        if let Err(error) = written.await {
            self.pages.borrow_mut().leases.restore(asked.key, before);
            return Err(error.into());
        }
        Ok(Ok(after))
    }

    /// The lease of a key; `None` if there is none, or one that has lapsed.
    pub fn look(&self, key: &str) -> Option<Lease> {
        let now = self.now();
        let mut pages = self.pages.borrow_mut();
        let lease = pages.leases.get(key, now).cloned();
        // A poll is counted and not written: the next write of the day takes it along.
        pages.account.today(now).polls += 1;
        lease
    }
}

impl Pages {
    fn count(
        &mut self,
        now: Timestamp,
        changes: &mut Vec<Change>,
        count: impl FnOnce(&mut Counts),
    ) {
        count(self.account.today(now));
        self.account.write_today(now, changes);
    }

    fn tell(
        &mut self,
        asked: Asked<'_>,
        kind: &'static str,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let event = Event {
            key: Some(asked.key.to_owned()),
            req_id: Some(asked.request_id.to_owned()),
            run_id: asked.run_id.map(str::to_owned),
            message: asked.message.map(str::to_owned),
            ..Event::new(kind, now)
        };
        self.events.add(event, changes);
    }
}
