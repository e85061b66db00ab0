//! A caller who waits in a call is sent elsewhere: a 302 is no answer any more, so the relay calls the address and
//! joins the two, as it would with an agent.

use patchbay_core::ContactId;
use patchbay_route::transfer::TransferTarget;
use patchbay_sip::transaction::{ClientKey, Flow};
use std::time::Duration;
use tracing::{debug, info};

use super::call::Stage;
use super::counters::Drop;
use super::offers::{Unsigned, forwarded};
use super::timers::KEEP_ANSWERED;
use super::{Moment, Signalling};

/// In the place of an offer's name.
const OFFER: &str = "onward";

/// How long the address may ring. Then the caller is hung up.
pub const ONWARD_RING: Duration = Duration::from_secs(90);

/// The call to the address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Onward {
    pub(super) client: ClientKey,
    pub(super) flow: Flow,
}

impl Signalling {
    /// Sends a caller who waits in a call to another address. Its contact is over with that.
    pub(super) fn send_onward(&mut self, contact: ContactId, to: &str, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        info!(%contact, to, "sent onward");
        let Some(invite) = call.request().map(forwarded) else {
            return;
        };
        let flow = call.flow;
        let target = TransferTarget {
            agent_uri: to.to_owned(),
            contact: contact.to_string(),
            offer: OFFER.to_owned(),
            joins: true,
            ..TransferTarget::default()
        };
        let secret = self.config.link_secret.expose();
        let invite = Unsigned { invite, target }.signed(secret, now.unix_ms() / 1000);
        let flow = self.transfer_flow(flow);
        let sent = self.layer.send_request(invite, flow, &self.sent_by, now.at);
        let Ok(client) = sent else {
            self.counters.drop(Drop::NotSent);
            self.leave_way(flow);
            return self.hang_up_waiting(contact, now);
        };
        self.calls.name_client(client, contact);
        self.took_way(flow, client);
        if let Some(call) = self.calls.get(contact) {
            call.stage = Stage::Answered(None);
            call.settle();
            call.onward = Some(Onward { client, flow });
        }
        self.calls.set_timer(contact, now.at + ONWARD_RING);
        self.pump(now);
    }

    /// Takes the status of such a call's answer, 503 where there is none. False if it is of something else.
    pub(super) fn onward_went(
        &mut self,
        contact: ContactId,
        client: ClientKey,
        status: u16,
        now: Moment,
    ) -> bool {
        let call = self.calls.get(contact);
        let onward = call.and_then(|call| call.onward.as_mut());
        if onward.is_none_or(|onward| onward.client != client) {
            return false;
        }
        if status >= 200 {
            debug!(%contact, status, "was sent onward");
            self.onward_over(contact, now);
            if status >= 300 {
                self.hang_up_waiting(contact, now);
            }
        }
        true
    }

    /// Nobody has answered in time, or the caller is gone. False if the contact was not sent onward.
    pub(super) fn onward_given_up(&mut self, contact: ContactId, now: Moment) -> bool {
        let call = self.calls.get(contact);
        let Some(onward) = call.and_then(|call| call.onward) else {
            return false;
        };
        let _gone_already = self.layer.cancel(onward.client, now.at);
        self.onward_over(contact, now);
        self.hang_up_waiting(contact, now);
        true
    }

    fn onward_over(&mut self, contact: ContactId, now: Moment) {
        let call = self.calls.get(contact);
        if let Some(onward) = call.and_then(|call| call.onward.take()) {
            self.calls.forget_client(onward.client);
            self.leave_way(onward.flow);
        }
        self.calls.set_timer(contact, now.at + KEEP_ANSWERED);
    }
}
