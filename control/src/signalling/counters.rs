//! What the signalling counted.

/// Why something that arrived was dropped, or answered without being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// Unreadable and not answerable.
    Unreadable,
    /// Unreadable and answered 400, 505 or 513.
    Malformed,
    /// An ACK for a 2xx, which goes to the relay and never to control.
    StrayAck,
    /// A response to a request that is over.
    StrayResponse,
    /// An INVITE beyond the limit of calls.
    TooManyCalls,
    /// A request that came over a second way (482).
    Merged,
    /// A request that came back to us (482).
    Looped,
    /// Max-Forwards used up (483).
    TooManyHops,
    /// An extension required that is not supported (420).
    BadExtension,
    /// A body that cannot be read (400, 415).
    BadBody,
    /// In a dialog that control does not have (481).
    NoDialog,
    /// The name of a device that was never given or is void (404), or that is not registered (480).
    NoDevice,
    /// A claim to an agent that is not offered any more, or was never (404).
    NoClaim,
    /// A place that is too long for its edge to keep.
    PlaceTooLong,
    /// A place that cannot be read: its caller is taken as a new one.
    BadPlace,
    /// A method that is not served (405, 501).
    Method,
    /// The transaction layer refused to send.
    NotSent,
    /// A 2xx that nobody wants any more.
    LateAnswer,
    /// What a relay sent as an answer in an envelope, and is none (400).
    CarriedMalformed,
    /// What belongs to a transfer, and a relay did not take out of its envelope.
    CarriedLost,
}

impl Drop {
    /// All reasons with the words of their metric label.
    pub const ALL: [(Drop, &'static str); 20] = [
        (Drop::Unreadable, "unreadable"),
        (Drop::Malformed, "malformed"),
        (Drop::StrayAck, "stray_ack"),
        (Drop::StrayResponse, "stray_response"),
        (Drop::TooManyCalls, "too_many_calls"),
        (Drop::Merged, "merged"),
        (Drop::Looped, "looped"),
        (Drop::TooManyHops, "too_many_hops"),
        (Drop::BadExtension, "bad_extension"),
        (Drop::BadBody, "bad_body"),
        (Drop::NoDialog, "no_dialog"),
        (Drop::NoDevice, "no_device"),
        (Drop::NoClaim, "no_claim"),
        (Drop::PlaceTooLong, "place_too_long"),
        (Drop::BadPlace, "bad_place"),
        (Drop::Method, "method"),
        (Drop::NotSent, "not_sent"),
        (Drop::LateAnswer, "late_answer"),
        (Drop::CarriedMalformed, "carried_malformed"),
        (Drop::CarriedLost, "carried_lost"),
    ];
}

/// Counts since start.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignallingCounters {
    drops: [u64; Drop::ALL.len()],
    /// INVITEs that became contacts.
    pub invites: u64,
    /// REGISTERs answered.
    pub registers: u64,
    /// OPTIONS answered.
    pub options: u64,
    /// Transferred INVITEs sent to relays.
    pub transfers: u64,
    /// Kinds of identity headers taken from requests, for lack of trust or for privacy.
    pub identity_taken: u64,
    /// Devices that answered beside another of the same offer and were ended.
    pub forks_ended: u64,
}

impl SignallingCounters {
    pub(super) fn drop(&mut self, why: Drop) {
        let place = Drop::ALL.iter().position(|(reason, _)| *reason == why);
        if let Some(count) = place.and_then(|place| self.drops.get_mut(place)) {
            *count += 1;
        }
    }

    /// How often something was dropped for `why`.
    #[must_use]
    pub fn dropped(&self, why: Drop) -> u64 {
        let place = Drop::ALL.iter().position(|(reason, _)| *reason == why);
        place
            .and_then(|place| self.drops.get(place))
            .copied()
            .unwrap_or(0)
    }
}
