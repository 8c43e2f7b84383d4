//! A sidecar that is killed at any moment: no call gets a second lease, and what an agent was told
//! once it is told for good.

mod backend;
mod calls;

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::process::{PATIENCE, Sidecar, run};
use fastrand::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::support::{BINARY, block_on};
use backend::Backend;
use calls::{Call, Doors, expect_each_once};

const TOKEN: &str = "an-operators-token";
const ENVIRONMENT: [(&str, &str); 2] = [
    ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
    ("COUNTERSIGN_STORE", "file:what-is-known"),
];
/// More than the tool has places, so that some of them wait for one.
const CLIENTS: usize = 12;

// spec: ONCE-1 ONCE-4 IDEM-1 STORE-1 AUDIT-2
#[test]
fn a_sidecar_that_is_killed_begins_nothing_twice() {
    let agency = Agency::open();
    println!("COUNTERSIGN_CRASH_SEED={}", agency.seed);
    println!("{:?}", agency.survive(10));
}

// spec: ONCE-1 ONCE-4 IDEM-1 STORE-1 AUDIT-2
#[test]
#[ignore = "kills 200 sidecars, which takes half a minute"]
fn two_hundred_kills_begin_nothing_twice() {
    let agency = Agency::open();
    println!("COUNTERSIGN_CRASH_SEED={}", agency.seed);
    println!("{:?}", agency.survive(200));
}

/// Agents, their calls, and the tool; and a folder for one sidecar after the other.
struct Agency {
    /// What `random` began with.
    seed: u64,
    folder: TempDir,
    backend: Backend,
    calls: RefCell<Vec<Call>>,
    random: RefCell<Rng>,
}

/// How much there was to go wrong.
#[derive(Debug)]
struct Happened {
    calls: usize,
    /// Runs that were not the first of their call.
    runs_again: usize,
}

/// When a sidecar dies.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before it listens.
    Starting(Duration),
    /// So long after its first call has reached the tool.
    Working(Duration),
    /// So long after it was asked to end.
    Ending(Duration),
}

impl Agency {
    /// `COUNTERSIGN_CRASH_SEED` repeats the choices of a run that has printed it, though not what the
    /// scheduler made of them.
    fn open() -> Rc<Self> {
        let seed = std::env::var("COUNTERSIGN_CRASH_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        let mut random = Rng::with_seed(seed);
        let folder = TempDir::new().unwrap();
        let (backend, url) = Backend::start(random.fork());
        let tools = json!({ "tools": [{
            "name": "t",
            "url": url,
            "auth": { "type": "hmac_sha256", "secret": "a-secret-of-the-tool" },
            "max_concurrency": 8,
            "queue_timeout_ms": 60_000,
            "once": { "ttl_ms": 3_600_000 },
        }] });
        std::fs::write(folder.path().join("tools.yaml"), tools.to_string()).unwrap();
        Rc::new(Self {
            seed,
            folder,
            backend,
            calls: RefCell::default(),
            random: RefCell::new(random),
        })
    }

    /// Kills so many sidecars and looks at what is left.
    fn survive(self: &Rc<Self>, kills: usize) -> Happened {
        for _ in 0..kills {
            let moment = self.moment();
            match moment {
                Moment::Starting(after) => self.kill_at_start(after),
                Moment::Working(_) | Moment::Ending(_) => block_on(self.kill_at_work(moment)),
            }
        }
        let sidecar = self.start();
        block_on(self.settle(&sidecar));
        drop(sidecar);
        self.expect_an_unbroken_log();
        let happened = Happened {
            calls: self.calls.borrow().len(),
            runs_again: expect_each_once(&self.calls.borrow(), &self.backend.runs()),
        };
        // About a tenth of all runs fail; what a kill cut off comes on top.
        let enough = happened.calls > 2 * kills && happened.runs_again > kills;
        assert!(enough, "too little happened: {happened:?}");
        happened
    }

    fn moment(&self) -> Moment {
        let mut random = self.random.borrow_mut();
        let mut within = |millis: u64| Duration::from_micros(random.u64(..millis * 1_000));
        // Most of what can go wrong does so within the first milliseconds of something.
        let (starting, at_once, soon, ending) = (within(100), within(3), within(60), within(10));
        match random.u8(..20) {
            0..2 => Moment::Starting(starting),
            2..8 => Moment::Working(at_once),
            8..17 => Moment::Working(soon),
            _ => Moment::Ending(ending),
        }
    }

    fn start(&self) -> Sidecar {
        let registry = self.folder.path().join("tools.yaml");
        Sidecar::start_with(BINARY, &registry, &[], &ENVIRONMENT)
    }

    /// A sidecar that nobody waits for.
    fn kill_at_start(&self, after: Duration) {
        let mut child = Command::new(BINARY)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .arg("--registry")
            .arg(self.folder.path().join("tools.yaml"))
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A sidecar with as many calls as it can get.
    async fn kill_at_work(self: &Rc<Self>, moment: Moment) {
        let sidecar = self.start();
        let before = self.backend.count();
        let doors = doors(&sidecar);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| spawn_local(Rc::clone(self).call_until_it_is_gone(doors)))
            .collect();
        let begun = timeout(PATIENCE, async {
            while self.backend.count() == before {
                sleep(Duration::from_millis(1)).await;
            }
        });
        begun.await.expect("calls reach the tool");
        match moment {
            Moment::Starting(after) | Moment::Working(after) => sleep(after).await,
            Moment::Ending(after) => {
                sidecar.signal("TERM");
                sleep(after).await;
            }
        }
        let said = sidecar.stderr.clone();
        drop(sidecar);
        for client in clients {
            client.await.unwrap();
        }
        let said = said.all();
        assert!(
            !said.iter().any(|line| line.contains("panicked")),
            "{said:#?}"
        );
    }

    async fn call_until_it_is_gone(self: Rc<Self>, doors: Doors) {
        while self.call(self.choose(), doors).await {}
    }

    /// Makes one call once; false when the sidecar is gone.
    async fn call(&self, index: usize, doors: Doors) -> bool {
        let asked = self.calls.borrow()[index].ask(&mut self.random.borrow_mut());
        let Some(heard) = asked.send(doors).await else {
            return false;
        };
        self.calls.borrow_mut()[index].hear(&asked, heard);
        true
    }

    /// A new call, one of the latest, which others may be making and whose sidecar may have been
    /// killed, or any.
    fn choose(&self) -> usize {
        let (mut random, mut calls) = (self.random.borrow_mut(), self.calls.borrow_mut());
        let count = calls.len();
        match random.u8(..10) {
            0..5 if count > 0 => random.usize(count.saturating_sub(2 * CLIENTS)..count),
            5..7 if count > 0 => random.usize(..count),
            _ => {
                calls.push(Call::new(count));
                count
            }
        }
    }

    /// Makes every call until it has an answer, and once more.
    async fn settle(self: &Rc<Self>, sidecar: &Sidecar) {
        let doors = doors(sidecar);
        let count = self.calls.borrow().len();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| {
                let this = Rc::clone(self);
                spawn_local(async move {
                    for index in (first..count).step_by(CLIENTS) {
                        let is_told = || this.calls.borrow()[index].told().is_some();
                        while !is_told() {
                            assert!(this.call(index, doors).await);
                        }
                        assert!(this.call(index, doors).await);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    }

    /// The last sidecar was killed like the others, so its store has what is durable and no more.
    fn expect_an_unbroken_log(&self) {
        let store = self.folder.path().join("what-is-known");
        let mut verify = Command::new(BINARY);
        let verify = verify
            .args(["audit", "verify", "--json", "--store"])
            .arg(store);
        let (code, said, complaint) = run(verify);
        let verdict: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (code, &verdict["ok"]),
            (0, &json!(true)),
            "{said}{complaint}"
        );
        assert!(verdict["records"].as_u64().unwrap() > 0, "{said}");
    }
}

fn doors(sidecar: &Sidecar) -> Doors {
    Doors {
        agents: sidecar.agents,
        admin: sidecar.admin,
    }
}
