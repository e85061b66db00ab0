//! What becomes of every packet of a flow's learned source, as long as nothing is signalled anew:
//! the verdict that need not be asked for again.

use patchbay_route::flow::{Component, Flow};
use patchbay_route::limits::MAX_DATAGRAM_BYTES;
use patchbay_route::pair::Profile;

use super::{DTLS_HEADER_BYTES, Destination, PairState, STUN_HEADER_BYTES};

/// The verdict on a settled flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The socket that its packets leave by.
    pub out: Flow,
    /// Whether STUN and DTLS are to be looked for.
    plain: bool,
}

impl Settled {
    /// Whether it holds for this payload. If not, [`super::forward`] says what becomes of it.
    #[inline]
    #[must_use]
    pub fn covers(&self, payload: &[u8]) -> bool {
        if payload.len() > MAX_DATAGRAM_BYTES {
            return false;
        }
        match payload.first() {
            Some(0..=3) => !self.plain || payload.len() < STUN_HEADER_BYTES,
            Some(20..=63) => !self.plain || payload.len() < DTLS_HEADER_BYTES,
            _ => true,
        }
    }
}

impl PairState {
    /// The verdict on what a flow's learned source sends, if it is to be sent on and does not
    /// depend on whether it is RTP or RTCP.
    #[must_use]
    pub fn settled(&self, flow: Flow) -> Option<Settled> {
        self.learned(flow)?;
        let [from, to] = [flow.side, flow.side.other()].map(|side| &self.parties[side.index()]);
        let is_media = flow.component == Component::Rtp;
        if is_media && (!to.receives || from.multiplexed != to.multiplexed) {
            return None;
        }
        let out = self.way_out(flow, None);
        matches!(self.destination(out), Destination::At(_)).then_some(Settled {
            out,
            plain: from.profile == Profile::Plain,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::SocketAddr;
    use std::time::Duration;

    use patchbay_route::flow::Side;
    use patchbay_route::pair::Remote;
    use patchbay_route::verdict::{DropReason, Verdict};
    use proptest::prelude::*;

    use super::*;
    use crate::forward::{Datagram, forward};
    use crate::strangers::Strangers;

    fn remote(port: u16, mux: bool) -> Remote {
        let rtp = SocketAddr::from(([192, 0, 2, 1], port));
        let rtcp = SocketAddr::from(([192, 0, 2, 1], if mux { port } else { port + 1 }));
        Remote::new(rtp, rtcp, rtp.ip(), Duration::from_secs(1))
    }

    proptest! {
        /// Wherever the settled verdict is given, asking anew says the same.
        #[test]
        fn it_never_differs_from_the_verdict_proper(
            mux in any::<[bool; 2]>(),
            receives in any::<[bool; 2]>(),
            protected in any::<[bool; 2]>(),
            held in any::<[bool; 2]>(),
            known in any::<[bool; 2]>(),
            index in 0_usize..4,
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            long in any::<bool>(),
        ) {
            let mut pair = PairState::default();
            for side in Side::ALL {
                let i = side.index();
                let mut remote = remote(4000 + 10 * i as u16, mux[i]);
                remote.receives = receives[i];
                remote.profile = if protected[i] { Profile::Protected } else { Profile::Plain };
                if held[i] {
                    remote.rtp.set_port(0);
                }
                if known[i] {
                    pair.set_remote(side, &remote, 0, [0; 2]);
                }
            }
            let flow = Flow::from_index(index);
            let source: SocketAddr = "192.0.2.1:999".parse().unwrap();
            prop_assert_eq!(pair.settled(flow), None);
            pair.learn(flow, source);
            let mut payload = payload;
            if long {
                payload.resize(MAX_DATAGRAM_BYTES + 1, 0x80);
            }
            let datagram = Datagram {
                source,
                len: payload.len(),
                truncated: false,
                first_byte: payload.first().copied(),
                second_byte: payload.get(1).copied(),
            };
            let proper = forward(&pair, flow, &datagram, 1, &mut Strangers::new(1));
            match pair.settled(flow).filter(|settled| settled.covers(&payload)) {
                Some(settled) => {
                    prop_assert_eq!(proper.verdict, Verdict::Forward(settled.out));
                    prop_assert!(!proper.learn);
                }
                None if long => prop_assert!(proper.verdict != Verdict::Forward(flow.twin())),
                None => {}
            }
            if matches!(proper.verdict, Verdict::Drop(DropReason::SourceUnexpected)) {
                prop_assert!(false, "the learned source is always expected");
            }
        }
    }
}
