//! Callers who wait hear something: the call is transferred to its relay with nobody to be called, and
//! the relay plays in early media (requirement D14). It is a fork of the caller's INVITE beside those to
//! the agents' phones, and is cancelled when one of them has answered.
//!
//! Or the relay answers, and the caller waits in a call: then the transfers to the agents' phones say that they
//! join it, its INVITE gets no other answer, and a BYE in its dialog ends it.

use patchbay_core::ContactId;
use patchbay_route::transfer::{Hears, SAY_TYPE, TransferTarget, WAITING_URI};
use patchbay_route::waiting::Say;
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::{ClientKey, Flow};
use patchbay_sip::{HeaderName, Message, Method};
use tracing::debug;

use super::call::Stage;
use super::counters::Drop;
use super::offers::{Unsigned, forwarded};
use super::{Moment, Signalling};

/// In the place of an offer's name.
const OFFER: &str = "waiting";

/// The relay's answer when the caller has ended the early dialog by a BYE (RFC 3261 section 15), or
/// when control itself has ended it.
const HUNG_UP: u16 = 487;
/// Above any CSeq of the caller, in whose name control speaks: what it says is heard whatever came before.
const LAST_CSEQ: u32 = 1 << 30;

/// What a caller hears who waits.
#[derive(Debug)]
pub(super) struct Hearing {
    /// None for one that waits in a call since before this process.
    pub(super) client: Option<ClientKey>,
    /// Where its messages travel.
    pub(super) flow: Flow,
    /// The early dialog with the relay, once the caller hears something.
    dialog: Option<Dialog>,
}

impl Hearing {
    /// What a caller hears who was answered before this process began, in the dialog in which its relay has
    /// this tag.
    pub(super) fn kept(invite: &Message, flow: Flow, tag: &str) -> Hearing {
        let mut answer = Message::response_to(invite, 200, "");
        answer.set_to_tag(tag);
        let target = format!("<sip:{tag}@relay.invalid>");
        answer.headers.push(HeaderName::Contact, target);
        Hearing {
            client: None,
            flow,
            dialog: Dialog::uac(&answer, &answer).ok(),
        }
    }

    /// Whether the caller hears something already.
    pub(super) fn is_heard(&self) -> bool {
        self.dialog.is_some()
    }
}

impl Signalling {
    /// Lets a caller who waits hear something, for as long as it has no final answer.
    pub fn hear(&mut self, contact: ContactId, hears: Hears, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.stage != Stage::Open || call.hearing.is_some() {
            return;
        }
        let flow = call.flow;
        let Some(invite) = call.request() else {
            return;
        };
        // What it is told would have to be acknowledged, and the relay does not wait for that.
        if !hears.answered && invite.headers.lists(HeaderName::Require, "100rel") {
            return;
        }
        let target = TransferTarget {
            agent_uri: WAITING_URI.to_owned(),
            contact: contact.to_string(),
            offer: OFFER.to_owned(),
            hears: Some(hears),
            ..TransferTarget::default()
        };
        let mut invite = forwarded(invite);
        invite.headers.remove(HeaderName::Expires);
        let secret = self.config.link_secret.expose();
        let invite = Unsigned { invite, target }.signed(secret, now.unix_ms() / 1000);
        let flow = self.transfer_flow(flow);
        match self.layer.send_request(invite, flow, &self.sent_by, now.at) {
            Ok(client) => {
                self.calls.name_client(client, contact);
                self.took_way(flow, client);
                if let Some(call) = self.calls.get(contact) {
                    call.hearing = Some(Box::new(Hearing {
                        client: Some(client),
                        flow,
                        dialog: None,
                    }));
                }
            }
            Err(error) => {
                debug!(%contact, %error, "nothing to hear");
                self.counters.drop(Drop::NotSent);
                self.leave_way(flow);
            }
        }
        self.pump(now);
    }

    /// Has something said to a caller who hears something.
    pub fn say(&mut self, contact: ContactId, say: &Say, now: Moment) {
        self.say_with(contact, say, None, now);
    }

    /// The same, with the place that its relay is to keep.
    pub(super) fn say_with(
        &mut self,
        contact: ContactId,
        say: &Say,
        place: Option<String>,
        now: Moment,
    ) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let flow = call.flow;
        let hearing = call.hearing.as_mut().and_then(|it| it.dialog.as_mut());
        let (Some(dialog), Ok(body)) = (hearing, serde_json::to_vec(say)) else {
            return;
        };
        let mut info = dialog.request(Method::Info);
        info.set_body(SAY_TYPE, body);
        if let Some(place) = place {
            info.headers.push(HeaderName::PatchbayPlace, place);
        }
        match self.layer.send_request(info, flow, &self.sent_by, now.at) {
            Ok(client) => self.calls.said_farewell(client),
            Err(_) => self.counters.drop(Drop::NotSent),
        }
        self.pump(now);
    }

    /// Takes a response to such a transfer; gives it back if it is to something else.
    pub(super) fn heard(
        &mut self,
        contact: ContactId,
        client: ClientKey,
        response: Message,
        now: Moment,
    ) -> Option<Message> {
        let Some(call) = self.calls.get(contact) else {
            return Some(response);
        };
        let Some(hearing) = call.hearing.as_mut().filter(|it| it.client == Some(client)) else {
            return Some(response);
        };
        match response.status() {
            Some(100) | None => {}
            Some(status @ 101..=299) => {
                let mut dialog = Dialog::uac(&response, &response).ok();
                if let Some(dialog) = &mut dialog {
                    // Straight to the relay: nobody else is between.
                    dialog.route_set.clear();
                }
                hearing.dialog = dialog;
                match (status, call.stage) {
                    (200..=299, _) => self.waits_in_call(contact, response, now),
                    (_, Stage::Open) => self.progress(contact, response, now),
                    _ => {}
                }
                self.farewell_can_be_heard(contact, now);
            }
            Some(status) => {
                debug!(%contact, status, "nothing to hear");
                let server = call.server;
                self.hearing_over(contact, client);
                if status == HUNG_UP {
                    self.cancelled(server, now);
                }
            }
        }
        None
    }

    /// The relay has answered the caller, who waits in a call from now on; or says so once more.
    fn waits_in_call(&mut self, contact: ContactId, response: Message, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let (server, stage) = (call.server, call.stage);
        let again = std::mem::replace(&mut call.waits_in_call, true);
        if again || stage == Stage::Open {
            if let Some(open) = &mut call.open {
                open.progress = None;
            }
            return self.respond(server, response, now);
        }
        // It crossed the final answer, or the caller's CANCEL.
        if stage == Stage::Cancelled && call.hunts.is_empty() {
            self.terminated(contact, now);
        }
        self.hang_up_waiting(contact, now);
    }

    /// Ends the call in which a caller waits.
    pub(super) fn hang_up_waiting(&mut self, contact: ContactId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let flow = call.flow;
        let dialog = call.hearing.as_mut().and_then(|it| it.dialog.as_mut());
        let Some(dialog) = dialog else {
            return;
        };
        dialog.local_cseq = dialog.local_cseq.max(LAST_CSEQ);
        let bye = dialog.request(Method::Bye);
        match self.layer.send_request(bye, flow, &self.sent_by, now.at) {
            Ok(client) => self.calls.said_farewell(client),
            Err(_) => self.counters.drop(Drop::NotSent),
        }
    }

    /// A caller who waited in a call is gone: it has hung up, or its relay or its media are lost.
    pub fn left(&mut self, contact: ContactId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.stage != Stage::Open || !call.waits_in_call {
            let _was_sent = self.onward_given_up(contact, now);
            return self.pump(now);
        }
        debug!(%contact, "left while it waited");
        let client = call.hearing.take().and_then(|hearing| hearing.client);
        let server = call.server;
        if let Some(client) = client {
            self.calls.forget_client(client);
        }
        self.cancelled(server, now);
        self.pump(now);
    }

    /// The transaction of such a transfer is over. False if it is not one.
    pub(super) fn hearing_over(&mut self, contact: ContactId, client: ClientKey) -> bool {
        let Some(call) = self.calls.get(contact) else {
            return false;
        };
        if call.waits_in_call
            && call
                .hearing
                .as_ref()
                .is_some_and(|it| it.client == Some(client))
        {
            // Its dialog goes on.
            return true;
        }
        let Some(hearing) = call.hearing.take_if(|it| it.client == Some(client)) else {
            return false;
        };
        self.calls.forget_client(client);
        self.leave_way(hearing.flow);
        true
    }

    /// The caller has its answer, or is gone: it hears nothing any more.
    pub(super) fn stop_hearing(&mut self, contact: ContactId, now: Moment) {
        let call = self.calls.get(contact);
        let client = call.and_then(|call| call.hearing.as_ref()?.client);
        if let Some(client) = client {
            let _gone_already = self.layer.cancel(client, now.at);
        }
    }
}
