//! Names of the four flows of a pair: which party, and which of its two sockets.
//!
//! A pair has two [`Side`]s; each side has one socket for RTP and one for RTCP (RFC 3550
//! section 11). A [`Flow`] names one of those four sockets and, with it, the direction of the
//! packets that arrive on it.

use serde::{Deserialize, Serialize};

/// A party of a call, as the relay sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The party that called in.
    Client,
    /// The party that was selected.
    Agent,
}

impl Side {
    /// Both sides, in the order of their indices.
    pub const ALL: [Side; 2] = [Side::Client, Side::Agent];

    /// The party at the other end of the pair.
    #[must_use]
    pub const fn other(self) -> Side {
        match self {
            Side::Client => Side::Agent,
            Side::Agent => Side::Client,
        }
    }

    /// 0 for the client, 1 for the agent: the position in arrays of two.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Side::Client => 0,
            Side::Agent => 1,
        }
    }
}

/// Which of a side's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// Media, on the even port; with RFC 5761 multiplexing also its RTCP.
    Rtp,
    /// Reports, on the odd port above.
    Rtcp,
}

impl Component {
    /// Both components, in the order of their indices.
    pub const ALL: [Component; 2] = [Component::Rtp, Component::Rtcp];

    /// 0 for RTP, 1 for RTCP: the position in arrays of two.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Component::Rtp => 0,
            Component::Rtcp => 1,
        }
    }
}

/// Number of flows, and so of sockets, in a pair.
pub const FLOWS: usize = 4;

/// One of the four sockets of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// Whose packets arrive here.
    pub side: Side,
    /// Which of the side's sockets.
    pub component: Component,
}

impl Flow {
    /// All flows, in the order of their indices.
    pub const ALL: [Flow; FLOWS] = [
        Flow::new(Side::Client, Component::Rtp),
        Flow::new(Side::Client, Component::Rtcp),
        Flow::new(Side::Agent, Component::Rtp),
        Flow::new(Side::Agent, Component::Rtcp),
    ];

    /// The flow of that side and component.
    #[must_use]
    pub const fn new(side: Side, component: Component) -> Flow {
        Flow { side, component }
    }

    /// 0 to 3: the position in arrays of [`FLOWS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.side.index() * 2 + self.component.index()
    }

    /// The flow at the two low bits of `index`; the bits above are ignored.
    #[must_use]
    pub const fn from_index(index: usize) -> Flow {
        let side = if index & 2 == 0 {
            Side::Client
        } else {
            Side::Agent
        };
        let component = if index & 1 == 0 {
            Component::Rtp
        } else {
            Component::Rtcp
        };
        Flow { side, component }
    }

    /// The same component at the other side: where packets of this flow go to.
    #[must_use]
    pub const fn twin(self) -> Flow {
        Flow {
            side: self.side.other(),
            component: self.component,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_one_flow() {
        for (i, flow) in Flow::ALL.into_iter().enumerate() {
            assert_eq!(flow.index(), i);
            assert_eq!(Flow::from_index(i), flow);
            assert_eq!(Flow::from_index(i + 8), flow);
            assert_eq!(flow.twin().twin(), flow);
            assert_eq!(flow.twin().component, flow.component);
            assert_ne!(flow.twin().side, flow.side);
        }
    }
}
