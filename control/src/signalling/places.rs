//! Places that the callers' relays keep, so that the next process goes on with those who wait. Control tells
//! each in a 100, which goes no further than the edge, and of a caller who waits in a call by an INFO in its
//! dialog; and the edge sends it with the INVITE.

use data_encoding::BASE64URL_NOPAD;
use patchbay_core::{ContactId, KeptPlace};
use patchbay_route::place::MAX_PLACE_BYTES;
use patchbay_route::waiting::Say;
use patchbay_sip::{HeaderName, Message};
use tracing::debug;

use super::call::{Call, Stage};
use super::counters::Drop;
use super::hearing::Hearing;
use super::{Moment, Signalling};

/// What an INVITE says of a call that was at a control node before.
pub(super) struct Before {
    pub place: KeptPlace,
    /// The relay's tag in the dialog in which the caller waits, if it was answered.
    pub stands: Option<String>,
}

impl Signalling {
    /// Tells the relay of a caller the place that it is to keep.
    pub fn keep_place(&mut self, place: &KeptPlace, now: Moment) {
        let json = serde_json::to_vec(place).unwrap_or_default();
        let value = format!("{} {}", self.sent_by, BASE64URL_NOPAD.encode(&json));
        let contact = place.contact;
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.stage != Stage::Open {
            return;
        }
        if value.len() > MAX_PLACE_BYTES {
            return self.counters.drop(Drop::PlaceTooLong);
        }
        if call.waits_in_call {
            return self.say_with(contact, &Say::default(), Some(value), now);
        }
        let Some(request) = call.request() else {
            return;
        };
        let mut trying = Message::response_to(request, 100, "");
        trying.headers.push(HeaderName::PatchbayPlace, value);
        let server = call.server;
        self.respond(server, trying, now);
        self.pump(now);
    }

    /// The place that an INVITE comes with, if it was in one and waits for it again. A contact that this very
    /// process has given up, because the connection broke, has its place under a new name.
    pub(super) fn place_of(&mut self, request: &Message, now: Moment) -> Option<Before> {
        let value = request.headers.get(HeaderName::PatchbayPlace)?;
        let (process, rest) = value.split_once(' ')?;
        let (place, stands) = match rest.split_once(' ') {
            Some((place, tag)) => (place, Some(tag.to_owned())),
            None => (rest, None),
        };
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
        Some(Before { place, stands })
    }

    /// Goes on with a caller who waits in a call: its relay hears which contact it is.
    pub(super) fn goes_on_in_call(&mut self, contact: ContactId, tag: &str, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let (server, flow) = (call.server, call.flow);
        let Some(request) = call.request() else {
            return;
        };
        let mut ok = Message::response_to(request, 200, "");
        ok.set_to_tag(tag);
        ok.headers
            .push(HeaderName::PatchbayPlace, contact.to_string());
        let hearing = Hearing::kept(request, flow, tag);
        call.waits_in_call = true;
        call.hearing = Some(Box::new(hearing));
        self.respond(server, ok, now);
    }
}

/// Whether the call of an INVITE was at a control node before.
pub(super) fn was_here(request: &Message) -> bool {
    request.headers.contains(HeaderName::PatchbayPlace)
}

impl Call {
    /// Whether its caller was answered, and waits.
    pub(super) fn waits_answered(&self) -> bool {
        self.waits_in_call && self.stage == Stage::Open
    }
}
