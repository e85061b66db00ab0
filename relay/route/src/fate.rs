//! What becomes of a packet at the device, where settled flows are sent on without sockets.

/// What became of a packet at the device. Each has one counter per core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fate {
    /// Sent on, re-addressed.
    SentOn,
    /// Dropped: it came to a settled flow from another source.
    DropStranger,
    /// Dropped: its source is unknown and has sent more than an unknown source may.
    DropSourceLimited,
    /// Dropped: unknown sources together have sent more than they may.
    DropUnknownLimited,
    /// Dropped: its flow has had as many packets in this [`crate::limits::FLOW_WINDOW_NS`] as it may.
    DropFlood,
    /// Dropped: it would have gone up to an engine that is away.
    DropAway,
    /// Passed up: a port of ours that nothing is known of here, or that is not settled, and a
    /// source that is not known.
    UpUnknown,
    /// Passed up: from the expected source of a flow that is not settled.
    UpHands,
    /// Passed up: its row was changed at this very moment.
    UpChanged,
    /// Passed up: STUN on a plain flow.
    UpStun,
    /// Passed up: DTLS on a plain flow.
    UpDtls,
    /// Passed up: an IP fragment with UDP in it.
    UpFragment,
    /// Passed up: IPv4 options or IPv6 extension headers in front of UDP.
    UpOptions,
    /// Passed up: lengths that do not agree, or more than [`crate::limits::MAX_DATAGRAM_BYTES`].
    UpMalformed,
    /// Passed up: the IPv4 header's checksum is wrong, or there is no UDP checksum where IPv6 needs
    /// one and the packet is too long to make it here.
    UpChecksum,
    /// Passed up: larger than the way out allows.
    UpTooBig,
    /// Passed up: no route.
    UpNoRoute,
    /// Passed up: the kernel answers no questions for routes, because forwarding is off on `lo`.
    UpLookupsOff,
    /// Passed up: the next hop's link address is not known.
    UpNoNeighbour,
    /// Passed up: the way out is by a device that the program does not stand on.
    UpOtherDevice,
    /// Passed up: the frame has no room for the new headers.
    UpNoRoom,
}

/// Number of [`Fate`]s.
pub const FATES: usize = 21;

impl Fate {
    /// All, in the order of their indices.
    pub const ALL: [Fate; FATES] = [
        Fate::SentOn,
        Fate::DropStranger,
        Fate::DropSourceLimited,
        Fate::DropUnknownLimited,
        Fate::DropFlood,
        Fate::DropAway,
        Fate::UpUnknown,
        Fate::UpHands,
        Fate::UpChanged,
        Fate::UpStun,
        Fate::UpDtls,
        Fate::UpFragment,
        Fate::UpOptions,
        Fate::UpMalformed,
        Fate::UpChecksum,
        Fate::UpTooBig,
        Fate::UpNoRoute,
        Fate::UpLookupsOff,
        Fate::UpNoNeighbour,
        Fate::UpOtherDevice,
        Fate::UpNoRoom,
    ];

    /// The name in metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fate::SentOn => "sent_on",
            Fate::DropStranger => "drop_stranger",
            Fate::DropSourceLimited => "drop_source_limited",
            Fate::DropUnknownLimited => "drop_unknown_limited",
            Fate::DropFlood => "drop_flood",
            Fate::DropAway => "drop_away",
            Fate::UpUnknown => "up_unknown",
            Fate::UpHands => "up_hands",
            Fate::UpChanged => "up_changed",
            Fate::UpStun => "up_stun",
            Fate::UpDtls => "up_dtls",
            Fate::UpFragment => "up_fragment",
            Fate::UpOptions => "up_options",
            Fate::UpMalformed => "up_malformed",
            Fate::UpChecksum => "up_checksum",
            Fate::UpTooBig => "up_too_big",
            Fate::UpNoRoute => "up_no_route",
            Fate::UpLookupsOff => "up_lookups_off",
            Fate::UpNoNeighbour => "up_no_neighbour",
            Fate::UpOtherDevice => "up_other_device",
            Fate::UpNoRoom => "up_no_room",
        }
    }

    /// Whether the packet went on to the sockets.
    #[must_use]
    pub const fn is_up(self) -> bool {
        self as u8 >= Fate::UpUnknown as u8
    }
}

/// What one core counts: packets by fate, then the payload bytes of those that were sent on.
pub type CoreCounts = [u64; FATES + 1];

/// How many packets met each fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FateCounts {
    packets: [u64; FATES],
    bytes: u64,
}

impl FateCounts {
    /// Adds what one core counted, in the order of [`Fate::ALL`].
    pub fn add(&mut self, core: &CoreCounts) {
        let [packets @ .., bytes] = core;
        for (sum, count) in self.packets.iter_mut().zip(packets) {
            *sum = sum.saturating_add(*count);
        }
        self.bytes = self.bytes.saturating_add(*bytes);
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &FateCounts) -> FateCounts {
        for (count, before) in self.packets.iter_mut().zip(earlier.packets) {
            *count = count.saturating_sub(before);
        }
        self.bytes = self.bytes.saturating_sub(earlier.bytes);
        self
    }

    /// Payload bytes of the packets that were sent on.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.bytes
    }

    /// How many met this one.
    #[must_use]
    pub fn get(&self, fate: Fate) -> u64 {
        self.packets.get(fate as usize).copied().unwrap_or(0)
    }

    /// Every fate with its count, zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (Fate, u64)> + '_ {
        Fate::ALL.into_iter().zip(self.packets.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fates_are_listed_once_in_order() {
        for (i, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(fate as usize, i);
            let prefix = fate.name().split('_').next().unwrap();
            assert_eq!(prefix == "up", fate.is_up());
        }
    }

    #[test]
    fn counts_of_several_cores_are_summed_by_name() {
        let mut core: CoreCounts = [0; FATES + 1];
        core[Fate::UpStun as usize] = 2;
        core[FATES] = 100;
        let mut sum = FateCounts::default();
        sum.add(&core);
        sum.add(&core);
        assert_eq!((sum.get(Fate::UpStun), sum.get(Fate::SentOn)), (4, 0));
        assert_eq!(sum.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert_eq!(sum.sent_bytes(), 200);
        let mut earlier = FateCounts::default();
        earlier.add(&core);
        let since = sum.since(&earlier);
        assert_eq!((since.get(Fate::UpStun), since.sent_bytes()), (2, 100));
    }
}
