//! Arguments in their canonical form (RFC 8785), so that two spellings of one call have one key.
//!
//! The form is for comparing only: what a tool receives are the bytes that the agent wrote. It is
//! written in one pass over text that is known to be JSON, in memory of the text's own order, and
//! deeper or ambiguous arguments are refused rather than guessed at. What follows from equal
//! arguments is left to the caller.

mod number;
mod string;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// Levels of arrays and objects, the arguments themselves included: what common JSON readers take.
pub const MAX_DEPTH: usize = 128;

/// The member of the arguments that names a run, which two repetitions of a call do not share.
const RUN_ID: &str = "run_id";
/// The member of the arguments by which an agent names a call itself.
const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// Why arguments have no canonical form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ArgsError {
    /// They are no object.
    #[error("args must be a JSON object")]
    NotAnObject,
    /// They are deeper than [`MAX_DEPTH`].
    #[error("args must not be nested deeper than 128 levels")]
    TooDeep,
    /// An object has a name twice, and readers differ in which of the values they take.
    #[error("args must not have a name twice in one object")]
    DuplicateName,
    /// A string holds half of a surrogate pair, which is no character.
    #[error("args must not have half a surrogate pair in a string")]
    LoneSurrogate,
    /// A number lies beyond what IEEE 754 doubles hold.
    #[error("args must not have a number beyond the range of a double")]
    NumberTooLarge,
}

/// Arguments in their canonical form, without a top-level `run_id`.
#[derive(Debug)]
pub struct CanonicalArgs {
    text: Vec<u8>,
    idempotency_key: Option<Box<str>>,
}

impl CanonicalArgs {
    /// The canonical text, in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The top-level `idempotency_key`, if it is a string and not empty.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// The first 8 hexadecimal digits of the SHA-256 of the canonical text: what a log may say of
    /// arguments that it must not show.
    pub fn args_hash(&self) -> String {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(&self.text));
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

/// The canonical form of a call's arguments.
///
/// # Errors
/// When they are no object, or have no canonical form. An error tells the rule, never a value.
// spec: ONCE-2
pub fn canonical_args(args: &RawValue) -> Result<CanonicalArgs, ArgsError> {
    let text = args.get().trim_ascii();
    if !text.starts_with('{') {
        return Err(ArgsError::NotAnObject);
    }
    let mut writer = Writer {
        rest: text,
        out: Vec::with_capacity(text.len()),
        depth: 0,
        idempotency_key: None,
    };
    writer.value()?;
    Ok(CanonicalArgs {
        text: writer.out,
        idempotency_key: writer.idempotency_key,
    })
}

/// Reads valid JSON from the front of `rest` and writes its canonical form to the end of `out`.
struct Writer<'a> {
    rest: &'a str,
    out: Vec<u8>,
    /// Arrays and objects that are open.
    depth: usize,
    idempotency_key: Option<Box<str>>,
}

/// A member of an object that has been written.
struct Member<'a> {
    name: Cow<'a, str>,
    /// Where its name and its value stand in the output.
    at: Range<usize>,
}

impl<'a> Writer<'a> {
    fn value(&mut self) -> Result<(), ArgsError> {
        match self.peek() {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => {
                let text = self.string()?;
                string::write(&text, &mut self.out);
                Ok(())
            }
            b't' | b'f' | b'n' => {
                let word = self.word();
                self.out.extend_from_slice(word.as_bytes());
                Ok(())
            }
            _ => number::write(self.word(), &mut self.out),
        }
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), ArgsError>,
    ) -> Result<(), ArgsError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ArgsError::TooDeep);
        }
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), ArgsError> {
        self.take(b'[');
        self.out.push(b'[');
        let mut first = true;
        while !self.ends_with(b']') {
            if !first {
                self.take(b',');
                self.out.push(b',');
            }
            first = false;
            self.value()?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// Members are written as they come and put into order at the end, so that no tree of the
    /// arguments is ever in memory.
    fn object(&mut self) -> Result<(), ArgsError> {
        self.take(b'{');
        let start = self.out.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut first = true;
        while !self.ends_with(b'}') {
            if !first {
                self.take(b',');
            }
            first = false;
            members.push(self.member()?);
        }
        let order = |a: &Member<'_>, b: &Member<'_>| string::by_utf16(&a.name, &b.name);
        members.sort_unstable_by(order);
        if members.windows(2).any(|two| two[0].name == two[1].name) {
            return Err(ArgsError::DuplicateName);
        }
        let is_run_id = |member: &Member<'_>| self.depth == 1 && member.name == RUN_ID;
        members.retain(|member| !is_run_id(member));
        self.arrange(start, &members);
        Ok(())
    }

    fn member(&mut self) -> Result<Member<'a>, ArgsError> {
        let start = self.out.len();
        self.peek();
        let name = self.string()?;
        string::write(&name, &mut self.out);
        self.take(b':');
        self.out.push(b':');
        if self.depth == 1 && name == IDEMPOTENCY_KEY && self.peek() == b'"' {
            let before = self.rest;
            let key = self.string()?;
            self.idempotency_key = (!key.is_empty()).then(|| key.into());
            self.rest = before;
        }
        self.value()?;
        let at = start..self.out.len();
        Ok(Member { name, at })
    }

    /// Replaces what was written since `start` by the object of these members in their order.
    fn arrange(&mut self, start: usize, members: &[Member<'_>]) {
        let mut object = Vec::with_capacity(self.out.len() - start + members.len() + 2);
        object.push(b'{');
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                object.push(b',');
            }
            object.extend_from_slice(&self.out[member.at.clone()]);
        }
        object.push(b'}');
        self.out.truncate(start);
        self.out.extend_from_slice(&object);
    }

    /// The next byte that is no white space, which is left there.
    fn peek(&mut self) -> u8 {
        self.rest = self.rest.trim_ascii_start();
        self.rest.as_bytes().first().copied().unwrap_or_default()
    }

    /// Steps over `byte`, which stands here in JSON.
    fn take(&mut self, byte: u8) {
        let found = self.ends_with(byte);
        debug_assert!(found, "the text was checked to be JSON");
    }

    /// Whether `byte` is next, which is stepped over then.
    fn ends_with(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// The string that begins here, decoded.
    fn string(&mut self) -> Result<Cow<'a, str>, ArgsError> {
        let (text, rest) = string::read(self.rest)?;
        self.rest = rest;
        Ok(text)
    }

    /// A number, or one of `true`, `false` and `null`.
    fn word(&mut self) -> &'a str {
        let is_end = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        let end = self.rest.bytes().position(is_end);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests;
