//! Callers whose control node is gone before it has given them a final answer. They are kept for a while,
//! and brought to the next control node that connects, with the places that the last one told of.

use super::counters::EdgeDrop;
use super::proxy::Waiting;
use super::{Core, Now, Refusal};
use crate::session::{CallName, SessionId};
use patchbay_route::place::KEPT_FOR;
use patchbay_sip::transaction::{ClientKey, ServerKey};
use patchbay_sip::{HeaderName, Message};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

/// One who is kept.
#[derive(Clone, Copy)]
enum Kept {
    /// It has no answer: its INVITE.
    Unanswered(ServerKey),
    /// It waits in a call.
    InCall(SessionId),
}

/// INVITEs on their way to control of which it has said nothing yet, not even 100: more would fill what may
/// wait to be written to its connection, which is cut then.
const MAX_IN_FLIGHT: usize = 256;

/// Those who are kept: as many as there are transactions and sessions at most.
#[derive(Default)]
pub struct Stranded {
    /// Those without an answer, and until when they are kept.
    kept: HashMap<ServerKey, (Instant, Box<Waiting>)>,
    /// Until when, in this order; some may be gone, or kept anew.
    until: VecDeque<(Instant, Kept)>,
    /// Those who are to be brought to the control node that is there, in the order in which they came.
    line: VecDeque<Kept>,
    in_flight: HashSet<ClientKey>,
    /// INVITEs of those who wait in a call, on their way to control.
    brought: HashMap<ClientKey, SessionId>,
}

impl Stranded {
    fn keep(&mut self, server: ServerKey, waiting: Box<Waiting>, now: Instant) {
        let until = now + KEPT_FOR;
        self.kept.insert(server, (until, waiting));
        self.until.push_back((until, Kept::Unanswered(server)));
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// When the next one has been kept for long enough.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.until.front().map(|(at, _)| *at)
    }

    fn take(&mut self, server: ServerKey) -> Option<Box<Waiting>> {
        self.kept.remove(&server).map(|(_, waiting)| waiting)
    }

    /// One who may have been kept for long enough.
    fn due(&mut self, now: Instant) -> Option<Kept> {
        let (at, kept) = self.until.front().copied()?;
        (at <= now).then(|| self.until.pop_front())?;
        Some(kept)
    }

    /// Those without an answer with the order in which they came, the first first.
    fn unanswered(&self) -> Vec<(u64, ServerKey)> {
        let kept = self.kept.iter();
        let mut kept: Vec<_> = kept
            .map(|(server, (_, waiting))| (waiting.order, *server))
            .collect();
        kept.sort_unstable_by_key(|(order, _)| *order);
        kept
    }

    /// Puts all in line, and these, who wait in a call.
    fn line_up(&mut self, in_call: Vec<(u64, SessionId)>) {
        let unanswered = self.unanswered().into_iter();
        let unanswered = unanswered.map(|(order, server)| (order, Kept::Unanswered(server)));
        let in_call = in_call.into_iter();
        let in_call = in_call.map(|(order, id)| (order, Kept::InCall(id)));
        let mut all: Vec<_> = unanswered.chain(in_call).collect();
        all.sort_by_key(|(order, _)| *order);
        self.line = all.into_iter().map(|(_, kept)| kept).collect();
    }
}

impl Core {
    /// A caller who waits lost its control node: brought to another one, or kept until there is one.
    pub(super) fn strand(&mut self, server: ServerKey, waiting: Box<Waiting>, now: Now) {
        self.counters.stranded += 1;
        self.stranded.keep(server, waiting, now.instant);
        if self.has_control() {
            self.stranded.line.push_back(Kept::Unanswered(server));
            self.bring_more(now);
        }
    }

    /// Ends the calls that an agent has answered without the knowledge of their callers, who wait on.
    pub(super) fn end_unheard(&mut self, now: Now) {
        let unheard = self.sessions.unheard();
        if unheard.is_empty() {
            return;
        }
        let kept = self.stranded.kept.values().map(|(_, waiting)| waiting);
        let kept = kept.chain(self.proxy.waiting());
        let waits: HashSet<CallName> = kept.filter_map(|waiting| waiting.name()).collect();
        for (id, name) in unheard {
            if waits.contains(&name) {
                self.with_sessions(now, |sessions, cx| sessions.end_unheard(cx, id));
            }
        }
        self.run(now);
    }

    /// Callers who wait in a call lost their control node.
    pub(super) fn strand_standing(&mut self, lost: Vec<SessionId>, now: Now) {
        self.counters.stranded += lost.len() as u64;
        let until = now.instant + KEPT_FOR;
        let lost = lost.into_iter().map(|id| (until, Kept::InCall(id)));
        self.stranded.until.extend(lost);
        if self.has_control() {
            self.bring_stranded(now);
        }
    }

    /// A control node is there again: all are brought, in the order in which they came.
    pub(super) fn bring_stranded(&mut self, now: Now) {
        self.stranded.line_up(self.sessions.lost());
        self.bring_more(now);
    }

    /// Brings as many of those in line as may be on their way.
    fn bring_more(&mut self, now: Now) {
        while self.has_control()
            && self.stranded.in_flight.len() < MAX_IN_FLIGHT
            && let Some(kept) = self.stranded.line.pop_front()
        {
            match kept {
                Kept::InCall(id) => self.bring_standing(id, now),
                Kept::Unanswered(server) => {
                    if let Some(waiting) = self.stranded.take(server) {
                        self.bring(server, waiting, now);
                    }
                }
            }
        }
    }

    /// Control has said something of an INVITE, or never will.
    pub(super) fn arrived_at_control(&mut self, client: ClientKey, now: Now) {
        if !self.stranded.in_flight.is_empty() && self.stranded.in_flight.remove(&client) {
            self.bring_more(now);
        }
    }

    fn bring_standing(&mut self, id: SessionId, now: Now) {
        let Some(control) = self.control.first().map(|flow| flow.remote.ip()) else {
            return;
        };
        let Some(call) = self.sessions.brings(id, control) else {
            return;
        };
        match self.send_on(&call.request, call.flow, Some(&call.place), now) {
            Ok(client) => {
                self.counters.brought += 1;
                self.stranded.in_flight.insert(client);
                self.stranded.brought.insert(client, id);
            }
            Err(_) => self.not_wanted(id, now),
        }
    }

    fn not_wanted(&mut self, id: SessionId, now: Now) {
        self.with_sessions(now, |sessions, cx| sessions.not_wanted(cx, id));
    }

    /// Takes the answer of control to the INVITE of one who waits in a call; false if it is to another.
    pub(super) fn brought_answered(
        &mut self,
        client: ClientKey,
        response: &Message,
        now: Now,
    ) -> bool {
        let Some(id) = self.stranded.brought.get(&client).copied() else {
            return false;
        };
        let contact = response.headers.get(HeaderName::PatchbayPlace);
        match (response.status().unwrap_or(500), contact) {
            (100..=199, _) => return true,
            (200..=299, Some(contact)) => self.sessions.goes_on(id, contact),
            _ => self.not_wanted(id, now),
        }
        self.stranded.brought.remove(&client);
        true
    }

    /// The same for one that has no answer. Where control is gone again, the session is kept for the next.
    pub(super) fn brought_failed(&mut self, client: ClientKey, now: Now) -> bool {
        let Some(id) = self.stranded.brought.remove(&client) else {
            return false;
        };
        if self.has_control() {
            self.not_wanted(id, now);
        }
        true
    }

    fn bring(&mut self, server: ServerKey, mut waiting: Box<Waiting>, now: Now) {
        waiting.tries += 1;
        match self.send_on(&waiting.request, waiting.flow, Some(waiting.place()), now) {
            Ok(client) => {
                self.counters.brought += 1;
                self.stranded.in_flight.insert(client);
                self.proxy.forwarded(server, client, waiting);
            }
            Err(refusal) => self.refuse(server, &waiting.request, refusal, now),
        }
    }

    /// Refuses those who have been kept for long enough, and hangs up those who were answered.
    pub(super) fn wake_stranded(&mut self, now: Now) {
        while let Some(kept) = self.stranded.due(now.instant) {
            match kept {
                Kept::InCall(id) => {
                    self.with_sessions(now, |sessions, cx| sessions.lost_too_long(cx, id));
                }
                Kept::Unanswered(server) => {
                    let found = self.stranded.kept.get(&server);
                    if found.is_none_or(|(until, _)| *until > now.instant) {
                        continue;
                    }
                    let Some(waiting) = self.stranded.take(server) else {
                        continue;
                    };
                    let refusal = Refusal::busy(EdgeDrop::NoControl, "Centre Unavailable", 5);
                    self.refuse(server, &waiting.request, refusal, now);
                }
            }
        }
    }

    /// A caller who is kept has hung up, or is gone. False if it is not kept.
    pub(super) fn stranded_cancelled(&mut self, server: ServerKey, now: Now) -> bool {
        let Some(waiting) = self.stranded.take(server) else {
            return false;
        };
        let terminated = Refusal::plain(487, "Request Terminated");
        self.refuse(server, &waiting.request, terminated, now);
        true
    }

    /// All who are kept, to be told something else.
    pub(super) fn give_up_stranded(&mut self) -> Vec<(ServerKey, Message)> {
        self.stranded.line.clear();
        let all = self.stranded.unanswered().into_iter();
        all.filter_map(|(_, server)| Some((server, self.stranded.take(server)?.request)))
            .collect()
    }
}
