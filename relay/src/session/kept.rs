//! Callers who wait in a call while control is gone: the music goes on, and their calls are brought to the
//! next control node as those are that were not answered (see `edge/stranded.rs`).

use super::{Context, Session, SessionId, Sessions};
use crate::edge::Waiting;
use patchbay_route::place::KEPT_FOR;
use patchbay_route::session::{EndCause, EndedBy};
use patchbay_sip::Message;
use patchbay_sip::transaction::Flow;
use std::net::IpAddr;

/// What brings such a call to another control node.
pub struct Call {
    /// The caller's INVITE.
    pub request: Message,
    /// Where it came from.
    pub flow: Flow,
    /// Its place, and the tag of the dialog in which it waits.
    pub place: String,
}

impl Sessions {
    /// Keeps the INVITE of a caller who was answered, if it waits in that call.
    pub fn keep_call(&mut self, cx: &mut Context<'_>, tag: &str, call: Box<Waiting>) {
        let id = cx.links.tags.get(tag).map(|(id, _)| *id);
        let session = id.and_then(|id| self.rows.get_mut(&id));
        if let Some(session) = session.filter(|session| session.stands())
            && let Some(hearing) = session.hearing.as_mut()
        {
            hearing.call = Some(call);
        }
    }

    /// Callers who wait in a call and lost their control node, with the order in which they came.
    pub fn lost(&self) -> Vec<(u64, SessionId)> {
        let lost = self.rows.iter().filter_map(|(id, session)| {
            let hearing = session.hearing.as_ref()?;
            hearing.lost?;
            Some((hearing.call.as_ref()?.order, *id))
        });
        lost.collect()
    }

    /// A control node is gone. Those of its callers who wait in a call and can be brought to another one;
    /// nobody knows the others, and they are hung up.
    pub fn control_lost(&mut self, cx: &mut Context<'_>, control: IpAddr) -> Vec<SessionId> {
        let its = |session: &Session| {
            let hearing = session.hearing.as_ref();
            session.stands() && !session.ended && hearing.is_some_and(|it| it.control == control)
        };
        let mut lost = Vec::new();
        for id in self.having(its) {
            let session = self.rows.get_mut(&id);
            let hearing = session.and_then(|session| session.hearing.as_mut());
            let kept = hearing.is_some_and(|hearing| {
                hearing.lost = Some(cx.now.instant + KEPT_FOR);
                let call = hearing.call.as_ref();
                call.is_some_and(|call| call.may_go_on())
            });
            match kept {
                true => lost.push(id),
                false => drop(self.end(cx, id, EndedBy::Relay, EndCause::Unreachable)),
            }
        }
        lost
    }

    /// What brings a caller to this control node, who waits in a call; none if it is gone meanwhile.
    pub fn brings(&mut self, id: SessionId, control: IpAddr) -> Option<Call> {
        let session = self.rows.get_mut(&id)?;
        let waits = session.stands() && !session.ended;
        let tag = session.caller.tag.clone();
        let hearing = session.hearing.as_mut().filter(|_| waits)?;
        let call = hearing.call.as_mut().filter(|_| hearing.lost.is_some())?;
        call.tries += 1;
        let brings = Call {
            request: call.request.clone(),
            flow: call.flow,
            place: format!("{} {tag}", call.place()),
        };
        (hearing.lost, hearing.control) = (None, control);
        Some(brings)
    }

    /// A control node goes on with a caller, under that name.
    pub fn goes_on(&mut self, id: SessionId, contact: &str) {
        let Some(session) = self.rows.get_mut(&id).filter(|session| session.stands()) else {
            return;
        };
        if let Some(call) = session.hearing.as_mut().and_then(|it| it.call.as_mut()) {
            call.tries = 0;
        }
        let before = std::mem::replace(&mut session.target.contact, contact.to_owned());
        self.waiting.remove(&before);
        self.waiting.insert(contact.to_owned(), id);
    }

    /// No control node wants the caller.
    pub fn not_wanted(&mut self, cx: &mut Context<'_>, id: SessionId) {
        let session = self.rows.get(&id);
        if session.is_some_and(|session| session.stands() && !session.ended) {
            self.end(cx, id, EndedBy::Relay, EndCause::Unreachable);
        }
    }

    /// No control node came in time.
    pub fn lost_too_long(&mut self, cx: &mut Context<'_>, id: SessionId) {
        let hearing = self.rows.get(&id).and_then(|it| it.hearing.as_ref());
        let lost = hearing.and_then(|hearing| hearing.lost);
        if lost.is_some_and(|until| until <= cx.now.instant) {
            self.not_wanted(cx, id);
        }
    }
}
