//! What a [`super::Layer`] counts.

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// Why a received message went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum DropReason {
            $($(#[$doc])* #[error($word)] $variant,)*
        }

        impl DropReason {
            /// Every reason.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant,)*];

            /// A word for metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(DropReason::$variant => $word,)* }
            }
        }
    };
}

drop_reasons! {
    /// A header by which messages are matched is missing or malformed.
    Malformed = "malformed",
    /// A response whose branch is none of ours, or whose transaction is over.
    UnmatchedResponse = "unmatched-response",
    /// A response that its transaction has no use for: a provisional after the final one, or a
    /// repeated answer.
    RepeatedResponse = "repeated-response",
    /// An ACK for a failure answer that is acknowledged already.
    RepeatedAck = "repeated-ack",
    /// An ACK for an INVITE that has no final answer yet.
    EarlyAck = "early-ack",
    /// The table is full; a 503 was sent.
    TableFull = "table-full",
    /// Too many outputs wait to be fetched.
    OutputsFull = "outputs-full",
}

/// Counters of a [`super::Layer`], all since its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that began a transaction.
    pub requests_in: u64,
    /// Requests that repeated one; the last answer, if any, was sent again.
    pub requests_repeated: u64,
    /// Requests sent, without retransmissions.
    pub requests_out: u64,
    /// Responses that matched a transaction.
    pub responses_in: u64,
    /// Responses sent, without retransmissions.
    pub responses_out: u64,
    /// Messages sent again by a timer or for a repeated request.
    pub retransmissions: u64,
    /// Client and server transactions that ended by a timeout.
    pub timeouts: u64,
    /// Transactions that ended with their connection.
    pub transport_failures: u64,
    /// CANCELs that matched no INVITE and were answered with 481.
    pub cancels_unmatched: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Counters {
    /// Messages dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        if let Some(counter) = self.dropped.get_mut(reason as usize) {
            *counter += 1;
        }
    }
}
