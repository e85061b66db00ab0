//! Showing the signalling of calls to an operator (`patchbay sip trace`).
//!
//! The [`Tap`] is at the sockets: it copies each message into a ring, if one is configured, and hands
//! it to whoever follows. It reads nothing of it. What belongs to which call is found by [`Select`]
//! when somebody asks, outside of the signalling task, with the help of [`Joint`](crate::session::Joint)s:
//! the two legs of a session have nothing in common on the wire, and only the session knows both.
//! [`mask`] takes credentials away from what leaves the host.

mod calls;
mod head;
mod mask;
mod recent;
mod ring;
mod select;
mod tap;
#[cfg(test)]
mod tests;

pub use mask::mask;
pub use ring::{KEPT_TIME, MAX_RING_BYTES, Ring};
pub use select::{MAX_RECENT_BYTES, MAX_RECENT_MESSAGES, MAX_TRACED_CALLS, Select, TooManyCalls};
pub use tap::{MAX_TRACES, MAX_UNREAD, Opened, Tap, Told};

use crate::net::CONTROL_LINKS_FROM;
use bytes::Bytes;
use patchbay_route::trace::{Content, TracedMessage, Way};
use patchbay_route::transfer::TUNNELS;
use patchbay_sip::transaction::Flow;

/// A message that the tap has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, in microseconds of Unix time.
    pub at_unix_us: u64,
    /// Which way it went.
    pub way: Way,
    /// From where or whereto.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
}

impl Seen {
    /// Whether the other end is control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        let connection = self.flow.connection;
        connection >= CONTROL_LINKS_FROM || TUNNELS.contains(&connection)
    }
}

/// A message that is to be shown, and whose it is.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The message.
    pub seen: Seen,
    /// The first Call-ID that was seen of its call.
    pub call: String,
    /// The contact, where it is known.
    pub contact: String,
    /// The session, if the message belongs to the agent's side of one.
    pub session: String,
    /// The agent of that session.
    pub agent: String,
}

impl Shown {
    /// As it leaves the host; without `secrets` they are masked.
    #[must_use]
    pub fn told(self, secrets: bool) -> TracedMessage {
        let control = self.seen.is_control();
        let Seen {
            at_unix_us,
            way,
            flow,
            bytes,
        } = self.seen;
        let content = match secrets {
            true => Content::new(&bytes),
            false => Content::new(&mask(&bytes)),
        };
        TracedMessage {
            at_unix_us,
            relay: String::new(),
            way,
            transport: flow.transport.to_string(),
            local: flow.local,
            remote: flow.remote,
            control,
            call: self.call,
            contact: self.contact,
            session: self.session,
            agent: self.agent,
            content,
        }
    }
}
