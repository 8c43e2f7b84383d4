//! A claim as it is stored.
//!
//! A record is a version, a state, the claim's lease, times and fingerprint, and, behind a run that
//! was completed, its answer. What cannot be read is no record; nothing here guesses.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::ids::LeaseId;

/// The first byte of every record.
const VERSION: u8 = 1;
/// Version, state, whether there is a fingerprint; lease; kept for, since.
const HEAD_BYTES: usize = 3 + 16 + 8 + 8;
const FINGERPRINT_BYTES: usize = 32;

/// How far a claim had come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Progress {
    /// It was run, or about to be; after a restart nobody knows.
    Running = 1,
    /// It was carried out; the answer follows.
    Finished = 2,
    /// It may be run again.
    Failed = 3,
    /// It was cut off.
    InDoubt = 4,
}

/// A stored claim.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) progress: Progress,
    pub(super) lease: LeaseId,
    /// How long it is kept once it has ended, in milliseconds.
    pub(super) ttl_ms: u64,
    /// When it came so far, in milliseconds of Unix time.
    pub(super) since_ms: u64,
    pub(super) fingerprint: Option<[u8; 32]>,
    /// Empty unless it is finished.
    pub(super) answer: Bytes,
}

impl fmt::Debug for Record {
    /// Without the answer, which is nobody's business but the agent's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("progress", &self.progress)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// The bytes to store.
    pub(super) fn encode(&self) -> Bytes {
        let room = HEAD_BYTES + FINGERPRINT_BYTES + self.answer.len();
        let mut bytes = BytesMut::with_capacity(room);
        bytes.put_u8(VERSION);
        bytes.put_u8(self.progress as u8);
        bytes.put_u8(self.fingerprint.is_some().into());
        bytes.put_slice(self.lease.as_bytes());
        bytes.put_u64(self.ttl_ms);
        bytes.put_u64(self.since_ms);
        bytes.put_slice(self.fingerprint.as_ref().map_or(&[], |print| &print[..]));
        bytes.put_slice(&self.answer);
        bytes.freeze()
    }

    /// The record that was stored as `bytes`, whose answer stays where it is. `None` for anything
    /// that no version of this program has written.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let (&[version, progress, printed], head) = head.split_first_chunk()?;
        let (&lease, head) = head.split_first_chunk()?;
        let (&ttl_ms, head) = head.split_first_chunk()?;
        let (&since_ms, _) = head.split_first_chunk()?;
        let progress = match (version, progress) {
            (VERSION, 1) => Progress::Running,
            (VERSION, 2) => Progress::Finished,
            (VERSION, 3) => Progress::Failed,
            (VERSION, 4) => Progress::InDoubt,
            _ => return None,
        };
        let fingerprint = match printed {
            0 => None,
            1 => Some(*rest.first_chunk::<FINGERPRINT_BYTES>()?),
            _ => return None,
        };
        let answer = HEAD_BYTES + fingerprint.map_or(0, |print| print.len());
        Some(Self {
            progress,
            lease: LeaseId::from_bytes(lease),
            ttl_ms: u64::from_be_bytes(ttl_ms),
            since_ms: u64::from_be_bytes(since_ms),
            fingerprint,
            answer: bytes.slice(answer..),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(progress: Progress, fingerprint: Option<[u8; 32]>, answer: &'static [u8]) -> Record {
        Record {
            progress,
            lease: LeaseId::from_bytes(*b"0123456789abcdef"),
            ttl_ms: 60_000,
            since_ms: 1_705_322_400_000,
            fingerprint,
            answer: Bytes::from_static(answer),
        }
    }

    /// Files of older versions have these bytes; `python3 -c 'import struct; …'` packed them.
    #[test]
    fn a_record_has_this_form() {
        let plain = record(Progress::Finished, None, b"{}");
        let expected = b"\x01\x02\x000123456789abcdef\
            \x00\x00\x00\x00\x00\x00\xea\x60\x00\x00\x01\x8d\x0d\x22\xc9\x00{}";
        assert_eq!(plain.encode(), &expected[..]);
        let printed = record(Progress::Running, Some([7; 32]), b"");
        assert_eq!(printed.encode()[..3], [1, 1, 1]);
        assert_eq!(printed.encode()[35..], [7; 32]);
        let failed = record(Progress::Failed, None, b"");
        let in_doubt = record(Progress::InDoubt, None, b"");
        assert_eq!((failed.encode()[1], in_doubt.encode()[1]), (3, 4));
        for record in [plain, printed, failed, in_doubt] {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn what_is_no_record_is_not_read() {
        let good = record(Progress::Running, Some([7; 32]), b"").encode();
        for end in 0..good.len() {
            assert_eq!(Record::decode(&good.slice(..end)), None, "{end}");
        }
        for (index, byte) in [(0, 2), (1, 0), (1, 5), (2, 2)] {
            let mut bytes = BytesMut::from(&good[..]);
            bytes[index] = byte;
            assert_eq!(Record::decode(&bytes.freeze()), None, "{index} {byte}");
        }
    }
}
