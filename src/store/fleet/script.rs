//! The scripts that run on the shared server, and the names of the keys that they touch.
//!
//! Each script is one atomic step, and all but `spend` can be repeated without harm, so that a lost
//! answer is asked for again. The server keeps a script once it has seen it and is told its digest
//! from then on. All keys have one hash tag: in a cluster one server has them all, as scripts need.

use redis::{Script, ScriptInvocation};

/// The scripts.
pub(super) struct Scripts {
    claim: Script,
    say: Script,
    look: Script,
    beat: Script,
    spend: Script,
    switch: Script,
    switches: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(include_str!("lua/claim.lua")),
            say: Script::new(include_str!("lua/say.lua")),
            look: Script::new(include_str!("lua/look.lua")),
            beat: Script::new(include_str!("lua/beat.lua")),
            spend: Script::new(include_str!("lua/spend.lua")),
            switch: Script::new(include_str!("lua/switch.lua")),
            switches: Script::new(include_str!("lua/switches.lua")),
        }
    }

    pub(super) fn claim(&self, keys: &Keys, claim: &[u8; 32]) -> ScriptInvocation<'_> {
        on(&self.claim, [keys.claim(claim), keys.alive.clone()])
    }

    pub(super) fn say(&self, keys: &Keys, claim: &[u8; 32]) -> ScriptInvocation<'_> {
        on(&self.say, [keys.claim(claim)])
    }

    pub(super) fn look(&self, keys: &Keys, claim: &[u8; 32]) -> ScriptInvocation<'_> {
        on(&self.look, [keys.claim(claim), keys.alive.clone()])
    }

    pub(super) fn beat(&self, keys: &Keys) -> ScriptInvocation<'_> {
        on(&self.beat, [keys.alive.clone(), keys.version.clone()])
    }

    pub(super) fn spend(&self, keys: &Keys, agent: &str) -> ScriptInvocation<'_> {
        on(&self.spend, [keys.of("hour", agent), keys.of("day", agent)])
    }

    pub(super) fn switch(&self, keys: &Keys) -> ScriptInvocation<'_> {
        on(&self.switch, [keys.off.clone(), keys.version.clone()])
    }

    pub(super) fn switches(&self, keys: &Keys) -> ScriptInvocation<'_> {
        on(&self.switches, [keys.off.clone(), keys.version.clone()])
    }
}

fn on<const N: usize>(script: &Script, keys: [String; N]) -> ScriptInvocation<'_> {
    let mut invocation = script.prepare_invoke();
    for key in keys {
        invocation.key(key);
    }
    invocation
}

/// The names of keys and channels.
pub(super) struct Keys {
    tag: String,
    alive: String,
    off: String,
    version: String,
    /// Where the end of a claim is told that somebody waits for.
    pub(super) ended: String,
    /// Where it is told that a kill switch was moved.
    pub(super) switched: String,
}

impl Keys {
    /// Names that begin with `prefix`, which is also their hash tag.
    pub(super) fn new(prefix: &str) -> Self {
        let tag = format!("{{{prefix}}}");
        Self {
            alive: format!("{tag}:alive"),
            off: format!("{tag}:off"),
            version: format!("{tag}:off:version"),
            ended: format!("{tag}:ended"),
            switched: format!("{tag}:switched"),
            tag,
        }
    }

    fn claim(&self, key: &[u8; 32]) -> String {
        let mut name = self.of("claim", "");
        name.push_str(&hex(key));
        name
    }

    fn of(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.tag)
    }
}

/// A claim's key as text.
pub(super) fn hex(key: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    key.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The key that [`hex`] wrote.
pub(super) fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut key = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}
