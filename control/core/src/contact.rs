//! A contact and its legs: the two state machines that everything else serves.
//!
//! ```text
//! contact:  (arrived) ─► Waiting ◄──► Offered ─► Connected(offer) ─► (ended)
//!               │  ╎        │ ▲          │
//!               │  ╎        │ ╎ due      │ the customer did not answer
//!               │  └╌╌╌╌►Scheduled ◄╌╌╌╌╌┤           (call-backs only)
//!               └─ refused ─┴─ abandoned ┘
//!
//! leg:      Offering ─► Live ─► (over)            the way that is wanted
//!               │  └──► (failed)                  busy, declined, unreachable…
//!               └─► Cancelling ─► (failed)        ring timer, caller gone, answered elsewhere
//!                        ├─► Live                 its answer crossed the cancel and still helps
//!                        └─► Unwanted ─► (over)   its answer crossed the cancel and does not
//! ```
//!
//! Ways out: Scheduled has its time, Waiting has the longest wait, Offering the ring timer, Cancelling the guard timer;
//! Live and Unwanted end by the relay's word or by its list of sessions, which is asked for as
//! long as any leg is there. A leg holds its agent; a contact never does, so that a contact may
//! leave while its leg is still being taken back.
//!
//! A leg that is carried outside has no Cancelling and no Unwanted: whoever carries it takes the
//! word of this side for its end. Its Live ends by report, or by a timer.

use crate::call_back::CallBack;
use crate::centre::{Queue, Relax};
use crate::event::OfferEnd;
use crate::explain::Typed;
use crate::id::{AgentId, ContactId, OfferId, QueueId, SiteId};
use crate::selection::Place;
use crate::slot::Slot;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who carries a contact to its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The relay: it has both dialogs and the media.
    #[default]
    Relay,
    /// The caller's own proxy, which is told the agent's address (302).
    Redirect,
    /// Whoever asked for an agent.
    Outside,
}

impl Way {
    /// Whether it is the usual one.
    pub fn is_relay(&self) -> bool {
        *self == Self::Relay
    }
}

/// A live contact.
#[derive(Debug)]
pub(crate) struct Contact {
    pub state: State,
    /// None for an adopted one.
    pub ticket: Option<Ticket>,
    pub arrived: Duration,
    pub arrived_unix_ms: u64,
    pub answered: Option<(Duration, u64)>,
    /// Since when it is on hold.
    pub held: Option<Duration>,
}

/// What a contact that arrived here wants.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub typed: Typed,
    /// Its order in the queue, for as long as it lives.
    pub place: Place,
    /// What it asks for later, in order.
    pub relax: Arc<[Relax]>,
    /// How many of those steps were taken.
    pub relaxed: usize,
    /// The queues that it was in before.
    pub before: Vec<QueueId>,
    /// Offers of it that may still be answered, while it is `Offered`.
    pub offers: Vec<OfferId>,
    /// The agent that it waits for alone, for a while, because that agent served its caller last.
    pub sticks_to: Option<AgentId>,
    /// The caller, as far as the queue remembers its last agent.
    pub caller: Option<Arc<str>>,
    /// Index of its queue; none once the queue was removed.
    pub queue: Option<usize>,
    /// Index of what it asks of an agent; none once the queue was removed.
    pub class: Option<usize>,
    /// Since when it is in this queue.
    pub entered: Duration,
    /// Its place in this queue was told.
    pub kept: bool,
    pub deadline: Duration,
    /// How long it was expected to wait when it began to.
    pub expected: Option<Duration>,
    /// Agents passed over because an offer of it failed, with the time of their return.
    pub skipped: Vec<(AgentId, Duration)>,
    /// Its caller was let hear something.
    pub hears: bool,
    /// Its call was answered for that: no other answer can be given.
    pub picked_up: bool,
    /// The one agent that it is for, whatever its queue: it does not wait for others.
    pub only: Option<AgentId>,
    pub from: String,
    pub to: String,
    pub media: Vec<String>,
    pub slot: Slot,
    pub way: Way,
    /// Its customer is to be called.
    pub call_back: Option<Box<CallBack>>,
    /// How long it had waited elsewhere when it came.
    pub waited_before: Duration,
    /// Before that time it asks no other centre.
    pub elsewhere_from: Duration,
}

impl Ticket {
    /// One that has just been given this place, and asks for what it was typed as.
    pub fn new(typed: Typed, place: Place, (slot, way): (Slot, Way)) -> Self {
        Self {
            typed,
            place,
            relax: Arc::default(),
            relaxed: 0,
            before: Vec::new(),
            offers: Vec::new(),
            sticks_to: None,
            caller: None,
            queue: None,
            class: None,
            entered: Duration::ZERO,
            kept: false,
            deadline: Duration::ZERO,
            expected: None,
            skipped: Vec::new(),
            hears: false,
            picked_up: false,
            only: None,
            from: String::new(),
            to: String::new(),
            media: Vec::new(),
            slot,
            way,
            call_back: None,
            waited_before: Duration::ZERO,
            elsewhere_from: Duration::ZERO,
        }
    }

    /// The skills that it asks for now.
    pub fn skills(&self) -> &BTreeMap<String, u8> {
        let step = self.relaxed.checked_sub(1);
        let step = step.and_then(|step| self.relax.get(step));
        step.map_or(&self.typed.skills, |step| &step.skills)
    }

    /// Who carries a contact that waits in this queue.
    pub fn carried_as(&mut self, queue: &Queue) {
        if self.way != Way::Outside && !self.picked_up {
            self.way = queue.hand_over.way();
        }
    }

    pub fn skips(&self, agent: &AgentId) -> bool {
        self.skipped.iter().any(|(skipped, _)| skipped == agent)
    }
}

/// The states of a contact. Those that are over are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its customer is to be called later: it is in no queue yet.
    Scheduled,
    Waiting,
    /// With the offers of its ticket.
    Offered,
    Connected(OfferId),
}

impl Contact {
    /// From when on its waiting counts: one that is to be called later waits from that time on.
    pub fn waits_from(&self) -> Duration {
        let call_back = self.ticket.as_ref().and_then(|it| it.call_back.as_ref());
        call_back.map_or(self.arrived, |it| it.waits_from)
    }

    /// From when on its waiting counts for its place, elsewhere included.
    pub fn counts_from(&self) -> Duration {
        let ticket = self.ticket.as_ref();
        let before = ticket.map_or(Duration::ZERO, |ticket| ticket.waited_before);
        self.arrived.saturating_sub(before)
    }

    /// Whether an answer that crossed a cancel still helps: one of its caller's phone does not once the
    /// caller is to be called back.
    pub fn may_be_answered(&self) -> bool {
        let call_back = self
            .ticket
            .as_ref()
            .is_some_and(|it| it.call_back.is_some());
        match self.state {
            State::Waiting | State::Offered => !call_back,
            State::Scheduled | State::Connected(_) => false,
        }
    }

    /// The offer that it is connected with, or the first of those that may be answered.
    pub fn offer(&self) -> Option<OfferId> {
        match self.state {
            State::Scheduled | State::Waiting => None,
            State::Offered => self.ticket.as_ref()?.offers.first().copied(),
            State::Connected(offer) => Some(offer),
        }
    }
}

/// What came of an offer; holds an agent.
#[derive(Debug)]
pub(crate) struct Leg {
    pub contact: ContactId,
    pub agent: AgentId,
    pub state: LegState,
    /// Since when it is in this state.
    pub since: Duration,
    /// When it was offered.
    pub offered: Duration,
    pub way: Way,
    pub slot: Slot,
    /// The agent has taken the call-back, and the customer is being called.
    pub dialled: bool,
    /// The centre that the agent is of, if it is another one.
    pub site: Option<SiteId>,
}

/// The states of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegState {
    /// Offered and not answered; the contact is `Offered` with it.
    Offering { ringing: bool },
    /// Being taken back.
    Cancelling {
        why: OfferEnd,
        /// The relay's list showed it answered, although its answer did not reach us.
        answered: bool,
    },
    /// In a call; the contact is `Connected` with it.
    Live,
    /// In a call that no contact wants.
    Unwanted {
        /// Whether the relay is asked to end it.
        end: bool,
    },
}

impl LegState {
    /// Whether the agent is in a call, as far as the relay told.
    pub fn in_call(self) -> bool {
        match self {
            Self::Live | Self::Unwanted { .. } => true,
            Self::Offering { .. } | Self::Cancelling { .. } => false,
        }
    }
}
