//! The host's part in showing the signalling: each message goes past the tap, with the time.

use super::run::Host;
use crate::edge::TraceGauges;
use crate::trace::Opened;
use bytes::Bytes;
use patchbay_route::trace::Way;
use patchbay_sip::transaction::Flow;
use std::time::{SystemTime, UNIX_EPOCH};

/// So many bytes of the ring are reckoned for a call; fewer calls than that are told apart in it.
pub(super) const RING_BYTES_PER_CALL: usize = 4 * 1024;

/// Microseconds of Unix time.
pub(super) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

impl Host {
    /// Before outputs are sent: the time to write beside them, if anybody wants to see them.
    pub(super) fn trace_flush(&mut self) -> Option<u64> {
        if !self.tap.is_on() {
            return None;
        }
        let followed = self.tap.is_followed();
        self.core.watch_joints(followed);
        if followed {
            // Before the messages, so that whose they are is known when they come.
            for joint in self.core.fresh_joints() {
                self.tap.joined(&joint);
            }
        }
        Some(unix_us())
    }

    pub(super) fn note(&mut self, at_unix_us: u64, way: Way, flow: Flow, bytes: &Bytes) {
        let flow = self.core.shown_flow(flow);
        self.tap.note(at_unix_us, way, flow, bytes);
    }

    /// What is kept, and from now on what comes.
    pub(super) fn open_trace(&mut self, follow: bool) -> Opened {
        let joints = self.core.joints();
        self.core.watch_joints(follow || self.tap.is_followed());
        self.tap.open(unix_us(), joints, follow)
    }

    pub(super) fn trace_gauges(&self) -> TraceGauges {
        let ring = self.tap.ring();
        TraceGauges {
            followers: self.tap.followers(),
            kept_messages: ring.len(),
            kept_bytes: ring.used(),
            lost: self.tap.lost(),
        }
    }
}
