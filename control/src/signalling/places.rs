//! Places that the callers' edges keep, so that the next process goes on with those who wait: control
//! tells each in a 100, which goes no further than the edge, and the edge sends it with the INVITE.

use data_encoding::BASE64URL_NOPAD;
use patchbay_core::{ContactId, KeptPlace};
use patchbay_route::place::MAX_PLACE_BYTES;
use patchbay_sip::{HeaderName, Message};
use tracing::debug;

use super::call::{Call, Stage};
use super::counters::Drop;
use super::{Moment, Signalling};

impl Signalling {
    /// Tells the edge of a caller the place that it is to keep.
    pub fn keep_place(&mut self, place: &KeptPlace, now: Moment) {
        let process = self.sent_by.clone();
        let Some(call) = self.calls.get(place.contact) else {
            return;
        };
        if call.stage != Stage::Open || call.waits_in_call {
            return;
        }
        let Some(request) = call.request() else {
            return;
        };
        let json = serde_json::to_vec(place).unwrap_or_default();
        let value = format!("{process} {}", BASE64URL_NOPAD.encode(&json));
        if value.len() > MAX_PLACE_BYTES {
            return self.counters.drop(Drop::PlaceTooLong);
        }
        let mut trying = Message::response_to(request, 100, "");
        trying.headers.push(HeaderName::PatchbayPlace, value);
        let server = call.server;
        self.respond(server, trying, now);
        self.pump(now);
    }

    /// The place that an INVITE comes with, if it was in one and waits for it again. A contact that this very
    /// process has given up, because the connection broke, has its place under a new name.
    pub(super) fn place_of(&mut self, request: &Message, now: Moment) -> Option<KeptPlace> {
        let value = request.headers.get(HeaderName::PatchbayPlace)?;
        let (process, place) = value.split_once(' ')?;
        let place = BASE64URL_NOPAD.decode(place.as_bytes()).ok();
        let place = place.and_then(|json| serde_json::from_slice(&json).ok());
        let Some(mut place): Option<KeptPlace> = place else {
            self.counters.drop(Drop::BadPlace);
            return None;
        };
        if process == self.sent_by || self.calls.get(place.contact).is_some() {
            let name = self.contacts.contact(now.unix_ms());
            debug!(contact = %place.contact, now = %name, "goes on under another name");
            place.contact = name;
        }
        Some(place)
    }

    /// Ends the calls that no edge can keep for the next process: those who wait in a call. All others that
    /// have no final answer are left to their edges.
    pub fn end_all_waiting(&mut self, now: Moment) {
        let in_call: Vec<ContactId> = self.calls.waiting_in_call().collect();
        for contact in in_call {
            self.end_waiting(contact, self.config.drain_retry_after_s, now);
        }
    }

    /// Calls that end with this process.
    #[must_use]
    pub fn calls_to_end(&self) -> usize {
        self.calls.waiting_in_call().count()
    }
}

/// Whether the call of an INVITE was at a control node before.
pub(super) fn was_here(request: &Message) -> bool {
    request.headers.contains(HeaderName::PatchbayPlace)
}

impl Call {
    /// Whether nobody else knows of its caller, who was answered and waits.
    pub(super) fn ends_with_us(&self) -> bool {
        self.waits_in_call && self.stage == Stage::Open
    }
}
