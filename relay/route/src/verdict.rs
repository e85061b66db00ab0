//! What becomes of a datagram.

use serde::{Deserialize, Serialize};

use crate::flow::Flow;

/// What the table says about one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is sent on.
    pub verdict: Verdict,
    /// Whether it is the first from an acceptable source, so that its flow is to be locked to
    /// that source. It may be so even if it is not sent on.
    pub learn: bool,
}

/// Sent on, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it out of that socket; its row knows the address to send to.
    Forward(Flow),
    /// Do not send it, and count why.
    Drop(DropReason),
}

/// Why a datagram was not forwarded. Each has one counter per flow and one per thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DropReason {
    /// It came from an address that is not the learned one, or that may not be learned.
    SourceUnexpected,
    /// It came before its side's address was signalled, so nobody can say who sent it.
    SourceUnsignalled,
    /// Its source is unknown and has sent more than unknown sources may.
    SourceRateLimited,
    /// STUN (RFC 8489) on a port whose SDP has no encryption, and so no ICE. Told by its first
    /// byte (RFC 7983) and a length that holds a header.
    StunOnPlain,
    /// DTLS (RFC 9147) on a port whose SDP has no encryption. Told in the same way.
    DtlsOnPlain,
    /// The other side's address has not been signalled yet.
    RemoteUnknown,
    /// The other side asked not to be sent anything (unspecified address, port 0), or no media
    /// (`sendonly`, `inactive`).
    RemoteHeld,
    /// Longer than [`crate::limits::MAX_DATAGRAM_BYTES`].
    Oversized,
    /// The kernel handed it over without a usable source address.
    Unreadable,
    /// The pair is being closed.
    Closing,
    /// The submission queue took no more sends.
    QueueFull,
    /// The socket's send buffer was full (EAGAIN).
    SendWouldBlock,
    /// The kernel had no memory for it, or the device queue was full (ENOBUFS, ENOMEM).
    SendNoBuffers,
    /// An ICMP error of an earlier datagram was reported instead of sending (ECONNREFUSED).
    SendRefused,
    /// No route, or host or network down.
    SendUnreachable,
    /// Larger than the path allows (EMSGSIZE).
    SendTooBig,
    /// A local firewall forbids it (EPERM, EACCES).
    SendForbidden,
    /// Any other error on sending.
    SendOther,
}

/// Number of [`DropReason`]s.
pub const DROP_REASONS: usize = 18;

impl DropReason {
    /// All reasons, in the order of their indices.
    pub const ALL: [DropReason; DROP_REASONS] = [
        DropReason::SourceUnexpected,
        DropReason::SourceUnsignalled,
        DropReason::SourceRateLimited,
        DropReason::StunOnPlain,
        DropReason::DtlsOnPlain,
        DropReason::RemoteUnknown,
        DropReason::RemoteHeld,
        DropReason::Oversized,
        DropReason::Unreadable,
        DropReason::Closing,
        DropReason::QueueFull,
        DropReason::SendWouldBlock,
        DropReason::SendNoBuffers,
        DropReason::SendRefused,
        DropReason::SendUnreachable,
        DropReason::SendTooBig,
        DropReason::SendForbidden,
        DropReason::SendOther,
    ];

    /// The reason's name in metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::SourceUnexpected => "source_unexpected",
            DropReason::SourceUnsignalled => "source_unsignalled",
            DropReason::SourceRateLimited => "source_rate_limited",
            DropReason::StunOnPlain => "stun_on_plain",
            DropReason::DtlsOnPlain => "dtls_on_plain",
            DropReason::RemoteUnknown => "remote_unknown",
            DropReason::RemoteHeld => "remote_held",
            DropReason::Oversized => "oversized",
            DropReason::Unreadable => "unreadable",
            DropReason::Closing => "closing",
            DropReason::QueueFull => "queue_full",
            DropReason::SendWouldBlock => "send_would_block",
            DropReason::SendNoBuffers => "send_no_buffers",
            DropReason::SendRefused => "send_refused",
            DropReason::SendUnreachable => "send_unreachable",
            DropReason::SendTooBig => "send_too_big",
            DropReason::SendForbidden => "send_forbidden",
            DropReason::SendOther => "send_other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_once_in_order() {
        for (i, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, alloc::format!("\"{}\"", reason.name()));
        }
    }
}
