//! What a ring is asked for and what it reports, and how the two find each other.

use super::buffers::{Buffer, Kind};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A receive yielded something.
    Received {
        /// The socket.
        slot: u32,
        /// How it was listened to.
        receive: Receive,
        /// A datagram, or the error that ended the receive.
        outcome: Result<Buffer, i32>,
        /// Whether the receive goes on. If not it must be armed anew.
        armed: bool,
    },
    /// A send failed.
    SendFailed {
        /// The socket on which the datagram had arrived.
        from: u32,
        /// Why.
        errno: i32,
    },
    /// A connect is done.
    Connected {
        /// The socket.
        slot: u32,
        /// As given to [`super::ring::Ring::connect`].
        epoch: u8,
        /// Whether it succeeded.
        ok: bool,
    },
    /// A socket has been closed.
    Closed {
        /// Where it was.
        slot: u32,
    },
    /// The bell rang.
    Woken {
        /// Whether it goes on being watched.
        armed: bool,
    },
    /// The end of something whose end is of no account.
    Other,
}

/// How a socket is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// Datagrams with their sources.
    Messages,
    /// The same, and it ends with EAGAIN once the socket's queue is empty.
    Drain,
    /// Payloads alone: for a connected socket whose queue holds nothing older.
    Payloads,
}

impl Receive {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Receive::Messages | Receive::Drain => Kind::Message,
            Receive::Payloads => Kind::Payload,
        }
    }

    pub(super) fn from_tag(tag: u8) -> Receive {
        match tag {
            0 => Receive::Messages,
            1 => Receive::Drain,
            _ => Receive::Payloads,
        }
    }
}

/// Whereto a send goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the address that the socket is connected to.
    Peer,
    /// To the slot's address (see [`super::ring::Ring::set_address`]).
    Address,
}

/// What a completion was for: the top byte of its user data.
pub(super) mod kind {
    pub const RECEIVE: u8 = 1;
    pub const SEND: u8 = 2;
    pub const CONNECT: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const BELL: u8 = 5;
    pub const OTHER: u8 = 6;
}

/// The user data of an operation.
pub(super) fn tag(kind: u8, epoch: u8, slot: u32) -> u64 {
    u64::from(kind) << 56 | u64::from(epoch) << 48 | u64::from(slot)
}

/// What an operation's user data say: kind, epoch, slot.
pub(super) fn untag(data: u64) -> (u8, u8, u32) {
    let [kind, epoch, _, _, a, b, c, d] = data.to_be_bytes();
    (kind, epoch, u32::from_be_bytes([a, b, c, d]))
}
