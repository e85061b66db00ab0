//! What a phone remembers of one call.

use std::time::{Duration, Instant};

use patchbay_sip::Message;
use patchbay_sip::dialog::{Dialog, Retransmit};
use patchbay_sip::transaction::{ClientKey, Flow, ServerKey};

use super::super::g711::Law;
use super::MediaAddresses;
use super::sdp::AudioSdp;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Placed; waits for media sockets, then for an answer.
    Dialling {
        /// We gave up; a 200 that crosses is acknowledged and hung up.
        cancelled: bool,
    },
    /// Received; waits for media sockets, then for its time to be answered.
    Alerting(ServerKey),
    /// We sent 200 and wait for the ACK.
    Accepted(ServerKey),
    /// Established.
    Talking,
    /// Both sides fall silent before we hang up.
    Finishing,
    /// Our BYE is on its way.
    Leaving,
}

/// Our 200, to be sent again until the ACK comes.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub server: ServerKey,
    pub response: Message,
    pub clock: Retransmit,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub stage: Stage,
    /// Where its messages go unless the dialog says otherwise.
    pub flow: Flow,
    /// Our INVITE, or the one that came.
    pub invite: Message,
    /// The transaction of our INVITE; kept for repetitions of its 200.
    pub client: Option<ClientKey>,
    /// All INVITE transactions of ours: their 200s may be repeated until the call is over.
    pub clients: Vec<ClientKey>,
    /// The INVITE that we have not finished answering.
    pub server: Option<ServerKey>,
    /// The re-INVITE of ours that is on its way.
    pub reinvite: Option<ClientKey>,
    pub cseq: u32,
    pub dialog: Option<Dialog>,
    /// Our own tag.
    pub tag: String,
    /// Our media addresses.
    pub local: Option<MediaAddresses>,
    /// The laws that we offer, or have agreed on.
    pub laws: Vec<Law>,
    pub remote: Option<AudioSdp>,
    /// Number of our session in `o=`, the same for all versions of the description.
    pub session: u64,
    /// Version of our description.
    pub version: u32,
    /// We have put it on hold.
    pub held: bool,
    pub started: Instant,
    pub challenges: u8,
    pub unacknowledged: Option<Unacknowledged>,
    /// The studio has a leg for it.
    pub media_open: bool,
    /// Its time to be answered has come, but its sockets are not bound yet.
    pub answer_due: bool,
    pub talk: Option<Duration>,
    pub patience: Option<Duration>,
    pub hold_after: Option<Duration>,
    /// What a failed re-INVITE or a missing ACK made of it, told when it has ended.
    pub fault: Option<super::CallFailure>,
}

impl Call {
    /// A fresh call; the caller of this fills in what it knows.
    pub fn new(stage: Stage, flow: Flow, invite: Message, now: Instant) -> Self {
        Self {
            stage,
            flow,
            invite,
            client: None,
            clients: Vec::new(),
            server: None,
            reinvite: None,
            cseq: 1,
            dialog: None,
            tag: String::new(),
            local: None,
            laws: Vec::new(),
            remote: None,
            session: 0,
            version: 1,
            held: false,
            started: now,
            challenges: 0,
            unacknowledged: None,
            media_open: false,
            answer_due: false,
            talk: None,
            patience: None,
            hold_after: None,
            fault: None,
        }
    }

    /// Our description as an offer: on hold we want to hear nothing.
    pub fn offer(&self) -> Option<AudioSdp> {
        let laws = self.laws.clone();
        Some(AudioSdp {
            media: self.local?,
            laws,
            hears: !self.held,
            talks: true,
        })
    }

    /// Our description as an answer, which mirrors the other side's (RFC 3264 section 6.1); an
    /// offer while we have none of theirs.
    pub fn answer(&self) -> Option<AudioSdp> {
        let Some(remote) = &self.remote else {
            return self.offer();
        };
        let laws = self
            .law()
            .map_or_else(|| self.laws.clone(), |law| vec![law]);
        let hears = !self.held && remote.talks;
        Some(AudioSdp {
            media: self.local?,
            laws,
            hears,
            talks: remote.hears,
        })
    }

    /// The law that we talk: the first of ours that the other side listed.
    pub fn law(&self) -> Option<Law> {
        let remote = self.remote.as_ref()?;
        self.laws
            .iter()
            .copied()
            .find(|law| remote.laws.contains(law))
    }
}
