//! Two desks of one fleet on a real server.

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::policy::spec::{PolicySpec, PriceSpec};
use crate::policy::{AgentState, Desk, Permit, Policies, Policy};
use crate::store::fleet::{FleetAddress, FleetGauges, FleetOptions};
use crate::store::{Place, Store};
use crate::test_support::process::PATIENCE as LONG;
use crate::test_support::redis_server::RedisServer;

struct World {
    redis: RedisServer,
    _folder: TempDir,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(folder.path());
        Self {
            redis,
            _folder: folder,
        }
    }

    async fn desk(&self, silence: Silence) -> Desk {
        let fleet = Fleet::open(FleetOptions {
            address: FleetAddress::parse(&self.redis.url()).unwrap(),
            prefix: "test".to_owned(),
            patience: Duration::from_millis(300),
            gauges: FleetGauges::noop(),
        });
        let fleet = fleet.unwrap();
        fleet.known().await;
        let (store, recovered) = Store::open(Place::Memory, 1_000_000).unwrap();
        let desk = Desk::shared(store, &recovered, fleet, silence);
        desk.replace(policies());
        desk
    }
}

/// Three actions an hour and a dollar a day for `bot`, whose tool `a` costs 40 cents.
fn policies() -> Policies {
    let spec = PolicySpec {
        agent_id: "bot".to_owned(),
        max_actions_per_hour: Some(3),
        max_spend_usd_per_day: Some(1.0),
        pricing_rules: vec![PriceSpec {
            tool: "a".to_owned(),
            price_usd: 0.4,
        }],
        ..PolicySpec::default()
    };
    let mut policies = Policies::default();
    policies.add(Policy::compile(spec).unwrap()).unwrap();
    policies
}

fn bot() -> AgentId {
    "bot".parse().unwrap()
}

fn now() -> Timestamp {
    Clock::System.now()
}

async fn spend(desk: &Desk, tool: &str) -> Result<(), &'static str> {
    let tool = tool.parse().unwrap();
    let spent = desk.spend(&bot(), &tool, None, now()).await;
    spent.map(|_| ()).map_err(|blocked| blocked.reason.as_str())
}

async fn eventually(mut state: impl FnMut() -> bool) {
    let wait = async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reached = tokio::time::timeout(LONG, wait).await;
    reached.expect("the state is reached");
}

// spec: FLEET-5
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn two_desks_count_as_one() {
    let world = World::start();
    let one = world.desk(Silence::Refuses).await;
    let other = world.desk(Silence::Refuses).await;
    assert_eq!(spend(&one, "a").await, Ok(()));
    assert_eq!(spend(&other, "a").await, Ok(()));
    let too_much = Err("max_spend_usd_per_day_exceeded");
    assert_eq!(spend(&one, "a").await, too_much);
    assert_eq!(spend(&other, "a").await, too_much);
    // What was blocked was not counted, so there is one action left of three.
    assert_eq!(spend(&other, "b").await, Ok(()));
    let too_often = Err("max_actions_per_hour_exceeded");
    assert_eq!(spend(&one, "b").await, too_often);
    let tool = "b".parse().unwrap();
    let blocked = one.spend(&bot(), &tool, None, now()).await.unwrap_err();
    let wait = blocked.retry_after.unwrap();
    assert!(wait > Duration::from_secs(3_000), "{wait:?}");
    assert_eq!(wait.subsec_nanos(), 0);
}

// spec: FLEET-4
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_switch_and_its_cut_reach_the_other_desk() {
    let world = World::start();
    let one = world.desk(Silence::Refuses).await;
    let other = world.desk(Silence::Refuses).await;
    let (mut here, mut there) = (one.cuts(), other.cuts());
    let reason = Some("stop".to_owned());
    let switch = one
        .switch_off(&bot(), reason.clone(), true, now())
        .await
        .unwrap();
    // The one that was told has it before its answer.
    assert_eq!(one.state(&bot()), AgentState::Off(switch.clone()));
    assert_eq!(here.recv().await.unwrap(), bot());
    assert_eq!(there.recv().await.unwrap(), bot());
    assert_eq!(other.state(&bot()), AgentState::Off(switch));
    let tool = "a".parse().unwrap();
    let blocked = other.permits(&bot(), &tool).unwrap_err();
    assert_eq!(blocked.reason, Reason::AgentDisabled);
    other.switch_on(&bot()).await.unwrap();
    eventually(|| one.permits(&bot(), &tool) == Ok(Permit::Governed)).await;
    // Without being asked to, nobody's calls are cut off.
    let again = one.switch_off(&bot(), reason, false, now()).await.unwrap();
    eventually(|| other.state(&bot()) == AgentState::Off(again.clone())).await;
    assert!(here.try_recv().is_err() && there.try_recv().is_err());
}

// spec: FLEET-3 FLEET-4 FLEET-5
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn in_an_outage_switches_hold_and_counting_is_a_choice() {
    let mut world = World::start();
    let strict = world.desk(Silence::Refuses).await;
    let lenient = world.desk(Silence::Proceeds).await;
    let other: AgentId = "other".parse().unwrap();
    strict.switch_off(&other, None, false, now()).await.unwrap();
    world.redis.kill();
    assert_eq!(spend(&strict, "b").await, Err("store_unavailable"));
    for _ in 0..3 {
        assert_eq!(spend(&lenient, "b").await, Ok(()));
    }
    let too_often = Err("max_actions_per_hour_exceeded");
    assert_eq!(spend(&lenient, "b").await, too_often);
    assert!(matches!(strict.state(&other), AgentState::Off(_)));
    // A switch in an outage holds here, and everywhere when the server is back.
    lenient
        .switch_off(&bot(), None, false, now())
        .await
        .unwrap_err();
    assert!(matches!(lenient.state(&bot()), AgentState::Off(_)));
    assert_eq!(strict.state(&bot()), AgentState::On);
    world.redis.come_back();
    eventually(|| matches!(strict.state(&bot()), AgentState::Off(_))).await;
    assert!(matches!(lenient.state(&bot()), AgentState::Off(_)));
    assert!(matches!(lenient.state(&other), AgentState::Off(_)));
}
