//! The chain: each record carries the hash of the one before, so that none can be changed, removed
//! or moved without a trace.
//!
//! A line is a JSON object whose last member is `"hash"`. What is hashed are the bytes of the object
//! without that member; they hold the hash of the record before as `"prev"`. Whoever can rewrite the
//! whole log can also make a new chain, and whoever cuts off its end leaves a shorter one: both are
//! found by a record's hash that was noted elsewhere, the [`Anchor`].

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a record.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first record of all says of the one before.
    pub const NONE: Self = Self([0; 32]);

    fn of(canonical: &[u8]) -> Self {
        Self(Sha256::digest(canonical).into())
    }

    /// In hexadecimal digits, without the machinery of formatting: every record has two hashes.
    pub(super) fn hex(&self) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Hex(hex)
    }
}

/// A hash in 64 lowercase hexadecimal digits.
pub(super) struct Hex([u8; 64]);

impl Hex {
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a hash is 64 lowercase hex digits";
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(FORM),
        };
        if text.len() != 64 {
            return Err(FORM);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Puts the hash of a canonical text behind it.
// spec: AUDIT-2
pub(super) fn seal(canonical: Vec<u8>) -> (Vec<u8>, Hash) {
    let hash = Hash::of(&canonical);
    let mut line = canonical;
    // The brace that closes the object, which the hash has seen.
    line.pop();
    for part in [HASH_MEMBER, hash.hex().as_str(), "\"}"] {
        line.extend_from_slice(part.as_bytes());
    }
    (line, hash)
}

const HASH_MEMBER: &str = ",\"hash\":\"";

/// Whether the hash at the end of a line is that of the bytes before it.
fn is_intact(line: &str, stated: Hash) -> bool {
    let end = format!("{HASH_MEMBER}{stated}\"}}");
    line.strip_suffix(&end).is_some_and(|open| {
        let mut hasher = Sha256::new();
        hasher.update(open);
        hasher.update(b"}");
        stated == Hash(hasher.finalize().into())
    })
}

/// A record's number and hash, noted somewhere that whoever can write the log cannot write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Anchor {
    /// The record's number.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl FromStr for Anchor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, hash) = text
            .split_once(':')
            .ok_or("an anchor is a record's number, a colon and its hash")?;
        let seq = seq
            .parse()
            .map_err(|_| "the part before the colon is no number")?;
        let hash = hash.parse()?;
        Ok(Self { seq, hash })
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// What is wrong with a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A line holds something else.
    #[error("line {line} is not a record")]
    NotARecord {
        /// Counted from 1.
        line: usize,
    },
    /// A record does not have the hash that it states.
    #[error("record {seq} was altered: its content does not have the hash that it states")]
    Altered {
        /// The record.
        seq: u64,
    },
    /// A record stands behind one with a higher number.
    #[error("record {seq} is out of order: it stands behind record {behind}")]
    OutOfOrder {
        /// The record.
        seq: u64,
        /// The highest number before it.
        behind: u64,
    },
    /// A record is there more than once.
    #[error("record {seq} is there more than once")]
    Repeated {
        /// The record.
        seq: u64,
    },
    /// Records are not there.
    #[error("{}", missing(*first, *last))]
    Missing {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// Two neighbours are not of one chain.
    #[error("{}", severed(*seq))]
    Severed {
        /// The later one.
        seq: u64,
    },
    /// The record that was noted is another one now.
    #[error("record {seq} is not the one that was noted: the log was written anew")]
    NotAsNoted {
        /// The record.
        seq: u64,
    },
    /// The record that was noted is not there.
    #[error("record {seq}, which was noted, is not in the log")]
    NotedIsMissing {
        /// The record.
        seq: u64,
    },
}

fn missing(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first} is missing")
    } else {
        format!("records {first} to {last} are missing")
    }
}

fn severed(seq: u64) -> String {
    match seq {
        0 | 1 => "record 1 does not begin a chain".to_owned(),
        _ => format!(
            "record {seq} does not continue record {}: one of the two was replaced",
            seq - 1
        ),
    }
}

/// What a log turned out to be.
#[derive(Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The first number, where there is a record at all.
    pub first: Option<u64>,
    /// How many records there are.
    pub records: usize,
    /// The last record, to be noted.
    pub head: Option<Anchor>,
    /// Everything that is wrong, in the order of the records.
    pub faults: Vec<Fault>,
}

/// What the chain needs of a record.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: Hash,
    hash: Hash,
}

/// Reads a log's lines and says everything that is wrong with it.
// spec: AUDIT-3
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a [u8]>, anchor: Option<Anchor>) -> Verdict {
    let mut faults = Vec::new();
    let mut links = read(lines, &mut faults);
    links.sort_by_key(|link| link.seq);
    links.dedup_by_key(|link| link.seq);
    let beginning = links.first().filter(|link| link.seq == 1);
    if beginning.is_some_and(|link| link.prev != Hash::NONE) {
        faults.push(Fault::Severed { seq: 1 });
    }
    for pair in links.windows(2) {
        let [before, link] = pair else { continue };
        if link.seq > before.seq + 1 {
            faults.push(Fault::Missing {
                first: before.seq + 1,
                last: link.seq - 1,
            });
        } else if link.prev != before.hash {
            faults.push(Fault::Severed { seq: link.seq });
        }
    }
    faults.extend(anchor.and_then(|anchor| against(anchor, &links)));
    let head = links.last().map(|last| Anchor {
        seq: last.seq,
        hash: last.hash,
    });
    Verdict {
        first: links.first().map(|first| first.seq),
        records: links.len(),
        head,
        faults,
    }
}

/// What each line says, and what is wrong with lines by themselves and with their order.
fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>, faults: &mut Vec<Fault>) -> Vec<Link> {
    let mut links = Vec::new();
    let mut seen = HashSet::new();
    let mut highest = 0;
    for (number, line) in lines.into_iter().enumerate() {
        let text = std::str::from_utf8(line).ok();
        let link = text.and_then(|text| serde_json::from_str::<Link>(text).ok());
        let numbered = |(_, link): &(_, Link)| (1..u64::MAX).contains(&link.seq);
        let Some((text, link)) = text.zip(link).filter(numbered) else {
            faults.push(Fault::NotARecord { line: number + 1 });
            continue;
        };
        let seq = link.seq;
        if !is_intact(text, link.hash) {
            faults.push(Fault::Altered { seq });
        }
        if !seen.insert(seq) {
            faults.push(Fault::Repeated { seq });
        } else if seq < highest {
            let behind = highest;
            faults.push(Fault::OutOfOrder { seq, behind });
        }
        highest = highest.max(seq);
        links.push(link);
    }
    links
}

fn against(anchor: Anchor, links: &[Link]) -> Option<Fault> {
    let seq = anchor.seq;
    // The first record knows the one before it, which may have left the log.
    let follower = || links.first().filter(|first| first.seq - 1 == seq);
    let found = match links.binary_search_by_key(&seq, |link| link.seq) {
        Ok(at) => Some(links[at].hash),
        Err(_) => follower().map(|first| first.prev),
    };
    match found {
        None => Some(Fault::NotedIsMissing { seq }),
        Some(hash) if hash != anchor.hash => Some(Fault::NotAsNoted { seq }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
