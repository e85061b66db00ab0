//! Sessions: the rows of the routing table as signalling sees them.
//!
//! A session is a back-to-back user agent: a dialog with the caller, a dialog with the agent,
//! and a pair of legs per medium in the packet engine. It begins with a transferred INVITE and
//! from then on asks no other process. All of it is without I/O: it is driven by what the
//! transaction layer reports and by the time.

mod answer;
mod audible;
mod early;
mod exchange;
mod expiry;
mod failover;
mod forks;
pub mod handover;
mod hearing;
mod held;
mod hidden;
mod ids;
mod joint;
mod kept;
mod leg;
mod lost;
mod media;
mod notice;
mod reach;
mod refer;
mod relayed;
mod renewal;
mod replace;
mod restore;
mod standing;
mod table;
mod terms;
mod told;
mod transfer;
mod unheard;
mod view;

pub use early::MAX_RELIABLE;
pub use expiry::{SessionTimer, check_interval};
pub use forks::MAX_FORKS;
pub use handover::{HAND_OVER_VERSION, HandOver, TakenOver};
pub use hearing::MAX_KEYS;
pub use ids::{Ids, SessionId};
pub use joint::Joint;
pub use leg::{Leg, SIP_PORT, transport_of};
pub use media::{Media, MediaState, SDP_TYPE};
pub use notice::{NOTICE_EXPIRES_S, NOTIFY_WAIT};
pub use refer::{MAX_REFERRALS, REFERRAL_TIME};
pub use table::{MAX_REPLAYS, Sessions};
pub use unheard::CallName;

use crate::edge::counters::EdgeCounters;
use crate::edge::flow_token::FlowTokens;
use crate::edge::paths::Paths;
use crate::edge::{Config, Now, Output};
use crate::engine::Side;
use crate::locate::Places;
use patchbay_route::session::{
    EndCause, Ended, EndedBy, NoticeState, SessionEvent, SessionRef, SessionState,
};
use patchbay_route::transfer::TransferTarget;
use patchbay_sip::Message;
use patchbay_sip::shards::Shards;
use patchbay_sip::transaction::{ClientKey, Layer, ServerKey};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most transactions that one session may have under way at once.
pub const MAX_EXCHANGES_PER_SESSION: usize = 16;
/// An agent's phone that neither answers nor refuses is given up after this (RFC 3261 Timer C);
/// control's ring time is shorter.
pub const MAX_OFFER_TIME: Duration = Duration::from_secs(190);
/// A session that is ending is forgotten after this, whatever its peers do; longer than 64*T1.
pub const MAX_ENDING_TIME: Duration = Duration::from_secs(40);
/// How often an established session is looked at for silence.
pub const MEDIA_LOOK: Duration = Duration::from_secs(15);

/// What a session may use while it handles something.
pub struct Context<'a> {
    /// The transaction layer.
    pub layer: &'a mut Layer,
    /// The packet engine.
    pub media: &'a mut dyn Media,
    /// How to reach parties.
    pub paths: &'a mut Paths,
    /// Flow tokens.
    pub tokens: &'a FlowTokens,
    /// The host's configuration.
    pub config: &'a Config,
    /// Identifiers and tags.
    pub ids: &'a mut Ids,
    /// What the host shall do.
    pub outputs: &'a mut VecDeque<Output>,
    /// Counters.
    pub counters: &'a mut EdgeCounters,
    /// Whose a transaction or dialog is.
    pub links: &'a mut Links,
    /// Look-ups under way, and places that have failed.
    pub places: &'a mut Places,
    /// The time.
    pub now: Now,
}

/// Which session a transaction or dialog belongs to.
#[derive(Default)]
pub struct Links {
    clients: Shards<ClientKey, SessionId>,
    servers: Shards<ServerKey, SessionId>,
    tags: Shards<String, (SessionId, Side)>,
    referrals: refer::Referrals,
    /// INVITEs whose 2xx has its ACK, or will not have it: nothing more will be said to them.
    pub(crate) settled: Vec<ServerKey>,
}

impl Links {
    /// Addresses given out for transfers by phones.
    pub fn referrals(&self) -> usize {
        self.referrals.len()
    }
}

/// What one of our client transactions is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// The INVITE to the agent.
    Offer,
    /// An INVITE to this side that it answered with a 2xx: repeated answers get the ACK again.
    Answered(Side),
    /// A re-INVITE to this side.
    Reinvite(Side),
    /// A BYE to this side.
    Bye,
    /// A refresh of this side's session timer by UPDATE.
    Refresh(Side),
    /// A refresh of this side's session timer by re-INVITE.
    Renew(Side),
    /// A SUBSCRIBE to the agent's phone.
    Notice,
    /// What has gone to another place meanwhile: the INVITE to the agent, or a request to this side.
    GivenUp(Option<Side>),
    /// A request of the other side, re-addressed to this one.
    Relayed(Side, ServerKey, Box<Message>),
}

/// A re-INVITE under way.
struct Reinvite {
    from: Side,
    server: ServerKey,
    request: Message,
    client: ClientKey,
}

/// The caller's INVITE that has no final answer yet.
struct Invite {
    server: ServerKey,
    request: Arc<Message>,
    /// The INVITE to the agent; none while its name is being resolved.
    client: Option<ClientKey>,
    /// A dialog elsewhere that it is to take the place of.
    replaces: Option<String>,
    /// CSeq of the INVITE to the agent: one more when it wanted a longer session interval.
    cseq: u32,
    /// The least session interval that the agent takes, in seconds; 0 as long as it is not known.
    least_s: u32,
}

/// One transferred call. What it holds for a moment only lies in boxes: a call that stands is small.
pub struct Session {
    id: SessionId,
    target: TransferTarget,
    state: SessionState,
    started_unix_ms: u64,
    answered: Option<Now>,
    caller: Leg,
    agent: Leg,
    media: MediaState,
    invite: Option<Box<Invite>>,
    reinvite: Option<Box<Reinvite>>,
    /// Requests that wait for the other side's ACK.
    held: Vec<held::Held>,
    early: Option<Box<early::Early>>,
    /// Who was there before a newcomer that is not yet answered.
    replaced: Option<Box<replace::Replaced>>,
    /// Control has no part in it: nothing is told, and the names are empty.
    detached: bool,
    /// The side that has taken a REFER and still owes word of it (RFC 3515 section 2.4.4).
    owes_notify: Option<Side>,
    clients: Vec<(ClientKey, Purpose)>,
    /// Those of them that went to one of several places.
    attempts: Vec<failover::Attempt>,
    /// The subscription to the agent's dialog, once its phone was asked.
    notice: Option<Box<notice::Notice>>,
    /// What is to be said of it as long as it was not.
    notice_unasked: NoticeState,
    guard: Option<Instant>,
    timer: Option<Instant>,
    /// The BYE that ended it, for what it says to the other side.
    parting: Option<Box<Message>>,
    ended: bool,
    /// Control was told that the call is on hold.
    told_held: bool,
    /// A Call-ID of the call whose phone was sent into this one by REFER.
    follows: Option<Box<str>>,
    /// Dialogs that those who look at the signalling have been told of.
    told_legs: u8,
    /// The relay takes the agent's place, and the caller waits.
    hearing: Option<Box<hearing::Hearing>>,
    /// The agent is to take the place of what a caller hears who waits in a call.
    joining: Option<Box<standing::Joining>>,
}

impl Session {
    fn leg(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Client => &mut self.caller,
            Side::Agent => &mut self.agent,
        }
    }

    fn reference(&self) -> SessionRef {
        if self.detached {
            return SessionRef {
                session: self.id.to_string(),
                contact: String::new(),
                offer: String::new(),
                agent: String::new(),
            };
        }
        SessionRef {
            session: self.id.to_string(),
            contact: self.target.contact.clone(),
            offer: self.target.offer.clone(),
            agent: self.target.agent_id.clone(),
        }
    }

    fn has_room(&self) -> bool {
        self.clients.len() < MAX_EXCHANGES_PER_SESSION
    }

    fn track(&mut self, cx: &mut Context<'_>, client: ClientKey, purpose: Purpose) {
        cx.links.clients.insert(client, self.id);
        self.clients.push((client, purpose));
    }

    fn untrack(&mut self, cx: &mut Context<'_>, client: ClientKey) {
        cx.links.clients.remove(&client);
        self.clients.retain(|(key, _)| *key != client);
        self.attempts.retain(|attempt| attempt.client != client);
    }

    /// The request of the other side that a transaction is for, which is over now.
    fn take_relayed(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientKey,
    ) -> Option<(Side, ServerKey, Box<Message>)> {
        let relayed = |(key, purpose): &(ClientKey, Purpose)| {
            *key == client && matches!(purpose, Purpose::Relayed(..))
        };
        let at = self.clients.iter().position(relayed)?;
        let (_, purpose) = self.clients.remove(at);
        self.untrack(cx, client);
        match purpose {
            Purpose::Relayed(side, server, request) => Some((side, server, request)),
            _ => None,
        }
    }

    fn purpose(&self, client: ClientKey) -> Option<Purpose> {
        self.clients
            .iter()
            .find(|(key, _)| *key == client)
            .map(|(_, purpose)| purpose.clone())
    }

    fn next_wakeup(&self) -> Option<Instant> {
        [
            self.guard,
            self.caller.next_wakeup(),
            self.agent.next_wakeup(),
            self.caller
                .expiry
                .map(|timer| timer.due)
                .filter(|_| !self.ended),
            self.agent
                .expiry
                .map(|timer| timer.due)
                .filter(|_| !self.ended),
            self.notice.as_ref().and_then(|it| it.next_wakeup()),
            self.attempts_wakeup(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Timers: a 2xx without ACK is sent again, then given up; an offer or an ending that hangs
    /// is ended.
    fn wake(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.instant;
        for side in [Side::Client, Side::Agent] {
            let unacknowledged = self.leg(side).unacknowledged();
            if self.leg(side).wake(cx) {
                cx.links.settled.extend(unacknowledged);
                match self.leg(side).bye_after_ack.take() {
                    Some(cause) => self.bye(cx, side, cause),
                    None => self.end(cx, EndedBy::Relay, EndCause::NoAck),
                }
            }
        }
        self.wake_expiry(cx);
        self.wake_notice(cx);
        self.wake_attempts(cx);
        if self.guard.is_some_and(|guard| guard <= now) {
            self.guard = None;
            match self.state {
                SessionState::Offering | SessionState::Ringing => self.give_up_offer(cx),
                SessionState::Established => self.look_for_media(cx),
                SessionState::Ending => self.forget_exchanges(cx),
            }
        }
    }

    /// From now on `client` only matters for repeated answers.
    fn mark_answered(&mut self, cx: &mut Context<'_>, client: ClientKey, side: Side) {
        self.forget_answered(cx, Some(side));
        for (key, purpose) in &mut self.clients {
            if *key == client {
                *purpose = Purpose::Answered(side);
            }
        }
    }

    /// Forgets answered INVITEs to one side, or to both.
    fn forget_answered(&mut self, cx: &mut Context<'_>, of: Option<Side>) {
        let links = &mut *cx.links;
        self.clients.retain(|(client, purpose)| {
            let forget =
                matches!(purpose, Purpose::Answered(side) if of.is_none_or(|of| of == *side));
            if forget {
                links.clients.remove(client);
            }
            !forget
        });
    }

    /// A call whose phones have vanished without a BYE shows by its silence.
    fn look_for_media(&mut self, cx: &mut Context<'_>) {
        let limit = match self.media.is_held() {
            true => cx.config.hold_timeout,
            false => cx.config.media_timeout,
        };
        let since_answer = self.answered.map(|at| cx.now.instant - at.instant);
        // Music goes on whether anybody hears it or not.
        let only = self.hearing.as_ref().map(|_| Side::Client);
        let silence = self.media.silence(cx.media, only).or(since_answer);
        if silence.is_some_and(|silence| silence >= limit) {
            return self.end(cx, EndedBy::Relay, EndCause::MediaTimeout);
        }
        self.forget_early();
        self.guard = Some(cx.now.instant + MEDIA_LOOK);
    }

    fn forget_exchanges(&mut self, cx: &mut Context<'_>) {
        for (client, _) in std::mem::take(&mut self.clients) {
            cx.links.clients.remove(&client);
        }
        self.attempts.clear();
        self.owes_notify = None;
        for side in [Side::Client, Side::Agent] {
            self.leg(side).bye_after_ack = None;
        }
    }

    /// Ends the session: media stop, whoever still thinks that there is a call gets a BYE, and
    /// whoever waits for an answer gets one. Safe to call again.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, by: EndedBy, cause: EndCause) {
        if !self.ended {
            let ended = self.ended_event(cx, by, cause);
            self.end_as(cx, ended);
        }
    }

    /// Ends a session that has not ended, with what is to be said of its end.
    fn end_as(&mut self, cx: &mut Context<'_>, ended: Ended) {
        let (by, cause) = (ended.by, ended.cause);
        self.ended = true;
        self.state = SessionState::Ending;
        self.guard = Some(cx.now.instant + MAX_ENDING_TIME);
        self.media.close(cx.media);
        self.stop_hearing(cx);
        self.tell_left(cx);
        self.attempts.clear();
        self.forget_answered(cx, None);
        self.refuse_waiting(cx, cause);
        self.cancel_renewals(cx);
        self.restore_replaced(cx);
        if cause != EndCause::Bye {
            self.owes_notify = None;
        }
        for (side, party) in [
            (Side::Client, EndedBy::Client),
            (Side::Agent, EndedBy::Agent),
        ] {
            if !(cause == EndCause::Bye && party == by) {
                self.bye(cx, side, cause);
            }
        }
        self.tell(cx, SessionEvent::Ended(ended));
    }

    /// Tells control, if it has a part in this session.
    fn tell(&self, cx: &mut Context<'_>, event: SessionEvent) {
        if !self.detached {
            cx.outputs.push_back(Output::Event(event));
        }
    }

    fn is_over(&self) -> bool {
        let said = [&self.caller, &self.agent]
            .iter()
            .all(|leg| leg.bye_after_ack.is_none());
        let idle = self.clients.is_empty() && self.held.is_empty();
        self.ended && said && idle && self.owes_notify.is_none()
    }
}
