//! What the events of one contact come to.

use patchbay_core::centre::OverflowWhen;
use patchbay_core::{
    AgentId, ContactId, EndCause, Event, OfferEnd, OfferId, QueueId, RefuseReason, RuleId, What,
};
use patchbay_route::session::EndedBy;

/// Offers that are remembered one by one; further ones are only counted.
pub const MAX_TRIES: usize = 64;

/// One contact. Times are milliseconds of Unix time, durations milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub id: ContactId,
    /// When its first event was.
    pub arrived_unix_ms: u64,
    /// What it was typed as; none if it was refused before that, or its beginning is not known.
    pub kind: Option<Kind>,
    /// The queues that it could not stay in, in order.
    pub moves: Vec<Move>,
    /// It began to wait, or was offered, in the queue that it is in now.
    pub entered: bool,
    /// Its position when it began to wait, from 1; 1 if it never had to wait.
    pub first_position: usize,
    /// The last position that it was told.
    pub position: usize,
    /// Offers made.
    pub offers: u32,
    /// The first [`MAX_TRIES`] of them.
    pub tries: Vec<Try>,
    /// The agent of the last offer.
    pub rung: Option<AgentId>,
    /// The agent that answered.
    pub agent: Option<AgentId>,
    /// When it was answered.
    pub answered_unix_ms: Option<u64>,
    /// From arrival to answer, or to the end without one.
    pub waited_ms: u64,
    /// From answer to end.
    pub talked_ms: u64,
    /// How many times one side held the other.
    pub holds: u32,
    /// For how long all together.
    pub held_ms: u64,
    /// When and how it ended.
    pub end: Option<(u64, Ending)>,
    /// Its customer was promised a call.
    pub promised: Option<Promised>,
    /// There when the process ended, and not gone on with since.
    pub(super) orphaned: bool,
}

/// A call that was promised to the customer of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// When.
    pub unix_ms: u64,
    /// What made a caller go; none for one who asked for it in the first place.
    pub when: Option<OverflowWhen>,
    /// From arrival to then.
    pub waited_ms: u64,
}

/// What a contact was typed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The call type's name.
    pub call_type: String,
    /// The rule.
    pub rule: RuleId,
    /// The queue that it is in, or was in last.
    pub queue: QueueId,
    /// The caller's URI.
    pub from: String,
    /// The URI called.
    pub to: String,
}

/// A queue that a contact could not stay in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub from: QueueId,
    /// When it left.
    pub unix_ms: u64,
    /// What made it go.
    pub when: OverflowWhen,
    /// From arrival to then.
    pub waited_ms: u64,
    /// It had begun to wait there, with this position at first and this one in the end.
    pub waited_at: Option<(usize, usize)>,
}

/// One offer to one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// The offer.
    pub offer: OfferId,
    /// The agent.
    pub agent: AgentId,
    /// When it was made.
    pub offered_unix_ms: u64,
    /// How long the phone might ring.
    pub ring_ms: u64,
    /// When it ended, or had rung as long as it might.
    pub over_unix_ms: Option<u64>,
    /// How it ended.
    pub end: Option<TryEnd>,
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryEnd {
    /// The agent answered.
    Answered,
    /// It did not, with the SIP status that came, 0 if none.
    Failed(OfferEnd, u16),
}

/// How a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was answered, and the call is over.
    Served(EndCause, Option<EndedBy>),
    /// It was refused with this SIP status.
    Refused(u16, RefuseReason),
    /// Its caller was told to call somebody else; without a case the server that was asked decided so.
    Redirected(Option<OverflowWhen>),
    /// The caller gave up.
    Abandoned,
    /// The process ended before it did, and no relay had it afterwards.
    Lost,
}

impl Try {
    /// How long the agent's phone was being called.
    #[must_use]
    pub fn rang_ms(&self) -> u64 {
        let over = self.over_unix_ms.unwrap_or(self.offered_unix_ms);
        over.saturating_sub(self.offered_unix_ms)
    }

    fn is_over(&mut self, unix_ms: u64, end: TryEnd) {
        self.over_unix_ms.get_or_insert(unix_ms);
        self.end = Some(end);
    }
}

impl Call {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn new(id: ContactId, arrived_unix_ms: u64) -> Call {
        Call {
            id,
            arrived_unix_ms,
            kind: None,
            moves: Vec::new(),
            entered: false,
            first_position: 1,
            position: 1,
            offers: 0,
            tries: Vec::new(),
            rung: None,
            agent: None,
            answered_unix_ms: None,
            waited_ms: 0,
            talked_ms: 0,
            holds: 0,
            held_ms: 0,
            end: None,
            promised: None,
            orphaned: false,
        }
    }

    /// How long phones of agents were being called for it.
    #[must_use]
    pub fn rang_ms(&self) -> u64 {
        self.tries.iter().map(Try::rang_ms).sum()
    }

    /// Its queue, if it was typed.
    #[must_use]
    pub fn queue(&self) -> Option<&QueueId> {
        self.kind.as_ref().map(|kind| &kind.queue)
    }

    /// Takes one event about it. Events come in their order.
    pub fn take(&mut self, event: &Event) {
        let now = event.unix_ms;
        self.ring_out(now);
        match &event.what {
            What::ContactTyped {
                call_type,
                rule,
                queue,
                from,
                to,
                ..
            } => {
                self.kind = Some(Kind {
                    call_type: call_type.clone(),
                    rule: rule.clone(),
                    queue: queue.clone(),
                    from: from.clone(),
                    to: to.clone(),
                });
            }
            What::ContactQueued { position, .. } => {
                if !self.entered {
                    self.first_position = *position;
                }
                self.entered = true;
                self.position = *position;
            }
            What::ContactOffered {
                offer,
                agent,
                ring_ms,
                ..
            } => self.offered(now, *offer, agent, *ring_ms),
            What::OfferFailed {
                offer, why, code, ..
            } => self.try_over(now, *offer, TryEnd::Failed(*why, *code)),
            What::ContactConnected {
                offer,
                agent,
                waited_ms,
                ..
            } => {
                self.try_over(now, *offer, TryEnd::Answered);
                self.agent = Some(agent.clone());
                self.answered_unix_ms = Some(now);
                self.waited_ms = *waited_ms;
            }
            What::ContactMoved {
                from,
                queue,
                when,
                waited_ms,
                ..
            } => {
                let waited_at = (self.first_position, self.position);
                self.moves.push(Move {
                    from: from.clone(),
                    unix_ms: now,
                    when: *when,
                    waited_ms: *waited_ms,
                    waited_at: self.entered.then_some(waited_at),
                });
                if let Some(kind) = &mut self.kind {
                    kind.queue = queue.clone();
                }
                (self.entered, self.first_position, self.position) = (false, 1, 1);
            }
            What::ContactAdopted {
                agent,
                since_unix_ms,
                ..
            } => {
                self.orphaned = false;
                self.agent = Some(agent.clone());
                self.answered_unix_ms.get_or_insert(*since_unix_ms);
            }
            What::CallBackPromised {
                when, waited_ms, ..
            } => {
                self.promised = Some(Promised {
                    unix_ms: now,
                    when: *when,
                    waited_ms: *waited_ms,
                });
            }
            What::ContactResumed { held_ms, .. } => {
                self.holds = self.holds.saturating_add(1);
                self.held_ms = self.held_ms.saturating_add(*held_ms);
            }
            What::CallBackKept { .. } | What::ContactKept { .. } => self.orphaned = false,
            _ => self.take_end(event),
        }
    }

    fn take_end(&mut self, event: &Event) {
        let now = event.unix_ms;
        match &event.what {
            What::ContactEnded {
                agent,
                cause,
                by,
                talk_ms,
                ..
            } => {
                self.agent = Some(agent.clone());
                self.talked_ms = *talk_ms;
                self.ends(now, Ending::Served(*cause, *by));
            }
            What::ContactRefused {
                status,
                why,
                waited_ms,
                ..
            } => {
                self.waited_ms = *waited_ms;
                self.ends(now, Ending::Refused(*status, *why));
            }
            What::ContactRedirected {
                when, waited_ms, ..
            } => {
                self.waited_ms = *waited_ms;
                self.ends(now, Ending::Redirected(*when));
            }
            What::ContactAbandoned { waited_ms, .. } => {
                self.waited_ms = *waited_ms;
                self.ends(now, Ending::Abandoned);
            }
            _ => {}
        }
    }

    /// Ends it. An offer that rang as long as it might and of which no more was heard was not answered; one
    /// that is under way ends with the contact.
    pub(super) fn ends(&mut self, now: u64, how: Ending) {
        self.ring_out(now);
        let answered = self.answered_unix_ms.is_some();
        for open in self.tries.iter_mut().filter(|one| one.end.is_none()) {
            let why = match (open.over_unix_ms, how) {
                _ if answered => OfferEnd::AnsweredElsewhere,
                (Some(_), _) => OfferEnd::NoAnswer,
                (None, Ending::Abandoned) => OfferEnd::CallerGone,
                (None, _) => OfferEnd::Ended,
            };
            open.is_over(now, TryEnd::Failed(why, 0));
        }
        self.end = Some((now, how));
    }

    fn offered(&mut self, now: u64, offer: OfferId, agent: &AgentId, ring_ms: u64) {
        self.entered = true;
        self.offers = self.offers.saturating_add(1);
        self.rung = Some(agent.clone());
        if self.tries.len() < MAX_TRIES {
            self.tries.push(Try {
                offer,
                agent: agent.clone(),
                offered_unix_ms: now,
                ring_ms,
                over_unix_ms: None,
                end: None,
            });
        }
    }

    /// What became of an offer that rang out is told when the relay has taken it back, which may be after
    /// the next one was made; that it rang out is known before.
    fn ring_out(&mut self, now: u64) {
        for one in self
            .tries
            .iter_mut()
            .filter(|one| one.over_unix_ms.is_none())
        {
            let due = one.offered_unix_ms.saturating_add(one.ring_ms);
            one.over_unix_ms = (due <= now).then_some(due);
        }
    }

    fn try_over(&mut self, now: u64, offer: OfferId, end: TryEnd) {
        let found = self.tries.iter_mut().find(|one| one.offer == offer);
        if let Some(found) = found {
            found.is_over(now, end);
        }
    }
}
