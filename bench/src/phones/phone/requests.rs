//! Requests that arrive, and answers that need little thought.

use std::time::Instant;

use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};

use super::{ALLOW, CallRef, Outcome, Phone};

impl Phone {
    pub(super) fn request(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) {
        let inside = request.to_tag().is_some();
        let call = self.find(request);
        match (request.method(), call) {
            (Some(Method::Invite), None) if !inside => self.invited(server, request, flow, now),
            (Some(Method::Invite | Method::Update), Some(call)) => {
                self.renegotiated(call, server, request, now);
            }
            (Some(Method::Bye), Some(call)) => self.left(call, server, request, now),
            (Some(Method::Info), Some(_)) => self.reply(server, request, 200, None, now),
            (_, None) if inside => self.reply(server, request, 481, None, now),
            (Some(Method::Bye), None) => self.reply(server, request, 481, None, now),
            (Some(Method::Options), _) => self.reply(server, request, 200, None, now),
            _ => self.reply(server, request, 405, None, now),
        }
    }

    /// The call whose dialog a request or an ACK is in.
    pub(super) fn find(&self, request: &Message) -> Option<CallRef> {
        let tag = request.to_tag()?.to_string();
        let key = (request.call_id().ok()?.to_owned(), tag);
        let call = self.dialogs.get(&key).copied()?;
        let dialog = self.calls.get(&call)?.dialog.as_ref()?;
        let theirs = request
            .from_tag()
            .is_some_and(|tag| *tag == *dialog.remote_tag);
        theirs.then_some(call)
    }

    /// Sends an answer without a body. The To tag is `tag`, or a fresh one if the request has none.
    pub(super) fn reply(
        &mut self,
        server: ServerKey,
        request: &Message,
        status: u16,
        tag: Option<&str>,
        now: Instant,
    ) {
        let mut response = Message::response_to(request, status, "");
        if request.to_tag().is_none() {
            let tag = tag.map_or_else(|| self.draws.word(), str::to_owned);
            response.set_to_tag(&tag);
        }
        if (101..300).contains(&status) && request.method() == Some(&Method::Invite) {
            response.headers.push(HeaderName::Contact, self.contact());
        }
        let lists_methods = status == 405 || request.method() == Some(&Method::Options);
        if lists_methods {
            response.headers.push(HeaderName::Allow, ALLOW);
            response.headers.push(HeaderName::Accept, "application/sdp");
        }
        // The transaction can be gone only if its connection is; then nobody waits for this.
        let _ = self.layer.respond(server, response, now);
    }

    /// The other side hangs up.
    fn left(&mut self, call: CallRef, server: ServerKey, request: &Message, now: Instant) {
        self.reply(server, request, 200, None, now);
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        // If both hang up at once, our own BYE's answer ends the call.
        if record.stage != super::call::Stage::Leaving {
            self.end(call, Outcome::Completed { by_us: false });
        }
    }
}
