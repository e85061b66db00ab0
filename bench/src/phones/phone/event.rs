//! What goes into a phone and what comes out of it, besides SIP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use serde::Serialize;

use super::super::g711::Law;
use super::super::studio::{LegId, Role};

/// Names one call of one phone, unique among all phones of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CallRef(pub u64);

impl CallRef {
    /// The leg that carries this call's audio.
    #[must_use]
    pub const fn leg(self) -> LegId {
        LegId(self.0)
    }
}

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings, and answers after a while.
    Answer {
        /// Time from the INVITE to the 200.
        after: Duration,
        /// Hangs up after talking this long; `None` leaves it to the other side.
        talk: Option<Duration>,
    },
    /// Rings and never answers.
    NoAnswer,
    /// 486 at once.
    Busy,
    /// 603 at once.
    Decline,
    /// Any other final answer, 300 to 699.
    Refuse(u16),
}

/// An account of a phone: how it is called, and how it proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneConfig {
    /// Distinguishes the phones of one exchange in their call references.
    pub index: u32,
    /// User part of its address.
    pub user: String,
    /// Host part of its address; may have a port.
    pub domain: String,
    /// For digest; `None` never answers a challenge.
    pub password: Option<String>,
    /// The address that its socket is bound to.
    pub local: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Where requests outside a dialog go.
    pub proxy: SocketAddr,
    /// What it does when it is called.
    pub behaviour: Behaviour,
    /// Calls that it takes at one time; the next one hears 486.
    pub lines: usize,
    /// The laws that it understands, the best first.
    pub laws: Vec<Law>,
    /// Seconds for which it registers.
    pub expires_s: u32,
    /// Chooses tags, Call-IDs and branches.
    pub seed: u64,
}

/// A call to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSpec {
    /// Request-URI and To.
    pub to: String,
    /// Another user part for From than the phone's own.
    pub from_user: Option<String>,
    /// Hangs up after talking this long; `None` leaves it to the other side.
    pub talk: Option<Duration>,
    /// Cancels if there is no answer after this long.
    pub patience: Option<Duration>,
    /// Sends a re-INVITE that puts the call on hold when it has talked this long, and one that
    /// takes it back after as long again.
    pub hold_after: Option<Duration>,
    /// The laws to offer, the best first; empty: the phone's.
    pub laws: Vec<Law>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
}

impl CallSpec {
    /// A call that talks for some time and then hangs up.
    #[must_use]
    pub fn new(to: impl Into<String>, talk: Duration) -> Self {
        Self {
            to: to.into(),
            from_user: None,
            talk: Some(talk),
            patience: None,
            hold_after: None,
            laws: Vec::new(),
            headers: Vec::new(),
        }
    }
}

/// Why a call failed that nobody refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum CallFailure {
    /// No answer to the INVITE in 32 s (RFC 3261 timer B).
    #[error("nobody answered the INVITE")]
    Timeout,
    /// The connection failed.
    #[error("the transport failed")]
    Transport,
    /// The 200 had no usable SDP.
    #[error("the answer's SDP is not usable")]
    BadAnswer,
    /// Nobody acknowledged our 200 in 32 s (RFC 3261 section 13.3.1.4).
    #[error("our 200 was never acknowledged")]
    NoAck,
    /// A BYE was not answered, or refused.
    #[error("the BYE was not accepted")]
    ByeFailed,
    /// A re-INVITE was not answered, or refused.
    #[error("the re-INVITE was not accepted")]
    ReinviteFailed,
    /// No RTP and RTCP port could be bound.
    #[error("no media port is free")]
    NoMediaPort,
    /// The message could not be sent at all.
    #[error("the request could not be sent")]
    NotSent,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, and one side hung up in good order.
    Completed {
        /// Our side hung up.
        by_us: bool,
    },
    /// A final answer other than 2xx came, or was given by this phone.
    Refused {
        /// 300 to 699.
        status: u16,
        /// Its words.
        reason: String,
        /// Its Retry-After in seconds, if it has one.
        retry_after_s: Option<u32>,
    },
    /// The caller gave up before the answer.
    Cancelled,
    /// It went wrong.
    Failed(CallFailure),
}

/// What a phone tells the person who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneEvent {
    /// The registrar keeps a binding.
    Registered {
        /// For so many seconds.
        expires_s: u32,
    },
    /// The registrar removed the binding.
    Unregistered,
    /// It did not; the status, or `None` if no answer came. It is tried again later.
    RegisterFailed {
        /// The final answer's status.
        status: Option<u16>,
    },
    /// A call comes in.
    Incoming {
        /// Its name.
        call: CallRef,
        /// The From URI.
        from: String,
        /// The To URI.
        to: String,
    },
    /// A provisional answer came: 180, 182, 183.
    Progress {
        /// Which call.
        call: CallRef,
        /// 101 to 199.
        status: u16,
    },
    /// A 200 came, or the ACK for ours.
    Answered {
        /// Which call.
        call: CallRef,
        /// From sending the INVITE to its 200; for a called phone, from the INVITE to the ACK.
        setup: Duration,
    },
    /// A re-INVITE of ours was accepted.
    Renegotiated {
        /// Which call.
        call: CallRef,
        /// It is on hold now.
        held: bool,
    },
    /// It is over.
    Ended {
        /// Which call.
        call: CallRef,
        /// How.
        outcome: Outcome,
    },
}

/// The two addresses of one leg's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddresses {
    /// Where RTP is heard, or sent.
    pub rtp: SocketAddr,
    /// Where RTCP is.
    pub rtcp: SocketAddr,
}

impl MediaAddresses {
    /// For a call without audio: RTP and RTCP to the discard port's neighbours, where nobody is.
    #[must_use]
    pub const fn nowhere(ip: IpAddr) -> Self {
        Self {
            rtp: SocketAddr::new(ip, 8),
            rtcp: SocketAddr::new(ip, 9),
        }
    }
}

/// What a phone wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneOutput {
    /// Bytes to send. A TCP connection that does not exist yet is to be opened to the flow's
    /// remote address, under the flow's connection number.
    Send {
        /// Where.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// News.
    Event(PhoneEvent),
    /// Bind sockets for this call's audio, then call `Phone::media`.
    OpenMedia {
        /// Which call.
        call: CallRef,
        /// Which side it is.
        role: Role,
    },
    /// Send audio there.
    Talk {
        /// Which call.
        call: CallRef,
        /// Where to.
        to: MediaAddresses,
        /// Encoded so.
        law: Law,
        /// False: on hold.
        talking: bool,
    },
    /// Fall silent, then call `Phone::media_finished`.
    FinishMedia(CallRef),
    /// Close the sockets.
    CloseMedia(CallRef),
}
