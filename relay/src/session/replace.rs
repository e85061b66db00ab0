//! A phone that comes in from outside into a call: by an address given out for a transfer, or by
//! an INVITE with `Replaces` (RFC 3891) that names a dialog of this relay.
//!
//! The newcomer takes the place of one side. The other side gets a re-INVITE with the newcomer's
//! offer; when it agrees, the newcomer is answered and who was replaced gets a BYE. When it does
//! not, nothing has changed.

use super::refer::{Referral, Referred, Replaces};
use super::{Context, Leg, Session, SessionId, Sessions};
use crate::edge::counters::EdgeDrop;
use crate::edge::flow_token::Source;
use crate::edge::{Output, Refusal};
use crate::engine::Side;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent};
use patchbay_route::transfer::TransferTarget;
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::ServerKey;
use patchbay_sip::{HeaderName, Message, Method, Uri};
use std::sync::Arc;

/// Who was on a side before a newcomer that is not yet answered.
pub(super) struct Replaced {
    pub(super) side: Side,
    pub(super) leg: Leg,
}

impl Sessions {
    /// Whether an INVITE without To tag is for a session of this host.
    pub fn concerns(&self, cx: &Context<'_>, request: &Message) -> bool {
        request.method() == Some(&Method::Invite)
            && (request.headers.contains(HeaderName::Replaces) || referred(cx, request).is_some())
    }

    /// Takes an INVITE of which [`Sessions::concerns`] is true.
    pub fn join(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerKey,
        request: Message,
        source: Source,
    ) {
        let request = Arc::new(request);
        let done = match referred(cx, &request) {
            Some(referral) => self.follow(cx, (server, &request), source, referral),
            None => self.replace_named(cx, server, &request, source),
        };
        if let Err(refusal) = done {
            refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
        }
    }

    /// A phone calls the address that it was given for a transfer.
    fn follow(
        &mut self,
        cx: &mut Context<'_>,
        (server, request): (ServerKey, &Arc<Message>),
        source: Source,
        Referral { to, follows, .. }: Referral,
    ) -> Result<(), Refusal> {
        match to {
            Referred::Elsewhere { uri, replaces } => {
                self.put_through(cx, (server, request), source, (uri, replaces), follows)
            }
            Referred::InPlaceOf(id, side) => {
                if let Some(session) = self.rows.get_mut(&id) {
                    session.follows.get_or_insert(follows);
                }
                self.replace(cx, server, request, source, (id, side))
            }
        }
    }

    /// RFC 3891 section 3: exactly one dialog has to match, else 481.
    fn replace_named(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerKey,
        request: &Message,
        source: Source,
    ) -> Result<(), Refusal> {
        if request.headers.all(HeaderName::Replaces).count() > 1 {
            return Err(Refusal::plain(400, "More Than One Replaces"));
        }
        let value = request.headers.get(HeaderName::Replaces);
        let named = value.and_then(Replaces::parse);
        let named = named.ok_or(Refusal::plain(400, "Broken Replaces"))?;
        let (id, side) = named.leg(cx.links).ok_or_else(Refusal::no_dialog)?;
        let session = self.rows.get(&id).ok_or_else(Refusal::no_dialog)?;
        let leg = match side {
            Side::Client => &session.caller,
            Side::Agent => &session.agent,
        };
        let dialog = leg.dialog.as_ref().ok_or_else(Refusal::no_dialog)?;
        if leg.call_id != named.call_id || *dialog.remote_tag != *named.from_tag {
            return Err(Refusal::no_dialog());
        }
        if named.early_only && session.answered.is_some() {
            return Err(Refusal::plain(486, "Already Answered"));
        }
        self.replace(cx, server, request, source, (id, side))
    }

    fn replace(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerKey,
        request: &Message,
        source: Source,
        (id, side): (SessionId, Side),
    ) -> Result<(), Refusal> {
        let mut session = self.rows.remove(&id).ok_or_else(Refusal::no_dialog)?;
        let done = session.replace(cx, side, server, request, source);
        self.keep(cx, session);
        done
    }

    /// A session of its own for a phone that was sent elsewhere. Control has no part in it.
    fn put_through(
        &mut self,
        cx: &mut Context<'_>,
        (server, request): (ServerKey, &Arc<Message>),
        source: Source,
        (uri, replaces): (String, Option<String>),
        follows: Box<str>,
    ) -> Result<(), Refusal> {
        if cx.config.draining {
            return Err(Refusal::busy(EdgeDrop::Draining, "Going Down", 5));
        }
        let target = TransferTarget {
            agent_uri: uri,
            ..TransferTarget::default()
        };
        let mut session = self.admit_call(cx, (server, request), source, target)?;
        session.detached = true;
        session.follows = Some(follows);
        if let Some(invite) = &mut session.invite {
            invite.replaces = replaces;
        }
        self.begin(cx, server, session);
        Ok(())
    }
}

/// Whom the address that a request calls was given out for.
fn referred(cx: &Context<'_>, request: &Message) -> Option<Referral> {
    let uri = Uri::parse(request.uri()?).ok()?;
    let name = uri.user.filter(|user| user.starts_with("refer-"))?;
    cx.links.referrals.find(&name, cx.now.instant)
}

impl Session {
    fn replace(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        server: ServerKey,
        request: &Message,
        source: Source,
    ) -> Result<(), Refusal> {
        if self.ended {
            return Err(Refusal::plain(603, "Declined"));
        }
        if self.answered.is_none() || self.replaced.is_some() {
            // RFC 3891 section 3: who rings at us is not replaced before the answer.
            return Err(Refusal::no_dialog());
        }
        self.check_glare(cx, side, request)?;
        let call_id = request.call_id().unwrap_or_default().to_owned();
        let mut leg = Leg::new(cx.ids.tag(), call_id, source);
        let dialog = Dialog::uas(request, &leg.tag);
        leg.dialog = Some(dialog.map_err(|_| Refusal::plain(400, "Missing or Broken Contact"))?);
        cx.links.tags.insert(leg.tag.clone(), (self.id, side));
        let leg = std::mem::replace(self.leg(side), leg);
        self.replaced = Some(Box::new(Replaced { side, leg }));
        self.reinvite(cx, side, (server, None), request.clone());
        if self.reinvite.is_none() {
            self.restore_replaced(cx);
        }
        Ok(())
    }

    /// The other side did not take the newcomer: all is as it was.
    pub(super) fn restore_replaced(&mut self, cx: &mut Context<'_>) {
        if let Some(replaced) = self.replaced.take() {
            let Replaced { side, leg } = *replaced;
            let newcomer = std::mem::replace(self.leg(side), leg);
            cx.links.tags.remove(&newcomer.tag);
        }
    }

    /// The other side took the newcomer: who was replaced gets a BYE.
    pub(super) fn finish_replaced(&mut self, cx: &mut Context<'_>) {
        let Some(replaced) = self.replaced.take() else {
            return;
        };
        let Replaced { side, leg } = *replaced;
        cx.links.tags.remove(&leg.tag);
        // The BYE goes out in the old leg's name, which is put in its place for that long.
        let newcomer = std::mem::replace(self.leg(side), leg);
        self.bye(cx, side, EndCause::Bye);
        *self.leg(side) = newcomer;
        self.tell_replaced(cx, side);
        if side == Side::Agent {
            self.detach(cx);
        }
    }

    /// The agent is out of its call, which goes on without it: for control it is over.
    fn detach(&mut self, cx: &mut Context<'_>) {
        if !self.detached {
            let ended = self.ended_event(cx, EndedBy::Agent, EndCause::Bye);
            let event = SessionEvent::Ended(ended);
            cx.outputs.push_back(Output::Event(event));
            self.detached = true;
        }
    }
}
