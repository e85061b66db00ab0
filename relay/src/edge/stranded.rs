//! Callers whose control node is gone before it has given them a final answer. They are kept for a while,
//! and brought to the next control node that connects, with the places that the last one told of.

use super::counters::EdgeDrop;
use super::proxy::Waiting;
use super::{Core, Now, Refusal};
use crate::session::CallName;
use patchbay_route::place::KEPT_FOR;
use patchbay_sip::Message;
use patchbay_sip::transaction::ServerKey;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

/// Those who are kept: as many as there are transactions at most.
#[derive(Default)]
pub struct Stranded {
    kept: HashMap<ServerKey, Box<Waiting>>,
    /// Until when, in this order; some may be gone.
    until: VecDeque<(Instant, ServerKey)>,
}

impl Stranded {
    fn keep(&mut self, server: ServerKey, waiting: Box<Waiting>, now: Instant) {
        self.kept.insert(server, waiting);
        self.until.push_back((now + KEPT_FOR, server));
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
        self.kept.remove(&server)
    }

    /// One who has been kept for long enough.
    fn due(&mut self, now: Instant) -> Option<(ServerKey, Box<Waiting>)> {
        while let Some((at, server)) = self.until.front().copied()
            && at <= now
        {
            self.until.pop_front();
            if let Some(waiting) = self.kept.remove(&server) {
                return Some((server, waiting));
            }
        }
        None
    }

    /// All, those first who came first.
    fn take_all(&mut self) -> Vec<(ServerKey, Box<Waiting>)> {
        self.until.clear();
        let mut all: Vec<_> = self.kept.drain().collect();
        all.sort_unstable_by_key(|(_, waiting)| waiting.order);
        all
    }
}

impl Core {
    /// A caller who waits lost its control node: brought to another one, or kept until there is one.
    pub(super) fn strand(&mut self, server: ServerKey, waiting: Box<Waiting>, now: Now) {
        self.counters.stranded += 1;
        match self.has_control() {
            true => self.bring(server, waiting, now),
            false => self.stranded.keep(server, waiting, now.instant),
        }
    }

    /// Ends the calls that an agent has answered without the knowledge of their callers, who wait on.
    pub(super) fn end_unheard(&mut self, now: Now) {
        let unheard = self.sessions.unheard();
        if unheard.is_empty() {
            return;
        }
        let kept = self.stranded.kept.values().chain(self.proxy.waiting());
        let waits: HashSet<CallName> = kept.filter_map(|waiting| waiting.name()).collect();
        for (id, name) in unheard {
            if waits.contains(&name) {
                self.with_sessions(now, |sessions, cx| sessions.end_unheard(cx, id));
            }
        }
        self.run(now);
    }

    /// A control node is there again.
    pub(super) fn bring_stranded(&mut self, now: Now) {
        for (server, waiting) in self.stranded.take_all() {
            self.bring(server, waiting, now);
        }
    }

    fn bring(&mut self, server: ServerKey, mut waiting: Box<Waiting>, now: Now) {
        waiting.again = true;
        match self.send_on(&waiting.request, waiting.flow, Some(waiting.place()), now) {
            Ok(client) => {
                self.counters.brought += 1;
                self.proxy.forwarded(server, client, waiting);
            }
            Err(refusal) => self.refuse(server, &waiting.request, refusal, now),
        }
    }

    /// Refuses those who have been kept for long enough.
    pub(super) fn wake_stranded(&mut self, now: Now) {
        while let Some((server, waiting)) = self.stranded.due(now.instant) {
            let refusal = Refusal::busy(EdgeDrop::NoControl, "Centre Unavailable", 5);
            self.refuse(server, &waiting.request, refusal, now);
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
        let all = self.stranded.take_all().into_iter();
        all.map(|(server, waiting)| (server, waiting.request))
            .collect()
    }
}
