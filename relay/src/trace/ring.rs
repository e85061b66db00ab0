//! The last messages, so that a call can be shown that nobody was watching.

use super::Seen;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;

/// The largest ring, in bytes.
pub const MAX_RING_BYTES: usize = 1024 * 1024 * 1024;
/// Older messages are not kept, however much room there is.
pub const KEPT_TIME: Duration = Duration::from_secs(3600);
/// Memory is taken and given back in pieces of so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Messages of the last hour, as many as there is room for.
///
/// They are copied, one behind the other: the buffers that they came in are used again at once while
/// they are warm in the processor's cache, and the limit is what is really used.
#[derive(Debug, Default)]
pub struct Ring {
    room: usize,
    used: usize,
    piece: BytesMut,
    kept: VecDeque<Seen>,
}

impl Ring {
    /// A ring for so many bytes, [`MAX_RING_BYTES`] at most; 0 keeps nothing.
    #[must_use]
    pub fn new(room: usize) -> Ring {
        Ring {
            room: room.min(MAX_RING_BYTES),
            ..Ring::default()
        }
    }

    /// Whether anything is kept at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.room > 0
    }

    /// Messages that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes that are used, of what [`Ring::new`] was given.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Keeps a message, and forgets as many of the oldest as that takes.
    pub fn push(&mut self, mut seen: Seen) {
        self.used += cost(&seen);
        while self.used > self.room
            && let Some(oldest) = self.kept.pop_front()
        {
            self.used -= cost(&oldest);
        }
        self.expire(seen.at_unix_us);
        seen.bytes = self.copy(&seen.bytes);
        self.kept.push_back(seen);
    }

    /// The messages, the oldest first.
    pub fn kept(&mut self, now_unix_us: u64) -> Vec<Seen> {
        self.expire(now_unix_us);
        self.kept.iter().cloned().collect()
    }

    fn expire(&mut self, now_unix_us: u64) {
        let kept = u64::try_from(KEPT_TIME.as_micros()).unwrap_or(u64::MAX);
        while let Some(oldest) = self.kept.front()
            && oldest.at_unix_us.saturating_add(kept) < now_unix_us
        {
            self.used -= cost(oldest);
            self.kept.pop_front();
        }
    }

    fn copy(&mut self, bytes: &Bytes) -> Bytes {
        if self.piece.capacity() < bytes.len() {
            self.piece = BytesMut::with_capacity(PIECE_BYTES.max(bytes.len()));
        }
        self.piece.extend_from_slice(bytes);
        self.piece.split().freeze()
    }
}

/// What a message takes of the room.
fn cost(seen: &Seen) -> usize {
    size_of::<Seen>() + seen.bytes.len()
}
