//! Random histories of claims, with restarts, against a model that knows no store and no queue.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Act {
    Claim {
        key: usize,
        ttl: u64,
        refuse: bool,
        print: Option<u8>,
    },
    /// What the holder of a key's lease does, if there is one.
    End(usize, End),
    Pass(u64),
    Kill,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Complete,
    Fail,
    Release,
    /// Without having begun.
    Forsake,
    Drop,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let end = prop_oneof![
        Just(End::Complete),
        Just(End::Fail),
        Just(End::Release),
        Just(End::Forsake),
        Just(End::Drop),
    ];
    let claim = (
        0..3_usize,
        1..4_u64,
        any::<bool>(),
        proptest::option::weighted(0.3, 0..2_u8),
    );
    let act = prop_oneof![
        5 => claim.prop_map(|(key, ttl, refuse, print)| Act::Claim { key, ttl, refuse, print }),
        4 => (0..3_usize, end).prop_map(|(key, end)| Act::End(key, end)),
        2 => (1..3_u64).prop_map(Act::Pass),
        1 => Just(Act::Kill),
    ];
    proptest::collection::vec(act, 1..60)
}

/// What the model knows of a key.
#[derive(Clone, Debug)]
struct Known {
    lease: LeaseId,
    ttl: u64,
    print: Option<u8>,
    is: Is,
    /// The second in which it is forgotten, unless it runs.
    until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Running,
    Doubted,
    Failed,
    Completed,
}

#[derive(Default)]
struct Model {
    now: u64,
    keys: HashMap<usize, Known>,
    /// What each running key was before.
    before: HashMap<usize, Option<Known>>,
    /// Every lease that there ever was.
    leases: HashSet<LeaseId>,
}

impl Model {
    /// Checks what a claim came to, and believes it.
    fn claimed(&mut self, key: usize, ttl: u64, refuse: bool, print: Option<u8>, real: &Claimed) {
        let now = self.now;
        self.keys
            .retain(|_, known| known.is == Is::Running || known.until > now);
        let known = self.keys.get(&key).cloned();
        if let Some(known) = &known {
            let differs = known.print.is_some() && print.is_some() && known.print != print;
            let expected = match known.is {
                _ if differs => "mismatch",
                Is::Running => "running",
                Is::Completed => "finished",
                Is::Doubted if refuse => "in doubt",
                Is::Doubted | Is::Failed => "ours",
            };
            let (found, lease) = match real {
                Claimed::Mismatch => ("mismatch", None),
                Claimed::Running(_) => ("running", None),
                Claimed::Finished(stored) => ("finished", Some(stored.lease_id)),
                Claimed::InDoubt(lease) => ("in doubt", Some(*lease)),
                Claimed::Ours(lease) => ("ours", Some(*lease.id())),
            };
            assert_eq!(found, expected, "{known:?}");
            assert!(lease.is_none_or(|lease| lease == known.lease), "{known:?}");
        }
        let Claimed::Ours(lease) = real else {
            assert!(known.is_some(), "nothing is known, yet it is {real:?}");
            return;
        };
        let fresh = self.leases.insert(*lease.id());
        assert_eq!(fresh, known.is_none(), "a new claim has a new lease");
        let running = Known {
            lease: *lease.id(),
            ttl,
            print: print.or(known.as_ref().and_then(|known| known.print)),
            is: Is::Running,
            until: 0,
        };
        self.keys.insert(key, running);
        self.before.insert(key, known);
    }

    fn ended(&mut self, key: usize, end: End) {
        let before = self.before.remove(&key).unwrap();
        if let End::Release | End::Forsake = end {
            self.keys.remove(&key);
            self.keys.extend(before.map(|known| (key, known)));
            return;
        }
        let known = self.keys.get_mut(&key).unwrap();
        known.until = self.now + known.ttl;
        known.is = match end {
            End::Complete => Is::Completed,
            End::Fail => Is::Failed,
            End::Release | End::Forsake | End::Drop => Is::Doubted,
        };
    }

    fn killed(&mut self) {
        let now = self.now;
        self.before.clear();
        for known in self.keys.values_mut() {
            if known.is == Is::Running {
                known.is = Is::Doubted;
                known.until = now + known.ttl;
            }
        }
    }
}

async fn run(acts: &[Act]) {
    let mut process = Process::start();
    let mut model = Model::default();
    let mut held: HashMap<usize, Lease> = HashMap::new();
    for act in acts {
        match *act {
            Act::Claim {
                key,
                ttl,
                refuse,
                print,
            } => {
                let terms = Terms {
                    ttl: Duration::from_secs(ttl),
                    in_doubt: if refuse {
                        InDoubt::Refuse
                    } else {
                        InDoubt::Retry
                    },
                    fingerprint: print.map(|print| [print; 32]),
                };
                let claimed = process.claim_on(KEYS[key], &terms).await;
                model.claimed(key, ttl, refuse, print, &claimed);
                if let Claimed::Ours(lease) = claimed {
                    held.insert(key, lease);
                }
            }
            Act::End(key, end) => {
                let Some(mut lease) = held.remove(&key) else {
                    continue;
                };
                match end {
                    End::Complete => lease.complete(Bytes::new()).await.unwrap(),
                    End::Fail => lease.fail(Bytes::new()).await.unwrap(),
                    End::Release => lease.release().await.unwrap(),
                    End::Forsake => drop(lease),
                    End::Drop => {
                        lease.begin();
                        drop(lease);
                    }
                }
                model.ended(key, end);
            }
            Act::Pass(seconds) => {
                pass(Duration::from_secs(seconds)).await;
                model.now += seconds;
            }
            Act::Kill => {
                process = process.killed(&KEYS.map(key));
                // The dead do not end their runs; these only let go of the old process.
                held.clear();
                model.killed();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // spec: ONCE-1 ONCE-3 ONCE-4 ONCE-5
    #[test]
    fn claims_follow_the_model(acts in acts()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(&acts));
    }
}
