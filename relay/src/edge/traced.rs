//! What the core knows for those who look at the signalling.

use super::Core;
use crate::session::Joint;
use patchbay_sip::transaction::Flow;
use std::net::SocketAddr;

impl Core {
    /// Remembers of so many sessions that are over which Call-IDs were one call.
    pub fn keep_joints(&mut self, room: usize) {
        self.sessions.keep_joints(room);
    }

    /// Tells of Call-IDs that turn out to be one call by [`Core::fresh_joints`], or no more.
    pub fn watch_joints(&mut self, watched: bool) {
        self.sessions.watch_joints(watched);
    }

    /// Those that came about since this was asked for the last time.
    pub fn fresh_joints(&mut self) -> Vec<Joint> {
        self.sessions.fresh_joints()
    }

    /// Those of all sessions that live and that are remembered.
    pub fn joints(&self) -> Vec<Joint> {
        self.sessions.joints()
    }

    /// A flow as its other end sees it: a listener may be bound to no address.
    pub fn shown_flow(&mut self, flow: Flow) -> Flow {
        let local = match flow.local.ip().is_unspecified() {
            true => SocketAddr::new(self.paths.advertised(&flow).ip(), flow.local.port()),
            false => flow.local,
        };
        Flow { local, ..flow }
    }
}
