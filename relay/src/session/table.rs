//! The routing table of sessions: which session a message, timer or command belongs to.

use super::{Context, Links, Media, Session, SessionId};
use crate::edge::counters::EdgeDrop;
use crate::edge::{Now, Refusal};
use crate::engine::Side;
use crate::locate::{Candidate, Inquiry};
use patchbay_route::session::{EndCause, EndedBy, SessionView};
use patchbay_route::transfer::Verified;
use patchbay_sip::Message;
use patchbay_sip::shards::Shards;
use patchbay_sip::transaction::{ClientKey, Flow, ServerKey};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::time::Instant;

/// Most transfers remembered to refuse their replay; each is remembered until it expires.
pub const MAX_REPLAYS: usize = 200_000;

/// All live sessions of this host.
#[derive(Default)]
pub struct Sessions {
    pub(super) rows: Shards<SessionId, Box<Session>>,
    timers: BTreeSet<(Instant, SessionId)>,
    pub(super) replays: Shards<[u8; 32], u64>,
    pub(super) joints: super::joint::Joints,
    /// Callers who wait in a call, by their contact.
    pub(super) waiting: FxHashMap<String, SessionId>,
}

impl Sessions {
    /// Sessions, those included that are ending.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without any session.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sessions that are not ending.
    pub fn live(&self) -> usize {
        self.rows.values().filter(|session| !session.ended).count()
    }

    /// What the API shows.
    pub fn views(&self, media: &dyn Media) -> Vec<SessionView> {
        let live = self.rows.values().filter(|session| !session.ended);
        live.map(|session| session.view(media)).collect()
    }

    pub(super) fn is_replay(&self, verified: &Verified) -> bool {
        self.replays.contains_key(&verified.signature)
    }

    /// Remembers a transfer until it expires; false if there is no room, so that it must be
    /// refused.
    pub(super) fn remember(&mut self, verified: &Verified, now: Now) -> bool {
        if self.replays.len() >= MAX_REPLAYS {
            let now = now.unix_ms / 1000;
            self.replays.retain(|_, expires| *expires >= now);
        }
        let room = self.replays.len() < MAX_REPLAYS;
        if room {
            self.replays
                .insert(verified.signature, verified.expires_unix);
        }
        room
    }

    /// Transfers that are remembered.
    pub fn remembered(&self) -> usize {
        self.replays.len()
    }

    /// When [`Sessions::wake`] wants to be called.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Runs the timers that are due.
    pub fn wake(&mut self, cx: &mut Context<'_>) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= cx.now.instant
        {
            self.timers.pop_first();
            self.with(cx, id, |session, cx| {
                session.timer = None;
                session.wake(cx);
            });
        }
    }

    /// Puts a session (back) into the table, or forgets it if it is over.
    pub(super) fn keep(&mut self, cx: &mut Context<'_>, mut session: Box<Session>) {
        if let Some(at) = session.timer.take() {
            self.timers.remove(&(at, session.id));
        }
        if session.is_over() {
            if session.stands() {
                self.waiting.remove(&session.target.contact);
            }
            return self.retire(cx, session);
        }
        session.tell_hold(cx);
        self.note_joint(&mut session);
        session.trim_terms();
        session.look_up_legs(cx);
        session.timer = session.next_wakeup();
        if let Some(at) = session.timer {
            self.timers.insert((at, session.id));
        }
        self.rows.insert(session.id, session);
    }

    /// Forgets a session that is in the table no more.
    pub(super) fn retire(&mut self, cx: &mut Context<'_>, session: Box<Session>) {
        forget(cx.links, &session);
        self.note_past(session);
    }

    /// Takes a caller who waits in a call out of the table.
    pub(super) fn take_waiting(&mut self, contact: &str) -> Option<Box<Session>> {
        let id = self.waiting.remove(contact)?;
        let session = self.rows.remove(&id)?;
        if let Some(at) = session.timer {
            self.timers.remove(&(at, id));
        }
        Some(session)
    }

    pub(super) fn with(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Context<'_>),
    ) {
        if let Some(mut session) = self.rows.remove(&id) {
            act(&mut session, cx);
            session.release_held(cx);
            self.keep(cx, session);
        }
    }

    /// A request with a To tag: it belongs to the dialog whose local tag that is. `direct` is the
    /// flow that it came by from the party, if it did not come through control.
    pub fn request(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerKey,
        request: Message,
        direct: Option<Flow>,
    ) {
        match find(cx.links, &request, &self.rows) {
            Some((id, side)) => self.with(cx, id, |session, cx| {
                session.request(cx, side, (server, direct), request);
            }),
            None => {
                cx.counters.drop(EdgeDrop::NoDialog);
                let refusal = Refusal::no_dialog();
                refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
            }
        }
    }

    /// An ACK for a 2xx of ours.
    pub fn ack(&mut self, cx: &mut Context<'_>, ack: &Message) {
        match find(cx.links, ack, &self.rows) {
            Some((id, side)) => self.with(cx, id, |session, cx| {
                cx.links.settled.extend(session.leg(side).unacknowledged());
                session.acknowledged(cx, side, ack);
            }),
            None => cx.counters.drop(EdgeDrop::StrayAck),
        }
    }

    /// A response to a request of a session; false if it is no session's.
    pub fn response(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientKey,
        response: &Message,
    ) -> bool {
        let Some(id) = cx.links.clients.get(&client).copied() else {
            return false;
        };
        self.with(cx, id, |session, cx| session.response(cx, client, response));
        self.join_answered(cx, id);
        true
    }

    /// A request of a session got no answer; false if it was no session's.
    pub fn failed(&mut self, cx: &mut Context<'_>, client: ClientKey, status: u16) -> bool {
        let Some(id) = cx.links.clients.get(&client).copied() else {
            return false;
        };
        self.with(cx, id, |session, cx| session.failed(cx, client, status));
        true
    }

    /// An INVITE that a session has not answered was taken back, or its way back is gone;
    /// false if it is no session's.
    pub fn cancelled(&mut self, cx: &mut Context<'_>, server: ServerKey) -> bool {
        let Some(id) = cx.links.servers.get(&server).copied() else {
            return false;
        };
        self.with(cx, id, |session, cx| {
            if !session.cancel_held(cx, server) {
                match session.invite {
                    Some(_) => session.cancel(cx),
                    None => session.cancel_reinvite(cx),
                }
            }
        });
        true
    }

    /// The answer to an inquiry of a session: the places, the best first; none if there are none.
    pub fn located(&mut self, cx: &mut Context<'_>, inquiry: &Inquiry, places: Vec<Candidate>) {
        self.with(cx, inquiry.session, |session, cx| {
            session.located(cx, inquiry, places);
        });
    }

    /// Ends one session; false if there is none of that name.
    pub fn end(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        by: EndedBy,
        cause: EndCause,
    ) -> bool {
        let there = self.rows.contains_key(&id);
        self.with(cx, id, |session, cx| session.end(cx, by, cause));
        there
    }

    /// The sessions of which something is true.
    pub(super) fn having(&self, so: impl Fn(&Session) -> bool) -> Vec<SessionId> {
        let found = self.rows.iter().filter(|(_, session)| so(session));
        found.map(|(id, _)| *id).collect()
    }

    /// Ends all sessions: the host goes down.
    pub fn end_all(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<_> = self.rows.iter().map(|(id, _)| *id).collect();
        for id in ids {
            self.end(cx, id, EndedBy::Relay, EndCause::Shutdown);
        }
    }
}

fn find(
    links: &Links,
    request: &Message,
    rows: &Shards<SessionId, Box<Session>>,
) -> Option<(SessionId, Side)> {
    let (id, side) = links.tags.get(request.to_tag()?.as_str()).copied()?;
    let session = rows.get(&id)?;
    let leg = match side {
        Side::Client => &session.caller,
        Side::Agent => &session.agent,
    };
    (request.call_id().ok()? == leg.call_id || session.is_notice(request)).then_some((id, side))
}

fn forget(links: &mut Links, session: &Session) {
    if let Some(replaced) = &session.replaced {
        links.tags.remove(&replaced.leg.tag);
    }
    links.tags.remove(&session.caller.tag);
    links.tags.remove(&session.agent.tag);
    if let Some(notice) = &session.notice {
        links.tags.remove(&notice.leg.tag);
    }
    for (client, _) in &session.clients {
        links.clients.remove(client);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ids;

    #[test]
    fn identifiers_read_back() {
        let mut ids = Ids::new([7; 32]);
        let id = ids.session();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(ids.session(), id);
    }
}
