//! Transactions (RFC 3261 section 17, RFC 6026, RFC 3581, RFC 4320) without I/O, clock or randomness.
//!
//! A [`Layer`] is fed with messages ([`Layer::receive`]), the user's wishes ([`Layer::send_request`],
//! [`Layer::respond`], [`Layer::cancel`]) and the time ([`Layer::wake`]); it gives [`Output`]s
//! ([`Layer::poll`]), which are to be drained after every call, and the time at which it wants to be
//! woken ([`Layer::next_wakeup`]).

mod client;
mod config;
mod counters;
mod flow;
mod layer;
mod matching;
mod paged;
mod receive;
mod server;
mod slab;
mod timers;
mod token;
mod wake;

pub use config::Config;
pub use counters::{Counters, DropReason};
pub use flow::{Flow, response_flow};
pub use layer::Layer;
pub use wake::MAX_WAKE_BATCH;

use crate::handed::Handed;
use crate::message::Message;

/// Names a client transaction for as long as it lives; never reused within 2^32 transactions of its
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(crate) slab::Key);

/// Names a server transaction; see [`ClientKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub(crate) slab::Key);

/// What the layer wants done or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this by that flow.
    Send {
        /// Where to.
        flow: Flow,
        /// Its bytes, or itself where the other side is in this process ([`Flow::is_in_process`]).
        message: Handed,
    },
    /// A new transaction, INVITE or not, to be answered through [`Layer::respond`].
    Request {
        /// Its key.
        server: ServerKey,
        /// The request, its top Via completed (RFC 3581).
        request: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// The ACK of a 2xx; no answer is due.
    Ack {
        /// The ACK.
        ack: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A CANCEL for this INVITE, which the layer has answered with 200; the INVITE still wants its
    /// final answer, usually 487.
    Cancelled {
        /// The INVITE's key.
        server: ServerKey,
        /// The CANCEL.
        cancel: Message,
    },
    /// A provisional answer, the final one, or a repeated 2xx. Its top Via is still ours.
    Response {
        /// The request's key.
        client: ClientKey,
        /// The answer.
        response: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// No final answer will come; the transaction is gone.
    Failed {
        /// The request's key.
        client: ClientKey,
        /// Why.
        why: Failure,
    },
    /// The other side of a server transaction is gone, and so is the transaction.
    ServerFailed {
        /// The request's key.
        server: ServerKey,
        /// Why.
        why: Failure,
    },
}

/// Why a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nobody answered in time (like 408), or nobody acknowledged our answer (timer H).
    Timeout,
    /// The connection failed (like 503).
    Transport,
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// [`Config::max_transactions`] are under way.
    #[error("too many transactions")]
    TableFull,
    /// Not a request that begins a transaction: a response, an ACK or a CANCEL.
    #[error("this message begins no transaction")]
    NotARequest,
    /// CSeq is missing, malformed or of another method.
    #[error("CSeq does not fit the request")]
    CSeq,
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The transaction is over.
    #[error("no such transaction")]
    Gone,
    /// Not a response.
    #[error("not a response")]
    NotAResponse,
    /// No Via is left, by which the answer would find its way: it was meant for somebody before us
    /// (RFC 3261 section 16.7 step 3).
    #[error("a response without Via")]
    NoVia,
    /// The final answer was sent already, and this is not a repeated 2xx of an INVITE.
    #[error("already answered")]
    AlreadyFinal,
    /// RFC 4320: a request other than INVITE gets no provisional answer but 100, and no 408. After a
    /// 408 given here the transaction goes on absorbing retransmissions in silence.
    #[error("RFC 4320 forbids this answer to a request other than INVITE")]
    Rfc4320,
}

/// What came of [`Layer::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelResult {
    /// The CANCEL is on its way.
    Sent,
    /// It will be sent with the first provisional answer (RFC 3261 section 9.1).
    Waiting,
    /// A CANCEL was asked for before.
    Already,
    /// Too late or not an INVITE: the final answer is there, or the transaction is gone.
    TooLate,
}

#[cfg(test)]
mod tests {
    use super::layer::Transaction;
    use super::slab::Slot;

    /// A call leaves eight transactions behind, each for 32 s: their slots are most of that memory.
    #[test]
    fn a_place_in_the_table_is_small() {
        assert!(size_of::<Slot<Transaction>>() <= 80);
    }
}
