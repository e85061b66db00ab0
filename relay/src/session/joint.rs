//! Which Call-IDs are one call: known here alone, since the two sides of a session have nothing in
//! common on the wire.

use super::{Session, SessionId, Sessions};
use std::collections::VecDeque;

/// Call-IDs that belong to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The session.
    pub session: SessionId,
    /// The contact; empty for a call that control has no part in.
    pub contact: String,
    /// The agent.
    pub agent: String,
    /// The caller's, then the agent's, then those of further dialogs: who was replaced, the
    /// subscription to the agent's phone.
    pub call_ids: Vec<String>,
    /// A Call-ID of the call whose phone was sent into this one by REFER.
    pub follows: Option<String>,
}

/// What is remembered of them for those who look at the signalling.
#[derive(Debug, Default)]
pub(super) struct Joints {
    /// Of sessions that are over, the oldest first.
    past: VecDeque<Joint>,
    room: usize,
    watched: bool,
    fresh: Vec<Joint>,
}

impl Joints {
    fn remember(&mut self, joint: Joint) {
        if self.past.len() >= self.room {
            self.past.pop_front();
        }
        self.past.push_back(joint);
    }
}

impl Sessions {
    /// Remembers so many sessions that are over.
    pub fn keep_joints(&mut self, room: usize) {
        self.joints.room = room;
    }

    /// Tells of new ones by [`Sessions::fresh_joints`] from now on, or no more.
    pub fn watch_joints(&mut self, watched: bool) {
        self.joints.watched = watched;
        if !watched {
            self.joints.fresh.clear();
        }
    }

    /// Those that came about since this was asked for the last time.
    pub fn fresh_joints(&mut self) -> Vec<Joint> {
        std::mem::take(&mut self.joints.fresh)
    }

    /// Those of all sessions that live and that are remembered.
    pub fn joints(&self) -> Vec<Joint> {
        let live = self.rows.values().map(|session| session.joint());
        self.joints.past.iter().cloned().chain(live).collect()
    }

    /// A session goes back into the table.
    pub(super) fn note_joint(&mut self, session: &mut Session) {
        let legs = session.legs();
        if session.told_legs == legs {
            return;
        }
        session.told_legs = legs;
        if self.joints.watched {
            self.joints.fresh.push(session.joint());
        }
        // Who is replaced is no more known when the session is over.
        if self.joints.room > 0 && session.replaced.is_some() {
            self.joints.remember(session.joint());
        }
    }

    /// A session is over.
    pub(super) fn note_past(&mut self, session: Box<Session>) {
        if self.joints.watched && session.told_legs == 0 {
            self.joints.fresh.push(session.joint());
        }
        if self.joints.room == 0 {
            return;
        }
        let further = further(&session);
        let follows = session.follows.map(Into::into);
        let mut call_ids = vec![session.caller.call_id, session.agent.call_id];
        call_ids.extend(further);
        self.joints.remember(Joint {
            session: session.id,
            contact: session.target.contact,
            agent: session.target.agent_id,
            call_ids,
            follows,
        });
    }
}

/// Call-IDs beside those of caller and agent.
fn further(session: &Session) -> Vec<String> {
    let replaced = session.replaced.as_ref().map(|replaced| &replaced.leg);
    let notice = session.notice.as_ref().map(|notice| &notice.leg);
    let legs = [replaced, notice].into_iter().flatten();
    legs.map(|leg| leg.call_id.clone()).collect()
}

impl Session {
    fn joint(&self) -> Joint {
        let mut call_ids = vec![self.caller.call_id.clone(), self.agent.call_id.clone()];
        call_ids.extend(further(self));
        Joint {
            session: self.id,
            contact: self.target.contact.clone(),
            agent: self.target.agent_id.clone(),
            call_ids,
            follows: self.follows.as_deref().map(str::to_owned),
        }
    }

    /// Changes when a dialog comes or goes.
    fn legs(&self) -> u8 {
        2 + u8::from(self.replaced.is_some())
            + 2 * u8::from(self.notice.is_some())
            + 4 * u8::from(self.follows.is_some())
    }
}
