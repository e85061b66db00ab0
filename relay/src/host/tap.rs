//! The host's part in showing the signalling: each message goes past the tap, with the time.

use super::run::{Host, now_and_us};
use crate::edge::TraceGauges;
use crate::trace::Opened;
use bytes::Bytes;
use patchbay_route::trace::Way;
use patchbay_sip::transaction::Flow;

/// So many bytes of the ring are reckoned for a call; fewer calls than that are told apart in it.
pub(super) const RING_BYTES_PER_CALL: usize = 4 * 1024;

impl Host {
    /// Before outputs are sent: the time to write beside them, if anybody wants to see them.
    pub(super) fn trace_flush(&mut self) -> Option<u64> {
        let followed = self.tap.is_followed();
        // Who follows may be gone since the last time: then nobody takes them.
        self.core.watch_joints(followed);
        if !self.tap.is_on() {
            return None;
        }
        if followed {
            // Before the messages, so that whose they are is known when they come.
            for joint in self.core.fresh_joints() {
                self.tap.joined(&joint);
            }
        }
        Some(now_and_us().1)
    }

    pub(super) fn note(&mut self, at_unix_us: u64, way: Way, flow: Flow, bytes: &Bytes) {
        // Of what is only kept it is found out when somebody asks.
        let flow = match self.tap.is_followed() {
            true => self.core.shown_flow(flow),
            false => flow,
        };
        self.tap.note(at_unix_us, way, flow, bytes);
    }

    /// What is kept, and from now on what comes.
    pub(super) fn open_trace(&mut self, follow: bool) -> Opened {
        let joints = self.core.joints();
        self.core.watch_joints(follow || self.tap.is_followed());
        let mut opened = self.tap.open(now_and_us().1, joints, follow);
        for seen in &mut opened.kept {
            seen.flow = self.core.shown_flow(seen.flow);
        }
        opened
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
