//! Keeps the connection, and with it this sidecar's place among the living.
//!
//! The keeper connects, says each second that this sidecar is alive, hears what others have to say, and
//! after an outage has said what the outage left unsaid. All of its waits together are shorter than
//! [`LIFE`], so that nobody who can reach the server is believed dead.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, RedisResult, ScriptInvocation,
    Value,
};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::super::super::StoreError;
use super::super::link::Unanswered;
use super::super::script::unhex;
use super::{Actor, millis};

/// How often a sidecar says that it is alive, looks again at what it waits for, and compares the
/// version of the kill switches: what a lost message costs.
const BEAT: Duration = Duration::from_secs(1);

/// How long a sidecar counts as alive after it was last heard. Several lost beats and a busy machine
/// have to fit in, because a live sidecar that is believed dead has its claims run twice.
// spec: FLEET-2
pub(super) const LIFE: Duration = Duration::from_secs(8);

/// When a dead sidecar is forgotten. Its claims are in doubt either way.
const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// How long connecting may take, and the answer to a beat. A connection that is slower is replaced.
const SILENCE: Duration = Duration::from_secs(3);

/// The first and the longest wait between two attempts to connect. The longest is well below
/// [`LIFE`], so that after an outage everybody is heard before anybody is believed dead.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How many questions the client library queues for its connection.
const PIPELINE: usize = 1024;

impl Actor {
    /// Keeps a connection, for ever.
    pub(super) async fn keep(self: Rc<Self>) {
        let mut wait = RECONNECT.0;
        let mut told = false;
        loop {
            match self.connect().await {
                Ok((number, messages)) => {
                    tracing::info!("the shared store answers");
                    wait = RECONNECT.0;
                    told = false;
                    self.clone().serve(number, messages).await;
                    tracing::warn!("the shared store is lost");
                    self.look_everywhere();
                }
                // A cluster tells a newcomer where to go.
                Err(error) if self.link.follow(&error) => {}
                Err(error) if !told => {
                    told = true;
                    let kind = error.category();
                    tracing::warn!(
                        kind,
                        code = error.code(),
                        "the shared store cannot be reached"
                    );
                }
                Err(_) => {}
            }
            // Half of it is left to chance, so that a fleet does not come back in step.
            sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            wait = (wait * 2).min(RECONNECT.1);
        }
    }

    /// Connects, and has everything ready before anybody may ask.
    async fn connect(self: &Rc<Self>) -> RedisResult<(u64, mpsc::UnboundedReceiver<PushInfo>)> {
        let address = &self.options.address;
        let client = Client::open(match self.link.take_moved() {
            Some((host, port)) => address.moved_to(&host, port),
            None => address.info(),
        })?;
        let (pushes, messages) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            // Both are bounded below and by whoever asks.
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE)
            .set_push_sender(pushes);
        let ready = async {
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            let channels = [&self.keys.ended, &self.keys.switched];
            connection.subscribe(&channels[..]).await?;
            let _: String = self.beat_script().invoke_async(&mut connection).await?;
            Ok::<_, RedisError>(connection)
        };
        let silent = |_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        let connection = timeout(SILENCE, ready).await.map_err(silent)??;
        Ok((self.link.up(connection), messages))
    }

    fn beat_script(&self) -> ScriptInvocation<'_> {
        let mut script = self.scripts.beat(&self.keys);
        script
            .arg(&self.me)
            .arg(millis(LIFE))
            .arg(millis(FORGOTTEN));
        script
    }

    /// Beats and listens, until the connection is lost.
    async fn serve(self: Rc<Self>, number: u64, mut messages: mpsc::UnboundedReceiver<PushInfo>) {
        self.version.replace(None);
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lost = self.link.until_lost(number);
        tokio::pin!(lost);
        loop {
            tokio::select! {
                () = &mut lost => return,
                _ = beats.tick() => {
                    spawn_local(self.clone().beat(number));
                }
                message = messages.recv() => match message {
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => {
                        self.link.lost(number);
                    }
                    Some(message) => self.hear(&message),
                },
            }
        }
    }

    /// Says that this sidecar is alive, and does again whatever a lost message or an outage may have
    /// left undone.
    async fn beat(self: Rc<Self>, number: u64) {
        for number in self.backlog.borrow().unsent() {
            spawn_local(self.clone().say(number));
        }
        let script = self.beat_script();
        let beat = timeout(SILENCE, self.link.ask::<String>(&script, true));
        let version = match beat.await {
            Ok(Ok(version)) => version,
            // A server that refuses has at least answered.
            Ok(Err(Unanswered {
                error: StoreError::Refused { .. },
                ..
            })) => return,
            // A connection on which nothing comes back is none, whatever it looks like.
            Ok(Err(_)) | Err(_) => {
                self.link.lost(number);
                return;
            }
        };
        // A failure of either is made good by the next beat.
        let _ = self.say_switches().await;
        if self.version.borrow().as_ref() != Some(&version) {
            let _ = self.read_switches().await;
        }
        self.look_everywhere();
    }

    /// Looks at every run that somebody waits for. While the server is lost that ends the waiting when
    /// patience does.
    fn look_everywhere(self: &Rc<Self>) {
        for run in self.waiting.borrow_mut().all() {
            spawn_local(self.clone().look(run));
        }
    }

    /// Acts on what another sidecar, or this one, has published.
    fn hear(self: &Rc<Self>, message: &PushInfo) {
        let [Value::BulkString(channel), Value::BulkString(told)] = &message.data[..] else {
            return;
        };
        if channel == self.keys.ended.as_bytes() {
            let runs = unhex(told).map(|key| self.waiting.borrow().of(&key));
            for run in runs.into_iter().flatten() {
                spawn_local(self.clone().look(run));
            }
        } else if channel == self.keys.switched.as_bytes() {
            let actor = self.clone();
            spawn_local(async move {
                let _ = actor.read_switches().await;
            });
        }
    }

    /// Gives what is still unsaid a last chance, and says that this sidecar is gone.
    pub(super) async fn leave(self: &Rc<Self>) {
        let end = Instant::now() + self.options.patience;
        while !self.backlog.borrow().is_empty() && Instant::now() < end {
            sleep(RECONNECT.0).await;
            for number in self.backlog.borrow().unsent() {
                spawn_local(self.clone().say(number));
            }
        }
        if self.link.is_up() && self.backlog.borrow().is_empty() {
            let mut script = self.scripts.beat(&self.keys);
            script.arg(&self.me).arg(0).arg(millis(FORGOTTEN));
            // Nobody waits for this sidecar's claims any longer than they have to; a failure costs
            // them its remaining life.
            let _ = self.link.ask::<String>(&script, true).await;
        }
    }
}
