//! The tap at the sockets.

use super::{Ring, Seen};
use crate::session::Joint;
use bytes::Bytes;
use patchbay_route::trace::Way;
use patchbay_sip::transaction::Flow;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Traces at once; a further one is refused with 503.
pub const MAX_TRACES: usize = 4;
/// Messages that wait for the reader of a trace; those that come on top of them are lost to it.
pub const MAX_UNREAD: usize = 4_096;

/// What one who follows is told, in order.
#[derive(Debug)]
pub enum Told {
    /// A message.
    Message(Seen),
    /// These Call-IDs are one call.
    Joint(Joint),
    /// So many messages are missing here.
    Lost(u64),
}

/// What a trace begins with.
#[derive(Debug)]
pub struct Opened {
    /// What is kept, the oldest first.
    pub kept: Vec<Seen>,
    /// Which Call-IDs are one call, of sessions that live and that were.
    pub joints: Vec<Joint>,
    /// What comes, if that was asked for.
    pub live: Option<mpsc::Receiver<Told>>,
}

#[derive(Debug)]
struct Follower {
    told: mpsc::Sender<Told>,
    lost: u64,
}

impl Follower {
    /// False when nobody listens any more.
    fn tell(&mut self, told: Told) -> bool {
        if self.lost > 0 {
            match self.told.try_send(Told::Lost(self.lost)) {
                Ok(()) => self.lost = 0,
                Err(TrySendError::Full(_)) => {
                    self.lost += 1;
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.told.try_send(told) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

/// Sees every message that comes and goes; does nothing unless somebody wants to see them.
#[derive(Debug, Default)]
pub struct Tap {
    ring: Ring,
    followers: Vec<Follower>,
    lost: u64,
}

impl Tap {
    /// A tap that keeps the last messages in so many bytes; 0 keeps none.
    #[must_use]
    pub fn new(ring_bytes: usize) -> Tap {
        Tap {
            ring: Ring::new(ring_bytes),
            ..Tap::default()
        }
    }

    /// Whether anybody wants to see messages.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.ring.is_on() || self.is_followed()
    }

    /// Whether anybody follows.
    #[inline]
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.followers.is_empty()
    }

    /// What is kept.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Traces that follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        let there = |follower: &&Follower| !follower.told.is_closed();
        self.followers.iter().filter(there).count()
    }

    /// Messages that came faster than the readers of traces took them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// A message went by.
    pub fn note(&mut self, at_unix_us: u64, way: Way, flow: Flow, bytes: &Bytes) {
        let seen = Seen {
            at_unix_us,
            way,
            flow,
            bytes: bytes.clone(),
        };
        if self.is_followed() {
            self.tell(|| Told::Message(seen.clone()));
        }
        if self.ring.is_on() {
            self.ring.push(seen);
        }
    }

    /// Call-IDs turned out to be one call.
    pub fn joined(&mut self, joint: &Joint) {
        self.tell(|| Told::Joint(joint.clone()));
    }

    fn tell(&mut self, told: impl Fn() -> Told) {
        let lost = &mut self.lost;
        self.followers.retain_mut(|follower| {
            let before = follower.lost;
            let there = follower.tell(told());
            *lost += u64::from(follower.lost > before);
            there
        });
    }

    /// What is kept, and from now on what comes.
    pub fn open(&mut self, now_unix_us: u64, joints: Vec<Joint>, follow: bool) -> Opened {
        let kept = self.ring.kept(now_unix_us);
        let live = follow.then(|| {
            let (told, live) = mpsc::channel(MAX_UNREAD);
            self.followers.push(Follower { told, lost: 0 });
            live
        });
        Opened { kept, joints, live }
    }
}
