//! Why the edge refused or dropped something, one counter per reason.

/// A reason for which a SIP message was refused or dropped by the relay host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum EdgeDrop {
    /// Bytes that are no SIP message.
    Malformed,
    /// A keep-alive or stray datagram too short to be SIP.
    NotSip,
    /// A message that the transaction layer did not take.
    Transaction,
    /// A transfer URI from the public side, or with a wrong signature.
    ForgedTransfer,
    /// A transfer that was used before.
    ReplayedTransfer,
    /// No control node is connected.
    NoControl,
    /// Max-Forwards reached zero.
    TooManyHops,
    /// The host is draining.
    Draining,
    /// The limit of sessions is reached.
    SessionsFull,
    /// No media ports are left.
    PortsExhausted,
    /// A request for a dialog that does not exist.
    NoDialog,
    /// An ACK that belongs to no dialog.
    StrayAck,
    /// A response that no one waits for.
    StrayResponse,
    /// A header that named an address of the other side.
    HeaderHeldBack,
    /// A body, or a part of one, that named an address of the other side.
    BodyHeldBack,
    /// A message to a party that cannot be reached.
    Unreachable,
    /// A connection refused because too many are open.
    ConnectionsFull,
    /// A connection cut because its peer did not read, or sent what cannot be framed.
    ConnectionCut,
    /// A connection closed because its peer was silent for too long.
    ConnectionIdle,
    /// More exchanges at once in one session than allowed.
    ExchangesFull,
    /// A request of a method that policy denies.
    MethodDenied,
    /// A REFER while too many transfers were under way.
    ReferralsFull,
    /// What control sent as a transfer, in an envelope or by a tunnel, and is none.
    CarriedMalformed,
    /// An answer to a transfer that control did not take out of its envelope.
    CarriedLost,
    /// A new call refused because this host has too much to do, without any further work on it.
    Overload,
    /// A name that was not looked up because too many look-ups were under way.
    LookupsFull,
    /// A key pressed by a waiting caller who has pressed too many.
    KeyIgnored,
}

/// All reasons, in the order of their counters.
pub const EDGE_DROPS: [(EdgeDrop, &str); 27] = [
    (EdgeDrop::Malformed, "malformed"),
    (EdgeDrop::NotSip, "not_sip"),
    (EdgeDrop::Transaction, "transaction"),
    (EdgeDrop::ForgedTransfer, "forged_transfer"),
    (EdgeDrop::ReplayedTransfer, "replayed_transfer"),
    (EdgeDrop::NoControl, "no_control"),
    (EdgeDrop::TooManyHops, "too_many_hops"),
    (EdgeDrop::Draining, "draining"),
    (EdgeDrop::SessionsFull, "sessions_full"),
    (EdgeDrop::PortsExhausted, "ports_exhausted"),
    (EdgeDrop::NoDialog, "no_dialog"),
    (EdgeDrop::StrayAck, "stray_ack"),
    (EdgeDrop::StrayResponse, "stray_response"),
    (EdgeDrop::HeaderHeldBack, "header_held_back"),
    (EdgeDrop::BodyHeldBack, "body_held_back"),
    (EdgeDrop::Unreachable, "unreachable"),
    (EdgeDrop::ConnectionsFull, "connections_full"),
    (EdgeDrop::ConnectionCut, "connection_cut"),
    (EdgeDrop::ConnectionIdle, "connection_idle"),
    (EdgeDrop::ExchangesFull, "exchanges_full"),
    (EdgeDrop::MethodDenied, "method_denied"),
    (EdgeDrop::ReferralsFull, "referrals_full"),
    (EdgeDrop::CarriedMalformed, "carried_malformed"),
    (EdgeDrop::CarriedLost, "carried_lost"),
    (EdgeDrop::Overload, "overload"),
    (EdgeDrop::LookupsFull, "lookups_full"),
    (EdgeDrop::KeyIgnored, "key_ignored"),
];

/// What becomes of a message from the public side; each is counted once, when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Fate {
    /// The transaction layer took it: it is answered, passed on, or repeats one that was.
    Taken,
    /// It is a message, but the transaction layer had no use for it (`transaction_drops` tells why).
    NotTaken,
    /// It is a new call, and was refused because there is too much to do.
    TurnedAway,
    /// It is no message, or a broken one: answered where that is possible.
    Malformed,
    /// It is too short to be a message.
    NotSip,
}

/// All fates, in the order of their counters.
pub const FATES: [(Fate, &str); 5] = [
    (Fate::Taken, "taken"),
    (Fate::NotTaken, "not_taken"),
    (Fate::TurnedAway, "turned_away"),
    (Fate::Malformed, "malformed"),
    (Fate::NotSip, "not_sip"),
];

/// The edge's counters.
#[derive(Clone, Debug, Default)]
pub struct EdgeCounters {
    drops: [u64; EDGE_DROPS.len()],
    fates: [u64; FATES.len()],
    /// Requests passed to control.
    pub forwarded: u64,
    /// Transfers taken.
    pub transfers: u64,
    /// Messages re-addressed inside dialogs.
    pub readdressed: u64,
    /// Calls that go on from the process before.
    pub taken_over: u64,
    /// Calls of the process before that were ended instead.
    pub not_taken_over: u64,
    /// Callers who waited when their control node was gone.
    pub stranded: u64,
    /// Those of them who were brought to another one.
    pub brought: u64,
    /// Agents' phones asked to tell when their call is over.
    pub notices_asked: u64,
    /// Phones that do.
    pub notices_active: u64,
    /// Phones that refused.
    pub notices_refused: u64,
    /// Phones that did not answer, or told nothing.
    pub notices_silent: u64,
    /// Calls that ended by such a notice.
    pub notices_ended: u64,
    /// Requests that went to another place because the first failed (RFC 3263 section 4.3).
    pub failovers: u64,
    /// RTP packets that did not reach the relay, in sessions that have ended.
    pub rtp_lost: u64,
    /// RTP packets that came late or twice, in sessions that have ended.
    pub rtp_late: u64,
}

impl EdgeCounters {
    /// Counts one.
    pub fn drop(&mut self, reason: EdgeDrop) {
        self.add(reason, 1);
    }

    /// Counts several.
    pub fn add(&mut self, reason: EdgeDrop, count: u64) {
        if let Some(counter) = self.drops.get_mut(reason as usize) {
            *counter += count;
        }
    }

    /// Counts a message from the public side.
    pub fn came(&mut self, fate: Fate) {
        if let Some(counter) = self.fates.get_mut(fate as usize) {
            *counter += 1;
        }
    }

    /// Every fate's name and count.
    pub fn fates(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        FATES
            .iter()
            .zip(self.fates)
            .map(|((_, name), count)| (*name, count))
    }

    /// Every reason's name and count.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        EDGE_DROPS
            .iter()
            .zip(self.drops)
            .map(|((_, name), count)| (*name, count))
    }
}
